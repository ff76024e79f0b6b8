"""The networks in PyTorch, written from architectures.md with our parameter names; an oracle, never part of the product."""

import torch
from torch import nn


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, max(1, channels // reduction), 1)
        self.fc2 = nn.Conv2d(max(1, channels // reduction), channels, 1)

    def forward(self, x):
        z = x.mean((2, 3), keepdim=True)
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(z))))


class Block(nn.Module):
    def __init__(self, kind, channels, width, stride, se, stride_on):
        super().__init__()
        out = width * (4 if kind == "bottleneck" else 1)
        conv = lambda i, o, k, s=1: nn.Conv2d(i, o, k, s, k // 2, bias=False)
        self.bottleneck = kind == "bottleneck"
        if self.bottleneck:
            first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
            self.conv1, self.bn1 = conv(channels, width, 1, first), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = conv(width, width, 3, second), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = conv(width, out, 1), nn.BatchNorm2d(out)
        else:
            self.conv1, self.bn1 = conv(channels, out, 3, stride), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = conv(out, out, 3), nn.BatchNorm2d(out)
        self.se = SqueezeExcitation(out) if se else None
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(conv(channels, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(torch.relu(y)))
        if self.se is not None:
            y = self.se(y) * y
        return torch.relu(y + shortcut)


class ResNet(nn.Module):
    def __init__(self, stem, kind, depths, widths, classes, se=True, stride_on="1x1"):
        super().__init__()
        self.stem = stem
        channels = 64 if stem == "imagenet" else widths[0]
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False) if stem == "imagenet" else nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.stages = len(depths)
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            blocks = []
            for b in range(depth):
                blocks.append(Block(kind, channels, width, 2 if stage > 0 and b == 0 else 1, se, stride_on))
                channels = width * (4 if kind == "bottleneck" else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        if self.stem == "imagenet":
            x = nn.functional.max_pool2d(x, 3, 2, 0, ceil_mode=True)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


def build(name, classes):
    """`se-resnet-50`, `resnet-20`, ... as in the zoo."""
    se = name.startswith("se-")
    depth = int(name.split("-")[-1])
    imagenet = {18: ("basic", [2, 2, 2, 2]), 34: ("basic", [3, 4, 6, 3]), 50: ("bottleneck", [3, 4, 6, 3]),
                101: ("bottleneck", [3, 4, 23, 3]), 152: ("bottleneck", [3, 8, 36, 3])}
    if depth in imagenet:
        kind, depths = imagenet[depth]
        return ResNet("imagenet", kind, depths, [64, 128, 256, 512], classes, se)
    n = (depth - 2) // 6
    return ResNet("cifar", "basic", [n, n, n], [16, 32, 64], classes, se)
