"""ci/onnx_tensors.py: what it takes out of an ONNX file, and what it says of a file that is not right."""

from __future__ import annotations

import json
import runpy
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]
as_safetensors: Callable[[bytes, Iterable[tuple[str, str]]], bytes] = runpy.run_path(
    str(ROOT / "ci" / "onnx_tensors.py")
)["as_safetensors"]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def initializer(name: str, shape: list[int], data: bytes, *, data_type: int = 1) -> bytes:
    dimensions = b"".join(number(1, dimension) for dimension in shape)
    return block(5, dimensions + number(2, data_type) + block(8, name.encode()) + block(9, data))


def model(*initializers: bytes) -> bytes:
    """With a version before the graph and fields of fixed width in it, which are passed over."""
    fixed = varint(99 << 3 | 5) + b"\xff" * 4 + varint(99 << 3 | 1) + b"\xff" * 8
    return number(1, 8) + block(7, block(2, b"a graph") + fixed + b"".join(initializers))


LONG = struct.pack("<200f", *range(200))
SHORT = struct.pack("<f", -0.5)
GOOD = model(initializer("a", [1], SHORT), initializer("other", [0], b""), initializer("b", [2, 100], LONG))


def test_the_tensors_asked_for_in_the_order_asked_for() -> None:
    file = as_safetensors(GOOD, [("second", "b"), ("first", "a")])
    length = int.from_bytes(file[:8], "little")
    assert length % 8 == 0
    header = json.loads(file[8 : 8 + length])
    assert list(header.items()) == [
        ("second", {"dtype": "F32", "shape": [2, 100], "data_offsets": [0, 800]}),
        ("first", {"dtype": "F32", "shape": [1], "data_offsets": [800, 804]}),
    ]
    assert file[8 + length :] == LONG + SHORT


@pytest.mark.parametrize(
    ("onnx", "said"),
    [
        (model(initializer("b", [1], SHORT)), "no tensor a among 1"),
        (model(initializer("a", [1], SHORT, data_type=10)), r"tensor a has ONNX data type 10, expected 1 \(float\)"),
        (model(initializer("a", [2], SHORT)), r"tensor a has 4 bytes of raw data, which do not fill its shape \[2\]"),
        (model(initializer("a", [1] * 9, SHORT)), "do not fill its shape"),
        (b"PK\x03\x04 no ONNX", "not an ONNX file"),
        (b"\xff" * 20, "an integer without an end"),
        (b"", "no tensor a among 0"),
    ],
)
def test_what_is_not_right_is_named(onnx: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        as_safetensors(onnx, [("a", "a")])


def test_a_file_cut_anywhere_is_refused() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(ValueError, match=r"cut short|no tensor"):
            as_safetensors(GOOD[:length], [("a", "a"), ("b", "b")])
