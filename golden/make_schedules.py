"""Learning rates by timm's own schedulers, at every epoch or step of short runs: writes schedules.json.

Run: PYTHON golden/make_schedules.py, with timm 1.0.29 and PyTorch 2.13, as make_timm.py.

timm has two kinds of warm-up. With `warmup_prefix` the schedule begins after it, as here; without, it has begun at epoch
0, under the warm-up, which is not done here.
"""

import json
import os
import sys

import torch

from no_vision import NoVision

sys.meta_path.insert(0, NoVision())
import timm  # noqa: E402
from timm.scheduler import CosineLRScheduler, MultiStepLRScheduler, PolyLRScheduler, StepLRScheduler  # noqa: E402

RATE = 0.4


def rates(scheduler, count, **options):
    """The rates of `count` epochs (or updates), each set as timm's train.py does: before it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = scheduler(optimizer, **options)
    found = []
    for at in range(count):
        schedule.step(at) if options.get("t_in_epochs", True) else schedule.step_update(at)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def case(scheduler, ours, epochs, warmup=0, first=0.0, steps=1, by_step=False, **options):
    """`epochs` of `steps` steps; times in timm's options are in epochs, and become steps where it goes by steps."""
    unit = steps if by_step else 1
    for key in ("t_initial", "decay_t"):
        if key in options:
            value = options[key]
            options[key] = [unit * v for v in value] if isinstance(value, list) else unit * value
    warm = dict(warmup_t=unit * warmup, warmup_lr_init=first, warmup_prefix=True) if warmup else {}
    found = rates(scheduler, unit * epochs, t_in_epochs=not by_step, **warm, **options)
    config = {"learningRate": RATE, "epochs": epochs, "scheduleBy": "step" if by_step else "epoch",
              "warmupEpochs": warmup, **({"warmupLr": first} if warmup else {}), **ours}
    return {"timm": scheduler.__name__, "config": config, "stepsPerEpoch": steps, "rates": found}


cosine = {"schedule": "cosine"}
cases = [
    case(CosineLRScheduler, cosine, 12, t_initial=12),
    case(CosineLRScheduler, {**cosine, "minLr": 0.01}, 12, warmup=3, first=0.05, t_initial=9, lr_min=0.01),
    case(CosineLRScheduler, cosine, 5, warmup=2, first=1e-5, t_initial=3, steps=7, by_step=True),
    case(PolyLRScheduler, {"schedule": "poly", "polyPower": 2, "minLr": 0.004}, 10, t_initial=10, power=2, lr_min=0.004),
    case(PolyLRScheduler, {"schedule": "poly", "polyPower": 0.5}, 8, warmup=2, first=0.1, t_initial=6, power=0.5),
    # timm cuts one epoch before the one that is named; PyTorch's MultiStepLR, and ours, in that one.
    case(MultiStepLRScheduler, {"schedule": "step", "stepEpochs": [3, 7], "stepFactor": 0.2}, 10, decay_t=[4, 8],
         decay_rate=0.2),
    case(StepLRScheduler, {"schedule": "exponential", "decayRate": 0.9, "decayEpochs": 1}, 10, warmup=2, first=0.1,
         decay_t=1, decay_rate=0.9),
]
result = {"made by": f"golden/make_schedules.py, timm {timm.__version__}", "cases": cases}
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "schedules.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
