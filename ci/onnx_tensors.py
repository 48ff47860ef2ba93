"""Takes weights out of an ONNX file and makes a safetensors file of them, with nothing but the standard library.

ONNX is protobuf (protobuf.dev/programming-guides/encoding) with the field numbers of onnx.proto; safetensors is a JSON
header before the same little-endian bytes (huggingface.co/docs/safetensors). One pass over the fields of the model, of
its graph and of each initializer: no recursion, no copy before the last, every length held against what is there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Field numbers of onnx.proto; those of a TensorProto stand in `_tensor`.
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_FLOAT = 1  # TensorProto.DataType

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}  # wire type -> bytes
_VARINT_BYTES = 10
_MOST_DIMENSIONS = 8
_HEADER_ALIGNMENT = 8


@dataclass(slots=True)
class _Tensor:
    name: str = ""
    shape: list[int] = field(default_factory=list[int])
    data_type: int = 0
    data: memoryview = field(default_factory=lambda: memoryview(b""))


def as_safetensors(onnx: bytes, names: Iterable[tuple[str, str]]) -> bytes:
    """The safetensors file of the initializers of `onnx` that `names` asks for, in this order.

    `names`: for each tensor its name in the safetensors file and its name in the ONNX file. The same arguments give the
    same bytes. Raises ValueError, which says what is wrong, when a tensor is missing or is not made of 32-bit floats
    kept as raw data, or when the bytes are not protobuf.
    """
    found = {tensor.name: tensor for tensor in _initializers(memoryview(onnx))}
    header: dict[str, object] = {}
    parts: list[memoryview] = []
    end = 0
    for name, onnx_name in names:
        if onnx_name not in found:
            raise ValueError(f"no tensor {onnx_name} among {len(found)}")
        tensor = found[onnx_name]
        _check(tensor)
        begin, end = end, end + len(tensor.data)
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, end]}
        parts.append(tensor.data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEADER_ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _check(tensor: _Tensor) -> None:
    if tensor.data_type != _FLOAT:
        raise ValueError(f"tensor {tensor.name} has ONNX data type {tensor.data_type}, expected {_FLOAT} (float)")
    if len(tensor.shape) > _MOST_DIMENSIONS or len(tensor.data) != 4 * math.prod(tensor.shape):
        raise ValueError(
            f"tensor {tensor.name} has {len(tensor.data)} bytes of raw data, which do not fill its shape "
            f"{tensor.shape[:_MOST_DIMENSIONS]}"
        )


def _initializers(model: memoryview) -> Iterator[_Tensor]:
    for number, graph in _fields(model):
        if number == _MODEL_GRAPH and isinstance(graph, memoryview):
            for inner, initializer in _fields(graph):
                if inner == _GRAPH_INITIALIZER and isinstance(initializer, memoryview):
                    yield _tensor(initializer)


def _tensor(message: memoryview) -> _Tensor:
    tensor = _Tensor()
    for numbered in _fields(message):
        match numbered:
            case 1, int(dimension):
                tensor.shape.append(dimension)
            case 2, int(data_type):
                tensor.data_type = data_type
            case 8, memoryview() as name:
                tensor.name = str(name, "utf-8", "replace")
            case 9, memoryview() as raw_data:
                tensor.data = raw_data
            case _:
                pass
    return tensor


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an integer where it is a varint, else its bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire_type == _BYTES:
            length, at = _varint(message, at)
        elif wire_type in _FIXED:
            length = _FIXED[wire_type]
        else:
            raise ValueError(f"not an ONNX file: a field of wire type {wire_type}")
        if length > len(message) - at:
            raise ValueError(f"not an ONNX file, or cut short: {length} bytes announced, {len(message) - at} left")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The integer that begins at `at`, and where it ends: seven bits to a byte, the lowest first."""
    value = 0
    for place, byte in enumerate(message[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("not an ONNX file, or cut short: an integer without an end")
