"""The small kernels as Python calls them, for pytest-benchmark: benches/python/bench_kernels.py runs this file.

What they cost above the kernel itself is the call, the copy in and out and, for all but G.711, letting go of the
interpreter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beluga_voice import _core
from beluga_voice._engine import silero_weights


def voice(rate_hz: int, samples: int) -> Any:
    t = np.arange(samples) / rate_hz
    return (8_000 * np.sin(2 * np.pi * 150 * t) * np.sin(2 * np.pi * 3 * t)).astype(np.int16)


@pytest.mark.parametrize(("in_hz", "out_hz"), [(48_000, 16_000), (16_000, 24_000), (24_000, 48_000)])
def test_resampler(benchmark: Any, in_hz: int, out_hz: int) -> None:
    resampler = _core.Resampler(in_hz, out_hz)
    benchmark(resampler.process, voice(in_hz, in_hz // 100))


def test_silero(benchmark: Any) -> None:
    vad = _core.SileroVad(silero_weights())
    benchmark(vad.process, voice(16_000, 512))


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_g711(benchmark: Any, codec: str, direction: str) -> None:
    coder = _core.MuLaw() if codec == "pcmu" else _core.ALaw()
    pcm = voice(8_000, 160)
    benchmark(getattr(coder, direction), pcm if direction == "encode" else coder.encode(pcm))


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_opus(benchmark: Any, rate_hz: int, direction: str) -> None:
    encoder, decoder = _core.OpusEncoder(sample_rate=rate_hz), _core.OpusDecoder(sample_rate=rate_hz)
    pcm = voice(rate_hz, rate_hz // 50)
    if direction == "encode":
        benchmark(encoder.encode, pcm)
    else:
        benchmark(decoder.decode, encoder.encode(pcm))
