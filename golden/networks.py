"""The networks in PyTorch, written from docs/networks.md with our parameter names; an oracle, never part of the product."""

import torch
from torch import nn

IMAGENET_WIDTHS = (64, 128, 256, 512)
ACTIVATIONS = {"relu": torch.relu, "silu": nn.functional.silu, "mish": nn.functional.mish}


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, bias, reduction=16):
        super().__init__()
        hidden = max(1, channels // reduction)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=bias)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x):
        z = nn.functional.adaptive_avg_pool2d(x, 1)
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(z))))


def conv(i, o, kernel, stride=1, groups=1):
    return nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)


def shortcut(channels, out, stride, projection):
    if projection == "average":
        pool = nn.Identity() if stride == 1 else nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
        return nn.Sequential(pool, conv(channels, out, 1), nn.BatchNorm2d(out))
    return nn.Sequential(conv(channels, out, 1 if stride == 1 else projection, stride), nn.BatchNorm2d(out))


class Block(nn.Module):
    def __init__(self, channels, width, stride, *, block, expansion, reduce, groups, stride_on, projection, se, se_bias,
                 act):
        super().__init__()
        self.act = ACTIVATIONS[act]
        out = width * expansion
        self.bottleneck = block == "bottleneck"
        if self.bottleneck:
            first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
            reduced = int(width * reduce)
            self.conv1, self.bn1 = conv(channels, reduced, 1, first), nn.BatchNorm2d(reduced)
            self.conv2, self.bn2 = conv(reduced, width, 3, second, groups), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = conv(width, out, 1), nn.BatchNorm2d(out)
        else:
            self.conv1, self.bn1 = conv(channels, out, 3, stride), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = conv(out, out, 3), nn.BatchNorm2d(out)
        self.se = SqueezeExcitation(out, se_bias) if se else None
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = shortcut(channels, out, stride, projection)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.act(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(self.act(y)))
        if self.se is not None:
            y = self.se(y) * y
        return self.act(y + shortcut)


class NormedAct(nn.Module):
    """`convN`, `bnN`, ReLU or another, one after the other: `layers` are (channels, kernel, stride)."""

    def __init__(self, channels, *layers, act="relu"):
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.count = len(layers)
        for n, (out, kernel, stride) in enumerate(layers, 1):
            setattr(self, f"conv{n}", conv(channels, out, kernel, stride))
            setattr(self, f"bn{n}", nn.BatchNorm2d(out))
            channels = out

    def forward(self, x):
        for n in range(1, self.count + 1):
            x = self.act(getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(x)))
        return x


class ResNet(nn.Module):
    def __init__(self, classes, *, stem, depths, widths=IMAGENET_WIDTHS, pool="caffe", dropout=0.0, block="bottleneck",
                 expansion=4, reduce=1, groups=1, stride_on="1x1", projection=1, se=True, se_bias=True, stem_widths=(64, 64, 128),
                 act="relu"):
        super().__init__()
        self.act = ACTIVATIONS[act]
        if stem == "deep":
            first, second, channels = stem_widths
            self.stem = NormedAct(3, (first, 3, 2), (second, 3, 1), (channels, 3, 1), act=act)
        else:
            self.stem = None
            channels = 64 if stem == "imagenet" else widths[0]
            self.conv1 = conv(3, channels, 7, 2) if stem == "imagenet" else conv(3, channels, 3)
            self.bn1 = nn.BatchNorm2d(channels)
        window = {"padding": 0, "ceil_mode": True} if pool == "caffe" else {"padding": 1, "ceil_mode": False}
        self.maxpool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, 2, **window)
        self.stages = len(depths)
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            blocks = []
            for b in range(depth):
                blocks.append(Block(channels, width, 2 if stage > 0 and b == 0 else 1, block=block, expansion=expansion,
                                    reduce=reduce, groups=groups, stride_on=stride_on, projection=projection, se=se,
                                    se_bias=se_bias, act=act))
                channels = width * expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.act(self.bn1(self.conv1(x))) if self.stem is None else self.stem(x)
        x = self.maxpool(x)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return head(self, self.dropout, x)


def head(network, dropout, x):
    return network.fc(dropout(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)))


