"""The safetensors format in a few lines, so that the golden scripts need torch and numpy only.

A file is: the header's length (uint64, little-endian), the header (JSON: name -> dtype, shape, data_offsets; strings
under "__metadata__"), padded with spaces to 8 bytes, then the tensors' bytes. Larger elements come first, so that every
tensor is aligned.
"""

import json
import struct

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def save(path, tensors, metadata):
    """Writes named numpy arrays and string metadata; the same input gives the same bytes."""
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header, offset = {"__metadata__": dict(sorted(metadata.items()))}, 0
    for name, array in ordered:
        end = offset + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array).tobytes())


def load(path):
    """Reads what `save` writes: (arrays by name, metadata)."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(content[start:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata
