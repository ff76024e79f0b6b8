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
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import functional, functional_pil

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


def hard(width, height):
    """Greys, pure colours, dark and light ones, and many at random; no pixel is like its neighbours."""
    rng = np.random.RandomState(1)
    array = rng.randint(0, 256, (height, width, 3))
    array[::4] = rng.choice([0, 1, 127, 128, 254, 255], array[::4].shape)
    array[1::4] = array[1::4, :, :1]
    return array.astype(np.uint8)


HARD = hard(32, 24)


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


def pillow():
    """Pillow's operations, byte for byte. Each on the smooth picture and on one of all kinds of colours."""
    enhancers = dict(
        brightness=ImageEnhance.Brightness,
        contrast=ImageEnhance.Contrast,
        saturation=ImageEnhance.Color,
        sharpness=ImageEnhance.Sharpness,
    )
    table = lambda add: [min(255, i + add) if i < 128 else i for i in range(256)] * 3
    operations = dict(
        **{name: lambda im, x, kind=kind: kind(im).enhance(x) for name, kind in enhancers.items()},
        hue=lambda im, x: functional_pil.adjust_hue(im, x),
        autoContrast=lambda im, x: ImageOps.autocontrast(im),
        equalize=lambda im, x: ImageOps.equalize(im),
        invert=lambda im, x: ImageOps.invert(im),
        posterize=lambda im, x: im if x == 8 else Image.eval(im, lambda v: 0) if x == 0 else ImageOps.posterize(im, x),
        solarize=ImageOps.solarize,
        solarizeAdd=lambda im, x: im.point(table(x)),
    )
    arguments = dict(
        **{name: [0, 0.1, 0.55, 1, 1.3, 1.9, 4] for name in enhancers},
        hue=[-0.5, -0.23, 0, 0.1, 0.5],
        posterize=[0, 1, 4, 8],
        solarize=[0, 26, 128, 256],
        solarizeAdd=[0, 55, 110],
    )
    for name, operation in operations.items():
        for argument in arguments.get(name, [0]):
            hashes = [sha256(np.asarray(operation(Image.fromarray(array), argument))) for array in (SOURCE, HARD)]
            yield dict(name=name, argument=argument, sha256=hashes)


def affine():
    """Pillow's transform and rotate, byte for byte."""
    maps = [(1, 0.3, 0, 0, 1, 0), (1, 0, 0, -0.27, 1, 0), (1, 0, 13.7, 0, 1, 0), (1, 0, 0, 0, 1, -9.2)]
    maps += [(0.9, -0.31, 4.2, 0.22, 1.3, -5.5)]
    for array in (SOURCE, HARD):
        image = Image.fromarray(array)
        for name, filter in PILLOW.items():
            for numbers in maps:
                result = image.transform(image.size, Image.AFFINE, numbers, filter, fillcolor=FILL)
                yield dict(hard=array is HARD, map=numbers, filter=name, sha256=sha256(np.asarray(result)))
            for degrees in (-27.3, 3, 30):
                result = image.rotate(degrees, filter, fillcolor=FILL)
                yield dict(hard=array is HARD, degrees=degrees, filter=name, sha256=sha256(np.asarray(result)))


def hls():
    """OpenCV's HLS: there, and back after a shift."""
    for shift in [(0, 0, 0), (36, -50, 50), (-20, 31, -50)]:
        bytes_ = cv2.cvtColor(HARD, cv2.COLOR_RGB2HLS)
        moved = bytes_.astype(int) + shift
        moved = np.clip(moved, 0, [180, 255, 255]).astype(np.uint8)
        yield dict(shift=shift, hls=encoded(bytes_), rgb=encoded(cv2.cvtColor(moved, cv2.COLOR_HLS2RGB)))


def warps():
    """MXNet's affine warp by OpenCV, byte for byte; the window is the random square."""
    height, width = SOURCE.shape[:2]
    for shear, degrees, scale, ratio in [(0, 0, 1, 1), (0, 0, 0.6, 0.8), (0.1, 10, 0.9, 1.25), (-0.07, -9, 1.4, 0.75)]:
        f = np.float32
        a, b = math.cos(degrees / 180 * math.pi), math.sin(degrees / 180 * math.pi)
        hs = 2 * scale / (1 + ratio)
        ws = ratio * hs
        matrix = np.array([[hs * a - shear * b * ws, hs * b + shear * a * ws, 0], [-b * ws, a * ws, 0]], f)
        for row, extent in ((0, width), (1, height)):
            middle = float(matrix[row, 0]) * width + float(matrix[row, 1]) * height
            matrix[row, 2] = (scale * extent - middle) / 2
        size = (int(scale * width), int(scale * height))
        fill = (127, 127, 127)
        result = cv2.warpAffine(SOURCE, matrix, size, flags=cv2.INTER_LINEAR, borderValue=fill)
        drawn = dict(shear=shear, degrees=degrees, scale=scale, ratio=ratio)
        yield dict(drawn=drawn, width=size[0], height=size[1], sha256=sha256(result), window=sha256(result[3:23, 5:25]))


EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.814], [-0.5836, -0.6948, 0.4203]])


def photometric():
    """tensorpack's changes of colour, in float32 one after the other, cut to bytes at the end."""
    orders = [
        [("brightness", 0.7), ("contrast", 1.3), ("saturation", 0.6), ("lighting", (0.1, -0.05, 0.2))],
        [("saturation", 1.4), ("lighting", (-0.2, 0.1, 0)), ("contrast", 0.6), ("brightness", 1.2)],
        [("contrast", 1.4), ("saturation", 1.2)],
    ]
    for changes in orders:
        values = HARD.astype(np.float32)
        for kind, by in changes:
            grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)
            if kind == "brightness":
                values = values * np.float32(by)
            elif kind == "contrast":
                values = values * np.float32(by) + np.mean(grey) * np.float32(1 - by)
            elif kind == "saturation":
                values = values * np.float32(by) + (grey * np.float32(1 - by))[..., None]
            else:
                values = values + (EIGENVECTORS @ (EIGENVALUES * 255 * by)).astype(np.float32)
        pixels = np.clip(values, 0, 255).astype(np.uint8)
        named = [dict(kind=kind, **({"along": by} if kind == "lighting" else {"factor": by})) for kind, by in changes]
        yield dict(changes=named, pixels=encoded(pixels))


def padded():
    """torchvision's padding, and a crop of it; Pillow's resize without a filter."""
    image = Image.fromarray(SOURCE)
    for fill, pad in [("reflect", 4), ("reflect", 20), (127, 4)]:
        mode = dict(padding_mode="reflect") if fill == "reflect" else dict(fill=(fill,) * 3)
        large = np.asarray(functional.pad(image, pad, **mode))
        for left, top in [(-pad, -pad), (3 - pad, 2), (61 + pad - 40, 47 + pad - 40)]:
            square = large[top + pad :, left + pad :][:40, :40]
            yield dict(fill=fill, left=left, top=top, size=40, sha256=sha256(square))


def nearest():
    """Of even sides some places lie on the edge of two pixels: there Pillow's rounding decides."""
    sizes = [(SOURCE, (32, 32)), (SOURCE, (36, 35)), (SOURCE, (90, 61)), (SOURCE, (61, 47))]
    sizes += [(HARD, (33, 31)), (HARD, (12, 9)), (HARD, (56, 46))]
    for array, size in sizes:
        pixels = np.asarray(Image.fromarray(array).resize(size, Image.NEAREST))
        yield dict(hard=array is HARD, size=size, sha256=sha256(pixels))


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


def turned(width, height, draws=20000):
    """How tensorpack's GoogleNetRandomCropAndResize is distributed, by its rules."""
    random.seed(1)
    areas, ratios, fallbacks = [], [], 0
    for _ in range(draws):
        for _ in range(10):
            area = width * height * random.uniform(0.08, 1)
            ratio = random.uniform(0.75, 1.333)
            w, h = int(math.sqrt(area * ratio) + 0.5), int(math.sqrt(area / ratio) + 0.5)
            if random.random() < 0.5:
                w, h = h, w
            if w <= width and h <= height:
                break
        else:
            fallbacks += 1
            w = h = min(width, height)
        areas.append(w * h / (width * height))
        ratios.append(math.log(w / h))
    return dict(width=width, height=height, area=spread(areas), logRatio=spread(ratios), fallbacks=fallbacks)


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
        hard=dict(width=32, height=24, pixels=encoded(HARD)),
        pillow=list(pillow()),
        affine=list(affine()),
        hls=list(hls()),
        warps=list(warps()),
        photometric=list(photometric()),
        padded=list(padded()),
        nearest=list(nearest()),
        mixtures=list(mixtures()),
        turned=[turned(500, 375), turned(300, 80)],
        erased=[erased(64, 1), erased(32, 3)],
    )
    (GOLDEN / "augment.json").write_text(lines(result))


main()
