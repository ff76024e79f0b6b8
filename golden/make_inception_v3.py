"""Logits of moskomule's SE-Inception-v3 with weights by the formula, by torchvision: writes inception-v3.json.

Run: /usr/bin/python3 golden/make_inception_v3.py   (Debian's python3-torch and python3-torchvision)

As senet/se_inception.py of moskomule/senet.pytorch at 8cb2669 has it: torchvision's Inception3, and gates that are
registered in its modules and never called. A stream of the formula is a name's place among those that inference needs.
"""

import json
import os

import torch
from torch import nn
from torchvision.models.inception import Inception3

import formula

here = os.path.dirname(os.path.abspath(__file__))
SIDE, BATCH, GAIN, SHOWN = 107, 2, 2.0, 20
GATED = dict(
    Mixed_5b=192, Mixed_5c=256, Mixed_5d=288, Mixed_6a=288, Mixed_6b=768, Mixed_6c=768, Mixed_6d=768, Mixed_6e=768,
    AuxLogits=768, Mixed_7a=768, Mixed_7b=1280, Mixed_7c=2048,
)


class SELayer(nn.Module):
    def __init__(self, channels):
        super().__init__()
        linear = lambda into, out: nn.Linear(into, out, bias=False)
        self.fc = nn.Sequential(linear(channels, channels // 16), nn.ReLU(), linear(channels // 16, channels), nn.Sigmoid())


class SEInception3(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Inception3(num_classes=1000, aux_logits=True, transform_input=False, init_weights=False)
        for name, channels in GATED.items():
            getattr(self.model, name).add_module("SELayer", SELayer(channels))


def main():
    torch.set_num_threads(1)
    net = SEInception3().eval()
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    aside = {name for name in state if "SELayer" in name or "AuxLogits" in name}
    for stream, name in enumerate(sorted(set(state) - aside)):
        value = state[name]
        role = (
            "mean" if name.endswith("running_mean")
            else "variance" if name.endswith("running_var")
            else ("gamma" if name.endswith("weight") else "beta") if ".bn." in name
            else "weight" if name.endswith("weight")
            else "bias"
        )
        drawn = formula.value(role, tuple(value.shape), stream)
        value.copy_(torch.from_numpy(drawn * GAIN if role == "gamma" else drawn))
    with torch.no_grad():
        logits = net.model(torch.from_numpy(formula.pictures(BATCH, SIDE, 0))).double()
    print(logits.abs().max(), (logits[0] - logits[1]).abs().max())
    names = {name: list(value.shape) for name, value in sorted(state.items())}
    learnt = sum(value.numel() for value in net.parameters())
    found = {
        "gain": GAIN,
        "input": [BATCH, 3, SIDE, SIDE],
        "parameters": learnt,
        "aside": {name: names[name] for name in sorted(aside)},
        "names": sorted(set(names) - aside),
        "logits": [[round(value, 7) for value in row[:SHOWN].tolist()] for row in logits],
        "sum": float(logits.sum()),
    }
    with open(os.path.join(here, "inception-v3.json"), "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


main()
