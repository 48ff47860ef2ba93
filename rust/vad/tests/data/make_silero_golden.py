"""Writes silero_golden.json: what onnxruntime says of the sound that `tests/common/golden_sound.rs` makes.

    python make_silero_golden.py path/to/silero_vad_16k_op15.onnx

Needs numpy and onnxruntime; the file is in `silero_vad/data` of the package silero-vad 6.2.3. Our weights are its own
(`python/beluga_voice/_model_table.py`): the fixture proves that our answers are those of the published model.

The sound uses nothing but additions, multiplications and divisions of 64-bit floats, in the same order here and in
Rust: so both make it bit for bit, and a hash of it stands in the fixture.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

Signal = npt.NDArray[np.float64]

RATE_HZ = 16_000
WINDOW_SAMPLES = 512
CONTEXT_SAMPLES = 64
SEGMENT_WINDOWS = 25
SEGMENT_SAMPLES = SEGMENT_WINDOWS * WINDOW_SAMPLES
# First and last (frequency, Hz) of three resonances for each syllable: roughly a-i, o-e, u-a, i-o.
SYLLABLES = (
    ((700.0, 350.0), (1220.0, 2100.0), (2600.0, 2900.0)),
    ((450.0, 500.0), (900.0, 1750.0), (2500.0, 2600.0)),
    ((320.0, 720.0), (800.0, 1250.0), (2300.0, 2550.0)),
    ((300.0, 480.0), (2200.0, 950.0), (2950.0, 2450.0)),
)
# Width of each resonance, Hz.
WIDTHS_HZ = (90.0, 120.0, 180.0)


def sine(turns: Signal) -> Signal:
    """sin(2 pi turns) by its series (to the 21st order, 1e-11) on half a turn either way."""
    x = 6.283185307179586 * ((turns - np.floor(turns)) - 0.5)
    square = x * x
    term = x
    total = x
    for k in range(1, 11):
        term = term * square / float(-2 * k * (2 * k + 1))
        total = total + term
    return -total


def noise(seed: int, count: int) -> Signal:
    """Uniform in [-1, 1): a 32-bit linear congruential generator (Numerical Recipes' constants), upper 16 bits."""
    out = np.empty(count)
    for i in range(count):
        seed = (seed * 1_664_525 + 1_013_904_223) & 0xFFFF_FFFF
        out[i] = float(seed >> 16) / 32768.0 - 1.0
    return out


def chirp(t: Signal) -> Signal:
    """Sweeps from 100 to 6,500 Hz over a segment of 0.8 s."""
    return 0.3 * sine(100.0 * t + 4000.0 * t * t)


def bursts(t: Signal, seed: int) -> Signal:
    """Noise, on for 0.1 s and off for 0.1 s."""
    on = np.where(5.0 * t - np.floor(5.0 * t) < 0.5, 0.25, 0.0)
    return on * noise(seed, len(t))


def voice(t: Signal, low_hz: float) -> Signal:
    """Four syllables of 0.2 s: harmonics of a gliding pitch, weighted by three resonances that glide."""
    place = 5.0 * t - np.floor(5.0 * t)
    syllable = np.minimum(np.floor(5.0 * t), 3.0)
    pitch_turns = low_hz * t + 25.0 * t * t - 20.0 * t * t * t + 0.08 * sine(5.5 * t)
    pitch_hz = low_hz + 50.0 * t - 60.0 * t * t
    total = np.zeros_like(t)
    for k in range(1, 31):
        harmonic = float(k)
        weight = np.zeros_like(t)
        for resonance, width_hz in enumerate(WIDTHS_HZ):
            first = np.zeros_like(t)
            last = np.zeros_like(t)
            for i, glides in enumerate(SYLLABLES):
                first = np.where(syllable == float(i), glides[resonance][0], first)
                last = np.where(syllable == float(i), glides[resonance][1], last)
            off = (harmonic * pitch_hz - (first + (last - first) * place)) / width_hz
            weight = weight + 1.0 / (1.0 + off * off) / float(resonance + 1)
        total = total + weight * sine(harmonic * pitch_turns)
    loudness = 4.0 * place * (1.0 - place)
    return 0.2 * loudness * total


def sound() -> npt.NDArray[np.int16]:
    """Seven segments of 0.8 s, as 16-bit samples."""
    t = np.arange(SEGMENT_SAMPLES, dtype=np.float64) / float(RATE_HZ)
    segments = (
        0.001 * noise(1, SEGMENT_SAMPLES),
        chirp(t),
        voice(t, 110.0) + 0.002 * noise(2, SEGMENT_SAMPLES),
        bursts(t, 3),
        voice(t, 190.0) + 0.01 * noise(4, SEGMENT_SAMPLES),
        voice(t, 130.0) + 0.3 * bursts(t, 5),
        np.zeros(SEGMENT_SAMPLES),
    )
    scaled = np.floor(np.concatenate(segments) * 32768.0 + 0.5)
    return np.clip(scaled, -32768.0, 32767.0).astype("<i2")


def probabilities(model: bytes, samples: npt.NDArray[np.int16]) -> list[float]:
    """One for each window, from the first sample on."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    heard = samples.astype(np.float32) / np.float32(32768.0)
    heard = np.concatenate([np.zeros(CONTEXT_SAMPLES, np.float32), heard])
    state = np.zeros((2, 1, 128), np.float32)
    out: list[float] = []
    for at in range(0, len(samples), WINDOW_SAMPLES):
        window = heard[None, at : at + CONTEXT_SAMPLES + WINDOW_SAMPLES]
        inputs = {"input": window, "state": state, "sr": np.array(RATE_HZ, np.int64)}
        probability, state = session.run(None, inputs)
        out.append(float(probability[0, 0]))
    return out


def main() -> None:
    model = Path(sys.argv[1]).read_bytes()
    samples = sound()
    golden = {
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "onnxruntime": onnxruntime.__version__,
        "sound_fnv1a": fnv1a(samples.tobytes()),
        "probabilities": probabilities(model, samples),
    }
    rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    path = Path(__file__).with_name("silero_golden.json")
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def fnv1a(data: bytes) -> str:
    """64-bit FNV-1a, hexadecimal."""
    value = 0xCBF2_9CE4_8422_2325
    for byte in data:
        value = (value ^ byte) * 0x100_0000_01B3 & 0xFFFF_FFFF_FFFF_FFFF
    return f"{value:016x}"


if __name__ == "__main__":
    main()
