"""Four training steps of two ports' networks by PyTorch, in double precision and in single: writes port-steps.json.

Run: /usr/bin/python3 golden/make_port_steps.py [STEPS.json...]

moskomule's SE-ResNet-20 (r = 8) by its SGD, and nutszebra's SE-ResNet-11 (r = 8) by Chainer's MomentumSGD and WeightDecay,
written anew from the ports' code under the ports' own names, on which the formula's streams go. What double precision
gives is the truth. How far that moves when each weight is moved by half of single precision's last digit before each step
is what single precision can keep, at best, whoever computes.

With the files of the steps that the ports' own frameworks took in single precision (moskomule-steps.json by PyTorch,
nutszebra-steps.json by Chainer on NumPy) it prints how far those are from the truth. Chainer's are farther than PyTorch's,
because NumPy sums the means and variances of batch norm one number after the other in single precision where channels lie
innermost, as they do behind Chainer's convolutions on the CPU. `NumpyNorm` does so too, and gives Chainer's first two losses
to the last digit.
"""

import json
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import formula

torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
SIDE, CLASSES, BATCH, RATE, STEPS, MOVED = 32, 10, 16, 0.1, 4, 16


# --- moskomule/senet.pytorch at 8cb2669: senet/se_resnet.py, cifar ---


class MoskomuleSE(nn.Module):
    def __init__(self, channels, reduction):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False), nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False), nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class MoskomuleBlock(nn.Module):
    def __init__(self, inside, out, reduction):
        super().__init__()
        stride = 1 if inside == out else 2
        self.conv1, self.bn1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.se = MoskomuleSE(out, reduction)
        self.downsample = nn.Identity()
        if inside != out:
            self.downsample = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.se(y) + self.downsample(x))


class Moskomule(nn.Module):
    def __init__(self, units, reduction):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        inside = 16
        for stage, width in enumerate((16, 32, 64), 1):
            blocks = []
            for _ in range(units):
                blocks.append(MoskomuleBlock(inside, width, reduction))
                inside = width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def moskomule(dtype):
    model = Moskomule(3, 8)
    formula.fill(model)
    model.to(dtype).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, weight_decay=1e-4)

    def state():
        return {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}

    def update():
        optimiser.step()
        optimiser.zero_grad()

    return model, list(model.parameters()), state, update


# --- nutszebra/SENets at 2a5a0b3: models/se_residual_network.py, on Chainer 1.24 ---


