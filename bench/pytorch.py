"""PyTorch's side of bench/against-pytorch.ts and bench/inference.ts: answers one JSON line with one JSON line, until its input ends.

  {"command": "prepare", "mode": "inference" or "training", "model", "classes", "batch", "side", "threads",
   "precision"?: "float32" or "bf16" (autocast), "ways"?: [...]}
      -> {"torch", "blas_gflops", "parameters", "variants": [...]}; every variant has had its warm-up; only `ways`, if given
  {"command": "export", "file"}
      -> {}; the network as torch.onnx.export writes it, for this batch, batch norms kept
  {"command": "run", "variant", "milliseconds", "runs"}
      -> {"times": [...], "processor": ...}, in milliseconds; at least so many runs and at least so long, after one that
         is not counted; `processor` is what the process used since the last answer

It answers only when its threads have become idle, so that the other side can be measured next.
"""

import contextlib
import copy
import json
import os
import sys
import time
import warnings
from pathlib import Path

# Its compiler's own processes would outlive the last question.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import torch  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "golden"))
from networks import build  # noqa: E402

warnings.filterwarnings("ignore", category=DeprecationWarning)  # of names that 1.13 has no others for

WARM_UPS = 4  # TorchScript profiles and compiles during the first runs


LAYOUTS = {"plain": torch.contiguous_format, "channels-last": torch.channels_last}

COMPILES = hasattr(torch, "compile")


def inference(network, side, batch, wanted):
    """Each way to run it, as a function: the layouts as a module and as frozen TorchScript, and the latter optimised."""
    images = torch.randn(batch, 3, side, side)
    ways = {}
    for layout, memory_format in LAYOUTS.items():
        # to() changes the module itself, and tracing keeps what it sees, so each layout has a network of its own.
        module = copy.deepcopy(network).eval().to(memory_format=memory_format)
        x = images.contiguous(memory_format=memory_format)
        ways[layout] = lambda module=module, x=x: module(x)
        if not wanted or f"frozen {layout}" in wanted:
            frozen = torch.jit.freeze(torch.jit.trace(module, x))
            ways[f"frozen {layout}"] = lambda frozen=frozen, x=x: frozen(x)
    if COMPILES and (not wanted or "compiled" in wanted):
        # With constant weights, as Inductor's own notes for processors have it: batch norm folded, layouts chosen.
        module = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
        x = images.contiguous(memory_format=torch.channels_last)
        compiled = torch.compile(module, options={"freezing": True})
        ways["compiled"] = lambda: compiled(x)
    if not wanted or "optimised" in wanted:
        optimised = torch.jit.optimize_for_inference(torch.jit.trace(copy.deepcopy(network).eval(), images))
        ways["optimised"] = lambda: optimised(images)

    expected = ways["plain"]()
    for name, way in ways.items():
        difference = float((way() - expected).abs().max() / expected.abs().max())
        if not difference < (3e-2 if torch.is_autocast_cpu_enabled() else 1e-3):
            raise ValueError(f"{name} computes something else: relative difference {difference}")
    return {name: way for name, way in ways.items() if not wanted or name in wanted}


def training(network, side, batch, classes):
    """The same for a step: forward, loss, backward, update."""
    images = torch.randn(batch, 3, side, side)
    labels = torch.arange(batch) % classes
    ways = {}
    for layout, memory_format in LAYOUTS.items():
        module = copy.deepcopy(network).train().to(memory_format=memory_format)
        x = images.contiguous(memory_format=memory_format)
        ways[layout] = stepper(module, x, labels)
        if COMPILES and layout == "channels-last":
            ways["compiled"] = stepper(torch.compile(copy.deepcopy(module)), x, labels)
    return ways


def stepper(module, images, labels):
    matrices = [p for p in module.parameters() if p.dim() > 1]
    vectors = [p for p in module.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 5e-5}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=1e-3, momentum=0.9, nesterov=True)
    return lambda: step(module, images, labels, optimiser)


def step(module, images, labels, optimiser):
    optimiser.zero_grad(set_to_none=True)
    loss = torch.nn.functional.cross_entropy(module(images), labels, label_smoothing=0.1)
    with torch.autocast("cpu", enabled=False):
        loss.backward()
    optimiser.step()
    return loss.item()


def blas_gflops(size=512):
    """The speed of a matrix product: PyTorch calls whichever BLAS is installed, and Debian's plain one is very slow."""
    matrix = torch.randn(size, size)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - start)
    return 2e-9 * size**3 / min(times)


def settle():
    """Waits until no thread of this process works."""
    window = 0.05
    while True:
        before = time.process_time()
        time.sleep(window)
        if time.process_time() - before < 0.05 * window:
            return


class Bench:
    def __init__(self):
        self.ways = {}
        self.no_grad = False
        self.reported = time.process_time()

    def prepare(self, mode, model, classes, batch, side, threads, precision="float32", ways=()):
        self.precision = precision
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        network = self.network = build(model, classes)
        self.images = torch.randn(batch, 3, side, side)
        self.no_grad = mode == "inference"
        if precision == "bf16" and self.no_grad:
            # Tracing under autocast is not what a user would do.
            ways = ways or [*LAYOUTS, *(["compiled"] if COMPILES else [])]
        with self.mode():
            self.ways = inference(network, side, batch, ways) if self.no_grad else training(network, side, batch, classes)
            for way in self.ways.values():
                for _ in range(WARM_UPS):
                    way()
        return {
            "torch": torch.__version__,
            "blas_gflops": blas_gflops(),
            "parameters": sum(p.numel() for p in network.parameters()),
            "variants": list(self.ways),
        }

    @contextlib.contextmanager
    def mode(self):
        with torch.set_grad_enabled(not self.no_grad):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.precision == "bf16"):
                yield

    def export(self, file):
        preserve = torch.onnx.TrainingMode.PRESERVE
        torch.onnx.export(copy.deepcopy(self.network).eval(), self.images, file, training=preserve,
                          do_constant_folding=False, opset_version=16)
        return {}

    def run(self, variant, milliseconds, runs):
        way = self.ways[variant]
        times = []
        with self.mode():
            way()
            end = time.perf_counter() + milliseconds / 1000
            while len(times) < runs or time.perf_counter() < end:
                start = time.perf_counter()
                way()
                times.append(1000 * (time.perf_counter() - start))
        return {"times": times}

    def answer(self, command, **arguments):
        reply = {"prepare": self.prepare, "export": self.export, "run": self.run}[command](**arguments)
        settle()
        used, self.reported = time.process_time() - self.reported, time.process_time()
        return {**reply, "processor": 1000 * used}


bench = Bench()
for line in sys.stdin:
    print(json.dumps(bench.answer(**json.loads(line))), flush=True)
