"""Whole networks and ten training steps, by PyTorch: writes networks.json. Run: python3 golden/make_networks.py"""

import json
import os

import numpy as np
import torch

import formula
import networks

torch.set_num_threads(2)
here = os.path.dirname(os.path.abspath(__file__))


def logits_of(name, side, classes, batch=2, act="relu"):
    model = networks.build(name, classes, act=act)
    formula.fill(model)
    model.eval()
    with torch.no_grad():
        y = model(torch.from_numpy(formula.pictures(batch, side, 0)))
    return {"model": name, "act": act, "imageSize": side, "classes": classes, "batch": batch, "logits": y.flatten().tolist()}


def ten_steps(name, side, classes, batch, nesterov, smoothing, rate=0.02, act="relu"):
    model = networks.build(name, classes, act=act)
    formula.fill(model)
    # In double precision: the curve amplifies the last bit of float32 to 1e-4 within ten steps, PyTorch's own as well.
    model.double().train()
    decayed = [p for n, p in model.named_parameters() if formula.role_of(n, p.dim()) == "weight"]
    rest = [p for n, p in model.named_parameters() if formula.role_of(n, p.dim()) != "weight"]
    optimiser = torch.optim.SGD([{"params": decayed, "weight_decay": 5e-4}, {"params": rest, "weight_decay": 0}],
                                lr=rate, momentum=0.9, nesterov=nesterov)
    losses = []
    for step in range(10):
        x = torch.from_numpy(formula.pictures(batch, side, step)).double()
        t = torch.from_numpy(formula.labels(batch, classes, step))
        loss = torch.nn.functional.cross_entropy(model(x), t, label_smoothing=smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    statistics = {n: float(v.double().abs().sum()) for n, v in model.state_dict().items() if "running" in n}
    return {"model": name, "act": act, "imageSize": side, "classes": classes, "batch": batch, "nesterov": nesterov,
            "labelSmoothing": smoothing, "learningRate": rate, "momentum": 0.9, "weightDecay": 5e-4,
            "losses": losses, "runningStatistics": statistics}


def gradients_of(name, side, classes, batch, act="relu"):
    """The length of the gradient of each parameter."""
    model = networks.build(name, classes, act=act)
    formula.fill(model)
    model.double().train()
    x = torch.from_numpy(formula.pictures(batch, side, 0)).double()
    loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(formula.labels(batch, classes, 0)))
    loss.backward()
    return {"model": name, "act": act, "imageSize": side, "classes": classes, "batch": batch, "loss": loss.item(),
            "lengths": {n: p.grad.norm().item() for n, p in model.named_parameters()}}


result = {
    "made by": f"golden/make_networks.py, PyTorch {torch.__version__}, NumPy {np.__version__}",
    "logits": [
        logits_of("se-resnet-20", 32, 10),
        logits_of("resnet-20", 32, 10),
        logits_of("se-resnet-18", 64, 10),
        logits_of("se-resnet-18", 75, 7),
        logits_of("se-resnet-50", 64, 10),
        logits_of("resnet-50", 97, 10),
        logits_of("se-resnet-18-d", 64, 10),
        logits_of("se-resnet-50-d", 75, 7),
        logits_of("resnet-34-d", 64, 10),
        logits_of("se-resnet-20", 32, 10, act="silu"),
        logits_of("se-resnet-20", 32, 10, act="mish"),
    ],
    "training": [
        ten_steps("se-resnet-20", 32, 10, 8, nesterov=False, smoothing=0.0),
        ten_steps("se-resnet-20", 32, 10, 8, nesterov=True, smoothing=0.1),
        ten_steps("se-resnet-20", 32, 10, 8, nesterov=True, smoothing=0.1, act="silu"),
        ten_steps("se-resnet-20", 32, 10, 8, nesterov=True, smoothing=0.1, act="mish"),
    ],
    "gradients": [
        gradients_of("se-resnet-18-d", 33, 10, 2),
        gradients_of("se-resnet-50-d", 33, 7, 2),
        gradients_of("se-resnet-18-d", 33, 10, 2, act="mish"),
        gradients_of("se-resnet-50-d", 33, 7, 2, act="silu"),
    ],
}
with open(os.path.join(here, "networks.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
print([t["losses"] for t in result["training"]])
