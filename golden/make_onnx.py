"""Small networks as PyTorch exports them to ONNX, with batch norm folded and without, and their logits by PyTorch.

Writes golden/weights/onnx-*.onnx and onnx.json. Needs Debian's python3-torch and python3-onnx.
"""

import json
import os
import warnings

import onnx
import torch

import formula

here = os.path.dirname(os.path.abspath(__file__))
small = os.path.join(here, "weights")


class Gate(torch.nn.Module):
    """Squeeze and excitation in the forms in which people write it."""

    def __init__(self, channels, form):
        super().__init__()
        self.form = form
        self.pool = torch.nn.AdaptiveAvgPool2d(1)
        hidden = channels // 2
        if form in ("convolution", "convolution-mean"):
            self.fc1, self.fc2 = torch.nn.Conv2d(channels, hidden, 1), torch.nn.Conv2d(hidden, channels, 1)
        else:
            self.fc1, self.fc2 = torch.nn.Linear(channels, hidden, bias=False), torch.nn.Linear(hidden, channels)

    def forward(self, x):
        batch, channels = x.size()[:2]
        if self.form == "convolution":
            y = self.pool(x)
        elif self.form == "convolution-mean":
            y = x.mean((2, 3), keepdim=True)
        elif self.form == "mean":
            y = x.mean((-1, -2))
        elif self.form == "flatten":
            y = torch.flatten(self.pool(x), 1)
        else:
            y = self.pool(x).view(batch, channels)
        y = torch.sigmoid(self.fc2(torch.relu(self.fc1(y))))
        if self.form in ("mean", "flatten"):
            y = y.unsqueeze(-1).unsqueeze(-1)
        elif not self.form.startswith("convolution"):
            y = y.view(batch, channels, 1, 1)
        return x * (y.expand_as(x) if self.form == "expand" else y)


class Network(torch.nn.Module):
    def __init__(self, form="view", head="view", padded=False, softmax=False):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(3, 8, 3, 2, 1, bias=False), torch.nn.BatchNorm2d(8)
        self.maxpool = torch.nn.MaxPool2d(3, 2, 1) if padded else torch.nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.bn2 = torch.nn.Conv2d(8, 8, 3, 1, 1, groups=2, bias=False), torch.nn.BatchNorm2d(8)
        self.gate = Gate(8, form)
        self.avgpool = torch.nn.AvgPool2d(3, 1, 1 if padded else 0)
        self.dropout, self.fc = torch.nn.Dropout(0.5), torch.nn.Linear(8, 5)
        self.head, self.softmax = head, softmax

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(torch.relu(x + self.gate(self.bn2(self.conv2(x)))))
        if self.head == "mean":
            x = x.mean([2, 3])
        else:
            x = torch.nn.functional.adaptive_avg_pool2d(x, 1)
            x = x.squeeze(-1).squeeze(-1) if self.head == "squeeze" else x.view(x.size(0), -1)
        x = self.fc(self.dropout(x))
        return torch.softmax(x, 1) if self.softmax else x


class Windows(torch.nn.Module):
    """Windows that differ by side, padding that differs before and behind, means with the padding and without."""

    def __init__(self):
        super().__init__()
        self.wide, self.tall = torch.nn.Conv2d(3, 8, (1, 7), (2, 1), (0, 3)), torch.nn.Conv2d(8, 8, (7, 1), 1, (3, 0))
        self.same = torch.nn.Conv2d(8, 8, 3, 2)
        self.maxpool = torch.nn.MaxPool2d((3, 2), (1, 2), (1, 0))
        self.without = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.along = torch.nn.AvgPool2d((2, 3), 2, (0, 1))
        self.fc = torch.nn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.tall(self.wide(x)))
        x = self.maxpool(self.same(torch.nn.functional.pad(x, (0, 1, 0, 1))))
        x = torch.cat([self.without(x), x], 1)
        x = self.along(torch.cat([x[:, 4:], x[:, :4]], 1))
        return self.fc(x.mean([2, 3]))


