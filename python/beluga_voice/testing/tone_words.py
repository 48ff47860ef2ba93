"""A language that a few lines of code can speak and understand: each word is a tone of its own.

What a test hears is then what was really in the sound: words that are lost, repeated or taken from another call show.
Every word has four letters, so that a share of the letters is a share of the sound.

    sound = spoken("able bake", 16_000)     # int16, (n,), a quarter of a second a word
    understood(sound, 16_000)               # ["able", "bake"]

A tone is no voice to Silero: give the session `vad="energy"`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GAP_S", "TONE_S", "WORDS", "WORD_S", "noise", "silence", "spoken", "understood", "voiced_runs", "words_of"]

WORDS = (
    "able",
    "bake",
    "calm",
    "dark",
    "echo",
    "fish",
    "gold",
    "hand",
    "iron",
    "jump",
    "kite",
    "lamp",
    "milk",
    "nest",
    "open",
    "pink",
    "quiz",
    "rose",
    "salt",
    "tree",
    "unit",
    "vase",
    "wind",
    "yard",
    "zero",
    "acid",
    "belt",
    "corn",
    "dust",
    "east",
    "frog",
    "gift",
    "hill",
    "idea",
    "jazz",
    "king",
    "lion",
    "moon",
    "nose",
    "oven",
)
"""All that can be said."""
_LOWEST_HZ, _STEP_HZ = 300.0, 55.0
TONE_S, GAP_S = 0.14, 0.07
WORD_S = TONE_S + GAP_S
"""How long a word takes."""
_EDGE_S = 0.005
_PEAK = 9_000
_LOUD = 300


def words_of(text: str) -> list[str]:
    """The words of a text, without punctuation. Raises ConfigError for a word that has no tone."""
    words = [word.lower() for word in re.findall(r"[A-Za-z]+", text)]
    for word in words:
        if word not in WORDS:
            raise ConfigError(f"there is no tone for {word!r}: allowed: {', '.join(WORDS)}")
    return words


@cache
def _tone(word: str, rate_hz: int) -> NDArray[np.int16]:
    n = round(TONE_S * rate_hz)
    hz = _LOWEST_HZ + _STEP_HZ * WORDS.index(word)
    sound = np.sin(2 * np.pi * hz * np.arange(n) / rate_hz) * _PEAK
    edge = round(_EDGE_S * rate_hz)
    ramp = np.linspace(0, 1, edge)
    sound[:edge] *= ramp
    sound[-edge:] *= ramp[::-1]
    return np.concatenate([sound, np.zeros(round(GAP_S * rate_hz))]).astype(np.int16)


def spoken(text: str, rate_hz: int) -> NDArray[np.int16]:
    """The sound of a text: int16, shape (n,), at `rate_hz`. Raises ConfigError for a word that has no tone."""
    return np.concatenate([np.zeros(0, np.int16), *(_tone(word, rate_hz) for word in words_of(text))])


def silence(seconds: float, rate_hz: int) -> NDArray[np.int16]:
    """Nothing."""
    return np.zeros(round(seconds * rate_hz), np.int16)


def noise(seconds: float, rate_hz: int, *, seed: int = 0) -> NDArray[np.int16]:
    """A loud noise without a word in it: speech for the energy VAD, nothing for who understands tones."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3_000, round(seconds * rate_hz)).clip(-32_000, 32_000).astype(np.int16)


def voiced_runs(sound: NDArray[np.int16], rate_hz: int, *, gap_s: float) -> list[tuple[int, int]]:
    """Where there is sound: first sample and one past the last of each stretch, pauses up to `gap_s` included."""
    (loud,) = np.nonzero(np.abs(sound.astype(np.int32)) > _LOUD)
    if not len(loud):
        return []
    breaks = np.nonzero(np.diff(loud) > gap_s * rate_hz)[0]
    starts = [loud[0], *loud[breaks + 1]]
    ends = [*loud[breaks], loud[-1]]
    return [(int(start), int(end) + 1) for start, end in zip(starts, ends, strict=True)]


def understood(sound: NDArray[np.int16], rate_hz: int, *, whole: bool = True) -> list[str]:
    """The words in a sound (int16, shape (n,)). Without `whole`, what may go on beyond its end is left out."""
    words: list[str] = []
    for start, end in voiced_runs(sound, rate_hz, gap_s=GAP_S / 2):
        if end - start < 0.6 * TONE_S * rate_hz:
            continue
        if not whole and len(sound) - end < GAP_S / 2 * rate_hz:
            continue
        word = _word(sound[start:end].astype(np.float64), rate_hz)
        if word is not None:
            words.append(word)
    return words


def _word(tone: NDArray[np.float64], rate_hz: int) -> str | None:
    # A power of two: the time of any other length is anybody's guess, and this runs on the loop of those it listens to.
    size = 1 << (4 * len(tone) - 1).bit_length()
    power = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), size)) ** 2
    peak = int(np.argmax(power))
    width = 4 * size // len(tone)
    if power[max(0, peak - width) : peak + width].sum() < 0.6 * power.sum():
        return None
    index = (peak * rate_hz / size - _LOWEST_HZ) / _STEP_HZ
    if abs(index - round(index)) > 0.4 or not 0 <= round(index) < len(WORDS):
        return None
    return WORDS[round(index)]
