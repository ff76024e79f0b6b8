"""Logits of MatConvNet's seven files with weights by the formula, by PyTorch: writes matconvnet.json.

Run: /usr/bin/python3 golden/make_matconvnet.py LISTS   (the folder of mcn-*.txt: layers, and the shapes of parameters)

Each layer is computed as MatConvNet's documentation has it, in the list's order, from the list alone: no network of ours
is in here. A stream of the formula is a parameter's place among the sorted names; weights are drawn as [O, I, H, W];
moments are the mean, and the root of the variance (stream + 5000) plus epsilon. Gammas are multiplied by the gain, so that
something of the pictures is left in the logits.
"""

import ast
import json
import os
import sys

import numpy as np
import torch
from torch.nn import functional as F

import formula

here = os.path.dirname(os.path.abspath(__file__))
GAINS = {"SE-BN-Inception": 2.0}
SHOWN = 20


def read(path):
    layers, params = [], {}
    with open(path) as file:
        for line in file.read().splitlines():
            if line.startswith("#"):
                continue
            if " | " in line:
                name, kind, inputs, outputs, own, block = [cell.strip() for cell in line.split("|")]
                split = lambda cell: [part for part in cell.split(",") if part]
                layers.append((name, kind, split(inputs), split(outputs), split(own), ast.literal_eval(block)))
            elif line.strip():
                name, shape = line.rsplit(" ", 1)
                params[name] = tuple(int(extent) for extent in shape.split("x"))
    return layers, params


def drawn(params, gain):
    """Filters as [O, I, H, W], moments as [C, 2]."""
    values = {}
    for stream, name in enumerate(sorted(params)):
        shape = params[name]
        if name.endswith("_filter"):
            height, width, into, out = shape
            value = formula.value("weight", (out, into, height, width), stream)
        elif name.endswith("_moments"):
            mean = formula.value("mean", shape[:1], stream)
            variance = formula.value("variance", shape[:1], stream + 5000)
            value = np.stack([mean, np.sqrt(variance.astype(np.float64) + 1e-5)], 1).astype(np.float32)
        elif name.endswith("_mult"):
            value = formula.value("gamma", shape[:1], stream) * np.float32(gain)
        else:
            value = formula.value("bias", shape[:1], stream)
        values[name] = torch.from_numpy(value)
    return values


def pooled(x, block):
    top, bottom, left, right = block["pad"]
    kernel, stride = block["poolSize"], block["stride"]
    if block["method"] == "max":
        return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-np.inf), kernel, stride)
    # The padding does not count.
    sums, counts = [
        F.avg_pool2d(F.pad(each, (left, right, top, bottom)), kernel, stride) for each in (x, torch.ones_like(x[:1, :1]))
    ]
    return sums / counts


def run(layers, values, pictures):
    known = {"data": pictures}
    for name, kind, inputs, outputs, own, block in layers:
        given = [known[each] for each in inputs]
        if kind == "dagnn.Conv":
            top, bottom, left, right = block["pad"]
            weight = values[own[0]]
            bias = values[own[1]] if len(own) > 1 else None
            x = F.pad(given[0], (left, right, top, bottom))
            y = F.conv2d(x, weight, bias, block["stride"], groups=x.shape[1] // weight.shape[1])
        elif kind == "dagnn.BatchNorm":
            gamma, beta, moments = [values[each] for each in own]
            scale = (gamma / moments[:, 1])[:, None, None]
            y = (given[0] - moments[:, 0][:, None, None]) * scale + beta[:, None, None]
        elif kind == "dagnn.ReLU":
            y = torch.relu(given[0])
        elif kind == "dagnn.Sigmoid":
            y = torch.sigmoid(given[0])
        elif kind == "dagnn.Pooling":
            y = pooled(given[0], block)
        elif kind == "dagnn.GlobalPooling":
            y = given[0].mean((2, 3), keepdim=True)
        elif kind == "dagnn.Axpy":
            y = given[0] * given[1] + given[2]
        elif kind == "dagnn.Scale":
            y = given[0] * given[1]
        elif kind == "dagnn.Concat":
            y = torch.cat(given, 1)
        elif kind in ("dagnn.Reshape", "dagnn.DropOut", "dagnn.SoftMax"):
            y = given[0]
        else:
            raise SystemExit(kind)
        known[outputs[0]] = y
    return known[layers[-1][3][0]].flatten(1)


def main():
    folder = sys.argv[1]
    torch.set_num_threads(1)
    found = {}
    for file in sorted(os.listdir(folder)):
        if not file.startswith("mcn-"):
            continue
        name = file[len("mcn-") : -len(".txt")]
        layers, params = read(os.path.join(folder, file))
        gain = GAINS.get(name, 1.0)
        with torch.no_grad():
            logits = run(layers, drawn(params, gain), torch.from_numpy(formula.pictures(2, 224, 0))).double()
        between = float((logits[0] - logits[1]).abs().max() / logits.abs().max())
        print(name, logits.shape, float(logits.abs().max()), "between pictures", between)
        found[name] = {
            "gain": gain,
            "logits": [[round(value, 7) for value in row[:SHOWN].tolist()] for row in logits],
            "sums": [float(row.sum()) for row in logits],
            "squares": [float((row**2).sum()) for row in logits],
            "largest": float(logits.abs().max()),
        }
    with open(os.path.join(here, "matconvnet.json"), "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


main()
