"""A remote track's sound, besides what a session hears: for a recorder, a meter, a listener of one's own."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from beluga_voice.errors import ConfigError, TransportError
from beluga_voice.livekit.audio_frame import AudioFrameEvent
from beluga_voice.livekit.participant import audible_track
from beluga_voice.livekit.track import RemoteAudioTrack, record_of
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice.livekit.participant import Participant
    from beluga_voice.livekit.room_driver import AudioFeed
    from beluga_voice.livekit.track import Track

__all__ = ["AudioStream"]

# Frames that may wait to be read where nothing else is said. Policy: the oldest is dropped and counted.
_FRAMES_WAITING = 1_000


class AudioStream:
    """The frames of a track, `async for event in stream: event.frame`, until the track is gone.

    `capacity` frames may wait, 1000 where it is 0; then the oldest is dropped and counted in `frames_dropped`.
    """

    def __init__(
        self,
        track: Track | None,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: int | None = None,
        noise_cancellation: None = None,
        *,
        participant: Participant | None = None,
        track_source: int | None = None,
    ) -> None:
        if track is not None and not isinstance(track, RemoteAudioTrack):
            raise ConfigError(f"track is a {type(track).__name__}: allowed: a RemoteAudioTrack")
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._frame_size_ms = frame_size_ms
        self._frames: deque[AudioFrameEvent] = deque()
        self._capacity = capacity or _FRAMES_WAITING
        self._ended = False
        self._error: BaseException | None = None
        self._changed = asyncio.Event()
        self.frames_dropped = 0
        """Frames that were not read in time."""
        self._tasks = Tasks(self._failed)
        self._tasks.start(self._run(track, participant, track_source), name="audio stream")

    @classmethod
    def from_participant(
        cls,
        *,
        participant: Participant,
        track_source: int,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: int | None = None,
    ) -> AudioStream:
        """Whatever the participant publishes from that source, one track after another, until he leaves."""
        return cls(
            None,
            loop,
            capacity,
            sample_rate,
            num_channels,
            frame_size_ms,
            participant=participant,
            track_source=track_source,
        )

    @classmethod
    def from_track(
        cls,
        *,
        track: Track,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: int | None = None,
    ) -> AudioStream:
        """As the constructor."""
        return cls(track, loop, capacity, sample_rate, num_channels, frame_size_ms)

    async def aclose(self) -> None:
        """Ends it; whoever reads it is at its end."""
        self._end()
        await self._tasks.cancel()

    def __aiter__(self) -> AsyncIterator[AudioFrameEvent]:
        return self

    async def __anext__(self) -> AudioFrameEvent:
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()

    async def _run(self, track: Any, participant: Participant | None, source: int | None) -> None:
        try:
            if participant is None:
                await self._pump(track)
                return
            while (following := await audible_track(participant, source, after=track)) is not None:
                track = following
                await self._pump(track)
        finally:
            self._end()

    async def _pump(self, track: RemoteAudioTrack) -> None:
        record = record_of(track)
        if record.driver is None:
            raise TransportError(f"track {track.sid} is no longer subscribed to", code="not_connected")
        feed = record.driver.open_audio(
            track.sid,
            sample_rate=self._sample_rate,
            num_channels=self._num_channels,
            frame_size_ms=self._frame_size_ms,
        )
        # Neither path ends the sound of a track that is no longer there: the SDK's goes on with that of the next one.
        reading = asyncio.ensure_future(self._read(feed))
        leaving = asyncio.ensure_future(record.left.wait())
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
        finally:
            reading.cancel()
            leaving.cancel()
            await feed.aclose()

    async def _read(self, feed: AudioFeed) -> None:
        while (frame := await feed.read()) is not None:
            if len(self._frames) >= self._capacity:
                self._frames.popleft()
                self.frames_dropped += 1
            self._frames.append(AudioFrameEvent(frame))
            self._changed.set()

    def _end(self) -> None:
        self._ended = True
        self._changed.set()

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self._end()
