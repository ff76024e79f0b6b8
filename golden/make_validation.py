"""In which order ImageNet's validation lists count their classes: writes src/import/imagenet-validation.ts.

Run: /usr/bin/python3 golden/make_validation.py ILSVRC2017_val.txt synsets-devkit.txt synsets-sorted.txt

The lists are hujie-frank/SENet's (numbers in the challenge's own order) and the 1,000 WordNet ids in both orders. Of each
picture nothing is kept but a colour, one of three, that its class has: number n of one order and number n of the other are
always classes of different colours, so that a picture's number tells which order it is of.
"""

import base64
import os
import re
import sys

here = os.path.dirname(os.path.abspath(__file__))
listed, devkit, by_id = (open(path).read().splitlines() for path in sys.argv[1:4])
devkit = [line[:9] for line in devkit]
by_id = [line[:9] for line in by_id]


def colours():
    """Along each circle of classes that share a number: 0, 1, 0, 1, and 2 for the last of an odd one."""
    place = {synset: i for i, synset in enumerate(devkit)}
    colour = {}
    for start in devkit:
        circle, at = [], start
        while at not in colour:
            colour[at] = len(circle) % 2
            circle.append(at)
            at = by_id[place[at]]
        if len(circle) % 2 == 1:
            colour[circle[-1]] = 2
    return colour


colour = colours()
assert all(colour[a] != colour[b] for a, b in zip(devkit, by_id))
pictures = [0] * 50_000
for line in listed:
    name, number = line.split()
    pictures[int(re.search(r"val_(\d+)", name)[1]) - 1] = colour[devkit[int(number)]]
packed = bytes(sum(c * 3**i for i, c in enumerate(pictures[at:at + 5])) for at in range(0, len(pictures), 5))
text = base64.b64encode(packed).decode()
lines = "\n".join(text[at:at + 118] for at in range(0, len(text), 118))
path = os.path.join(here, "..", "src", "weights", "imagenet-validation.ts")
source = open(path).read()
open(path, "w").write(re.sub(r"const packed = `[^`]*`", f"const packed = `{lines}`", source))
print(len(packed), "bytes")
