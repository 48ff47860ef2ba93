"""Our resampler and VAD against soxr and onnxruntime, both from Python, in one process, taking turns.

    PYTHONPATH=python RIVALS/bin/python benches/rivals/rival_kernels.py SILERO.onnx SILERO.safetensors ROUNDS

Run by benches/python/bench_kernels.py in the rivals' environment; prints JSON: versions, and rows of the kinds
`resampler` and `vad`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr
from numpy.typing import NDArray

from beluga_voice import _core

Sound = NDArray[np.int16]
Process = Callable[[Sound], Sound]

RATES = ((48_000, 16_000), (16_000, 24_000), (24_000, 48_000))
CHUNK_MS = 10
WINDOW = 512
# What a window is preceded by in Silero's input: the end of the window before.
CONTEXT = 64
# Band that the requirement on ripple and aliases is about: nine tenths of the lower Nyquist frequency.
PASSED = 0.9
PROBE_HZ = 997.0


class OnnxSilero:
    """The published file as its users run it: one stream, one thread."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._rate = np.array(16_000, np.int64)
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros((1, CONTEXT), np.float32)

    def window(self, pcm: Sound) -> float:
        """Probability of speech in 32 ms."""
        heard = np.concatenate([self._context, pcm.astype(np.float32)[None] / 32_768], axis=1)
        out, self._state = self._session.run(None, {"input": heard, "state": self._state, "sr": self._rate})
        self._context = heard[:, -CONTEXT:]
        return float(out[0, 0])


def ours(in_hz: int, out_hz: int) -> Process:
    resampler = _core.Resampler(in_hz, out_hz)
    return lambda pcm: np.frombuffer(resampler.process(pcm), np.int16)


def theirs(in_hz: int, out_hz: int, quality: str) -> Process:
    stream = soxr.ResampleStream(in_hz, out_hz, 1, dtype="int16", quality=quality)
    return lambda pcm: stream.resample_chunk(pcm)


WHO: dict[str, Callable[[int, int], Process]] = {
    "beluga-voice": ours,
    "soxr HQ": lambda in_hz, out_hz: theirs(in_hz, out_hz, "HQ"),
    "soxr VHQ": lambda in_hz, out_hz: theirs(in_hz, out_hz, "VHQ"),
}


def through(process: Process, sound: Sound, in_hz: int) -> tuple[Sound, list[int], float]:
    """The sound in chunks: what came out, how long each piece of it was, and microseconds per chunk."""
    chunk = in_hz * CHUNK_MS // 1000
    began = time.perf_counter()
    pieces = [process(sound[start : start + chunk]) for start in range(0, len(sound) - chunk + 1, chunk)]
    took_us = (time.perf_counter() - began) * 1e6
    return np.concatenate(pieces), [len(piece) for piece in pieces], took_us / len(pieces)


def held_back_ms(lengths: list[int], out_hz: int) -> list[float]:
    """After each chunk: what had gone in and not come out."""
    out_ms = np.cumsum(lengths) * 1000 / out_hz
    in_ms = CHUNK_MS * np.arange(1, len(lengths) + 1)
    return [float(ms) for ms in in_ms - out_ms]


def spectrum(sound: Sound) -> NDArray[np.float64]:
    """Amplitudes of a second in the middle, a bin a hertz apart; full scale is 1 (Blackman-Harris: -92 dB beside)."""
    x = 2 * np.pi * np.arange(len(sound)) / len(sound)
    window = 0.35875 - 0.48829 * np.cos(x) + 0.14128 * np.cos(2 * x) - 0.01168 * np.cos(3 * x)
    amplitudes: NDArray[np.float64] = np.abs(np.fft.rfft(sound / 32_768 * window)) * 2 / window.sum()
    return amplitudes


def tones(in_hz: int, parts: dict[float, float]) -> Sound:
    """Three seconds of sines: hertz -> amplitude. Their sum is the dither of each."""
    t = np.arange(3 * in_hz) / in_hz
    sound = sum(amplitude * np.sin(2 * np.pi * hz * t) for hz, amplitude in parts.items())
    return np.rint(np.asarray(sound) * 32_767).astype(np.int16)