class NumpyNorm(torch.autograd.Function):
    """Chainer 1.24's batch norm on NumPy, with NumPy's sums, of maps whose channels lie innermost."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        x = np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        each = lambda values: values[None, :, None, None]
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        deviation = np.sqrt(var + np.float32(eps))
        normal = (x - each(mean)) / each(deviation)
        ctx.saved = normal, deviation, gamma.numpy()
        y = each(gamma.numpy()) * normal + each(beta.numpy())
        return torch.from_numpy(y), torch.from_numpy(mean), torch.from_numpy(var)

    @staticmethod
    def backward(ctx, gy, *_):
        normal, deviation, gamma = ctx.saved
        gy = gy.numpy()
        each = lambda values: values[None, :, None, None]
        gbeta, ggamma = gy.sum(axis=(0, 2, 3)), (gy * normal).sum(axis=(0, 2, 3))
        m = np.float32(gy.size // gamma.size)
        gx = each(gamma / deviation) * (gy - (normal * each(ggamma) + each(gbeta)) / m)
        return torch.from_numpy(gx), torch.from_numpy(ggamma), torch.from_numpy(gbeta), None


class Nutszebra:
    """Arrays by Chainer's names; running variances with Chainer's epsilon before m / (m - 1), as its CPU path has it."""

    UNITS, WIDTHS, REDUCTION, EPS, DECAY = 1, (16, 32, 64), 8, 2e-5, 0.9

    def __init__(self, dtype, by_numpy=False):
        shapes = {}
        self.by_numpy = by_numpy

        def conv(name, inside, out, kernel):
            shapes[f"{name}/W"], shapes[f"{name}/b"] = (out, inside, kernel, kernel), (out,)

        def norm(name, channels):
            for part in ("gamma", "beta", "avg_mean", "avg_var"):
                shapes[f"{name}/{part}"] = (channels,)

        conv("conv1", 3, 16, 3)
        inside = 16
        for stage, width in enumerate(self.WIDTHS, 1):
            norm(f"res_block{stage}/skip_bn", inside)
            for unit in range(1, self.UNITS + 1):
                for k, (a, b, kernel) in enumerate(((inside, width, 1), (width, width, 3), (width, 4 * width, 1)), 1):
                    conv(f"res_block{stage}/bn_relu_conv{k}_{unit}/conv", a, b, kernel)
                    norm(f"res_block{stage}/bn_relu_conv{k}_{unit}/bn", a)
                hidden = 4 * width // self.REDUCTION
                se = f"res_block{stage}/se_block_{unit}"
                shapes[f"{se}/f1/W"], shapes[f"{se}/f1/b"] = (hidden, 4 * width), (hidden,)
                shapes[f"{se}/f2/W"], shapes[f"{se}/f2/b"] = (4 * width, hidden), (4 * width,)
                inside = 4 * width
        conv("bn_relu_conv/conv", inside, CLASSES, 1)
        norm("bn_relu_conv/bn", inside)
        roles = {"W": "weight", "b": "bias", "gamma": "gamma", "beta": "beta", "avg_mean": "mean", "avg_var": "variance"}
        self.arrays = {}
        for stream, name in enumerate(sorted(shapes)):
            role = roles[name.rsplit("/", 1)[1]]
            array = torch.from_numpy(formula.value(role, shapes[name], stream)).to(dtype)
            self.arrays[name] = array.requires_grad_() if role not in ("mean", "variance") else array

    def conv(self, name, x, stride=1):
        W = self.arrays[f"{name}/W"]
        return F.conv2d(x, W, self.arrays[f"{name}/b"], stride, W.shape[2] // 2)

    def norm(self, name, x):
        a = self.arrays
        gamma, beta = a[f"{name}/gamma"], a[f"{name}/beta"]
        if self.by_numpy:
            y, mean, var = NumpyNorm.apply(x, gamma, beta, self.EPS)
        else:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            y = (x - mean[:, None, None]) / torch.sqrt(var + self.EPS)[:, None, None]
            y = y * gamma[:, None, None] + beta[:, None, None]
        m = x.numel() / x.shape[1]
        with torch.no_grad():
            a[f"{name}/avg_mean"].mul_(self.DECAY).add_((1 - self.DECAY) * mean)
            a[f"{name}/avg_var"].mul_(self.DECAY).add_((1 - self.DECAY) * (var + self.EPS) * m / (m - 1))
        return y

    def bn_relu_conv(self, name, x, stride=1):
        return self.conv(f"{name}/conv", F.relu(self.norm(f"{name}/bn", x)), stride)

    def __call__(self, x):
        h = F.relu(self.conv("conv1", x))
        for stage in range(1, 4):
            for unit in range(1, self.UNITS + 1):
                stride = 2 if stage > 1 and unit == 1 else 1
                at = f"res_block{stage}"
                y = self.bn_relu_conv(f"{at}/bn_relu_conv1_{unit}", h, stride)
                y = self.bn_relu_conv(f"{at}/bn_relu_conv2_{unit}", y)
                y = self.bn_relu_conv(f"{at}/bn_relu_conv3_{unit}", y)
                a, se = self.arrays, f"{at}/se_block_{unit}"
                z = F.relu(F.linear(y.mean((2, 3)), a[f"{se}/f1/W"], a[f"{se}/f1/b"]))
                y = y * torch.sigmoid(F.linear(z, a[f"{se}/f2/W"], a[f"{se}/f2/b"]))[:, :, None, None]
                if unit == 1:
                    h = F.relu(self.norm(f"{at}/skip_bn", h))[:, :, ::stride, ::stride]
                    h = F.pad(h, (0, 0, 0, 0, 0, y.shape[1] - h.shape[1]))
                h = h + y
        return self.bn_relu_conv("bn_relu_conv", F.relu(h)).mean((2, 3))


def nutszebra(dtype, by_numpy=False):
    model = Nutszebra(dtype, by_numpy)
    learnt = [array for array in model.arrays.values() if array.requires_grad]
    velocities = [torch.zeros_like(array) for array in learnt]

    def update():
        with torch.no_grad():
            for p, v in zip(learnt, velocities):
                v.mul_(0.9).sub_(RATE * (p.grad + 1e-4 * p))
                p.add_(v)
                p.grad = None

    return model, learnt, lambda: model.arrays, update


# --- steps ---

CASES = {"moskomule": moskomule, "nutszebra": nutszebra}


def run(build, dtype, seed=None):
    """With a seed each weight is moved before each step by at most half of single precision's last digit."""
    model, learnt, state, update = build(dtype)
    random = None if seed is None else torch.Generator().manual_seed(seed)
    steps = []
    for s in range(STEPS):
        if random is not None:
            with torch.no_grad():
                for p in learnt:
                    p.mul_(1 + 2.0**-24 * (2 * torch.rand(p.shape, generator=random, dtype=dtype) - 1))
        x = torch.from_numpy(formula.pictures(BATCH, SIDE, s)).to(dtype)
        t = torch.tensor([(7 * i + s) % 10 for i in range(BATCH)])
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        squares = sum(p.grad.double().pow(2).sum().item() for p in learnt)
        update()
        sums = {name: value.detach().double().sum().item() for name, value in state().items()}
        steps.append({"loss": loss.item(), "gradSquares": squares, "sums": sums})
    return steps


def flat(step, names):
    return np.array([step["loss"], step["gradSquares"], *(step["sums"][name] for name in names)])


def apart(found, truth, names):
    """The largest relative difference of all numbers of a step."""
    a, b = flat(found, names), flat(truth, names)
    return float(np.max(np.abs(a - b) / np.abs(b)))


result = {"made by": f"golden/make_port_steps.py, PyTorch {torch.__version__}"}
for name, build in CASES.items():
    double, single = run(build, torch.float64), run(build, torch.float32)
    given = [path for path in sys.argv[1:] if os.path.basename(path).startswith(name)]
    names = sorted(double[0]["sums"])
    if given:
        with open(given[0]) as file:
            theirs = json.load(file)["steps"]
        names = sorted(theirs[0]["sums"])
        for s, step in enumerate(theirs):
            print(f"{name}, step {s + 1}: from the truth its framework is {apart(step, double[s], names):.1e}, "
                  f"PyTorch in single {apart(single[s], double[s], names):.1e}; losses {step['loss']}, {double[s]['loss']}")
        if name == "nutszebra":
            for s, step in enumerate(run(lambda dtype: nutszebra(dtype, True), torch.float32)):
                print(f"    with NumPy's sums, step {s + 1}: loss {step['loss']}, and {apart(step, theirs[s], names):.1e} from Chainer")
    moved = [run(build, torch.float64, seed) for seed in range(MOVED)]
    noise = [max(apart(steps[s], double[s], names) for steps in moved) for s in range(STEPS)]
    print(f"{name}: weights moved by half of single precision's last digit, in double: {', '.join(f'{x:.1e}' for x in noise)}")
    result[name] = {"steps": double, "noise": noise}
with open(os.path.join(here, "port-steps.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
