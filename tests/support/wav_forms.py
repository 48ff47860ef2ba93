"""WAV files in every form that recorders write."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice.audio import ALaw, MuLaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["FORMS", "wav_file"]

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def _upper(bits: int) -> Callable[[NDArray[np.int16]], bytes]:
    def stored(samples: NDArray[np.int16]) -> bytes:
        wide = samples.astype("<i4") << 16
        return wide.view(np.uint8).reshape(-1, 4)[:, 4 - bits // 8 :].tobytes()

    return stored


def _companded(law: type[ALaw | MuLaw]) -> Callable[[NDArray[np.int16]], bytes]:
    def stored(samples: NDArray[np.int16]) -> bytes:
        # An encoder takes 20 ms at 8 kHz at a time.
        frames = np.concatenate([samples, np.zeros(-len(samples) % 160, np.int16)]).reshape(-1, 160)
        return b"".join(law().encode(frame) for frame in frames)[: len(samples)]

    return stored


FORMS: dict[str, tuple[int, int, Callable[[NDArray[np.int16]], bytes]]] = {
    "8 bit": (_PCM, 8, lambda samples: ((samples.astype(int) >> 8) + 128).astype(np.uint8).tobytes()),
    "16 bit": (_PCM, 16, lambda samples: samples.astype("<i2").tobytes()),
    "24 bit": (_PCM, 24, _upper(24)),
    "32 bit": (_PCM, 32, _upper(32)),
    "float 32": (_FLOAT, 32, lambda samples: (samples / 32_768).astype("<f4").tobytes()),
    "float 64": (_FLOAT, 64, lambda samples: (samples / 32_768).astype("<f8").tobytes()),
    "A-law": (_A_LAW, 8, _companded(ALaw)),
    "mu-law": (_MU_LAW, 8, _companded(MuLaw)),
}
"""Format tag, bits per sample, and how samples are stored."""


def wav_file(
    samples: NDArray[np.int16],
    *,
    form: str = "16 bit",
    rate_hz: int = 16_000,
    channels: int = 1,
    extensible: bool = False,
) -> bytes:
    """`samples` on each of `channels`."""
    tag, bits, stored = FORMS[form]
    data = stored(np.repeat(samples, channels))
    frame = channels * bits // 8
    fields = struct.pack("<HIIHH", channels, rate_hz, rate_hz * frame, frame, bits)
    if extensible:
        fmt = struct.pack("<H", _EXTENSIBLE) + fields + struct.pack("<HHIH", 22, bits, 0, tag) + _SUBFORMAT_TAIL
    else:
        fmt = struct.pack("<H", tag) + fields
    body = b"WAVE" + _chunk(b"fmt ", fmt) + _chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0") + _chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