class InceptionModule(nn.Module):
    """Four branches side by side; without `single` it halves the size and passes the pooled input on as it is."""

    def __init__(self, channels, single, triple, double, pool, projection, se):
        super().__init__()
        stride = 2 if single is None else 1
        self.single = None if single is None else NormedAct(channels, (single, 1, 1))
        self.triple = NormedAct(channels, (triple[0], 1, 1), (triple[1], 3, stride))
        self.double = NormedAct(channels, (double[0], 1, 1), (double[1], 3, 1), (double[2], 3, stride))
        if pool == "average":
            self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=True)
        else:
            self.pool = nn.MaxPool2d(3, stride, 0 if stride == 2 else 1, ceil_mode=True)
        self.projection = None if projection is None else NormedAct(channels, (projection, 1, 1))
        self.out = (single or 0) + triple[1] + double[2] + (projection or channels)
        self.se = SqueezeExcitation(self.out, True) if se else None

    def forward(self, x):
        pooled = self.pool(x)
        # `self.double` itself is a method that every torch module has.
        branches = [self.triple(x), self._modules["double"](x)]
        branches.append(pooled if self.projection is None else self.projection(pooled))
        y = torch.cat(branches if self.single is None else [self.single(x), *branches], 1)
        return y if self.se is None else self.se(y) * y


class Inception(nn.Module):
    """Even sides only, as at 224: an odd one Caffe's windows would round the other way."""

    MODULES = {
        "3a": (64, (64, 64), (64, 96, 96), "average", 32),
        "3b": (64, (64, 96), (64, 96, 96), "average", 64),
        "3c": (None, (128, 160), (64, 96, 96), "max", None),
        "4a": (224, (64, 96), (96, 128, 128), "average", 128),
        "4b": (192, (96, 128), (96, 128, 128), "average", 128),
        "4c": (160, (128, 160), (128, 160, 160), "average", 128),
        "4d": (96, (128, 192), (160, 192, 192), "average", 128),
        "4e": (None, (128, 192), (192, 256, 256), "max", None),
        "5a": (352, (192, 320), (160, 224, 224), "average", 128),
        "5b": (352, (192, 320), (192, 224, 224), "max", 128),
    }

    def __init__(self, classes, se=True):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = conv(64, 64, 1), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = conv(64, 192, 3), nn.BatchNorm2d(192)
        self.pool = nn.MaxPool2d(3, 2, 0, ceil_mode=True)
        channels = 192
        for name, module in self.MODULES.items():
            built = InceptionModule(channels, *module, se)
            setattr(self, f"inception_{name}", built)
            channels = built.out
        self.dropout = nn.Identity()
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = self.pool(torch.relu(self.bn3(self.conv3(x))))
        for name in self.MODULES:
            x = getattr(self, f"inception_{name}")(x)
        return head(self, self.dropout, x)


BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
DEEP = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def build(name, classes, **changes):
    """`se-resnet-50`, `resnext-101`, `senet-154`, ... as in the zoo; `changes` are arguments of ResNet."""
    se = name.startswith("se-")
    name = name[3:] if se else name
    if name == "bn-inception":
        return Inception(classes, se)
    if name == "senet-154":
        config = {"stem": "deep", "depths": DEEP[152], "widths": (256, 512, 1024, 2048), "expansion": 1, "reduce": 0.5,
                  "groups": 64, "stride_on": "3x3", "projection": 3, "dropout": 0.2, "se": True}
        return ResNet(classes, **{**config, **changes})
    family, depth, *kind = name.split("-")
    depth = int(depth)
    if family == "resnext":
        config = {"stem": "imagenet", "depths": DEEP[depth], "widths": (128, 256, 512, 1024), "expansion": 2,
                  "groups": 32, "stride_on": "3x3"}
    elif depth in BASIC:
        config = {"stem": "imagenet", "block": "basic", "expansion": 1, "depths": BASIC[depth]}
    elif depth in DEEP:
        config = {"stem": "imagenet", "depths": DEEP[depth]}
    else:
        n = (depth - 2) // 6
        config = {"stem": "cifar", "block": "basic", "expansion": 1, "depths": (n, n, n), "widths": (16, 32, 64)}
    if kind:
        config.update(stride_on="3x3", pool="padded")
    if kind == ["d"]:
        config.update(stem="deep", stem_widths=(32, 32, 64), projection="average")
    return ResNet(classes, **{**config, "se": se, **changes})
