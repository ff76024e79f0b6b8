"""What PyTorch, ONNX and protobuf read out of weight files: names, shapes, sums and some values, in weights.json.

The real files are those of ../shared/data/weights, which stay there; the small ones in golden/weights are made here.
Needs Debian's python3-torch, python3-onnx, python3-protobuf, python3-opencv and python3-numpy.
"""

import collections
import json
import os
import sys

import cv2
import numpy as np
import onnx
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from onnx import TensorProto, helper, numpy_helper

here = os.path.dirname(os.path.abspath(__file__))
small = os.path.join(here, "weights")
shared = os.path.join(here, "..", "..", "shared", "data", "weights")


def facts(array):
    """The shape, the sum and its absolute counterpart in float64, and the first, middle and last values."""
    array = np.asarray(array)
    flat = array.astype(np.float64).ravel()
    places = sorted({0, flat.size // 2, flat.size - 1}) if flat.size else []
    return {
        "shape": list(array.shape),
        "sum": float(flat.sum()),
        "abs": float(np.abs(flat).sum()),
        "at": {str(i): float(flat[i]) for i in places},
    }


def torch_facts(state):
    return {name: facts(tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.detach().numpy()) for name, tensor in state.items()}


def caffe_messages():
    """The few messages of caffe.proto that blobs need, without its compiler."""
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto

    def message(name, fields):
        message = file.message_type.add(name=name)
        for number, (label, kind, field_name, packed) in fields.items():
            entry = message.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                entry.type, entry.type_name = field.TYPE_MESSAGE, ".caffe." + kind
            else:
                entry.type = kind
            if packed:
                entry.options.packed = True

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    text, real, int64 = field.TYPE_STRING, field.TYPE_FLOAT, field.TYPE_INT64
    message("BlobShape", {1: (many, int64, "dim", True)})
    message(
        "BlobProto",
        {
            **{i + 1: (one, int64, name, False) for i, name in enumerate(["num", "channels", "height", "width"])},
            5: (many, real, "data", True),
            7: (one, "BlobShape", "shape", False),
        },
    )
    message(
        "LayerParameter",
        {1: (one, text, "name", False), 2: (one, text, "type", False), 3: (many, text, "bottom", False), 4: (many, text, "top", False), 7: (many, "BlobProto", "blobs", False)},
    )
    message("NetParameter", {1: (one, text, "name", False), 100: (many, "LayerParameter", "layer", False)})
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("caffe.NetParameter"))


def blob_array(blob):
    shape = list(blob.shape.dim) or [blob.num, blob.channels, blob.height, blob.width]
    return np.array(blob.data, np.float32).reshape(shape)


def caffe_facts(name):
    net = caffe_messages()()
    with open(os.path.join(shared, name), "rb") as file:
        net.ParseFromString(file.read())
    layers = []
    for layer in net.layer:
        blobs = [facts(blob_array(blob)) for blob in layer.blobs]
        layers.append({"name": layer.name, "type": layer.type, "bottoms": list(layer.bottom), "tops": list(layer.top), "blobs": blobs})
    return net, {"name": net.name, "layers": layers}


def check_with_opencv(prototxt, name, net):
    """OpenCV has its own reader of Caffe's files: the weights of the layers that it keeps as they are must be the same."""
    with open(os.path.join(shared, prototxt)) as file:
        text = file.read()
    if "input_dim" not in text:
        # A training network: without data, loss and accuracy, and with an input.
        parts = text.split("layer {")
        kept = [part for part in parts[1:] if not any(f'type: "{kind}"' in part for kind in ("Data", "SoftmaxWithLoss", "Accuracy"))]
        dims = "".join(f"input_dim: {extent}\n" for extent in (1, 3, 32, 32))
        text = parts[0] + 'input: "Data1"\n' + dims + "".join("layer {" + part for part in kept)
    with open(os.path.join(shared, name), "rb") as file:
        found = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(file.read(), np.uint8))
    checked = 0
    for layer in net.layer:
        if layer.type not in ("Convolution", "InnerProduct"):
            continue
        identity = found.getLayerId(layer.name)
        if identity < 0:
            continue  # left over from training: the deploy network does not have it
        blobs = found.getLayer(identity).blobs
        for ours, theirs in zip(layer.blobs, blobs):
            assert np.array_equal(np.array(ours.data, np.float32), theirs.ravel()), layer.name
            checked += 1
    assert checked > 4
    print(f"{name}: {checked} blobs equal OpenCV's", file=sys.stderr)


