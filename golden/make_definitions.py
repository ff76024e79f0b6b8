"""What Caffe's definitions ask for beyond the released networks, by OpenCV: writes definitions.json.

Run: /usr/bin/python3 golden/make_definitions.py   (python3-opencv)

Each case is a small prototxt; its weights come from a formula (the blobs of make_foreign.py, which the test computes too).
"""

import json
import os

import cv2
import numpy as np

import formula
from caffemodel import encode

here = os.path.dirname(os.path.abspath(__file__))
side = 13


def layer(name, kind, bottom, options="", top=None):
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top or name}" {options} }}\n'


def conv(name, bottom, options):
    return layer(name, "Convolution", bottom, f"convolution_param {{ {options} }}")


head = f'input: "data" input_dim: 1 input_dim: 3 input_dim: {side} input_dim: {side}\n'
pool = layer("gap", "Pooling", "BOTTOM", "pooling_param { pool: AVE global_pooling: true }")
fc = layer("fc", "InnerProduct", "gap", "inner_product_param { num_output: 4 }")


def tail(bottom, channels):
    return pool.replace("BOTTOM", bottom) + fc, [("fc", "InnerProduct", [(4, channels), (4,)])]


def case(text, blobs, bottom, channels):
    more, last = tail(bottom, channels)
    return head + text + more, blobs + last


c1 = conv("c1", "data", "num_output: 6 kernel_size: 3 pad: 1")
c1_blobs = [("c1", "Convolution", [(6, 3, 3, 3), (6,)])]
old = (
    'layers { name: "c1" type: CONVOLUTION bottom: "data" top: "c1" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0\n'
    "  convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 } }\n"
    'layers { name: "relu" type: RELU bottom: "c1" top: "c1" }\n'
    'layers { name: "p" type: POOLING bottom: "c1" top: "p" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }\n'
    'layers { name: "fc" type: INNER_PRODUCT bottom: "p" top: "fc" inner_product_param { num_output: 4 } }\n'
    'layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }\n'
)
cases = {
    "dilation": case(
        conv("c1", "data", "num_output: 6 kernel_size: 3 pad: 2 dilation: 2")
        + layer("r", "ReLU", "c1", top="c1")
        + conv("c2", "c1", "num_output: 6 kernel_size: 3 stride: 2 dilation: 3 group: 2 bias_term: false"),
        c1_blobs + [("c2", "Convolution", [(6, 3, 3, 3)])],
        "c2",
        6,
    ),
    "pooling rounded down": case(
        c1 + layer("p", "Pooling", "c1", "pooling_param { pool: MAX kernel_size: 2 stride: 2 ceil_mode: false }"),
        c1_blobs,
        "p",
        6,
    ),
    "pooling rounded up": case(
        c1 + layer("p", "Pooling", "c1", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }"),
        c1_blobs,
        "p",
        6,
    ),
    "NVIDIA's batch norm": case(
        c1 + layer("bn", "BatchNorm", "c1", "batch_norm_param { scale_bias: true eps: 0.001 }") + layer("r", "ReLU", "bn"),
        c1_blobs + [("bn", "Fused", [(6,), (6,), (1,), (6,), (6,)])],
        "r",
        6,
    ),
    "layers of one name": case(
        c1
        + layer("relu", "ReLU", "c1", top="c1")
        + conv("c2", "c1", "num_output: 6 kernel_size: 1")
        + layer("relu", "ReLU", "c2", top="c2"),
        c1_blobs + [("c2", "Convolution", [(6, 6, 1, 1), (6,)])],
        "c2",
        6,
    ),
    "windows that differ by side": case(
        conv("c1", "data", "num_output: 6 kernel_h: 1 kernel_w: 7 pad_h: 0 pad_w: 3 stride_h: 2 stride_w: 1")
        + layer("r", "ReLU", "c1", top="c1")
        + layer("p", "Pooling", "c1", "pooling_param { kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0 }")
        + conv("c2", "p", "num_output: 6 kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0 group: 2")
        + layer("a", "Pooling", "c2", "pooling_param { pool: AVE kernel_h: 2 kernel_w: 3 stride: 2 pad_h: 0 pad_w: 1 }"),
        [("c1", "Convolution", [(6, 3, 1, 7), (6,)]), ("c2", "Convolution", [(6, 3, 3, 1), (6,)])],
        "a",
        6,
    ),
    "layers of 2013": (head + old, c1_blobs + [("fc", "InnerProduct", [(4, 6 * 4 * 4), (4,)])]),
}


def blob(kind, index, shape, stream):
    u = formula.uniform(stream, int(np.prod(shape)))
    if kind in ("Convolution", "InnerProduct") and index == 0:
        value = (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:]))
    elif kind == "Fused":
        # Mean and variance themselves, a factor that is not used, gamma, beta.
        value = (0.2 * (u - 0.5), 0.5 + u, 3 + 0 * u, 0.5 + 0.5 * u, 0.2 * (u - 0.5))[index]
    else:
        value = 0.2 * (u - 0.5)
    return value.reshape(shape).astype(np.float32)


def resized():
    """A picture whose bytes come from the formula, as ImageData layers bring it to other sizes."""
    picture = np.floor(256 * formula.uniform(7, 36 * 40 * 3)).astype(np.uint8).reshape(36, 40, 3)
    return {f"{w}x{h}": cv2.resize(picture, (w, h)).ravel().tolist() for w, h in [(7, 5), (16, 9), (11, 50)]}


result = {"made by": f"golden/make_definitions.py, OpenCV {cv2.__version__}, NumPy {np.__version__}"}
for name, (text, blobs) in cases.items():
    layers, shapes, stream = [], [], 0
    for layer_name, kind, extents in blobs:
        made = [blob(kind, i, shape, stream + i) for i, shape in enumerate(extents)]
        layers.append((layer_name, "BatchNorm" if kind == "Fused" else kind, made))
        shapes.append({"name": layer_name, "type": kind, "shapes": extents, "stream": stream})
        stream += len(extents)
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(encode(layers), np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.enableFusion(False)
    net.setInput(formula.pictures(2, side, 0), "data")
    result[name] = {"prototxt": text, "layers": shapes, "logits": net.forward("fc").reshape(2, -1).tolist()}
    print(name, result[name]["logits"])
with open(os.path.join(here, "definitions.json"), "w") as file:
    json.dump({**result, "resized": resized()}, file)
    file.write("\n")
