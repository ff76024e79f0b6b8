"""Networks by timm itself, under its names: writes timm.json.

Run: PYTHON golden/make_timm.py, with timm 1.0.29 and PyTorch 2.13 (no torchvision: timm only wants it for pictures, and
a stand-in of it that has nothing is enough).

Weights by formula.py: a stream is a tensor's place among the sorted names of the state dict. Ten classes, so that the
file stays small; the numbers of parameters are those of a thousand.
"""

import hashlib
import json
import os
import sys

import torch
from torch import nn

import formula
from no_vision import NoVision

sys.meta_path.insert(0, NoVision())
import timm  # noqa: E402

torch.set_num_threads(2)
here = os.path.dirname(os.path.abspath(__file__))
BATCH, CLASSES = 2, 10


def roles(model):
    """Of each tensor, by the module that it is of."""
    result = {}
    for path, module in model.named_modules():
        norm = isinstance(module, nn.BatchNorm2d)
        for name in list(module._parameters) + list(module._buffers):
            if name != "num_batches_tracked" and getattr(module, name, None) is not None:
                result[f"{path}.{name}"] = {
                    "weight": "gamma" if norm else "weight", "bias": "beta" if norm else "bias",
                    "running_mean": "mean", "running_var": "variance"}[name]
    return result


def run(name, ours, side):
    parameters = sum(p.numel() for p in timm.create_model(name).parameters())
    model = timm.create_model(name, num_classes=CLASSES).eval()
    state, role = model.state_dict(), roles(model)
    names = sorted(role)
    with torch.no_grad():
        for stream, key in enumerate(names):
            state[key].copy_(torch.from_numpy(formula.value(role[key], tuple(state[key].shape), stream)))
        logits = model(torch.from_numpy(formula.pictures(BATCH, side, 0)))
    lines = "".join(f"{key} {'x'.join(map(str, state[key].shape))}\n" for key in names)
    print(name, parameters, len(names), logits[0, :3].tolist())
    return {"timm": name, "model": ours, "imageSize": side, "parameters": parameters, "tensors": len(names),
            "names": hashlib.sha256(lines.encode()).hexdigest(), "logits": logits.flatten().tolist()}


result = {
    "made by": f"golden/make_timm.py, timm {timm.__version__}, PyTorch {torch.__version__}",
    "batch": BATCH, "classes": CLASSES,
    "networks": [
        run("legacy_seresnet18", "se-resnet-18", 65),
        run("legacy_seresnext26_32x4d", "se-resnext-26", 65),
        run("seresnet18", "se-resnet-18", 65),
        run("seresnet34", "se-resnet-34", 65),
        run("seresnet50", "se-resnet-50-modern", 65),
        run("seresnet50t", "se-resnet-50-t", 65),
        run("seresnet152d", "se-resnet-152-d", 65),
        run("seresnext26d_32x4d", "se-resnext-26-d", 65),
        run("seresnext26t_32x4d", "se-resnext-26-t", 65),
        run("seresnext101_32x8d", "se-resnext-101-32x8d", 65),
        run("seresnext101d_32x8d", "se-resnext-101-32x8d-d", 65),
        run("seresnext101_64x4d", "se-resnext-101-64x4d", 65),
        run("wide_resnet50_2", "wide-resnet-50-2", 65),
    ],
}
with open(os.path.join(here, "timm.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
