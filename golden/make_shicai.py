"""shicai's SE-ResNet-50 by OpenCV's Caffe reader, with weights by the formula: writes shicai.json.

Run: /usr/bin/python3 golden/make_shicai.py   (python3-opencv)

The definition is written here, layer by layer, as se_resnet_50_v1_deploy.prototxt of shicai/SENet-Caffe at d577a92 has
it: 225 pixels, the stride on the 3x3, a Scale of two bottoms for the gate, and the classifier as a convolution. A stream
of the formula is the hash of a layer's name and a blob's place (make_caffe.py does the same for the authors' networks).
"""

import json
import os

import cv2
import numpy as np

import formula
from caffemodel import encode
from samples import samples

here = os.path.dirname(os.path.abspath(__file__))
SIDE, EPS = 225, 1e-4


def stream_of(text):
    """FNV-1a of 32 bits."""
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


class Definition:
    def __init__(self):
        self.text = [f'input: "data" input_shape {{ dim: 1 dim: 3 dim: {SIDE} dim: {SIDE} }}']
        self.layers = []

    def layer(self, name, kind, bottoms, top, options="", shapes=()):
        ends = "".join(f' bottom: "{bottom}"' for bottom in bottoms) + f' top: "{top}"'
        self.text.append(f'layer {{ name: "{name}" type: "{kind}"{ends} {options} }}')
        if shapes:
            self.layers.append((name, kind, [self.blob(name, kind, i, shape) for i, shape in enumerate(shapes)]))

    @staticmethod
    def blob(name, kind, index, shape):
        u = formula.uniform(stream_of(f"{name}:{index}"), int(np.prod(shape)))
        if kind in ("Convolution", "InnerProduct") and index == 0:
            value = (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:]))
        elif kind == "Scale" and index == 0:
            value = 0.25 + 0.5 * u
        elif kind == "BatchNorm":
            # Statistics are sums, to be divided by the third blob.
            factor = 1 + 998 * formula.uniform(stream_of(f"{name}:2"), 1)
            value = (factor * 0.2 * (u - 0.5), factor * (0.5 + u), factor)[index]
        else:
            value = 0.2 * (u - 0.5)
        return np.reshape(value, shape)

    def conv(self, name, bottom, into, out, kernel, stride=1, pad=0, bias=False):
        options = (
            f"convolution_param {{ num_output: {out} kernel_size: {kernel} stride: {stride} pad: {pad} "
            f'bias_term: {"true" if bias else "false"} }}'
        )
        self.layer(name, "Convolution", [bottom], name, options, [(out, into, kernel, kernel)] + ([(out,)] if bias else []))

    def normed(self, name, bottom, into, out, kernel, stride=1, pad=0, relu=None):
        self.conv(name, bottom, into, out, kernel, stride, pad)
        self.layer(f"{name}/bn", "BatchNorm", [name], name, f"batch_norm_param {{ eps: {EPS} }}", [(out,), (out,), (1,)])
        self.layer(f"{name}/scale", "Scale", [name], name, "scale_param { bias_term: true }", [(out,), (out,)])
        if relu is not None:
            self.layer(relu, "ReLU", [name], name)


def define():
    net = Definition()
    net.normed("conv1", "data", 3, 64, 7, 2, 3, "relu1")
    net.layer("pool1", "Pooling", ["conv1"], "pool1", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
    last, channels = "pool1", 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        out = 4 * width
        for b in range(1, blocks + 1):
            at = f"{stage}_{b}"
            stride = 2 if b == 1 and stage > 2 else 1
            if b == 1:
                net.normed(f"conv{at}/prj", last, channels, out, 1, stride)
            net.normed(f"conv{at}/x1", last, channels, width, 1, relu=f"relu{at}/x1")
            net.normed(f"conv{at}/x2", f"conv{at}/x1", width, width, 3, stride, 1, relu=f"relu{at}/x2")
            net.normed(f"conv{at}/x3", f"conv{at}/x2", width, out, 1)
            gap, sqz, exc = f"pool{at}/gap", f"fc{at}/sqz", f"fc{at}/exc"
            net.layer(gap, "Pooling", [f"conv{at}/x3"], gap, "pooling_param { pool: AVE global_pooling: true }")
            for name, bottom, shape in ((sqz, gap, (out // 16, out)), (exc, sqz, (out, out // 16))):
                net.layer(name, "InnerProduct", [bottom], name, f"inner_product_param {{ num_output: {shape[0]} }}", [shape, shape[:1]])
                kind, layer = ("ReLU", f"relu{at}/sqz") if name == sqz else ("Sigmoid", f"sigm{at}/gate")
                net.layer(layer, kind, [name], name)
            net.layer(f"scale{at}", "Scale", [f"conv{at}/x3", exc], f"scale{at}", "scale_param { axis: 0 bias_term: false }")
            net.layer(f"block_{at}", "Eltwise", [f"conv{at}/prj" if b == 1 else last, f"scale{at}"], f"block_{at}")
            net.layer(f"relu{at}", "ReLU", [f"block_{at}"], f"block_{at}")
            last, channels = f"block_{at}", out
    net.layer("pool5", "Pooling", [last], "pool5", "pooling_param { pool: AVE global_pooling: true }")
    net.conv("fc6", "pool5", channels, 1000, 1, bias=True)
    return net


def main():
    definition = define()
    text = "\n".join(definition.text).encode()
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text, np.uint8), np.frombuffer(encode(definition.layers), np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.enableFusion(False)
    net.setInput(formula.pictures(1, SIDE, 0), "data")
    gate, logits = net.forward(["sigm5_3/gate", "fc6"])
    print(logits.shape, float(np.abs(logits).max()), float(gate.min()), float(gate.max()))
    found = {
        "made by": f"golden/make_shicai.py, OpenCV {cv2.__version__}",
        "definition": text.decode(),
        "floats": sum(int(np.prod(blob.shape)) for _, _, blobs in definition.layers for blob in blobs),
        "blobs": sum(len(blobs) for _, _, blobs in definition.layers),
        "logits": samples(logits.reshape(1, 1000), 50),
    }
    with open(os.path.join(here, "shicai.json"), "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


main()
