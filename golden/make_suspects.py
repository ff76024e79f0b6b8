"""Confident learning by the formulas of arXiv 1911.00068, in numpy: golden/suspects.json.

Equations 1 to 3, the off-diagonal of the confident joint, and both rankings; written from the paper alone. A picture
whose likeliest class is its own label is no suspect. Run: python3 golden/make_suspects.py
"""

import json
from pathlib import Path

import numpy as np


def confident_learning(labels, p):
    n, k = p.shape
    t = np.array([p[labels == j, j].mean() if (labels == j).any() else np.nan for j in range(k)])
    joint = np.zeros((k, k), dtype=int)
    suspects = []
    for x in range(n):
        over = [j for j in range(k) if p[x, j] >= t[j] - 1e-6]
        if not over:
            continue
        guess = max(over, key=lambda j: (p[x, j], -j))
        i = labels[x]
        joint[i, guess] += 1
        if guess == i or p[x].argmax() == i:
            continue
        others = np.delete(p[x], i)
        suspects.append(dict(place=x, label=int(i), guess=int(guess), probability=p[x, i], margin=p[x, i] - others.max()))
    counts = np.bincount(labels, minlength=k)
    rows = joint.sum(1, keepdims=True)
    calibrated = np.where(rows > 0, joint / np.maximum(rows, 1) * counts[:, None], np.diag(counts))
    q = calibrated / calibrated.sum()
    return t, joint, suspects, float(1 - np.trace(q))


def case(seed, n, k, flipped, sharpness):
    """Pictures of known classes, a network that is mostly right, and some labels that are not."""
    r = np.random.RandomState(seed)
    truth = r.randint(0, k, n)
    logits = r.normal(size=(n, k))
    logits[np.arange(n), truth] += sharpness
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    # As a file of float32 would have them.
    p = np.round(p, 4).astype(np.float32)
    labels = truth.copy()
    wrong = r.rand(n) < flipped
    labels[wrong] = (truth[wrong] + r.randint(1, k, wrong.sum())) % k
    t, joint, suspects, noise = confident_learning(labels, p.astype(np.float64))
    by = lambda key: [s["place"] for s in sorted(suspects, key=lambda s: (np.float32(s[key]) if key == "probability" else s[key], s["place"]))]
    return dict(
        classes=k,
        labels=labels.tolist(),
        probabilities=[round(float(v), 4) for v in p.ravel()],
        thresholds=[None if np.isnan(v) else float(v) for v in t],
        joint=joint.tolist(),
        suspects=[[s["place"], s["label"], s["guess"]] for s in suspects],
        byMargin=by("margin"),
        byConfidence=by("probability"),
        noise=noise,
    )


cases = [case(0, 60, 3, 0.15, 2.5), case(1, 80, 5, 0.1, 1.0), case(2, 40, 8, 0.0, 4.0), case(3, 12, 6, 0.3, 2.0)]
path = Path(__file__).parent / "suspects.json"
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(path, [len(c["suspects"]) for c in cases], [round(c["noise"], 3) for c in cases])
