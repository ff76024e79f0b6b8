"""Records what Pillow, OpenCV, PyTorch and torchvision make of a picture and of a batch at fixed parameters.

    python3 golden/make_augment.py        (Pillow 9.4, numpy, opencv 4.6, torch 1.13, torchvision 0.14)

Writes golden/augment.json. Pictures are base64 of RGB bytes. Where ours is to equal the oracle there is its SHA-256 only.
"""

import base64
import hashlib
import json
import math
import random
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

GOLDEN = Path(__file__).resolve().parent
PILLOW = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
OPENCV = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
FILL = (10, 200, 90)


def smooth(width, height):
    """Waves that a few pixels are enough for: two good interpolations differ by little."""
    y, x = np.mgrid[:height, :width]
    waves = [
        128 + 100 * np.sin(x / 5 + y / 9) * np.cos(y / 7),
        128 + 90 * np.cos(x / 11 - y / 4),
        40 + 2.5 * x + 1.0 * y,
    ]
    return np.clip(np.stack(waves, -1), 0, 255).round().astype(np.uint8)


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def floats(values):
    return encoded(np.asarray(values, "<f4"))


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


SOURCE = smooth(61, 47)


def rotations():
    """A square of the turned picture: as large as before by OpenCV, and smaller by Pillow, from eight times the pixels."""
    height, width = SOURCE.shape[:2]
    for degrees, interpolation in [(10, "bilinear"), (-7, "bicubic")]:
        box = dict(left=8, top=0, width=47, height=47)
        # OpenCV's places are those of the middles of pixels.
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
        turned = cv2.warpAffine(SOURCE, turn, (width, height), flags=OPENCV[interpolation], borderValue=FILL)
        pixels = encoded(turned[:, box["left"] : box["left"] + box["width"]])
        yield dict(oracle="OpenCV", degrees=degrees, box=box, size=47, interpolation=interpolation, pixels=pixels)
    large = Image.fromarray(SOURCE).resize((8 * width, 8 * height), Image.BICUBIC)
    for degrees, box, size in [(10, (9, 7, 40, 32), 12), (-10, (0, 0, 61, 47), 20)]:
        left, top, columns, rows = box
        turned = large.rotate(degrees, Image.BICUBIC, fillcolor=FILL)
        edges = [8 * edge for edge in (left, top, left + columns, top + rows)]
        square = np.asarray(turned.resize((size, size), Image.BILINEAR, box=edges))
        yield dict(
            oracle="Pillow",
            degrees=degrees,
            box=dict(left=left, top=top, width=columns, height=rows),
            size=size,
            interpolation="bilinear",
            pixels=encoded(square),
        )


def mixtures():
    """What timm does to a batch and its targets, in PyTorch."""
    torch.manual_seed(0)
    count, classes, size, smoothing = 6, 4, 6, 0.1
    images = torch.randn(count, 3, size, size)
    labels = [3, 0, 1, 1, 2, 0]
    off = smoothing / classes
    targets = torch.full((count, classes), off)
    for row, label in enumerate(labels):
        targets[row, label] = 1 - smoothing + off
    for share, box in [(0.3, None), (0.875, None), (0.5, (1, 2, 4, 3))]:
        mixed = images.clone()
        if box is None:
            mixed = images * share + images.flip(0) * (1 - share)
        else:
            left, top, width, height = box
            rows, columns = slice(top, top + height), slice(left, left + width)
            mixed[:, :, rows, columns] = images.flip(0)[:, :, rows, columns]
            share = 1 - width * height / size**2
        yield dict(
            shape=list(images.shape),
            images=floats(images),
            labels=labels,
            classes=classes,
            smoothing=smoothing,
            share=share,
            box=None if box is None else dict(zip(("left", "top", "width", "height"), box)),
            mixed=floats(mixed),
            targets=floats(targets * share + targets.flip(0) * (1 - share)),
        )


def spread(values):
    return [float(np.mean(values)), float(np.std(values))]


def erased(size, count, draws=20000):
    """How the rectangles of timm's RandomErasing are distributed, by its rules: area, aspect and place."""
    random.seed(0)
    areas, aspects, lefts, tops, numbers = [], [], [], [], []
    for _ in range(draws):
        wanted = random.randint(1, count)
        made = 0
        for _ in range(wanted):
            for _ in range(10):
                area = random.uniform(0.02, 1 / 3) * size * size / wanted
                aspect = math.exp(random.uniform(math.log(0.3), math.log(1 / 0.3)))
                height, width = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
                if width >= size or height >= size:
                    continue
                made += 1
                areas.append(width * height / size**2)
                aspects.append(math.log(height / width))
                tops.append(random.randint(0, size - height) / (size - height))
                lefts.append(random.randint(0, size - width) / (size - width))
                break
        numbers.append(made)
    names = dict(area=areas, logAspect=aspects, left=lefts, top=tops, number=numbers)
    return dict(size=size, count=count, **{name: spread(values) for name, values in names.items()})


def lines(result):
    """JSON with one entry a line, so that a change is a line of the difference."""
    parts = []
    for key, value in result.items():
        if isinstance(value, list):
            parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(entry) for entry in value) + "\n]")
        else:
            parts.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    result = dict(
        made_with=f"Pillow {Image.__version__}, numpy {np.__version__}, opencv {cv2.__version__}, torch {torch.__version__}",
        source=dict(width=61, height=47, pixels=encoded(SOURCE)),
        fill=FILL,
        rotations=list(rotations()),
        mixtures=list(mixtures()),
        erased=[erased(64, 1), erased(32, 3)],
    )
    (GOLDEN / "augment.json").write_text(lines(result))


main()
