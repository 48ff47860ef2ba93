"""A microphone: 10 ms of sound every 10 ms for ever, on a clock of its own, zeros while nobody speaks.

It is never paused. The SDK's RTP clock counts the samples that it is fed, so that a microphone that stops for a second
teaches its listeners half a second of delay, for minutes.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livekit import rtc

from beluga_voice.clock import now

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FRAME_S", "MICROPHONE_HZ", "Microphone", "Said"]

MICROPHONE_HZ = 48_000
FRAME_S = 0.01
_FRAME_SAMPLES = round(FRAME_S * MICROPHONE_HZ)
# Ten minutes of speech that waits to be said.
_MOST_SAMPLES = 600 * MICROPHONE_HZ
# An hour of frames whose lateness is remembered.
_MOST_LATENESSES = 360_000


@dataclass(frozen=True, slots=True)
class Said:
    """When a sound is spoken: its first sample and the end of its last, on the machine's monotonic clock."""

    first_s: float
    last_s: float


class Microphone:
    """Feeds `source` while `run` runs. A frame is handed over when its last sample would exist."""

    def __init__(self) -> None:
        # Without a queue of the SDK's own, which would hold back what is said.
        self.source = rtc.AudioSource(MICROPHONE_HZ, 1, queue_size_ms=0)
        self.late_ms = array("f")
        """Of each frame: how much later than due it was handed over; the first hour's."""
        self._silence = rtc.AudioFrame(bytes(2 * _FRAME_SAMPLES), MICROPHONE_HZ, 1, _FRAME_SAMPLES)
        # Sample 0 is spoken at `_origin_s`; frame n holds the samples from n * _FRAME_SAMPLES on.
        self._origin_s = now()
        self._frame = 0
        self._waiting: deque[tuple[int, NDArray[np.int16]]] = deque()
        self._waiting_samples = 0
        self._free_from = 0

    async def run(self) -> None:
        """For ever."""
        while True:
            due_s = self._origin_s + (self._frame + 1) * FRAME_S
            ahead_s = due_s - now()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            if len(self.late_ms) < _MOST_LATENESSES:
                self.late_ms.append(max(0.0, (now() - due_s) * 1e3))
            frame = self._next_frame()
            self._frame += 1
            await self.source.capture_frame(frame)

    def say(self, samples: NDArray[np.int16], *, at_s: float | None = None) -> Said:
        """Speaks int16 at 48 kHz, shape (n,), after what is being said, and not before `at_s`.

        Raises ValueError for what would take more than ten minutes to be said.
        """
        if self._waiting_samples + len(samples) > _MOST_SAMPLES:
            raise ValueError(f"{len(samples) / MICROPHONE_HZ:.0f} s of sound: allowed: 600 s that wait to be said")
        first = max(self._free_from, self._frame * _FRAME_SAMPLES)
        if at_s is not None:
            first = max(first, round((at_s - self._origin_s) * MICROPHONE_HZ))
        self._free_from = first + len(samples)
        self._waiting.append((first, samples))
        self._waiting_samples += len(samples)
        return Said(self._spoken_s(first), self._spoken_s(self._free_from))

    @property
    def earliest_s(self) -> float:
        """When the next sample that is not on its way yet will be spoken."""
        return self._spoken_s(self._frame * _FRAME_SAMPLES)

    def hush(self) -> float:
        """Says nothing more of what is being said and waits to be. Returns when the last sample of it was spoken."""
        self._waiting.clear()
        self._waiting_samples = 0
        self._free_from = self._frame * _FRAME_SAMPLES
        return self._spoken_s(self._free_from)

    async def aclose(self) -> None:
        """Lets go of the source; after `run` has ended."""
        await self.source.aclose()

    def _spoken_s(self, sample: int) -> float:
        return self._origin_s + sample / MICROPHONE_HZ

    def _next_frame(self) -> rtc.AudioFrame:
        start = self._frame * _FRAME_SAMPLES
        if not self._waiting or self._waiting[0][0] >= start + _FRAME_SAMPLES:
            return self._silence
        import numpy as np

        frame = np.zeros(_FRAME_SAMPLES, np.int16)
        while self._waiting:
            first, samples = self._waiting[0]
            into, begin = max(0, first - start), max(0, start - first)
            if into >= _FRAME_SAMPLES:
                break
            piece = samples[begin : begin + _FRAME_SAMPLES - into]
            frame[into : into + len(piece)] = piece
            if begin + len(piece) < len(samples):
                break
            self._waiting.popleft()
            self._waiting_samples -= len(samples)
        return rtc.AudioFrame(frame.tobytes(), MICROPHONE_HZ, 1, _FRAME_SAMPLES)