def quality(make: Callable[[int, int], Process], in_hz: int, out_hz: int) -> dict[str, float]:
    """Signal to noise, aliases or images, ripple, all with the 16 bits that both take and give."""

    def middle(parts: dict[float, float]) -> Sound:
        sound = through(make(in_hz, out_hz), tones(in_hz, parts), in_hz)[0]
        return sound[out_hz : 2 * out_hz]

    nyquist = min(in_hz, out_hz) / 2
    alone = spectrum(middle({PROBE_HZ: 0.9})) ** 2
    signal = alone[int(PROBE_HZ) - 4 : int(PROBE_HZ) + 5].sum()
    noise = alone[20:].sum() - signal
    strays: list[float] = []
    if in_hz > out_hz:
        for hz in np.linspace(nyquist * 1.1, in_hz / 2 * 0.99, 12).round():
            folded = abs(hz - out_hz * round(hz / out_hz))
            strays.append(_at(spectrum(middle({PROBE_HZ: 0.1, hz: 0.5})), folded) / 0.5)
    else:
        for hz in np.linspace(nyquist * 0.1, nyquist * PASSED, 12).round():
            image = in_hz - hz
            if image < out_hz / 2:
                strays.append(_at(spectrum(middle({hz: 0.5})), image) / 0.5)
    passed = [_at(spectrum(middle({hz: 0.5})), hz) for hz in np.linspace(300, nyquist * PASSED, 24).round()]
    in_db = 20 * np.log10(np.array(passed) / passed[0])
    return {
        "snr_db": round(float(10 * np.log10(signal / noise)), 1),
        "alias_db": round(float(20 * np.log10(max([*strays, 1e-9]))), 1),
        "ripple_db": round(float(np.ptp(in_db)), 4),
    }


def _at(amplitudes: NDArray[np.float64], hz: float) -> float:
    place = round(hz)
    return float(amplitudes[max(0, place - 2) : place + 3].max())


def resamplers(rounds: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for in_hz, out_hz in RATES:
        sound = np.random.default_rng(1).normal(0, 3_000, in_hz).astype(np.int16)
        costs: dict[str, list[float]] = {who: [] for who in WHO}
        running = {who: make(in_hz, out_hz) for who, make in WHO.items()}
        for _ in range(rounds):
            for who, process in running.items():
                costs[who].append(through(process, sound, in_hz)[2])
        for who, make in WHO.items():
            held = held_back_ms(through(make(in_hz, out_hz), sound, in_hz)[1], out_hz)
            rows.append(
                {
                    "kind": "resampler",
                    "who": who,
                    "in_hz": in_hz,
                    "out_hz": out_hz,
                    "chunk_ms": CHUNK_MS,
                    "us_per_chunk": round(statistics.median(costs[who]), 2),
                    "hold_back_ms_median": round(statistics.median(held), 2),
                    "hold_back_ms_max": round(max(held), 2),
                    **quality(make, in_hz, out_hz),
                    "ratio": _ratio(costs[who], costs["beluga-voice"]),
                }
            )
    return rows


def vads(onnx: str, weights: bytes, rounds: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(2)
    t = np.arange(8 * 16_000) / 16_000
    loudness = 6_000 * (np.sin(2 * np.pi * 0.7 * t) > 0)
    voice = sum(np.sin(2 * np.pi * 120 * k * t + np.sin(2 * np.pi * 4 * t)) / k for k in range(1, 20))
    sound = (loudness * voice + random.normal(0, 60, len(t))).clip(-32_000, 32_000).astype(np.int16)
    windows = [sound[start : start + WINDOW] for start in range(0, len(sound) - WINDOW + 1, WINDOW)]
    mine, other = _core.SileroVad(weights), OnnxSilero(onnx)
    ask: dict[str, Callable[[Sound], float]] = {
        "beluga-voice, from Python": lambda pcm: mine.process(pcm)[0],
        "onnxruntime, from Python": other.window,
    }
    costs: dict[str, list[float]] = {who: [] for who in ask}
    said: dict[str, list[float]] = {who: [] for who in ask}
    for _ in range(rounds):
        for who, window in ask.items():
            began = time.perf_counter()
            answers = [window(pcm) for pcm in windows]
            costs[who].append((time.perf_counter() - began) * 1e6 / len(windows))
            said[who] += answers
    apart = max(abs(a - b) for a, b in zip(*said.values(), strict=True))
    rows: list[dict[str, Any]] = []
    for who in ask:
        us = statistics.median(costs[who])
        rows.append(
            {
                "kind": "vad",
                "who": who,
                "batch": 1,
                "us_per_window": round(us, 2),
                "streams_per_core": round(32_000 / us),
                "max_abs_diff": float(f"{apart:.2e}"),
                **dict.fromkeys(("auc", "p_at_r85", "p_at_r90", "p_at_r95", "onset_ms", "offset_ms")),
                "ratio": _ratio(costs[who], costs["beluga-voice, from Python"]),
            }
        )
    return rows


def _ratio(theirs: list[float], ours: list[float]) -> float:
    """How many times our cost, round by round: the machine's speed of the moment cancels out."""
    return round(statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 2)


def main() -> None:
    onnx, weights, rounds = sys.argv[1], Path(sys.argv[2]).read_bytes(), int(sys.argv[3])
    found = {
        "versions": {name: version(name) for name in ("soxr", "onnxruntime", "numpy")},
        "rows": resamplers(rounds) + vads(onnx, weights, rounds),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
