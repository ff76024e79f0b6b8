"""Makes optimizers.json: five steps of each optimiser over two parameters, in float64.

SGD, AdamW and RAdam are PyTorch's own (RAdam's decay, which PyTorch 1.13 cannot decouple, is done before each step), with
Lookahead around them as timm's optim/lookahead.py has it. Caffe's SGD, TensorFlow's RMSprop, LAMB and LARS are written here from their definitions: Caffe's
sgd_solver.cpp and nesterov_solver.cpp, tf.keras' RMSprop with eps under the root as timm's `rmsproptf` has it, and
arXiv 1904.00962 with bias correction.
"""

import json
import math
import pathlib

import torch

torch.manual_seed(1709)
SHAPES = {"weight": (3, 4), "bias": (5,)}
DECAYS = {"weight": 0.05, "bias": 0.0}
RATES = [0.1, 0.1, 0.02, 0.02, 0.05]
# Of the cases whose momentum differs from step to step.
MOMENTA = [0.95, 0.9, 0.85, 0.9, 0.95]
START = {name: torch.randn(*shape).double() for name, shape in SHAPES.items()}
GRADIENTS = [{name: torch.randn(*shape).double() for name, shape in SHAPES.items()} for _ in RATES]


def by_torch(make, momenta=None, lookahead=None, decouple=False, first=0):
    values = {name: value.clone().requires_grad_() for name, value in START.items()}
    groups = [{"params": [values[name]], "weight_decay": 0 if decouple else decay} for name, decay in DECAYS.items()]
    optimizer = make(groups)
    slow = {}
    if first > 0:
        # PyTorch makes its state in the first step: one without gradients and rate, and then as if there had been more of them.
        for name, value in values.items():
            value.grad = torch.zeros_like(value)
        optimizer.step()
        for state in optimizer.state.values():
            state["step"].fill_(first)
    for step, (rate, gradients) in enumerate(zip(RATES, GRADIENTS)):
        for group in optimizer.param_groups:
            group["lr"] = rate
            if momenta is not None:
                group["momentum"] = momenta[step]
        for name, value in values.items():
            value.grad = gradients[name].clone()
            if decouple:
                value.data.mul_(1 - rate * DECAYS[name])
        optimizer.step()
        if lookahead is not None and (step + 1) % lookahead["steps"] == 0:
            for name, value in values.items():
                slow.setdefault(name, value.detach().clone()).lerp_(value.detach(), lookahead["alpha"])
                value.data.copy_(slow[name])
    return {name: value.detach() for name, value in values.items()}


def by_hand(update):
    """`update(w, g, state, rate, decay, step)` gives the new w."""
    result = {}
    for name, start in START.items():
        w, state = start.clone(), {}
        for step, (rate, gradients) in enumerate(zip(RATES, GRADIENTS)):
            w = update(w, gradients[name].clone(), state, rate, DECAYS[name], step)
        result[name] = w
    return result


def caffe(nesterov):
    def update(w, g, state, rate, decay, step):
        old = state.get("v", torch.zeros_like(w))
        state["v"] = 0.9 * old + rate * (g + decay * w)
        change = 1.9 * state["v"] - 0.9 * old if nesterov else state["v"]
        return w - change

    return update


def rmsprop(w, g, state, rate, decay, step):
    g = g + decay * w
    square = state.get("s", torch.ones_like(w))
    state["s"] = square + (1 - 0.9) * (g * g - square)
    state["v"] = 0.8 * state.get("v", torch.zeros_like(w)) + rate * g / torch.sqrt(state["s"] + 1e-3)
    return w - state["v"]


def lamb(w, g, state, rate, decay, step):
    state["m"] = 0.9 * state.get("m", torch.zeros_like(w)) + 0.1 * g
    state["v"] = 0.999 * state.get("v", torch.zeros_like(w)) + 0.001 * g * g
    m = state["m"] / (1 - 0.9 ** (step + 1))
    v = state["v"] / (1 - 0.999 ** (step + 1))
    change = m / (torch.sqrt(v) + 1e-6) + decay * w
    trust = 1.0
    if decay != 0:
        trust = float(w.norm() / change.norm()) if w.norm() > 0 and change.norm() > 0 else 1.0
    return w - rate * trust * change


def lars(momentum=0.9, coefficient=1e-3, eps=1e-8, rate_in_velocity=False):
    """timm's optim/lars.py; with the rate in the velocity as arXiv 1708.03888, algorithm 1, and TensorFlow have it."""

    def update(w, g, state, rate, decay, step):
        if decay != 0:
            lengths = w.norm() > 0 and g.norm() > 0
            trust = coefficient * w.norm() / (g.norm() + decay * w.norm() + eps) if lengths else 1.0
            g = (g + decay * w) * trust
        state["v"] = momentum * state.get("v", torch.zeros_like(w)) + (rate * g if rate_in_velocity else g)
        return w - (state["v"] if rate_in_velocity else rate * state["v"])

    return update


