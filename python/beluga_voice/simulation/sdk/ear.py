"""An ear for one track: what arrives, when, and where in it somebody speaks."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livekit import rtc

from beluga_voice.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ear", "HeardFrame"]

FRAME_S = 0.01
# A quarter of an hour is kept.
_MOST_FRAMES = 90_000
# Louder than this is a voice, as RMS over a frame (dBFS).
VOICE_DBFS = -45.0
# A voice has ended when it was not heard for this long, in seconds: between two words it is silent for less.
ENDED_S = 0.2


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """10 ms of int16 at the ear's rate, heard from `at_s` on, by the machine's monotonic clock."""

    at_s: float
    pcm: bytes
    level_dbfs: float


class Ear:
    """Listens to `track` while `run` runs: until it is cancelled, or the track ends.

    - `on_voice(began, at_s)`: a voice begins or ended there. An end is told `ENDED_S` after it.
    - `on_frame(frame)`: every frame.
    """

    def __init__(
        self,
        track: rtc.Track,
        *,
        sample_rate: int,
        on_voice: Callable[[bool, float], None],
        on_frame: Callable[[HeardFrame], None] | None = None,
    ) -> None:
        self.track_sid = track.sid
        self.sample_rate = sample_rate
        self.frames: deque[HeardFrame] = deque(maxlen=_MOST_FRAMES)
        """What was heard so far; of a long call the last quarter of an hour."""
        self._track = track
        self._on_voice = on_voice
        self._on_frame = on_frame
        self._speaking = False
        self._last_voice_s = 0.0

    async def run(self) -> None:
        """Listens."""
        stream = rtc.AudioStream(self._track, sample_rate=self.sample_rate, num_channels=1, frame_size_ms=10)
        try:
            async with contextlib.aclosing(stream):
                async for event in stream:
                    self._take(now(), bytes(event.frame.data))
        finally:
            if self._speaking:
                self._speaking = False
                self._on_voice(False, self._last_voice_s)

    def _take(self, at_s: float, pcm: bytes) -> None:
        frame = HeardFrame(at_s, pcm, _level_dbfs(pcm))
        self.frames.append(frame)
        if self._on_frame is not None:
            self._on_frame(frame)
        if frame.level_dbfs > VOICE_DBFS:
            self._last_voice_s = at_s + FRAME_S
            if not self._speaking:
                self._speaking = True
                self._on_voice(True, at_s)
        elif self._speaking and at_s - self._last_voice_s >= ENDED_S:
            self._speaking = False
            self._on_voice(False, self._last_voice_s)


def _level_dbfs(pcm: bytes) -> float:
    import numpy as np

    samples = np.frombuffer(pcm, np.int16).astype(np.float32)
    power = float(np.dot(samples, samples)) / max(1, len(samples)) / 32_768.0**2
    return 10.0 * float(np.log10(power)) if power > 1e-12 else -120.0
