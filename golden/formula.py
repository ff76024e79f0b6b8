"""Weights and pictures by a formula that tests compute too (tests/formula.ts), so that they need not be stored."""

import numpy as np


def uniform(stream, count):
    """`count` values in [0, 1) that depend only on the stream's number and their place: murmur3's finaliser."""
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) + np.uint32((stream * 0x9E3779B1) & 0xFFFFFFFF)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2.0**32


def role_of(name, dimensions):
    if name.endswith("running_mean"):
        return "mean"
    if name.endswith("running_var"):
        return "variance"
    module = name.split(".")[-2]
    # Which of a shortcut's layers is its batch norm differs, but only that one has weights of one axis.
    norm = module.startswith("bn") or (".downsample." in f".{name}" and dimensions == 1)
    if name.endswith("weight"):
        return "gamma" if norm else "weight"
    return "beta" if norm else "bias"


def parameter(name, shape, stream):
    """The value of one parameter; `stream` is its place among the model's parameters sorted by name."""
    return value(role_of(name, len(shape)), shape, stream)


def value(role, shape, stream):
    """The same of a parameter whose part in the network is known: `weight`, `bias`, `gamma`, `beta`, `mean`, `variance`."""
    u = uniform(stream, int(np.prod(shape)))
    if role == "weight":
        result = (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:]))
    elif role in ("gamma", "variance"):
        result = (0.25 + 0.5 * u) if role == "gamma" else 0.5 + u
    else:
        result = 0.2 * (u - 0.5)
    return result.reshape(shape).astype(np.float32)


def fill(model):
    """Sets every parameter and running statistic of a torch module by the formula."""
    import torch

    state = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    for stream, name in enumerate(sorted(state)):
        state[name].copy_(torch.from_numpy(parameter(name, tuple(state[name].shape), stream)))


def pictures(batch, side, stream):
    """Normalised pictures `[batch, 3, side, side]` in [-1.7, 1.7)."""
    return (3.4 * (uniform(10_000 + stream, batch * 3 * side * side) - 0.5)).reshape(batch, 3, side, side).astype(np.float32)


def labels(batch, classes, stream):
    return np.floor(uniform(20_000 + stream, batch) * classes).astype(np.int64)
