"""Sound of the SDK's tracks, frame by frame, for `AudioSource` and `AudioStream`."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc

from beluga_voice.livekit.audio_frame import AudioFrame

__all__ = ["SdkAudioFeed", "SdkAudioSink"]

# Frames that may wait in the SDK's queue between two reads; then it drops the oldest. Ours is behind it, and counts.
_FRAMES_WAITING = 100


class SdkAudioSink:
    """A published track's livekit.rtc AudioSource."""

    def __init__(self, source: Any) -> None:
        self._source = source

    async def capture(self, frame: AudioFrame) -> None:
        """Queues a frame; waits while there is no room."""
        await self._source.capture_frame(
            rtc.AudioFrame(frame.data, frame.sample_rate, frame.num_channels, frame.samples_per_channel)
        )

    def clear(self) -> None:
        """Drops what is queued."""
        self._source.clear_queue()


class SdkAudioFeed:
    """A remote track's livekit.rtc AudioStream."""

    def __init__(self, track: Any, *, sample_rate: int, num_channels: int, frame_size_ms: int | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream: Any = rtc.AudioStream(
            track,
            capacity=_FRAMES_WAITING,
            sample_rate=sample_rate,
            num_channels=num_channels,
            frame_size_ms=frame_size_ms,
        )

    async def read(self) -> AudioFrame | None:
        """The next frame; None when the track is gone."""
        try:
            frame = (await anext(self._stream)).frame
        except StopAsyncIteration:
            return None
        return AudioFrame(frame.data, frame.sample_rate, frame.num_channels, frame.samples_per_channel)

    async def aclose(self) -> None:
        """Lets go of it."""
        if not self._loop.is_closed():  # else nobody is left to wait for it
            await self._stream.aclose()
