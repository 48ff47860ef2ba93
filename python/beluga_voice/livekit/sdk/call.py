"""A session over the SDK: the caller's track into the call's input, the call's output into a track of ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from livekit import rtc

from beluga_voice.errors import BelugaVoiceError, TransportError
from beluga_voice.livekit.sdk.measuring import measured
from beluga_voice.livekit.sdk.sound_thread import SoundTask, SoundThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.room_state import TrackInfo
    from beluga_voice.transport import TransportStats

__all__ = ["INPUT_HZ", "SdkCallMedia"]

_log = logging.getLogger("beluga_voice.livekit")

INPUT_HZ = 48_000
"""As libwebrtc decodes it: it is brought to 16 kHz once, by us."""

# Of the core; and how often it is looked at whether it is over, in seconds.
_TICK_S = 0.01
_LOOK_S = 0.001

# The agent's sound that may wait to be sent, in seconds. Policy: silence that waits longer than the one is left out;
# sound that waits longer than the other is dropped: sent late it would pile up in the listener's jitter buffer.
_LATE_S, _LATEST_S = 0.05, 0.2

# Frames of the agent's that the SDK has taken and not confirmed. It confirms by way of two threads that want the
# interpreter: on a busy machine that takes 20 ms and more, and one frame at a time would be too slow.
_MOST_UNCONFIRMED = 8

# 10 ms frames of the caller's that may wait for a thread that is held up. Policy: the oldest is dropped, by the SDK.
# Less than the second that the call's input holds, so that what was waited for fits.
_FRAMES_WAITING = 90

# How long the server may take to hear that the track is gone, in seconds.
_UNPUBLISH_TIMEOUT_S = 3.0
# How long the SDK's streams may take to end, in seconds.
_LET_GO_TIMEOUT_S = 5.0
# How long the SDK may take to say what it has measured, in seconds.
_STATS_TIMEOUT_S = 3.0


class SdkCallMedia:
    """See the module. One frame of 10 ms is captured for each 10 ms of the call, for ever: zeros while the agent is
    silent, since libwebrtc's RTP clock counts what it is fed, and a pause teaches the listener's jitter buffer a delay.
    """

    def __init__(
        self,
        link: CallLink,
        source: Any,
        track: Callable[[], TrackInfo],
        unpublish: Callable[[], Awaitable[None]],
        remote_track: Callable[[str], Any],
        ours: Callable[[], Any],
        sound: SoundThread,
    ) -> None:
        self._link = link
        self._source = source
        self._track = track
        self._unpublish = unpublish
        self._remote_track = remote_track
        self._ours = ours
        self._heard: Any = None
        self._sound = sound
        self._ear: SoundTask | None = None
        self._frames_dropped = 0
        self._frames_lost = 0
        self._mouth = sound.start(self._speak)

    @property
    def link(self) -> CallLink:
        """The call of the core."""
        return self._link

    @property
    def track(self) -> TrackInfo:
        """The agent's voice, as it is published now."""
        return self._track()

    def listen(self, sid: str | None) -> None:
        """From now on the caller's sound is that of this track; None: silence."""
        if self._ear is not None:
            self._ear.cancel()
            self._ear = None
        track = self._heard = self._remote_track(sid) if sid is not None else None
        if track is not None:
            self._ear = self._sound.start(lambda: self._hear(track))

    def stats(self) -> dict[str, int]:
        """`sdk_input_dropped`: samples of the caller's, at 48 kHz, that found the call's input full;
        `sdk_output_lost`: samples of the agent's that were dropped because they could not be sent in time."""
        return {"sdk_input_dropped": self._frames_dropped, "sdk_output_lost": self._frames_lost}

    async def transport_stats(self) -> TransportStats:
        """As libwebrtc measures both tracks. Raises TransportError."""
        try:
            async with asyncio.timeout(_STATS_TIMEOUT_S):
                return await measured(heard=self._heard, ours=self._ours())
        except TimeoutError:
            raise TransportError(
                "the SDK measured nothing in time", code="connection_timeout", provider="livekit"
            ) from None

    async def aclose(self) -> None:
        """Unpublishes the track, ends the streams."""
        for task in (self._mouth, self._ear):
            if task is not None:
                task.cancel()
                await task.gone(_LET_GO_TIMEOUT_S)
        try:
            async with asyncio.timeout(_UNPUBLISH_TIMEOUT_S):
                await self._unpublish()
        except (TimeoutError, BelugaVoiceError) as error:  # the room is gone, or does not answer: so is the track
            _log.debug("the agent's track was not unpublished: %s", error)
        await self._source.aclose()

    # -- on the sound's loop --------------------------------------------------------------------------------------

    async def _hear(self, track: Any) -> None:
        stream: Any = rtc.AudioStream(track, sample_rate=INPUT_HZ, num_channels=1, capacity=_FRAMES_WAITING)
        call = self._link.call
        async with contextlib.aclosing(stream):
            async for event in stream:
                if call.closed:
                    return
                # Live sound does not wait: what finds no room would only make all that follows late.
                pcm = event.frame.data
                self._frames_dropped += len(pcm) - call.write_input(pcm)

    async def _speak(self) -> None:
        call = self._link.call
        rate_hz = call.output_hz
        frame_samples = rate_hz // 100
        silence = bytes(2 * frame_samples)
        position = call.output_written
        unconfirmed = asyncio.Semaphore(_MOST_UNCONFIRMED)
        async with asyncio.TaskGroup() as captures:
            while not call.closed:
                await self._until_written(position + frame_samples)
                await unconfirmed.acquire()
                waiting = call.output_written - position
                if waiting > _LATEST_S * rate_hz:
                    position += waiting - frame_samples
                    self._frames_lost += waiting - frame_samples
                pcm, start, lost = call.read_output(position, frame_samples)
                self._frames_lost += lost
                position = start + len(pcm) // 2
                if pcm == silence and waiting > _LATE_S * rate_hz:
                    unconfirmed.release()
                    continue
                frame = rtc.AudioFrame(pcm, rate_hz, 1, len(pcm) // 2)
                captures.create_task(self._capture(frame, unconfirmed), name="beluga-voice sdk capture")

    async def _capture(self, frame: rtc.AudioFrame, unconfirmed: asyncio.Semaphore) -> None:
        try:
            await self._source.capture_frame(frame)
        finally:
            unconfirmed.release()

    async def _until_written(self, position: int) -> None:
        """The core wakes the session's loop alone; but it keeps a tick: this looks just before one, and then often."""
        call = self._link.call
        if call.output_written < position:
            await asyncio.sleep(_TICK_S - _LOOK_S)
        while call.output_written < position and not call.closed:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
