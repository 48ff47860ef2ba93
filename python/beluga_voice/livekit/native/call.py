"""A session in a room of the core: its doors are the room's, no sound passes through Python."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.transport import TransportStats

if TYPE_CHECKING:
    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.native.driver import NativeDriver
    from beluga_voice.livekit.room_state import TrackInfo

__all__ = ["NativeCallMedia"]

_log = logging.getLogger("beluga_voice.livekit")

# How long the server may take to hear that the track is gone, in seconds.
_UNPUBLISH_TIMEOUT_S = 3.0


class NativeCallMedia:
    """See the module and `CallMedia`."""

    def __init__(self, driver: NativeDriver, link: CallLink, track: int) -> None:
        self._driver = driver
        self._link = link
        self._track = track

    @property
    def link(self) -> CallLink:
        """The call of the core."""
        return self._link

    @property
    def track(self) -> TrackInfo:
        """The agent's voice, as it is published now."""
        return self._driver.published(self._track)

    def listen(self, sid: str | None) -> None:
        """From now on the caller's sound is that of this track; None: silence."""
        self._driver.route_input(self._link, sid)

    def stats(self) -> dict[str, int]:
        """Nothing of its own: the call counts packets itself."""
        return {}

    async def transport_stats(self) -> TransportStats:
        """The round trip and what the other side lost are the room's: all its sessions go the same way."""
        call, room = self._link.stats(), await self._driver.rtc_stats()
        round_trip_ms = room["round_trip_ms"]
        return TransportStats(
            round_trip_s=round_trip_ms / 1000 if round_trip_ms is not None else None,
            buffer_s=call["jitter_delay_ms"] / 1000,
            concealed_s=call["frames_concealed"] / 100,
            packets_received=call["packets_received"],
            packets_lost=max(0, call["packets_missed"] - call["packets_late"]),
            packets_lost_there=room["packets_lost_there"],
        )

    async def aclose(self) -> None:
        """Takes the doors out of the room and the track back."""
        self._driver.detach(self._link)
        try:
            async with asyncio.timeout(_UNPUBLISH_TIMEOUT_S):
                await self._driver.unpublish(self._track)
        except (TimeoutError, BelugaVoiceError) as error:  # the room is gone, or does not answer: so is the track
            _log.debug("the agent's track was not unpublished: %s", error)
