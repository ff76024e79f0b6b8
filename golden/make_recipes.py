"""Four training steps by the CIFAR recipes of three ports, by PyTorch: writes recipes.json.

Run: /usr/bin/python3 golden/make_recipes.py

SE-ResNet-20 (networks.py) stands for each port's own network; what is compared is the optimiser: its momentum, what
decays, and where the rate is. The rate falls between the second and the third step, since only then it makes a
difference whether the velocity holds it. Written from the ports' scripts: taki0112 (Nesterov; L2 of all variables in
the loss), moskomule (torch.optim.SGD), nutszebra (Chainer's MomentumSGD and WeightDecay).
"""

import json
import os

import torch

import formula
import networks

torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
SIDE, CLASSES, BATCH = 32, 10, 8
RATES = (0.1, 0.1, 0.01, 0.01)


def l2_in_the_loss(model):
    """taki0112: tf.train.MomentumOptimizer(use_nesterov) on cross entropy plus 5e-4 times the sum of tf.nn.l2_loss."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)

    def step(loss, rate):
        optimiser.param_groups[0]["lr"] = rate
        (loss + 5e-4 * sum((p ** 2).sum() / 2 for p in model.parameters())).backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def torch_sgd(model):
    """moskomule."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def step(loss, rate):
        optimiser.param_groups[0]["lr"] = rate
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def chainer_momentum(model):
    """nutszebra: v = 0.9 v - rate g, w += v, with 1e-4 w added to every gradient."""
    velocities = [torch.zeros_like(p) for p in model.parameters()]

    def step(loss, rate):
        loss.backward()
        with torch.no_grad():
            for p, v in zip(model.parameters(), velocities):
                v.mul_(0.9).sub_(rate * (p.grad + 1e-4 * p))
                p.add_(v)
                p.grad = None

    return step


def run(recipe, rule):
    model = networks.build("se-resnet-20", CLASSES)
    formula.fill(model)
    model.double().train()
    step = rule(model)
    losses = []
    for s, rate in enumerate(RATES):
        x = torch.from_numpy(formula.pictures(BATCH, SIDE, s)).double()
        loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(formula.labels(BATCH, CLASSES, s)))
        losses.append(loss.item())
        step(loss, rate)
    lengths = {name: p.norm().item() for name, p in model.named_parameters()}
    print(recipe, losses)
    return {"recipe": recipe, "losses": losses, "lengths": lengths}


result = {
    "made by": f"golden/make_recipes.py, PyTorch {torch.__version__}",
    "model": "se-resnet-20", "imageSize": SIDE, "classes": CLASSES, "batch": BATCH, "rates": RATES,
    "recipes": [run("taki0112", l2_in_the_loss), run("moskomule-cifar", torch_sgd), run("nutszebra", chainer_momentum)],
}
with open(os.path.join(here, "recipes.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