def small_state():
    """Every element type, and tensors that are views: transposed, sliced, of stride 2, shared, in channels_last."""
    torch.manual_seed(1)
    base = torch.randn(6, 8)
    image = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    return collections.OrderedDict(
        {
            "float": base,
            "shared": base[2:4],
            "transposed": base.t(),
            "strided": base[:, ::2],
            "channels_last": image,
            "double": torch.randn(3, dtype=torch.float64),
            "half": torch.tensor([1.0, -2.5, 65504.0, 6e-8]).half(),
            "brain": torch.tensor([1.0, -3.0, 3e38]).bfloat16(),
            "long": torch.tensor(7),
            "int": torch.tensor([[1, -2]], dtype=torch.int32),
            "short": torch.tensor([-300], dtype=torch.int16),
            "char": torch.tensor([-3, 4], dtype=torch.int8),
            "byte": torch.tensor([200], dtype=torch.uint8),
            "bool": torch.tensor([True, False]),
            "empty": torch.zeros(0, 3),
            "parameter": torch.nn.Parameter(torch.ones(2)),
        }
    )


def small_torch_files():
    state = small_state()
    torch.save(state, os.path.join(small, "zip.pth"))
    torch.save(state, os.path.join(small, "legacy.pth"), _use_new_zipfile_serialization=False)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    model[0].weight.data.fill_(0.5)
    parallel = {"module." + name: value for name, value in model.state_dict().items()}
    checkpoint = {"epoch": 3, "state_dict": parallel, "optimizer": torch.optim.SGD(model.parameters(), 0.1).state_dict()}
    torch.save(checkpoint, os.path.join(small, "checkpoint.pth"))
    torch.save(model, os.path.join(small, "module.pth"))
    return {"zip.pth": torch_facts(state), "legacy.pth": torch_facts(state), "checkpoint.pth": torch_facts(model.state_dict())}


def small_onnx_file():
    rng = np.random.default_rng(1)
    arrays = {
        "raw": rng.standard_normal((2, 3), np.float32),
        "raw16": rng.standard_normal(4).astype(np.float16),
        "raw64": np.array([1, -2], np.int64),
        "double": rng.standard_normal(2),
        "bool": np.array([True, False]),
        "scalar": np.array(3.5, np.float32),
    }
    initialisers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    typed = {
        "typed": (TensorProto.FLOAT, [2], [0.1, -2.0]),
        "typed16": (TensorProto.FLOAT16, [2], [1.5, -0.25]),
        "typedbrain": (TensorProto.BFLOAT16, [2], [1.5, -0.25]),
        "typed64": (TensorProto.INT64, [3], [5, -6, 2**31 - 1]),
        "typeddouble": (TensorProto.DOUBLE, [1], [0.1]),
        "typed8": (TensorProto.INT8, [2], [-8, 8]),
    }
    for name, (kind, shape, values) in typed.items():
        initialisers.append(helper.make_tensor(name, kind, shape, values))
        arrays[name] = np.array(values, np.float32 if name == "typed" else np.float64).reshape(shape)
    unreadable = [
        helper.make_tensor("end", TensorProto.INT64, [1], [2**63 - 1]),
        numpy_helper.from_array(np.array([2**40], np.int64), "rawend"),
        helper.make_tensor("words", TensorProto.STRING, [1], [b"tench"]),
    ]
    node = helper.make_node("Identity", ["raw"], ["out"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [2, 3])
    graph = helper.make_graph([node], "small", [], [out], initialisers + unreadable)
    model = helper.make_model(graph)
    helper.set_model_props(model, {"labels": '["tench"]'})
    onnx.save(model, os.path.join(small, "small.onnx"))
    return {name: facts(array) for name, array in arrays.items()}


def main():
    os.makedirs(small, exist_ok=True)
    checkpoint = torch.load(os.path.join(shared, "resnet20-12fca82f.th"), map_location="cpu")
    state = {name.replace("module.", ""): value for name, value in checkpoint["state_dict"].items()}
    caffe = {}
    for prototxt, name in [("res20_cifar_train_test.prototxt", "cifar10_res20_iter_64000.caffemodel"), ("det2.prototxt", "det2.caffemodel")]:
        net, caffe[name] = caffe_facts(name)
        check_with_opencv(prototxt, name, net)
    content = {
        "made by": {"torch": torch.__version__, "onnx": onnx.__version__, "opencv": cv2.__version__},
        "torch": {"resnet20-12fca82f.th": torch_facts(state), **small_torch_files()},
        "caffe": caffe,
        "onnx": {"small.onnx": small_onnx_file()},
    }
    with open(os.path.join(here, "weights.json"), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
