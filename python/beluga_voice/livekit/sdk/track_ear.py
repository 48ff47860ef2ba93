"""A remote track's sound, 10 ms at a time, as libwebrtc decodes it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

from livekit import rtc

from beluga_voice.livekit.sdk.media_events import media_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from beluga_voice.livekit.sdk.media_events import MediaEvents

__all__ = ["TrackEar"]

# Frames that may wait for an interpreter that is held up. Policy: the oldest is dropped, by the SDK. Less than the
# second that the call's input holds, so that what was waited for fits.
_FRAMES_WAITING = 90

# How long the SDK may take to end a stream, in seconds.
_END_TIMEOUT_S = 3.0


class TrackEar:
    """Calls `take` with int16 mono at `sample_rate_hz`: on a thread of the SDK's, or on the loop; it must not wait."""

    def __init__(self, track: Any, take: Callable[[Buffer], None], *, sample_rate_hz: int) -> None:
        self._track = track
        self._take = take
        self._sample_rate_hz = sample_rate_hz
        self._listens = True

    async def run(self) -> None:
        """Until the track ends or this is cancelled."""
        events = media_events(self._track)
        if events is None:
            await self._run_by_stream()
        else:
            await self._run_by_events(events)

    async def _run_by_events(self, events: MediaEvents) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def told(event: Any) -> None:
            if event.HasField("frame_received"):
                self._taken(events, event.frame_received.frame)
            elif event.HasField("eos"):
                with contextlib.suppress(RuntimeError):  # the process is about to end, and the loop has
                    loop.call_soon_threadsafe(ended.set)

        handle = events.open_stream(
            self._track, told, sample_rate_hz=self._sample_rate_hz, most_waiting_frames=_FRAMES_WAITING
        )
        try:
            await ended.wait()
        finally:
            self._listens = False
            events.drop(handle)
            # What is under way is still to be let go of.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await ended.wait()

    def _taken(self, events: MediaEvents, frame: Any) -> None:
        try:
            if self._listens:
                info = frame.info
                self._take(ctypes.string_at(info.data_ptr, 2 * info.num_channels * info.samples_per_channel))
        finally:
            events.drop(frame.handle.id)

    async def _run_by_stream(self) -> None:
        stream: Any = rtc.AudioStream(
            self._track, sample_rate=self._sample_rate_hz, num_channels=1, capacity=_FRAMES_WAITING
        )
        async with contextlib.aclosing(stream):
            async for event in stream:
                self._take(event.frame.data)
