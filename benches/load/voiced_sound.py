"""A caller's sound made by construction, so that its first and last voiced samples are known and not estimated.

Stretches of a recorded sentence, cut out where it is loud and Silero is sure of it from end to end, over the noise of
the same room: what is measured is when the framework acts, not what a detector makes of a faint last syllable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CALLER_HZ",
    "FRAME_S",
    "SENTENCE_S",
    "STRETCHES_S",
    "Saying",
    "recording",
    "resampled",
    "saying",
    "sentence",
]

CALLER_HZ = 16_000
FRAME_S = 0.01
FRAME_SAMPLES = 160

RECORDING = Path(__file__).resolve().parents[2] / "tests" / "data" / "weather_question.wav"
SENTENCE_S = (0.53, 2.28)
"""All of it: "What will the weather be tomorrow in Paris?"."""
STRETCHES_S = ((0.55, 0.97), (0.66, 1.08), (1.36, 1.73), (1.56, 2.0))
"""Loud at both ends: about 0.4 s each."""
_LOUD_FROM_S = STRETCHES_S[0][0]
# Attack and release at a cut.
_EDGE_S = 0.006
# As in the recording.
_ROOM_DBFS = -58.0


@dataclass(frozen=True, slots=True)
class Saying:
    """What a caller says in one period: silence, a voice, silence; in frames of 10 ms."""

    frames: tuple[bytes, ...]
    first_s: float
    """Its first voiced sample, in seconds from its beginning."""
    last_s: float
    """Its last voiced sample, the same way."""


def saying(stretch_s: tuple[float, float], *, period_s: float, before_s: float, seed: int) -> Saying:
    """A period in which that stretch sounds after `before_s` of the room alone."""
    samples = round(period_s / FRAME_S) * FRAME_SAMPLES
    voice = _cut(*stretch_s)
    first = round(before_s * CALLER_HZ)
    if first + len(voice) > samples:
        raise ValueError(f"{len(voice) / CALLER_HZ} s of voice after {before_s} s do not fit into {period_s} s")
    room = np.random.default_rng(seed).uniform(-1, 1, samples) * 10 ** (_ROOM_DBFS / 20) * np.sqrt(3) * 32_768
    room[first : first + len(voice)] = voice
    pcm = np.rint(room).clip(-32_768, 32_767).astype("<i2").tobytes()
    frames = tuple(pcm[at : at + 2 * FRAME_SAMPLES] for at in range(0, len(pcm), 2 * FRAME_SAMPLES))
    return Saying(frames, first / CALLER_HZ, (first + len(voice) - 1) / CALLER_HZ)


def sentence(seconds: float) -> NDArray[np.int16]:
    """So much of the recorded sentence, from its first loud sample on: int16, (n,), at `CALLER_HZ`."""
    return np.rint(_cut(_LOUD_FROM_S, _LOUD_FROM_S + seconds)).astype(np.int16)


def resampled(sound: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    """All of it at another rate, the last sample included."""
    resampler = _core.Resampler(from_hz, to_hz)
    return np.frombuffer(resampler.process(sound.tobytes()) + resampler.flush(), np.int16)


def _cut(start_s: float, end_s: float) -> NDArray[np.float64]:
    voice = recording()[round(start_s * CALLER_HZ) : round(end_s * CALLER_HZ)].astype(np.float64)
    edge = round(_EDGE_S * CALLER_HZ)
    rising = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    voice[:edge] *= rising
    voice[-edge:] *= rising[::-1]
    return voice


@cache
def recording() -> NDArray[np.int16]:
    """The recorded sentence, with the room before and behind it: int16, (n,), at `CALLER_HZ`."""
    pcm, rate_hz, channels = _core.read_wav(RECORDING.read_bytes())
    assert (rate_hz, channels) == (CALLER_HZ, 1)
    return np.frombuffer(pcm, np.int16)
