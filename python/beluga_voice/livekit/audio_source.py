"""Sound of one's own for a track, besides a session's: music, a recorded voice."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from beluga_voice.errors import AudioFormatError

if TYPE_CHECKING:
    from beluga_voice.livekit.audio_frame import AudioFrame
    from beluga_voice.livekit.room_driver import AudioSink

__all__ = ["AudioSource", "Outlets", "outlets_of"]


class AudioSource:
    """What is captured here goes to every track that was made of it and is published.

    As long as there is none it takes its time and goes nowhere. `queue_size_ms` may be captured ahead; with 0, each
    frame is 10 ms and is sent at once, and the pace is the caller's business.
    """

    def __init__(
        self,
        sample_rate: int,
        num_channels: int,
        queue_size_ms: int = 1000,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._outlets = Outlets(sample_rate, num_channels, queue_size_ms)
        self._played_at = 0.0

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._outlets.sample_rate

    @property
    def num_channels(self) -> int:
        """1 for mono."""
        return self._outlets.num_channels

    @property
    def queued_duration(self) -> float:
        """Seconds of sound that were captured and are not yet sent."""
        return max(0.0, self._played_at - time.monotonic())

    def clear_queue(self) -> None:
        """Drops what is not yet sent."""
        self._played_at = 0.0
        for sink in self._outlets.sinks:
            sink.clear()

    async def capture_frame(self, frame: AudioFrame) -> None:
        """Queues a frame; waits while the queue is full. Raises AudioFormatError for another rate or channel count."""
        outlets = self._outlets
        if outlets.closed or not frame.samples_per_channel:
            return
        if frame.sample_rate != self.sample_rate or frame.num_channels != self.num_channels:
            raise AudioFormatError(
                f"a frame of {frame.sample_rate} Hz, {frame.num_channels} channels: "
                f"allowed: {self.sample_rate} Hz, {self.num_channels}, as the source was made",
                code="invalid_format",
            )
        self._played_at = max(self._played_at, time.monotonic()) + frame.duration
        if outlets.sinks:
            await asyncio.gather(*(sink.capture(frame) for sink in outlets.sinks))
        else:
            await asyncio.sleep(self.queued_duration - outlets.queue_size_ms / 1000)

    async def wait_for_playout(self) -> None:
        """Until all that was captured is sent."""
        while (left_s := self.queued_duration) > 0:  # noqa: ASYNC110 - more may be captured meanwhile
            await asyncio.sleep(left_s)

    async def aclose(self) -> None:
        """What is captured from now on goes nowhere."""
        self._outlets.close()


class Outlets:
    """The tracks that were made of a source and are published."""

    def __init__(self, sample_rate: int, num_channels: int, queue_size_ms: int) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self.queue_size_ms = queue_size_ms
        self._sinks: dict[AudioSink, None] = {}
        self._closed = False

    @property
    def sinks(self) -> tuple[AudioSink, ...]:
        """Where a frame goes."""
        return tuple(self._sinks)

    def add(self, sink: AudioSink) -> None:
        """One more track is published."""
        if not self._closed:
            self._sinks[sink] = None

    def remove(self, sink: AudioSink) -> None:
        """And no longer is."""
        self._sinks.pop(sink, None)

    @property
    def closed(self) -> bool:
        """Whether the source was closed."""
        return self._closed

    def close(self) -> None:
        """No frame goes anywhere from now on."""
        self._closed = True
        self._sinks.clear()


def outlets_of(source: AudioSource) -> Outlets:
    """For a track that is made of `source`."""
    return source._outlets  # pyright: ignore[reportPrivateUsage] - the other half of the same noun
