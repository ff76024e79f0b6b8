"""The seven released networks by OpenCV's Caffe reader, on the original prototxts: writes caffe.json.

Run: /usr/bin/python3 golden/make_caffe.py [NAME...]   (python3-opencv; without names all seven, else these are renewed)

Weights are computed, blob by blob, from the layer's name (tests/caffe-networks.slow.test.ts computes the same).
"""

import json
import os
import re
import sys

import cv2
import numpy as np

import formula
from caffemodel import encode
from samples import samples

here = os.path.dirname(os.path.abspath(__file__))
prototxts = os.path.join(here, "..", "..", "shared", "data", "caffe")


def parse(text):
    """A prototxt as nested dicts of lists; enough of the language for these seven files."""
    tokens = re.findall(r'"[^"]*"|[{}:]|[^\s{}:"]+', re.sub(r"#[^\n]*", "", text))
    place = 0

    def message():
        nonlocal place
        fields = {}
        while place < len(tokens) and tokens[place] != "}":
            name = tokens[place]
            place += 1
            if tokens[place] == ":":
                place += 1
            if tokens[place] == "{":
                place += 1
                value = message()
                place += 1
            else:
                value = tokens[place].strip('"')
                place += 1
            fields.setdefault(name, []).append(value)
        return fields

    return message()


def blob_shapes(layers):
    """Layer name -> (type, shapes of its blobs), from the channels that flow through the network."""
    channels = {}
    result = {}
    for layer in layers:
        name, kind = layer["name"][0], layer["type"][0]
        bottoms, top = layer.get("bottom", []), layer["top"][0]
        c = channels[bottoms[0]] if bottoms else 3
        shapes = []
        if kind == "Convolution":
            p = layer["convolution_param"][0]
            out, k, group = int(p["num_output"][0]), int(p["kernel_size"][0]), int(p.get("group", ["1"])[0])
            shapes = [(out, c // group, k, k)]
            if p.get("bias_term", ["true"])[0] == "true":
                shapes.append((out,))
            c = out
        elif kind == "BatchNorm":
            shapes = [(c,), (c,), (1,)]
        elif kind == "Scale" and len(bottoms) == 1:
            shapes = [(c,), (c,)]
        elif kind == "InnerProduct":
            out = int(layer["inner_product_param"][0]["num_output"][0])
            shapes = [(out, c), (out,)]
            c = out
        elif kind == "Concat":
            c = sum(channels[b] for b in bottoms)
        channels[top] = c
        if shapes:
            result[name] = (kind, shapes)
    return result


def stream_of(text):
    """FNV-1a of 32 bits."""
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def blob(layer, kind, index, shape, gamma):
    u = formula.uniform(stream_of(f"{layer}:{index}"), int(np.prod(shape)))
    if kind in ("Convolution", "InnerProduct"):
        return (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:])) if index == 0 else 0.2 * (u - 0.5)
    if kind == "Scale":
        return gamma + 0.5 * u if index == 0 else 0.2 * (u - 0.5)
    # Statistics are sums, to be divided by the third blob.
    factor = 1 + 998 * formula.uniform(stream_of(f"{layer}:2"), 1)
    return (factor * 0.2 * (u - 0.5), factor * (0.5 + u), factor)[index]


def caffemodel(blobs, gamma):
    return encode((layer, kind, [np.reshape(blob(layer, kind, i, shape, gamma), shape) for i, shape in enumerate(shapes)])
                  for layer, (kind, shapes) in blobs.items())


residual = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3), "154": (3, 8, 36, 3)}


def inner_blobs(name):
    """Layers whose outputs are kept: after the first pooling, at the ends of stages, a gate, the features."""
    if name == "SE-BN-Inception":
        return ["pool1/3x3_s2", "pool2/3x3_s2", "inception_3a_scale", "inception_3c_scale", "inception_4e_scale",
                "inception_5b_prob", "inception_5b_scale"]
    depths = residual[name.rsplit("-", 1)[1]]
    return ["pool1/3x3_s2", *[f"conv{s + 2}_{depth}/relu" for s, depth in enumerate(depths)], f"conv5_{depths[3]}_prob"]


def without_axpy(text):
    """The authors' fused layer, gate * branch + shortcut, as the stock layers that SE-BN-Inception has, and a sum.

    OpenCV 4.6 reads Axpy, but multiplies the shortcut (its third bottom) and adds the branch: not what Caffe's layer does.
    """
    axpy = re.compile(r'layer\s*{\s*name:\s*"([^"]+)"\s*type:\s*"Axpy"\s*bottom:\s*"([^"]+)"\s*bottom:\s*"([^"]+)"'
                      r'\s*bottom:\s*"([^"]+)"\s*top:\s*"([^"]+)"\s*}')

    def plain(found):
        name, gate, branch, shortcut, top = found.groups()
        return (f'layer {{ name: "{name}_gate" type: "Reshape" bottom: "{gate}" top: "{name}_gate" '
                f'reshape_param {{ shape {{ dim: 0 dim: 0 }} }} }}\n'
                f'layer {{ name: "{name}_scale" type: "Scale" bottom: "{branch}" bottom: "{name}_gate" '
                f'top: "{name}_scale" scale_param {{ axis: 0 bias_term: false }} }}\n'
                f'layer {{ name: "{name}" type: "Eltwise" bottom: "{name}_scale" bottom: "{shortcut}" top: "{top}" '
                f'eltwise_param {{ operation: SUM }} }}')

    count = text.count('"Axpy"')
    text, replaced = axpy.subn(plain, text)
    assert replaced == count, (replaced, count)
    return text


def run(name):
    path = os.path.join(prototxts, f"{name}.prototxt")
    with open(path) as file:
        text = without_axpy(file.read())
    blobs = blob_shapes(parse(text)["layer"])
    # So that what the picture says reaches the classifier: gates and convolutions of BN-Inception have no shortcut.
    gamma = 0.75 if name == "SE-BN-Inception" else 0.25
    weights = caffemodel(blobs, gamma)
    floats = sum(int(np.prod(s)) for _, shapes in blobs.values() for s in shapes)
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(weights, np.uint8))
    del weights
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    # Intermediate values cannot be had from layers that were fused away.
    net.enableFusion(False)
    net.setInput(formula.pictures(1, 224, 0), "data")
    inner = inner_blobs(name)
    outputs = net.forward([*inner, "classifier"])
    print(name, floats, [float(np.abs(o).max()) for o in outputs])
    return {"gamma": gamma, "floats": floats,
            "inner": {layer: samples(values, 16) for layer, values in zip(inner, outputs)},
            "logits": samples(outputs[-1], 50)}


target = os.path.join(here, "caffe.json")
names = sys.argv[1:] or [f[:-len(".prototxt")] for f in sorted(os.listdir(prototxts)) if f.endswith(".prototxt")]
result = {"networks": {}}
if os.path.exists(target):
    with open(target) as file:
        result = json.load(file)
result["made by"] = f"golden/make_caffe.py, OpenCV {cv2.__version__}, NumPy {np.__version__}"
for name in names:
    result["networks"][name] = run(name)
    result["networks"] = dict(sorted(result["networks"].items()))
    with open(target, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
