"""A session over the SDK: the caller's track into the call's input, the call's output into a track of ours."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from beluga_voice.errors import BelugaVoiceError, TransportError
from beluga_voice.livekit.sdk.measuring import measured
from beluga_voice.livekit.sdk.sound_outlet import sound_outlet
from beluga_voice.livekit.sdk.sound_sender import SoundSender
from beluga_voice.livekit.sdk.sound_thread import SoundTask, SoundThread
from beluga_voice.livekit.sdk.track_ear import TrackEar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Buffer

    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.room_state import TrackInfo
    from beluga_voice.transport import TransportStats

__all__ = ["INPUT_HZ", "SdkCallMedia"]

_log = logging.getLogger("beluga_voice.livekit")

INPUT_HZ = 48_000
"""As libwebrtc decodes it: it is brought to 16 kHz once, by us."""

# How long the server may take to hear that the track is gone, in seconds.
_UNPUBLISH_TIMEOUT_S = 3.0
# How long the SDK's streams may take to end, in seconds.
_LET_GO_TIMEOUT_S = 5.0
# How long the SDK may take to say what it has measured, in seconds.
_STATS_TIMEOUT_S = 3.0


class SdkCallMedia:
    """See the module."""

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
        self._input_dropped = 0
        self._sender = SoundSender(link.call)
        self._mouth = sound.start(self._say)

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
        return {"sdk_input_dropped": self._input_dropped, "sdk_output_lost": self._sender.samples_lost}

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

    async def _say(self) -> None:
        outlet = sound_outlet(self._source)
        try:
            await self._sender.run(outlet, self._sound.link())
        finally:
            await outlet.aclose()

    async def _hear(self, track: Any) -> None:
        await TrackEar(track, self._take, sample_rate_hz=INPUT_HZ).run()

    # -- on the SDK's thread, or on the sound's loop ------------------------------------------------------------------

    def _take(self, pcm: Buffer) -> None:
        call = self._link.call
        if not call.closed:
            # Live sound does not wait: what finds no room would only make all that follows late.
            self._input_dropped += memoryview(pcm).nbytes // 2 - call.write_input(pcm)
