"""A few values of a large array, for golden files (tests/samples.ts compares them)."""

import numpy as np


def samples(values, count):
    """`count` values at equal distances, and the largest of all by absolute value."""
    flat = values.reshape(-1)
    step = max(1, flat.size // count)
    return {"shape": list(values.shape), "step": step, "largest": float(np.abs(flat).max()),
            "values": [float(v) for v in flat[::step][:count]]}
