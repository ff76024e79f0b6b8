"""Networks as timm, torchvision and moskomule have them, by PyTorch: writes modern.json.

Run: /usr/bin/python3 golden/make_modern.py

The stride on the 3x3, padded pooling, squeeze and excitation without bias: what other people's weights need, and the
original prototxts (make_caffe.py) do not have. Weights by formula.py.
"""

import json
import os

import torch

import formula
import networks
from samples import samples

torch.set_num_threads(2)
here = os.path.dirname(os.path.abspath(__file__))
BATCH = 2
CLASSES = 10


def run(name, side, **changes):
    """Ends of stages, the first pooling and the last gate beside the logits; `changes` are arguments of networks.ResNet."""
    model = networks.build(name, CLASSES, **changes)
    formula.fill(model)
    model.eval()
    inner = {}

    def keep(key):
        return lambda _module, _inputs, output: inner.update({key: samples(output.numpy(), 16)})

    model.maxpool.register_forward_hook(keep("maxpool"))
    for stage in range(1, model.stages + 1):
        blocks = getattr(model, f"layer{stage}")
        blocks.register_forward_hook(keep(f"layer{stage}.{len(blocks) - 1}.relu"))
    last = f"layer{model.stages}.{len(blocks) - 1}"
    blocks[-1].se.register_forward_hook(keep(f"{last}.se.gate"))
    with torch.no_grad():
        logits = model(torch.from_numpy(formula.pictures(BATCH, side, 0))).numpy()
    print(name, changes, {key: value["largest"] for key, value in inner.items()}, logits[0, :3])
    return {"model": name, "imageSize": side, "classes": CLASSES, "batch": BATCH, "changes": changes,
            "inner": inner, "logits": logits.flatten().tolist()}


result = {
    "made by": f"golden/make_modern.py, PyTorch {torch.__version__}",
    "networks": [
        run("se-resnet-50-modern", 97),
        run("se-resnext-50", 97, pool="padded"),
        run("se-resnet-50-modern", 64, se_bias=False),
        run("se-resnet-18", 75, pool="padded", se_bias=False),
    ],
}
with open(os.path.join(here, "modern.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
