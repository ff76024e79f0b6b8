"""Records what torchvision makes of a picture's ten crops.

    python3 golden/make_views.py        (Pillow 9.4, torch 1.13, torchvision 0.14; after make_images.py)

Writes golden/views.json: file, resize, crop, filter → the SHA-256 of the ten squares in bytes, one after the other, by
Resize and TenCrop; and of the two by Resize, CenterCrop on the picture and on its mirror image.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import hflip

GOLDEN = Path(__file__).resolve().parent
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}

# Even and odd margins, wide and tall, no margin at all; for the mirror image also squares larger than the picture.
CASES = [
    ("rgb.png", 40, 32, "bilinear"),
    ("rgb.png", 37, 30, "bicubic"),
    ("wide.jpg", 33, 28, "bilinear"),
    ("tall.jpg", 33, 27, "bicubic"),
    ("square.jpg", 32, 32, "bilinear"),
]
PADDED = [("rgb.png", 20, 33, "bilinear")]


def sha256(squares):
    return hashlib.sha256(b"".join(np.asarray(square).tobytes() for square in squares)).hexdigest()


def entry(file, resize, crop, filter, views, squares):
    return dict(file=file, resize=resize, crop=crop, filter=filter, views=views, bytes=sha256(squares))


entries = []
for file, resize, crop, filter in CASES + PADDED:
    picture = Image.open(GOLDEN / "images" / file).convert("RGB")
    picture = transforms.Resize(resize, MODES[filter])(picture)
    centre = transforms.CenterCrop(crop)
    entries.append(entry(file, resize, crop, filter, "mirror", [centre(picture), centre(hflip(picture))]))
    if crop <= resize:
        entries.append(entry(file, resize, crop, filter, "ten-crop", transforms.TenCrop(crop)(picture)))
(GOLDEN / "views.json").write_text(json.dumps(entries, indent=1) + "\n")
