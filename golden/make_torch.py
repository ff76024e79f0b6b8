"""Checkpoints as people save them, by PyTorch itself: weights beside everything else that a training script keeps.

Writes golden/weights/torch-*.pth, and in torch.json what PyTorch reads in them: the tensors and the names of the classes.
Needs Debian's python3-torch and python3-numpy.
"""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import os
import pathlib
import random
import re
import unittest.mock
import uuid

import numpy as np
import torch

from make_weights import facts

here = os.path.dirname(os.path.abspath(__file__))
small = os.path.join(here, "weights")


class Mode(enum.Enum):
    FAST = 1


@dataclasses.dataclass
class Options:
    rate: float
    name: str


class AttributeDict(dict):
    """As Lightning's, omegaconf's and others': a dict that is a class of its own."""


class Slots:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = 1, [2]


class Meter:
    def __init__(self):
        self.values = collections.deque([1.0, 2.0], maxlen=20)

    def update(self):
        return self.values


def network():
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        collections.OrderedDict(conv1=torch.nn.Conv2d(1, 2, 1, bias=False), bn1=torch.nn.BatchNorm2d(2), fc=torch.nn.Linear(2, 3))
    )
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape).abs())
    return net


def scaled(state, by):
    return collections.OrderedDict((name, value * by if value.is_floating_point() else value) for name, value in state.items())


def everything(net):
    optimizer = torch.optim.Adam(net.parameters(), 0.1)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    cycle = torch.optim.lr_scheduler.OneCycleLR(torch.optim.SGD(net.parameters(), 0.1, momentum=0.9), 0.1, total_steps=10)
    return {
        "optimizer": optimizer.state_dict(),
        "whole_optimizer": optimizer,
        "scheduler": steps.state_dict(),
        "whole_scheduler": steps,
        "cycle": cycle.state_dict(),
        "counter": collections.Counter("senet"),
        "default": collections.defaultdict(list, {"a": [1]}),
        "args": argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("/data/x"), mode=Mode.FAST, options=Options(0.5, "x")),
        "hyper_parameters": AttributeDict(depth=3),
        "slots": Slots(),
        "meter": Meter(),
        "bound": Meter().update,
        "best_acc": np.float64(93.1),
        "best_epoch": np.int64(7),
        "array": np.arange(4.0),
        "words": np.array(["cat", "dog"]),
        "dtype": np.dtype("float32"),
        "numpy_random": np.random.RandomState(1).get_state(),
        "random": random.Random(1).getstate(),
        "generator": np.random.default_rng(1),
        "torch_random": torch.Generator().manual_seed(1).get_state()[:16].clone(),
        "seen": {1, "a"},
        "frozen": frozenset([2]),
        "path": pathlib.PurePosixPath("runs/1"),
        "when": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
        "took": datetime.timedelta(seconds=3),
        "decimal": decimal.Decimal("1.5"),
        "id": uuid.UUID(int=5),
        "pattern": re.compile("a+"),
        "partial": functools.partial(max, 1),
        "function": torch.nn.functional.relu,
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "torch_dtype": torch.float16,
        "complex": torch.zeros(2, dtype=torch.complex64),
        "sparse": torch.eye(3).to_sparse(),
        "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "bytes": b"\x00\xff\xfe",
        "bytearray": bytearray(b"\xff"),
        "broken": "caf\udce9",
        "big": 2**1000,
        "negative": -(2**70),
        "huge": 10**400,
        "imaginary": 1 + 2j,
        "slice": slice(1, 2),
        "range": range(3),
        "loss": torch.nn.CrossEntropyLoss(weight=torch.ones(3)),
        "history": [(0, 1.5, None), (1, float("nan"), True)],
    }


def views():
    """Expanded, transposed, offset, tied, with attributes, hooks and classes of their own."""
    base = torch.arange(12.0).reshape(3, 4)
    marked = torch.nn.Parameter(torch.ones(2))
    marked.group = "slow"
    hooked = torch.nn.Parameter(torch.full((2,), 3.0))
    attributed = torch.full((2,), 4.0)
    attributed.note = "kept"

    return collections.OrderedDict(
        {
            "a.weight": torch.tensor([2.5]).expand(4),
            "b.weight": torch.arange(3.0)[:, None].expand(3, 5),
            "c.weight": base.t(),
            "d.weight": base[1:, 1::2],
            "e.weight": base,
            "tied.weight": base,
            "f.weight": marked,
            "g.weight": hooked,
            "h.weight": attributed,
            "i.weight": torch.zeros(1, 3).expand(2000, 3),
            "j.weight": base.flip(0).to(torch.float64),
        }
    )


def tensors(state):
    return {name: facts(value.detach().numpy()) for name, value in state.items()}


def save(name, value, **options):
    torch.save(value, os.path.join(small, f"torch-{name}.pth"), **options)


def main():
    net = network()
    state = net.state_dict()
    found = {}
    for name, options in {
        "zip-2": {"pickle_protocol": 2},
        "zip-5": {"pickle_protocol": 5},
        "old-1": {"pickle_protocol": 1, "_use_new_zipfile_serialization": False},
        "old-4": {"pickle_protocol": 4, "_use_new_zipfile_serialization": False},
    }.items():
        checkpoint = everything(net)
        if name == "old-1":
            # Slots need protocol 2, numpy's newer generator 2.
            del checkpoint["slots"], checkpoint["generator"]
        if not name.startswith("zip"):
            del checkpoint["quantised"]
        save(f"everything-{name}", {**checkpoint, "model_state": net.state_dict(), "class_to_idx": {"newt": np.int64(2), "cat": 0, "dog": 1}}, **options)
        found[f"torch-everything-{name}.pth"] = {"tensors": tensors(net.state_dict()), "labels": ["cat", "dog", "newt"]}
    # Without the source of PyTorch's classes, which it would copy into the file.
    with unittest.mock.patch("inspect.getsourcelines", side_effect=OSError):
        save("module-old", torch.nn.DataParallel(net), _use_new_zipfile_serialization=False)
    save("module-in-dict", {"epoch": 3, "net": net, "meta": {"CLASSES": ("a", "b", "c")}})
    found["torch-module-old.pth"] = {"tensors": tensors(net.state_dict())}
    found["torch-module-in-dict.pth"] = {"tensors": tensors(net.state_dict()), "labels": ["a", "b", "c"]}
    state = net.state_dict()
    averaged = scaled(state, 2)
    average = {"n_averaged": torch.tensor(5), **{"module." + name: value for name, value in averaged.items()}}
    save("ema", {"state_dict": state, "model_ema": average, "optimizer": {"state": {0: {"exp_avg.weight": torch.ones(1)}}}, "idx_to_class": {0: "x", 2: "z", 1: "y"}})
    found["torch-ema.pth"] = {"tensors": tensors(averaged), "raw": tensors(state), "labels": ["x", "y", "z"]}
    save("views", {"model": {"state_dict": views()}})
    found["torch-views.pth"] = {"tensors": tensors(views())}
    with open(os.path.join(here, "torch.json"), "w") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
