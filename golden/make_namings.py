"""What others' networks compute, by PyTorch, under their own names: writes namings.json.

Run: /usr/bin/python3 golden/make_namings.py

One small network for each kind that each naming stands for (src/import/namings.ts): few blocks and channels, but
the authors' order of layers, strides, paddings, roundings and names, written anew from reading their code:
timm's models/senet.py (`legacy_se*`) and models/resnet.py, Cadene's models/senet.py, moskomule's senet/se_resnet.py,
mmpretrain's models/backbones/seresnet.py, akamaster's resnet.py. Weights by formula.py, by their names.
"""

import json
import os

import torch
from torch import nn

import formula

torch.set_num_threads(2)
here = os.path.dirname(os.path.abspath(__file__))
SIDE, BATCH, CLASSES = 65, 2, 5
relu = torch.relu


def conv(i, o, k, stride=1, groups=1, bias=False):
    return nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=bias)


def rounded(value, divisor=8):
    """timm's and mmcv's rule: to the nearest multiple, at least one."""
    return max(divisor, int(value + divisor / 2) // divisor * divisor)


class ConvGate(nn.Module):
    """`fc1`, `fc2` as 1x1 convolutions: Cadene's and timm's."""

    def __init__(self, channels, hidden, bias=True):
        super().__init__()
        self.fc1 = conv(channels, hidden, 1, bias=bias)
        self.fc2 = conv(hidden, channels, 1, bias=bias)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class LinearGate(nn.Module):
    """moskomule's: two matrices in a sequence, without biases."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, hidden, bias=False), nn.ReLU(),
                                nn.Linear(hidden, channels, bias=False), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Wrapped(nn.Module):
    """OpenMMLab's ConvModule: a convolution called `conv`, then the activation."""

    def __init__(self, i, o, activation):
        super().__init__()
        self.conv = conv(i, o, 1, bias=True)
        self.activation = activation

    def forward(self, x):
        return self.activation(self.conv(x))


class WrappedGate(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.conv1 = Wrapped(channels, hidden, torch.relu)
        self.conv2 = Wrapped(hidden, channels, torch.sigmoid)

    def forward(self, x):
        return x * self.conv2(self.conv1(x.mean((2, 3), keepdim=True)))


class Block(nn.Module):
    """Two convolutions, or three with `width`; `gate` is (its name, the module) or nothing."""

    def __init__(self, i, o, stride, *, gate, width=None, reduce=None, groups=1, stride_on=2, shortcut=1, last_relu=False):
        super().__init__()
        if width is None:
            self.conv1, self.bn1 = conv(i, o, 3, stride), nn.BatchNorm2d(o)
            self.conv2, self.bn2 = conv(o, o, 3), nn.BatchNorm2d(o)
        else:
            first, second = (stride, 1) if stride_on == 1 else (1, stride)
            reduce = reduce or width
            self.conv1, self.bn1 = conv(i, reduce, 1, first), nn.BatchNorm2d(reduce)
            self.conv2, self.bn2 = conv(reduce, width, 3, second, groups), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = conv(width, o, 1), nn.BatchNorm2d(o)
        self.gate = gate and gate[0]
        if gate:
            setattr(self, *gate)
        self.last_relu, self.stride, self.new = last_relu, stride, o - i
        self.downsample = None
        if shortcut == "average" and (stride != 1 or i != o):
            # timm's downsample_avg: the pooling has a number in the sequence, also where it is the identity.
            pool = nn.Identity() if stride == 1 else nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
            self.downsample = nn.Sequential(pool, conv(i, o, 1), nn.BatchNorm2d(o))
        elif shortcut != "pad" and (stride != 1 or i != o):
            kernel = 1 if stride == 1 else shortcut
            self.downsample = nn.Sequential(conv(i, o, kernel, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            y = self.bn3(self.conv3(relu(y)))
        if self.last_relu:
            y = relu(y)
        if self.gate:
            y = getattr(self, self.gate)(y)
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.new:
            # akamaster's option A: every other pixel, and zeros for the new channels on both sides.
            x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.new // 2, self.new // 2))
        return relu(y + x)


def stages(network, channels, outs, block):
    for s, out in enumerate(outs):
        blocks = []
        for b in range(DEPTHS[s]):
            blocks.append(block(channels, out, 2 if s > 0 and b == 0 else 1, s))
            channels = out
        setattr(network, f"layer{s + 1}", nn.Sequential(*blocks))
    return channels


DEPTHS = (1, 2)


class Body(nn.Module):
    """`stem` is called first; then the stages; then the mean over the picture and the classifier of that name."""

    def __init__(self, channels, outs, block, head="fc"):
        super().__init__()
        features = stages(self, channels, outs, block)
        self.head = head
        setattr(self, head, nn.Linear(features, CLASSES))

    def forward(self, x):
        x = self.stem(x)
        for s in range(len(DEPTHS)):
            x = getattr(self, f"layer{s + 1}")(x)
        return getattr(self, self.head)(x.mean((2, 3)))


class Cadene(Body):
    """Cadene's SENet, and timm's legacy one: `layer0`, pooling without padding and rounded up, `last_linear`."""

    def __init__(self, channels, outs, block, deep=False):
        super().__init__(channels, outs, block, "last_linear")
        first = [("conv1", conv(3, 64, 3 if deep else 7, 2)), ("bn1", nn.BatchNorm2d(64)), ("relu1", nn.ReLU())]
        if deep:
            first += [("conv2", conv(64, 64, 3)), ("bn2", nn.BatchNorm2d(64)), ("relu2", nn.ReLU()),
                      ("conv3", conv(64, 128, 3)), ("bn3", nn.BatchNorm2d(128)), ("relu3", nn.ReLU())]
        self.layer0 = nn.Sequential()
        for name, module in first:
            self.layer0.add_module(name, module)

    def stem(self, x):
        return nn.functional.max_pool2d(self.layer0(x), 3, 2, ceil_mode=True)


class Timm(Body):
    """torchvision's, and timm's: a 7x7, or three 3x3 in a sequence with `bn1` after it; padded pooling; for CIFAR a 3x3."""

    def __init__(self, channels, outs, block, kind="7x7", head="fc"):
        super().__init__(channels, outs, block, head)
        self.kind = kind
        if kind == "deep":
            w = channels // 2
            self.conv1 = nn.Sequential(conv(3, w, 3, 2), nn.BatchNorm2d(w), nn.ReLU(),
                                       conv(w, w, 3), nn.BatchNorm2d(w), nn.ReLU(), conv(w, channels, 3))
        else:
            self.conv1 = conv(3, channels, 7, 2) if kind == "7x7" else conv(3, channels, 3)
        self.bn1 = nn.BatchNorm2d(channels)

    def stem(self, x):
        x = relu(self.bn1(self.conv1(x)))
        return x if self.kind == "3x3" else nn.functional.max_pool2d(x, 3, 2, 1)


class Mmcls(nn.Module):
    """OpenMMLab's classifier: a backbone with torchvision's names, and a head."""

    def __init__(self, *arguments, **options):
        super().__init__()
        self.backbone = Timm(*arguments, **options)
        self.head = nn.Module()
        self.head.fc = self.backbone.fc
        del self.backbone.fc
        self.backbone.fc = None

    def forward(self, x):
        self.backbone.__dict__["fc"] = self.head.fc
        return self.backbone(x)


def convolved(name, hidden=lambda c: c // 16):
    return lambda c: (name, ConvGate(c, hidden(c)))


def basic(gate, **options):
    return lambda i, o, stride, s: Block(i, o, stride, gate=gate and gate(o), **options)


def deep(gate, widths, **options):
    """`reduce` and `groups` as in the original: by stage."""
    reduce = options.pop("reduce", None)
    return lambda i, o, stride, s: Block(i, o, stride, gate=gate and gate(o), width=widths[s],
                                         reduce=reduce and reduce[s], **options)


se = convolved("se_module")
modern = convolved("se")
eights = convolved("se", lambda c: rounded(c / 16))
moskomule = lambda c: ("se", LinearGate(c, c // 16))  # noqa: E731
mm = lambda c: ("se_layer", WrappedGate(c, c // 16))  # noqa: E731

# Naming, the zoo's network that it is like, its widths here, the network.
NETWORKS = [
    ("cadene", "se-resnet-18", [64, 96], Cadene(64, [64, 96], basic(se, last_relu=True))),
    ("cadene", "se-resnet-50", [16, 24], Cadene(64, [64, 96], deep(se, [16, 24], stride_on=1))),
    ("cadene", "se-resnext-50", [32, 64], Cadene(64, [64, 128], deep(se, [32, 64], groups=32))),
    ("cadene", "senet-154", [128, 256],
     Cadene(128, [128, 256], deep(se, [128, 256], reduce=[64, 128], groups=64, shortcut=3), deep=True)),
    ("timm", "resnet-18", [64, 96], Timm(64, [64, 96], basic(None))),
    ("timm", "resnet-50", [16, 24], Timm(64, [64, 96], deep(None, [16, 24]))),
    ("timm", "resnext-50", [32, 64], Timm(64, [64, 128], deep(None, [32, 64], groups=32))),
    ("timm", "se-resnet-18", [64, 96], Timm(64, [64, 96], basic(eights))),
    ("timm", "se-resnet-50", [16, 24], Timm(64, [64, 96], deep(eights, [16, 24]))),
    ("timm", "se-resnext-50", [32, 64], Timm(64, [64, 128], deep(modern, [32, 64], groups=32))),
    ("timm", "senet-154", [128, 256],
     Timm(128, [128, 256], deep(modern, [128, 256], reduce=[64, 128], groups=64, shortcut=3), "deep")),
    ("timm", "se-resnet-18-d", [64, 96], Timm(64, [64, 96], basic(eights, shortcut="average"), "deep")),
    ("timm", "se-resnet-50-d", [16, 24], Timm(64, [64, 96], deep(eights, [16, 24], shortcut="average"), "deep")),
    ("timm", "resnet-50-d", [16, 24], Timm(64, [64, 96], deep(None, [16, 24], shortcut="average"), "deep")),
    ("timm", "resnet-20", [16, 32], Timm(16, [16, 32], basic(None), "3x3")),
    ("timm", "se-resnet-20", [16, 32], Timm(16, [16, 32], basic(eights), "3x3")),
    ("moskomule", "se-resnet-18", [64, 96], Timm(64, [64, 96], basic(moskomule))),
    ("moskomule", "se-resnet-50", [16, 24], Timm(64, [64, 96], deep(moskomule, [16, 24]))),
    ("moskomule", "se-resnet-20", [16, 32], Timm(16, [16, 32], basic(moskomule), "3x3")),
    ("akamaster", "resnet-20", [16, 32], Timm(16, [16, 32], basic(None, shortcut="pad"), "3x3", "linear")),
    ("mmcls", "resnet-18", [64, 96], Mmcls(64, [64, 96], basic(None))),
    ("mmcls", "resnet-50", [16, 24], Mmcls(64, [64, 96], deep(None, [16, 24]))),
    ("mmcls", "resnext-50", [32, 64], Mmcls(64, [64, 128], deep(None, [32, 64], groups=32))),
    ("mmcls", "se-resnet-50", [16, 24], Mmcls(64, [64, 96], deep(mm, [16, 24]))),
    ("mmcls", "se-resnext-50", [32, 64], Mmcls(64, [64, 128], deep(mm, [32, 64], groups=32))),
    ("mmcls", "se-resnet-20", [16, 32], Mmcls(16, [16, 32], basic(mm), "3x3")),
]


def norms(model):
    return {name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}


def run(naming, like, widths, model):
    """Every tensor's shape, and whether it belongs to a batch norm: what the test needs to make the same weights."""
    state = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    of_norms = norms(model)
    tensors = {}
    for stream, name in enumerate(sorted(state)):
        module, leaf = name.rsplit(".", 1)
        role = {"running_mean": "mean", "running_var": "variance"}.get(leaf)
        if role is None:
            role = {"weight": "gamma", "bias": "beta"}[leaf] if module in of_norms else leaf
        state[name].copy_(torch.from_numpy(formula.value(role, tuple(state[name].shape), stream)))
        tensors[name] = [role, *state[name].shape]
    model.eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(formula.pictures(BATCH, SIDE, 0))).numpy()
    print(naming, like, logits[0])
    return {"naming": naming, "like": like, "depths": list(DEPTHS), "widths": widths, "tensors": tensors,
            "logits": logits.flatten().tolist()}


result = {
    "made by": f"golden/make_namings.py, PyTorch {torch.__version__}",
    "imageSize": SIDE, "batch": BATCH, "classes": CLASSES,
    "networks": [run(*network) for network in NETWORKS],
}
with open(os.path.join(here, "namings.json"), "w") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
