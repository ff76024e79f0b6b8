"""Networks that others trained, and a small one of every layer that is imported: writes foreign.json.

Run: /usr/bin/python3 golden/make_foreign.py   (python3-opencv, python3-torch)

The two CIFAR ResNet-20s are those of ../shared/data/weights, by OpenCV on the prototxt's test phase, and by PyTorch. The
small network is foreign.prototxt, by OpenCV, its weights from a formula (tests/foreign.test.ts computes the same).
"""

import json
import os
import re

import cv2
import numpy as np
import torch
from torch import nn

import formula
from caffemodel import encode

here = os.path.dirname(os.path.abspath(__file__))
weights = os.path.join(here, "..", "..", "shared", "data", "weights")


def layers_of(text):
    """The texts of a prototxt's layers, one after another."""
    text = re.sub(r"#[^\n]*", "", text)
    found = []
    for start in re.finditer(r"^\s*layer\s*{", text, re.M):
        depth, end = 0, start.end() - 1
        while True:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            if depth == 0:
                break
        found.append(text[start.start():end])
    return found


def opencv(text, model, pictures, output):
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(model, np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.enableFusion(False)
    net.setInput(pictures, "data")
    return net.forward(output)


def caffe_resnet20():
    with open(os.path.join(weights, "res20_cifar_train_test.prototxt")) as file:
        layers = layers_of(file.read())
    kept = [layer for layer in layers if not re.search(r'type: "(Data|SoftmaxWithLoss|Accuracy)"', layer)]
    assert len(layers) - len(kept) == 4
    deploy = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 32 input_dim: 32\n' + "\n".join(kept)
    deploy = deploy.replace('bottom: "Data1"', 'bottom: "data"')
    with open(os.path.join(weights, "cifar10_res20_iter_64000.caffemodel"), "rb") as file:
        # Its pictures are bytes less a mean.
        return opencv(deploy, file.read(), 60 * formula.pictures(4, 32, 0), "InnerProduct1")


class PaddedBlock(nn.Module):
    """Two 3x3; the shortcut takes every second position and pads the channels on both sides where the shape changes."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.stride, self.missing = stride, out - channels

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        half = self.missing // 2
        shortcut = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return torch.relu(y + shortcut)


class CifarResNet(nn.Module):
    def __init__(self, depth, widths, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        before = [widths[0], *widths]
        for stage, width in enumerate(widths):
            stride = 1 if stage == 0 else 2
            blocks = [PaddedBlock(width if b else before[stage], width, 1 if b else stride) for b in range(depth)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def torch_resnet20():
    state = torch.load(os.path.join(weights, "resnet20-12fca82f.th"), map_location="cpu")["state_dict"]
    net = CifarResNet(3, [16, 32, 64], 10)
    missing, unexpected = net.load_state_dict({k[len("module."):]: v for k, v in state.items()}, strict=False)
    # The file is older than these counters.
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    net.eval()
    with torch.no_grad():
        return net(torch.from_numpy(formula.pictures(4, 32, 0))).numpy()


def blob(kind, index, shape, stream):
    u = formula.uniform(stream, int(np.prod(shape)))
    if kind in ("Convolution", "InnerProduct") and index == 0:
        value = (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:]))
    elif kind == "BatchNorm":
        # Sums, to be divided by the third blob.
        value = (20 * 0.2 * (u - 0.5), 20 * (0.5 + u), 20 + 0 * u)[index]
    elif kind == "Scale" and index == 0:
        value = 0.5 + 0.5 * u
    else:
        value = 0.2 * (u - 0.5)
    return value.reshape(shape).astype(np.float32)


small_shapes = [
    ("conv1", "Convolution", [(8, 3, 3, 3), (8,)]),
    ("bn1", "BatchNorm", [(8,), (8,), (1,)]),
    ("conv2", "Convolution", [(12, 2, 3, 3)]),
    ("bn2", "BatchNorm", [(12,), (12,), (1,)]),
    ("scale2", "Scale", [(12,)]),
    ("scale3", "Scale", [(12,), (12,)]),
    ("single", "Convolution", [(8, 12, 1, 1)]),
    ("triple", "Convolution", [(4, 12, 3, 3), (4,)]),
    ("down", "InnerProduct", [(3, 12), (3,)]),
    ("up", "InnerProduct", [(12, 3), (12,)]),
    ("fc1", "InnerProduct", [(10, 12 * 4 * 4), (10,)]),
    ("fc2", "InnerProduct", [(5, 10)]),
]


def small():
    with open(os.path.join(here, "foreign.prototxt")) as file:
        text = file.read()
    layers, shapes, stream = [], [], 0
    for name, kind, blobs in small_shapes:
        layers.append((name, kind, [blob(kind, i, shape, stream + i) for i, shape in enumerate(blobs)]))
        shapes.append({"name": name, "type": kind, "shapes": blobs, "stream": stream})
        stream += len(blobs)
    logits = opencv(text, encode(layers), formula.pictures(2, 13, 0), "fc2")
    return {"layers": shapes, "logits": logits.tolist()}


result = {
    "made by": f"golden/make_foreign.py, OpenCV {cv2.__version__}, PyTorch {torch.__version__}, NumPy {np.__version__}",
    "cifar10_res20_iter_64000.caffemodel": caffe_resnet20().tolist(),
    "resnet20-12fca82f.th": torch_resnet20().tolist(),
    "foreign.prototxt": small(),
}
with open(os.path.join(here, "foreign.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
for name, value in result.items():
    print(name, value)
