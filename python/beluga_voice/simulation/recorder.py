"""Both sides of a call as sound, and what records them: the caller as the session heard him, the agent as sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beluga_voice import _core
from beluga_voice.simulation.track import Track

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from beluga_voice.call_link import CallLink, Waiter

__all__ = ["RECORDING_HZ", "Recorder", "Recording", "stereo_wav"]

RECORDING_HZ = 24_000
_EAR_HZ = 16_000

# The rings keep seconds of sound; a fifth of one is often enough to look, and seldom enough to cost nothing.
_READ_S = 0.2


@dataclass(frozen=True, slots=True)
class Recording:
    """Both sides of a call on the session's time axis."""

    caller: Track
    agent: Track
    lost_samples: int
    """Samples that were overwritten before they were recorded (silence in the recording): 0, or an overload."""

    @property
    def duration_s(self) -> float:
        """How long the longer side lasts, in seconds."""
        return max(self.caller.duration_s, self.agent.duration_s)

    def save(self, path: Path) -> None:
        """Writes a stereo WAV at 24 kHz: the caller left, the agent right."""
        path.write_bytes(stereo_wav(self.caller, self.agent))


class Recorder:
    """Taps a session's call from its first sample to its last.

        recorder = Recorder(session.link)
        recorder.start()
        ...
        recording = await recorder.finish()     # after the session was closed
        recording.save(path)

    It reads the core's own rings: whatever the caller's program or the pipeline does, this is what was heard.
    """

    def __init__(self, link: CallLink) -> None:
        self.caller = Track(_EAR_HZ)
        self.agent = Track(link.call.output_hz)
        self.lost_samples = 0
        self._link = link
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Records from now on; what the rings still hold from before is in it too."""
        link = self._link
        ear, output = link.ear_reader(), link.output_reader()
        self._tasks = [
            asyncio.create_task(self._tap(self.caller, ear, link.heard, link.call.read_ear), name="record caller"),
            asyncio.create_task(self._tap(self.agent, output, link.sent, link.call.read_output), name="record agent"),
        ]

    async def finish(self) -> Recording:
        """Waits for the last sample of a call that is over or is being closed."""
        await asyncio.gather(*self._tasks)
        return Recording(self.caller, self.agent, self.lost_samples)

    async def _tap(
        self,
        track: Track,
        reader: Waiter,
        wait: Callable[[Waiter, int], Awaitable[None]],
        read: Callable[[int, int], tuple[bytes, int, int]],
    ) -> None:
        step = round(_READ_S * track.sample_rate)
        position = 0
        try:
            while True:
                over = self._link.call.closed
                pcm, start, lost = read(position, 8 * step)
                if pcm:
                    self.lost_samples += lost
                    track.put_at(start, pcm)
                    position = start + len(pcm) // 2
                elif over:
                    return
                else:
                    await wait(reader, position + step)
        finally:
            self._link.release(reader)


def stereo_wav(left: Track, right: Track) -> bytes:
    """A WAV of int16 at 24 kHz: sample k of either channel is k / 24000 s of the session."""
    import numpy as np

    channels = [np.frombuffer(_resampled(track), dtype="<i2") for track in (left, right)]
    both = np.zeros((max(len(channel) for channel in channels), 2), dtype="<i2")
    for index, channel in enumerate(channels):
        both[: len(channel), index] = channel
    return _core.write_wav(both.tobytes(), sample_rate=RECORDING_HZ, channels=2)


def _resampled(track: Track) -> bytes:
    if track.sample_rate == RECORDING_HZ:
        return track.pcm
    resampler = _core.Resampler(track.sample_rate, RECORDING_HZ)
    sound = resampler.process(track.pcm) + resampler.flush()
    # The flush pads the last stretch: the sound ends where the track does.
    return sound[: 2 * (len(track) * RECORDING_HZ // track.sample_rate)]
