"""torchvision's pipeline over Pillow on one thread: RandomResizedCrop, flip, ToTensor, Normalize.

Started by bench/loader.ts: SIZE, and the pictures' paths as lines until an empty one. For each further line all of them are
read and transformed once; the answer is the processor time and the time that it took, in milliseconds.
"""

import sys
import time

import torch
import torchvision
from PIL import Image
from torchvision import transforms

torch.set_num_threads(1)
torch.manual_seed(0)
transform = transforms.Compose(
    [
        transforms.RandomResizedCrop(int(sys.argv[1])),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
files = []
for line in sys.stdin:
    if line == "\n":
        break
    files.append(line[:-1])
print(f"torchvision {torchvision.__version__}, Pillow {Image.__version__}", flush=True)
for _ in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    for path in files:
        # What torchvision.datasets.folder's usual loader does.
        with open(path, "rb") as file:
            picture = Image.open(file).convert("RGB")
        transform(picture)
    print(1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - start), flush=True)
