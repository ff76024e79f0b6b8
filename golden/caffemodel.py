"""A caffemodel in memory, field by field as Caffe's schema numbers them (src/formats/caffe-schema.ts)."""

import numpy as np


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def encode(layers):
    """`layers` gives (name, type, blobs) one after another."""
    chunks = []
    for name, kind, blobs in layers:
        body = [field(1, name.encode()), field(2, kind.encode())]
        for blob in blobs:
            dims = field(7, field(1, b"".join(varint(d) for d in blob.shape)))
            body.append(field(7, dims + field(5, np.ascontiguousarray(blob, "<f4").tobytes())))
        chunks.append(field(100, b"".join(body)))
    return b"".join(chunks)
