"""What somebody heard, with the times at which it came: tones, gaps, silences, words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice.testing import tone_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_S = 0.01
# Of 32768: louder than what concealment and comfort noise leave behind.
LOUD = 300
# A pitch is known to 1 / the length of the sound (Gabor, Theory of Communication, 1946). Words of `tone_words` are
# 55 Hz apart, and of a shorter piece, where a word begins or ends in a window, Opus alone makes the next one.
SHORTEST_TONE_S = 0.02


def tone_hz(word: str) -> float:
    """What a tone word sounds like."""
    return 300.0 + 55.0 * tone_words.WORDS.index(word)


@dataclass(frozen=True)
class Heard:
    """Frames of 10 ms one after another. Times are the machine's monotonic clock, in seconds.

    A frame is heard from its arrival on: sample k of it at `arrivals_s[frame] + k / sample_rate`.
    """

    samples: NDArray[np.int16]
    sample_rate: int
    arrivals_s: NDArray[np.float64]

    @property
    def frame_samples(self) -> int:
        return round(FRAME_S * self.sample_rate)

    def between(self, start_s: float, end_s: float) -> Heard:
        """The frames that came from `start_s` on and before `end_s`."""
        first, last = np.searchsorted(self.arrivals_s, [start_s, end_s])
        size = self.frame_samples
        return Heard(self.samples[first * size : last * size], self.sample_rate, self.arrivals_s[first:last])

    @property
    def levels_dbfs(self) -> NDArray[np.float64]:
        """RMS of each frame, -120 for zeros."""
        frames = self.samples.reshape(-1, self.frame_samples) / 32_768
        return 20 * np.log10(np.maximum(np.sqrt(np.mean(frames**2, axis=1)), 1e-6))

    @property
    def level_dbfs(self) -> float:
        """RMS of all of it."""
        return 20 * float(np.log10(max(1e-6, float(np.sqrt(np.mean((self.samples / 32_768) ** 2))))))

    def first_sound_s(self, after_s: float) -> float | None:
        """When the first loud sample was heard; None if none was."""
        return self._at_loud(after_s, 0)

    def last_sound_s(self, after_s: float) -> float | None:
        """When the last loud sample was heard; None if none was."""
        return self._at_loud(after_s, -1)

    def _at_loud(self, after_s: float, which: int) -> float | None:
        later = self.between(after_s, float("inf"))
        (loud,) = np.nonzero(np.abs(later.samples.astype(np.int32)) > LOUD)
        if not len(loud):
            return None
        sample = int(loud[which])
        return float(later.arrivals_s[sample // self.frame_samples]) + sample % self.frame_samples / self.sample_rate

    def gaps_s(self, *, longest_s: float = 0.005) -> list[tuple[float, float]]:
        """Stretches without a loud sample inside of the sound, from the first loud one to the last: when, how long.

        A steady tone of 300 Hz is loud every 1.7 ms.
        """
        (loud,) = np.nonzero(np.abs(self.samples.astype(np.int32)) > LOUD)
        breaks = np.nonzero(np.diff(loud) > longest_s * self.sample_rate)[0]
        size = self.frame_samples
        return [
            (float(self.arrivals_s[loud[at] // size]), float(loud[at + 1] - loud[at]) / self.sample_rate)
            for at in breaks
        ]

    def late_s(self) -> float:
        """The longest that a frame came after it was due, going by the earliest ones."""
        late = self.arrivals_s - FRAME_S * np.arange(len(self.arrivals_s))
        return float(np.max(late - np.minimum.accumulate(late), initial=0.0))

    def tones_hz(self, *, window_s: float = 0.1) -> list[tuple[float, float | None]]:
        """Each window's arrival and its strongest tone; None where no tone is loud and has most of the power, or what
        is loud is shorter than `SHORTEST_TONE_S`: a tone of 50 ms is found wherever in the windows it begins.
        """
        size = round(window_s / FRAME_S)
        found: list[tuple[float, float | None]] = []
        for first in range(0, len(self.arrivals_s) - size + 1, size):
            piece = self.samples[first * self.frame_samples : (first + size) * self.frame_samples]
            found.append((float(self.arrivals_s[first]), _strongest_hz(piece, self.sample_rate)))
        return found

    def tone_dbfs(self, hz: float) -> float:
        """The power of one tone in all of it (Goertzel's sum over a Hann window), as the RMS of that tone."""
        if not len(self.samples):
            return -120.0
        window = np.hanning(len(self.samples))
        turn = np.exp(-2j * np.pi * hz / self.sample_rate * np.arange(len(self.samples)))
        peak = 2 * abs(np.sum(self.samples / 32_768 * window * turn)) / max(1e-9, float(np.sum(window)))
        return 20 * float(np.log10(max(1e-6, float(peak) / 2**0.5)))

    @property
    def words(self) -> list[str]:
        """The tone words that arrived whole."""
        return tone_words.understood(self.samples, self.sample_rate)


def _strongest_hz(samples: NDArray[np.int16], rate_hz: int) -> float | None:
    sound = samples.astype(np.float64)
    (loud,) = np.nonzero(np.abs(sound) > LOUD)
    if not len(loud) or loud[-1] - loud[0] < SHORTEST_TONE_S * rate_hz or np.sqrt(np.mean(sound**2)) < LOUD:
        return None
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 4 * len(sound))) ** 2
    peak = int(np.argmax(power))
    if power[max(0, peak - 16) : peak + 17].sum() < 0.5 * power.sum():
        return None
    return peak * rate_hz / (4 * len(sound))
