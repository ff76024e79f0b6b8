"""Pictures per second of torchvision's pipeline over Pillow on one thread: RandomResizedCrop, flip, ToTensor, Normalize.

/usr/bin/python3 bench/loader_torchvision.py FOLDER SIZE COUNT: COUNT pictures below FOLDER, read from their files again
and again for three rounds. Prints the best round's milliseconds of processor time and of time a picture.
"""

import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

folder, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
torch.manual_seed(0)
transform = transforms.Compose(
    [
        transforms.RandomResizedCrop(size),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
files = [files[i * len(files) // count] for i in range(count)] if len(files) > count else files
repeats = -(-count // len(files))
work = (files * repeats)[:count]
best = None
for round in range(4):
    start, cpu = time.perf_counter(), time.process_time()
    for path in work:
        # What torchvision.datasets.folder's default loader does.
        with open(path, "rb") as file:
            picture = Image.open(file).convert("RGB")
        transform(picture)
    taken = (1000 * (time.process_time() - cpu) / count, 1000 * (time.perf_counter() - start) / count)
    if round > 0 and (best is None or taken < best):
        best = taken
print(f"{best[0]:.3f} {best[1]:.3f}")