class Padded(torch.nn.Module):
    """A shortcut without weights, as akamaster has it: every second pixel, and channels of zeros beside its own; and SiLU."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.Conv2d(8, 8, 3, 1, 1)
        self.act, self.fc = torch.nn.SiLU(), torch.nn.Linear(8, 5)

    def forward(self, x):
        shortcut = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3))
        x = self.act(self.conv2(self.act(self.conv1(x))) + shortcut)
        return self.fc(self.act(x.mean([2, 3])))


class Same(torch.nn.Module):
    """TensorFlow's SAME, which ONNX also says by a word."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Conv2d(8, 8, (3, 4))
        self.max, self.mean, self.fc = torch.nn.MaxPool2d(3, 2), torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False), torch.nn.Linear(8, 5)

    def forward(self, x):
        pad = torch.nn.functional.pad
        x = torch.relu(self.conv1(pad(x, (0, 1, 0, 1))))
        x = self.max(torch.relu(self.conv2(pad(x, (2, 1, 1, 1)))))
        return self.fc(self.mean(x).mean([2, 3]))


def seeded(net):
    generator = torch.Generator().manual_seed(3)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            positive = value.dim() == 1 and "mean" not in name
            values = torch.rand(value.shape, generator=generator)
            value.copy_(values + 0.5 if positive else (values - 0.5) * 2 / max(1, value[0].numel()) ** 0.5)
    return net.eval()


def save(name, net, side, dynamic, opset, **options):
    axes = {"dynamic_axes": {"input": {0: "batch"}}} if dynamic else {}
    path = os.path.join(small, f"onnx-{name}.onnx")
    torch.onnx.export(net, torch.zeros(1, 3, side, side), path, opset_version=opset, input_names=["input"], **axes, **options)
    # Where every operation was in the script is a third of the file.
    model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = ""
    if name == "constants":
        for tensor in list(model.graph.initializer):
            node = onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
            model.graph.node.insert(0, node)
        del model.graph.initializer[:]
    if name == "windows-same":
        pad = next(node for node in model.graph.node if node.op_type == "Pad")
        conv = next(node for node in model.graph.node if pad.output[0] in node.input)
        conv.input[0] = pad.input[0]
        next(attribute for attribute in conv.attribute if attribute.name == "pads").ints[:] = [0, 0, 1, 1]
        model.graph.node.remove(pad)
    if name == "same":
        # The padding as words: of even sides at the end, of the window of four at the beginning too.
        for pad in [node for node in model.graph.node if node.op_type == "Pad"]:
            conv = next(node for node in model.graph.node if pad.output[0] in node.input)
            conv.input[0] = pad.input[0]
            model.graph.node.remove(pad)
        words = iter(["SAME_UPPER", "SAME_LOWER", None, "SAME_UPPER"])
        for node in model.graph.node:
            word = next(words) if node.op_type in ("Conv", "MaxPool", "AveragePool") else None
            if word is not None:
                for attribute in [each for each in node.attribute if each.name == "pads"]:
                    node.attribute.remove(attribute)
                node.attribute.append(onnx.helper.make_attribute("auto_pad", word))
    onnx.save(model, path)
    net.softmax = False
    with torch.no_grad():
        logits = net(torch.from_numpy(formula.pictures(2, side, 0)))
    return {"side": side, "logits": [float(value) for value in logits.ravel()]}


def main():
    warnings.simplefilter("ignore")
    found = {
        "folded": save("folded", seeded(Network()), 33, True, 13),
        "folded-9": save("folded-9", seeded(Network(softmax=True)), 33, False, 9, keep_initializers_as_inputs=True),
        "mean": save("mean", seeded(Network("mean", "mean", padded=True)), 32, True, 13),
        "convolution": save("convolution", seeded(Network("convolution", "squeeze", padded=True)), 32, True, 17),
        "convolution-mean": save("convolution-mean", seeded(Network("convolution-mean", "mean")), 32, False, 11),
        "expand": save("expand", seeded(Network("expand")), 32, True, 14),
        "constants": save("constants", seeded(Network("flatten")), 32, True, 13),
        "windows": save("windows", seeded(Windows()), 32, True, 13),
        # The same with the padding in the convolution, where TensorFlow's exporters put it.
        "windows-same": save("windows-same", seeded(Windows()), 32, True, 10),
        "padded": save("padded", seeded(Padded()), 32, True, 13),
        "same": save("same", seeded(Same()), 32, True, 10),
        "unfolded": save(
            "unfolded", seeded(Network()), 32, True, 13, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False
        ),
    }
    with open(os.path.join(here, "onnx.json"), "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
