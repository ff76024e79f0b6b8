"""Makes ops.safetensors: every forward operation in several configurations, with its gradients, by PyTorch in float64.

For each case `NAME` the file has the tensors `NAME/x` (an input, named as in src/ir/ops.ts), `NAME/y` (an output),
`NAME/dy` (the weights of the random-weighted sum of that output) and `NAME/dx` (the gradient of that sum by `x`).
Inputs and weights of the sum are on the float32 grid, so that float32 and float64 executors start from the same
numbers; outputs and gradients are float64. The list of cases is the JSON under the metadata key `cases`.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(1)
torch.manual_seed(20170905)  # the day of the paper's first version

tensors, cases = {}, []


def randn(*shape, scale=1.0, offset=0.0):
    return (torch.randn(*shape) * scale + offset).double()


def case(name, op, function, inputs, outputs=("y",), gradients=(), **attrs):
    """Runs `function` on the inputs, in their order, and records it.

    `gradients` names the inputs to differentiate by, through the first output.
    """
    leaves = {key: value.clone().requires_grad_(key in gradients) for key, value in inputs.items()}
    results = function(*leaves.values())
    results = results if isinstance(results, tuple) else (results,)
    for key, value in inputs.items():
        array = value.numpy()
        stored = array.astype(np.int32 if value.dtype == torch.int64 else np.float32)
        assert (stored == array).all(), f"{name}: {key} is not on the float32 grid"
        tensors[f"{name}/{key}"] = stored
    for key, value in zip(outputs, results, strict=True):
        tensors[f"{name}/{key}"] = value.detach().numpy()
    if gradients:
        weights = torch.randn(results[0].shape).double()
        (results[0] * weights).sum().backward()
        tensors[f"{name}/d{outputs[0]}"] = weights.numpy().astype(np.float32)
        for key in gradients:
            tensors[f"{name}/d{key}"] = leaves[key].grad.numpy()
    cases.append(
        {
            "name": name,
            "op": op,
            "attrs": attrs,
            "inputs": list(inputs),
            "outputs": list(outputs),
            "gradients": list(gradients),
        }
    )


def conv(name, x, w, bias=False, stride=1, pad=0, groups=1):
    inputs = {"x": randn(*x), "w": randn(*w)}
    if bias:
        inputs["b"] = randn(w[0])

    def run(x, w, b=None):
        return F.conv2d(x, w, b, stride=stride, padding=pad, groups=groups)

    case(f"conv2d/{name}", "conv2d", run, inputs, gradients=tuple(inputs), stride=stride, pad=pad, groups=groups)


conv("1x1", (2, 3, 5, 4), (4, 3, 1, 1))
conv("1x1-bias", (2, 3, 4, 5), (2, 3, 1, 1), bias=True)
conv("1x1-stride2-odd", (2, 4, 7, 5), (3, 4, 1, 1), stride=2)
conv("1x1-stride2-even", (2, 3, 6, 4), (4, 3, 1, 1), stride=2)
conv("1x1-stride3", (1, 3, 8, 7), (2, 3, 1, 1), stride=3)
conv("1x1-pad1", (1, 2, 3, 4), (3, 2, 1, 1), pad=1, bias=True)
conv("1x1-on-1x1", (3, 5, 1, 1), (2, 5, 1, 1), bias=True)
conv("3x3", (2, 3, 6, 5), (4, 3, 3, 3))
conv("3x3-pad1", (2, 3, 5, 7), (4, 3, 3, 3), pad=1)
conv("3x3-pad1-bias", (1, 2, 4, 5), (3, 2, 3, 3), pad=1, bias=True)
conv("3x3-pad2", (1, 2, 4, 3), (3, 2, 3, 3), pad=2)
conv("3x3-on-1x1", (2, 3, 1, 1), (4, 3, 3, 3), pad=1)
conv("3x3-stride2-odd", (2, 3, 7, 5), (4, 3, 3, 3), stride=2, pad=1)
conv("3x3-stride2-even", (2, 3, 8, 6), (3, 3, 3, 3), stride=2, pad=1)
conv("3x3-stride2-even-pad0", (1, 3, 8, 6), (2, 3, 3, 3), stride=2)
conv("3x3-stride3", (1, 2, 9, 8), (3, 2, 3, 3), stride=3, pad=1)
conv("2x2-stride2", (1, 3, 5, 6), (2, 3, 2, 2), stride=2)
conv("2x2-stride3", (1, 3, 7, 9), (2, 3, 2, 2), stride=3)
conv("5x5-pad2", (1, 2, 6, 7), (2, 2, 5, 5), pad=2)
conv("7x7-stride2-stem", (1, 3, 13, 12), (4, 3, 7, 7), stride=2, pad=3)
conv("1x3", (1, 3, 4, 6), (2, 3, 1, 3))
conv("3x1-pad1", (1, 2, 5, 4), (3, 2, 3, 1), pad=1, bias=True)
conv("whole-input", (2, 3, 4, 3), (4, 3, 4, 3), bias=True)
conv("17-channels", (1, 17, 4, 5), (9, 17, 3, 3), pad=1)
conv("groups2", (2, 4, 5, 4), (6, 2, 3, 3), pad=1, groups=2, bias=True)
conv("groups4-stride2", (1, 8, 7, 6), (8, 2, 3, 3), stride=2, pad=1, groups=4)
conv("groups3-1x1", (2, 6, 3, 4), (3, 2, 1, 1), groups=3)
conv("depthwise", (2, 5, 6, 7), (5, 1, 3, 3), pad=1, groups=5)
conv("depthwise-stride2", (1, 4, 7, 8), (4, 1, 3, 3), stride=2, pad=1, groups=4, bias=True)
conv("depthwise-multiplier2", (1, 3, 5, 4), (6, 1, 3, 3), pad=1, groups=3)


def linear(name, x, w, bias=True):
    inputs = {"x": randn(*x), "w": randn(*w)}
    if bias:
        inputs["b"] = randn(w[0])
    case(f"linear/{name}", "linear", lambda x, w, b=None: F.linear(x, w, b), inputs, gradients=tuple(inputs))


linear("bias", (3, 5), (4, 5))
linear("no-bias", (4, 7), (3, 7), bias=False)
linear("batch1", (1, 17), (9, 17))
linear("one-by-one", (2, 1), (1, 1))
linear("wide", (5, 33), (10, 33))


def channel_sum(name, shape):
    axes = [axis for axis in range(len(shape)) if axis != 1]
    case(f"channelSum/{name}", "channelSum", lambda x: x.sum(axes), {"x": randn(*shape)})


channel_sum("rank2", (3, 5))
channel_sum("rank4", (2, 3, 5, 4))
channel_sum("1x1", (4, 3, 1, 1))


def batch_norm(name, shape, eps=1e-5, scale=1.0, offset=0.0):
    channels = shape[1]
    x = randn(*shape, scale=scale, offset=offset)
    affine = {"gamma": randn(channels), "beta": randn(channels)}
    statistics = {"mean": randn(channels, offset=offset), "variance": (torch.rand(channels) + 0.5).double()}

    def inference(x, gamma, beta, mean, variance):
        return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=eps)

    def training(x, gamma, beta):
        y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
        return y, x.mean([0, 2, 3]), x.var([0, 2, 3], unbiased=False)

    case(f"batchNorm/{name}", "batchNorm", inference, {"x": x, **affine, **statistics}, eps=eps)
    outputs, gradients = ("y", "mean", "variance"), ("x", "gamma", "beta")
    case(f"batchNormTraining/{name}", "batchNormTraining", training, {"x": x, **affine}, outputs, gradients, eps=eps)


batch_norm("plain", (4, 3, 5, 4))
batch_norm("batch1", (1, 4, 6, 5))
batch_norm("1x1", (8, 5, 1, 1))
batch_norm("eps", (3, 2, 3, 4), eps=1e-3, scale=0.05)
# E[x^2] - E[x]^2 loses its digits here.
batch_norm("offset", (3, 2, 5, 5), offset=16.0)


def elementwise(op, function, name, x):
    case(f"{op}/{name}", op, function, {"x": x}, gradients=("x",))


elementwise("relu", F.relu, "rank4", randn(2, 3, 5, 4))
elementwise("relu", F.relu, "rank2", randn(3, 7))
elementwise("relu", F.relu, "zeros", torch.tensor([[0.0, -1.0, 0.0, 2.0, 0.0]]).double())
elementwise("sigmoid", torch.sigmoid, "rank4", randn(2, 5, 1, 1))
elementwise("sigmoid", torch.sigmoid, "rank2", randn(3, 7, scale=3.0))
saturated = torch.tensor([[-800.0, -90.0, -17.0, 0.0, 17.0, 90.0, 800.0]]).double()
elementwise("sigmoid", torch.sigmoid, "saturated", saturated)
case("add/rank4", "add", lambda a, b: a + b, {"a": randn(2, 3, 5, 4), "b": randn(2, 3, 5, 4)})
case("add/rank2", "add", lambda a, b: a + b, {"a": randn(3, 7), "b": randn(3, 7)})


def pool(name, x, kernel, stride, pad=0, ceil=False, ops=("maxPool", "avgPool")):
    x = randn(*x) if isinstance(x, tuple) else x
    functions = {
        "maxPool": lambda x: F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil),
        "avgPool": lambda x: F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil, count_include_pad=True),
    }
    for op in ops:
        attrs = {"kernel": kernel, "stride": stride, "pad": pad, "ceil": ceil}
        case(f"{op}/{name}", op, functions[op], {"x": x}, gradients=("x",), **attrs)


pool("3x3-stride2-pad1-odd", (2, 3, 7, 9), 3, 2, 1)
pool("3x3-stride2-pad1-even", (1, 2, 8, 6), 3, 2, 1)
pool("3x3-stride2-ceil", (1, 2, 8, 7), 3, 2, ceil=True)
pool("3x3-stride2-floor", (1, 2, 8, 7), 3, 2)
pool("3x3-stride2-pad1-ceil", (1, 2, 8, 5), 3, 2, 1, ceil=True)
pool("3x3-stride1-pad1", (1, 2, 4, 5), 3, 1, 1)
pool("3x3-stride3", (1, 2, 9, 7), 3, 3)
pool("2x2-stride2", (2, 2, 4, 6), 2, 2)
pool("2x2-stride2-ceil", (1, 3, 5, 7), 2, 2, ceil=True)
# The last window would start in the padding behind the input, and goes.
pool("2x2-stride2-pad1-ceil", (1, 2, 3, 5), 2, 2, 1, ceil=True)
pool("2x2-stride3-ceil", (1, 2, 6, 7), 2, 3, ceil=True)
pool("1x1-stride2", (1, 2, 5, 4), 1, 2)
pool("1x1-stride3-ceil", (1, 2, 5, 6), 1, 3, ceil=True)
pool("whole-input", (2, 3, 5, 5), 5, 1)
# The padding must not win over these.
pool("negative", (-1 - torch.rand(1, 2, 5, 5)).double(), 3, 2, 1, ops=("maxPool",))
# Equal values, as behind a ReLU: the first of a window takes the gradient.
pool("ties", torch.randint(0, 3, (2, 3, 6, 7)).double(), 3, 2, 1, ops=("maxPool",))
pool("all-zero", torch.zeros(1, 1, 6, 6).double(), 3, 2, 1, ops=("maxPool",))


def squeeze(x):
    return x.mean([2, 3], keepdim=True)


def scale_add(gate, branch, shortcut):
    return gate * branch + shortcut


for name, shape in {"plain": (2, 3, 5, 4), "1x1": (3, 4, 1, 1), "7x7": (1, 5, 7, 7)}.items():
    case(f"globalAvgPool/{name}", "globalAvgPool", squeeze, {"x": randn(*shape)}, gradients=("x",))

for name, shape in {"plain": (2, 3, 5, 4), "1x1": (3, 4, 1, 1), "batch1": (1, 17, 3, 3)}.items():
    gate = torch.sigmoid(torch.randn(*shape[:2], 1, 1)).double()
    inputs = {"gate": gate, "branch": randn(*shape), "shortcut": randn(*shape)}
    # The shortcut's gradient is dy itself, and needs no operation.
    case(f"seScaleAdd/{name}", "seScaleAdd", scale_add, inputs, gradients=("gate", "branch"))

for name, shape in {"rank4": (2, 3, 4, 5), "1x1": (3, 5, 1, 1), "rank2": (2, 7)}.items():
    case(f"flatten/{name}", "flatten", lambda x: x.flatten(1), {"x": randn(*shape)}, gradients=("x",))

for name, x in {"plain": randn(4, 7), "large": randn(3, 5, scale=200.0), "one-class": randn(2, 1)}.items():
    case(f"softmax/{name}", "softmax", lambda x: torch.softmax(x, 1), {"x": x})


def cross_entropy(name, logits, labels, smoothing):
    classes = logits.shape[1]
    targets = F.one_hot(labels, classes).double() * (1 - smoothing) + smoothing / classes
    targets = targets.float().double()
    case(
        f"softmaxCrossEntropy/{name}",
        "softmaxCrossEntropy",
        F.cross_entropy,
        {"logits": logits, "targets": targets},
        outputs=("loss",),
        gradients=("logits",),
    )


cross_entropy("plain", randn(4, 7), torch.tensor([0, 6, 3, 3]), 0.0)
cross_entropy("smoothed", randn(4, 7), torch.tensor([1, 0, 6, 2]), 0.1)
cross_entropy("batch1", randn(1, 10), torch.tensor([9]), 0.1)
cross_entropy("two-classes", randn(5, 2), torch.tensor([0, 1, 1, 0, 1]), 0.0)
cross_entropy("large", randn(3, 5, scale=200.0), torch.tensor([4, 0, 2]), 0.0)
cross_entropy("large-smoothed", randn(3, 5, scale=200.0), torch.tensor([4, 0, 2]), 0.1)

for name, shape in {"plain": (2, 3, 5, 4), "1x1": (3, 4, 1, 1), "batch1": (1, 17, 3, 3)}.items():
    inputs = {"gate": torch.sigmoid(torch.randn(*shape[:2], 1, 1)).double(), "x": randn(*shape)}
    case(f"seScale/{name}", "seScale", lambda gate, x: gate * x, inputs, gradients=("gate", "x"))

for name, shape in {"rank2": (3, 7), "rank4": (2, 3, 4, 5)}.items():
    keep = torch.randint(0, 2, shape).double() * 1.25
    inputs = {"x": randn(*shape), "keep": keep}
    case(f"dropout/{name}", "dropout", lambda x, keep: x * keep, inputs, gradients=("x",), rate=0.2)

for name, channels in {"two": (3, 2), "four": (1, 4, 2, 5), "one": (3,)}.items():
    inputs = {key: randn(2, c, 3, 4) for key, c in zip("abcd", channels)}
    case(f"concat/{name}", "concat", lambda *xs: torch.cat(xs, 1), inputs, gradients=tuple(inputs))

for name, (start, length) in {"first": (0, 2), "middle": (1, 3), "last": (4, 1), "all": (0, 5)}.items():
    slice_ = lambda x: x[:, start : start + length].contiguous()
    case(f"channelSlice/{name}", "channelSlice", slice_, {"x": randn(2, 5, 3, 4)}, start=start, length=length)

# Gradients of operations whose cases above have values only, and of the shortcut.
for name, shape in {"frozen": (3, 4, 5, 3), "frozen-1x1": (5, 3, 1, 1), "frozen-17-channels": (2, 17, 4, 3)}.items():
    c = shape[1]
    inputs = {"x": randn(*shape), "gamma": randn(c), "beta": randn(c), "mean": randn(c)}
    inputs["variance"] = (torch.rand(c) + 0.5).double()

    def frozen(x, gamma, beta, mean, variance):
        return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=1e-5)

    case(f"batchNorm/{name}", "batchNorm", frozen, inputs, gradients=("x", "gamma", "beta"), eps=1e-5)

inputs = {"a": randn(2, 3, 4, 5), "b": randn(2, 3, 4, 5)}
case("add/gradients", "add", lambda a, b: a + b, inputs, gradients=("a", "b"))

inputs = {"gate": torch.sigmoid(torch.randn(2, 3, 1, 1)).double(), "branch": randn(2, 3, 4, 5), "shortcut": randn(2, 3, 4, 5)}
scale_add = lambda gate, branch, shortcut: gate * branch + shortcut
case("seScaleAdd/shortcut", "seScaleAdd", scale_add, inputs, gradients=("gate", "branch", "shortcut"))

for name, (start, length) in {"gradient-first": (0, 2), "gradient-middle": (1, 3), "gradient-last": (4, 1)}.items():
    slice_ = lambda x: x[:, start : start + length].contiguous()
    inputs = {"x": randn(2, 5, 3, 4)}
    case(f"channelSlice/{name}", "channelSlice", slice_, inputs, gradients=("x",), start=start, length=length)

# Soft targets: of two classes, and such as do not sum to one.
mixed = torch.softmax(torch.randn(4, 7), 1).double()
for name, logits, targets in [
    ("soft", randn(4, 7), mixed.float().double()),
    ("unnormalised", randn(3, 5), (torch.rand(3, 5) * 2).double()),
]:
    inputs = {"logits": logits, "targets": targets}
    case(f"softmaxCrossEntropy/{name}", "softmaxCrossEntropy", F.cross_entropy, inputs, ("loss",), ("logits",))

for name, shape, scale in [("plain", (4, 7), 1.0), ("batch1", (1, 10), 1.0), ("large", (3, 5), 200.0)]:
    inputs = {"logits": randn(*shape, scale=scale), "targets": torch.rand(*shape).double()}
    bce = F.binary_cross_entropy_with_logits
    case(f"binaryCrossEntropy/{name}", "binaryCrossEntropy", bce, inputs, ("loss",), ("logits",))

for op, function in {"silu": F.silu, "mish": F.mish}.items():
    elementwise(op, function, "rank4", randn(2, 3, 5, 4))
    elementwise(op, function, "rank2", randn(3, 7, scale=3.0))
    elementwise(op, function, "saturated", saturated)

# Kernels, strides and paddings that differ by axis and by side: as [height, width], and as the padding of each side.


def sides(top, left, bottom, right):
    return {"top": top, "left": left, "bottom": bottom, "right": right}


def pair(extent):
    return (extent, extent) if isinstance(extent, int) else tuple(extent)


def padded(x, pad, value=0.0):
    return F.pad(x, (pad["left"], pad["right"], pad["top"], pad["bottom"]), value=value)


def uneven_conv(name, x, w, pad, stride=1, groups=1, bias=False):
    inputs = {"x": randn(*x), "w": randn(*w)}
    if bias:
        inputs["b"] = randn(w[0])

    def run(x, w, b=None):
        return F.conv2d(padded(x, pad), w, b, stride=pair(stride), groups=groups)

    case(f"conv2d/{name}", "conv2d", run, inputs, gradients=tuple(inputs), stride=stride, pad=pad, groups=groups)


uneven_conv("1x7-same", (2, 3, 5, 9), (4, 3, 1, 7), sides(0, 3, 0, 3), bias=True)
uneven_conv("7x1-same", (1, 4, 8, 5), (3, 4, 7, 1), sides(3, 0, 3, 0))
uneven_conv("1x3-over-the-edge", (1, 3, 1, 2), (2, 3, 1, 3), sides(0, 1, 0, 1))
uneven_conv("3x3-stride2-same-even", (2, 3, 8, 6), (4, 3, 3, 3), sides(0, 0, 1, 1), stride=2)
uneven_conv("7x7-stride2-same-even", (1, 3, 14, 12), (4, 3, 7, 7), sides(2, 2, 3, 3), stride=2)
uneven_conv("3x3-stride2-groups", (2, 8, 6, 8), (8, 4, 3, 3), sides(0, 0, 1, 1), stride=2, groups=2, bias=True)
uneven_conv("strides-differ", (1, 3, 9, 8), (2, 3, 3, 2), sides(1, 0, 0, 1), stride=[1, 2])
uneven_conv("four-sides", (1, 2, 6, 5), (3, 2, 3, 3), sides(2, 0, 1, 1), bias=True)
uneven_conv("pad-beyond-kernel", (1, 2, 3, 4), (3, 2, 3, 3), sides(3, 0, 1, 4))
uneven_conv("16-channels-1x7", (2, 16, 2, 6), (16, 16, 1, 7), sides(0, 3, 0, 3))
uneven_conv("16-channels-stride2", (1, 16, 6, 4), (16, 16, 3, 3), sides(0, 0, 1, 1), stride=2)
uneven_conv("16-channels-groups-stride2", (2, 16, 6, 4), (16, 4, 3, 3), sides(0, 0, 1, 1), stride=2, groups=4)


def uneven_pool(name, x, kernel, pad, stride=1, count=True, ops=("maxPool", "avgPool")):
    kh, kw = pair(kernel)

    def average(x):
        sums = F.avg_pool2d(padded(x, pad), (kh, kw), pair(stride), divisor_override=1)
        ones = torch.ones_like(x)
        return sums / (kh * kw if count else F.avg_pool2d(padded(ones, pad), (kh, kw), pair(stride), divisor_override=1))

    functions = {
        "maxPool": lambda x: F.max_pool2d(padded(x, pad, float("-inf")), (kh, kw), pair(stride)),
        "avgPool": average,
    }
    x = randn(*x)
    for op in ops:
        attrs = {"kernel": kernel, "stride": stride, "pad": pad, "ceil": False}
        if op == "avgPool" and not count:
            attrs["countPad"] = False
        case(f"{op}/{name}", op, functions[op], {"x": x}, gradients=("x",), **attrs)


uneven_pool("3x3-stride2-same-even", (2, 3, 8, 6), 3, sides(0, 0, 1, 1), stride=2)
uneven_pool("1x3", (1, 2, 4, 7), [1, 3], sides(0, 1, 0, 1))
uneven_pool("2x3-strides-differ", (1, 3, 5, 8), [2, 3], sides(1, 0, 0, 2), stride=[1, 2])
uneven_pool("16-channels-same", (2, 16, 6, 4), 3, sides(0, 0, 1, 1), stride=2)
for channels in (3, 16):
    uneven_pool(f"without-padding-{channels}", (2, channels, 5, 4), 3, sides(1, 1, 1, 1), count=False, ops=("avgPool",))
uneven_pool("without-padding-same", (1, 2, 8, 6), 3, sides(0, 0, 1, 1), stride=2, count=False, ops=("avgPool",))

case("avgPool/without-padding-ceil", "avgPool", lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), {"x": randn(1, 2, 6, 5)},
     gradients=("x",), kernel=3, stride=2, pad=1, ceil=True, countPad=False)

# Parts that begin within a block of channels, of a whole that is blocked; and parts without a whole block.
inputs = {key: randn(1, c, 2, 3) for key, c in zip("abc", (8, 4, 4))}
case("concat/within-blocks", "concat", lambda *xs: torch.cat(xs, 1), inputs, gradients=tuple(inputs))
slice_ = lambda x: x[:, 4:12].contiguous()
case("channelSlice/within-blocks", "channelSlice", slice_, {"x": randn(1, 16, 2, 3)}, gradients=("x",), start=4, length=8)

for name, shape in {"rank4": (2, 3, 5, 4), "16-channels": (2, 16, 3, 3), "rank2": (3, 7)}.items():
    case(f"multiply/{name}", "multiply", lambda x: 0.125 * x, {"x": randn(*shape)}, gradients=("x",), factor=0.125)

path = pathlib.Path(__file__).with_name("ops.safetensors")
safetensors.save(path, tensors, {"cases": json.dumps(cases, separators=(",", ":")), "torch": torch.__version__})
print(f"{path.name}: {len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size} bytes")