def muon(momentum=0.95, nesterov=True):
    """torch.optim.Muon (PyTorch 2.9) with `match_rms_adamw`, in float64 where that goes through bfloat16; vectors by AdamW."""

    def update(w, g, state, rate, decay, step):
        if w.dim() == 1:
            state["m"] = 0.9 * state.get("m", torch.zeros_like(w)) + 0.1 * g
            state["v"] = 0.999 * state.get("v", torch.zeros_like(w)) + 0.001 * g * g
            m, v = state["m"] / (1 - 0.9 ** (step + 1)), state["v"] / (1 - 0.999 ** (step + 1))
            return w * (1 - rate * decay) - rate * m / (torch.sqrt(v) + 1e-8)
        state["b"] = torch.lerp(state.get("b", torch.zeros_like(w)), g, 1 - momentum)
        x = torch.lerp(g, state["b"], momentum) if nesterov else state["b"]
        x = x / x.norm().clamp(min=1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return w * (1 - rate * decay) - rate * 0.2 * math.sqrt(max(w.shape)) * x

    return update


cases = {
    "sgd plain": ({"name": "sgd", "momentum": 0}, by_torch(lambda p: torch.optim.SGD(p, lr=1))),
    "sgd momentum": ({"name": "sgd"}, by_torch(lambda p: torch.optim.SGD(p, lr=1, momentum=0.9))),
    "sgd nesterov": (
        {"name": "sgd", "nesterov": True},
        by_torch(lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True)),
    ),
    "sgd cycled": (
        {"name": "sgd", "momentumCycles": True},
        by_torch(lambda p: torch.optim.SGD(p, lr=1, momentum=0.9), MOMENTA),
    ),
    "sgd cycled nesterov": (
        {"name": "sgd", "momentumCycles": True, "nesterov": True},
        by_torch(lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True), MOMENTA),
    ),
    "sgd caffe": ({"name": "sgd", "rateInVelocity": True}, by_hand(caffe(False))),
    "sgd caffe nesterov": ({"name": "sgd", "rateInVelocity": True, "nesterov": True}, by_hand(caffe(True))),
    "adamw": ({"name": "adamw"}, by_torch(lambda p: torch.optim.AdamW(p, lr=1))),
    "adamw betas": (
        {"name": "adamw", "betas": [0.8, 0.9], "eps": 1e-3},
        by_torch(lambda p: torch.optim.AdamW(p, lr=1, betas=(0.8, 0.9), eps=1e-3)),
    ),
    "radam": ({"name": "radam"}, by_torch(lambda p: torch.optim.RAdam(p, lr=1), decouple=True)),
    # It trusts the mean of squares from the sixth step on.
    "radam later": (
        {"name": "radam", "betas": [0.8, 0.99], "eps": 1e-3},
        by_torch(lambda p: torch.optim.RAdam(p, lr=1, betas=(0.8, 0.99), eps=1e-3), decouple=True, first=3),
        3,
    ),
    "sgd lookahead": (
        {"name": "sgd", "lookahead": {"steps": 2}},
        by_torch(lambda p: torch.optim.SGD(p, lr=1, momentum=0.9), lookahead={"steps": 2, "alpha": 0.5}),
    ),
    "adamw lookahead": (
        {"name": "adamw", "lookahead": {"steps": 1, "alpha": 0.8}},
        by_torch(lambda p: torch.optim.AdamW(p, lr=1), lookahead={"steps": 1, "alpha": 0.8}),
    ),
    "muon": ({"name": "muon"}, by_hand(muon())),
    "muon plain": ({"name": "muon", "momentum": 0.6, "nesterov": False}, by_hand(muon(0.6, False))),
    "rmsprop": ({"name": "rmsprop", "momentum": 0.8}, by_hand(rmsprop)),
    "lamb": ({"name": "lamb"}, by_hand(lamb)),
    "lars": ({"name": "lars"}, by_hand(lars())),
    "lars coefficient": (
        {"name": "lars", "momentum": 0.8, "trustCoeff": 0.02, "eps": 1e-3},
        by_hand(lars(0.8, 0.02, 1e-3)),
    ),
    "lars rate in velocity": ({"name": "lars", "rateInVelocity": True}, by_hand(lars(rate_in_velocity=True))),
}
lists = lambda tensors: {name: value.flatten().tolist() for name, value in tensors.items()}
golden = {
    "shapes": SHAPES,
    "decays": DECAYS,
    "rates": RATES,
    "momenta": MOMENTA,
    "start": lists(START),
    "gradients": [lists(gradients) for gradients in GRADIENTS],
    "cases": [
        {"case": name, "optimizer": optimizer, "first": first[0] if first else 0, "end": lists(end)}
        for name, (optimizer, end, *first) in cases.items()
    ],
}
path = pathlib.Path(__file__).with_name("optimizers.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")
