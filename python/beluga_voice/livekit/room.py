"""A LiveKit room, under livekit.rtc's names, whoever carries it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

from beluga_voice.errors import InvalidStateError
from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.emitter import EventEmitter
from beluga_voice.livekit.enums import ConnectionState, DisconnectReason, known
from beluga_voice.livekit.options import RoomOptions
from beluga_voice.livekit.room_mirror import RoomMirror
from beluga_voice.livekit.stream_desk import StreamDesk

if TYPE_CHECKING:
    from beluga_voice.livekit.data_stream import ByteStreamHandler, TextStreamHandler
    from beluga_voice.livekit.options import Media
    from beluga_voice.livekit.participant import LocalParticipant, RemoteParticipant
    from beluga_voice.transport import CallEvents, CallSettings, OpenCall

__all__ = ["EventTypes", "Room", "mirror_of"]

EventTypes = Literal[
    "participant_connected",
    "participant_disconnected",
    "participant_active",
    "local_track_published",
    "local_track_unpublished",
    "local_track_republished",
    "local_track_subscribed",
    "track_published",
    "track_unpublished",
    "track_subscribed",
    "track_unsubscribed",
    "track_subscription_failed",
    "track_muted",
    "track_unmuted",
    "active_speakers_changed",
    "room_metadata_changed",
    "participant_metadata_changed",
    "participant_name_changed",
    "participant_attributes_changed",
    "connection_quality_changed",
    "participant_encryption_status_changed",
    "participant_permissions_changed",
    "data_received",
    "sip_dtmf_received",
    "transcription_received",
    "e2ee_state_changed",
    "connection_state_changed",
    "connected",
    "disconnected",
    "reconnecting",
    "reconnected",
    "room_updated",
    "moved",
    "token_refreshed",
]


class Room(EventEmitter[EventTypes]):
    """One stay in one room.

        room = await livekit.connect(url, token)
        room.on("participant_connected", lambda participant: print(participant.identity))

    Callbacks are synchronous and run on the loop that called `connect`; what one raises is logged and counted. What is
    kept of livekit.rtc's `Room`, and what is not, is in docs/parity-room.md.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__()
        self._mirror: RoomMirror | None = None
        self._streams = StreamDesk()
        self._connecting = False

    # -- connection -----------------------------------------------------------------------------------------------

    async def connect(self, url: str, token: str, options: RoomOptions | None = None) -> None:
        """Joins the room that the token is for.

        Raises AuthError `authentication_failed` (wrong key, expired) and `authorization_failed` (no right to join),
        TransportError `connection_failed` and `connection_timeout`, SessionError `session_not_found` (the server has
        no such room and makes none) and `session_limit_exceeded` (the room is full), ConfigError for a URL that is
        none, MissingDependencyError where `media="sdk"` is needed and not installed.
        """
        from beluga_voice.livekit.joining import join

        if self._mirror is not None or self._connecting:
            raise InvalidStateError("a Room is connected once: make another one", operation="connect")
        self._connecting = True
        try:
            driver, joined = await join(url, token, options or RoomOptions(), self._take)
        finally:
            self._connecting = False
        self._mirror = RoomMirror(driver, joined, self.emit, self._streams)
        self._streams.attach(driver)

    def _take(self, event: told.RoomEvent) -> None:
        if self._mirror is not None:
            self._mirror.take(event)

    async def disconnect(self, *, reason: int = DisconnectReason.CLIENT_INITIATED) -> None:
        """Leaves the room, and waits until all of it is let go of. May be called twice."""
        mirror = self._mirror
        if mirror is not None:
            await mirror.driver.disconnect(reason)
            mirror.take(told.Disconnected(reason))
            await mirror.settle()

    async def wait_disconnected(self) -> DisconnectReason | int:
        """Until the room is left, by whomever; says why. Raises InvalidStateError before it was joined."""
        mirror = mirror_of(self)
        await mirror.left.wait()
        return known(DisconnectReason, mirror.reason)

    def isconnected(self) -> bool:
        """Whether we are in the room; while the connection is being restored too."""
        return self.connection_state != ConnectionState.CONN_DISCONNECTED

    @property
    def connection_state(self) -> ConnectionState:
        """Connected, reconnecting or not connected."""
        return self._mirror.state if self._mirror is not None else ConnectionState.CONN_DISCONNECTED

    @property
    def media_path(self) -> Media:
        """Who carries this room: "native" or "sdk"."""
        return mirror_of(self).driver.media_path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    async def sid(self) -> str:
        """The server's name for this session of the room; waits until the server has told it.

        Raises InvalidStateError when the room was left before.
        """
        mirror = mirror_of(self)
        while not mirror.info.sid:
            if mirror.state == ConnectionState.CONN_DISCONNECTED:
                raise InvalidStateError("the room was left before it had a sid")
            mirror.sid_changed.clear()
            await mirror.sid_changed.wait()
        return mirror.info.sid

    @property
    def name(self) -> str:
        """The room's name; '' before it was joined."""
        return self._mirror.info.name if self._mirror is not None else ""

    @property
    def metadata(self) -> str:
        """What a server says about the room; '' before it was joined."""
        return self._mirror.info.metadata if self._mirror is not None else ""

    @property
    def local_participant(self) -> LocalParticipant:
        """Ourselves. Raises InvalidStateError before the room was joined."""
        return mirror_of(self).local

    @property
    def remote_participants(self) -> Mapping[str, RemoteParticipant]:
        """Everybody else, by identity, in the order in which they joined."""
        return MappingProxyType(self._mirror.remote if self._mirror is not None else {})

    @property
    def num_participants(self) -> int:
        """How many are in the room; the server says so now and then."""
        return mirror_of(self).info.num_participants

    @property
    def num_publishers(self) -> int:
        """How many of them publish something; the server says so now and then."""
        return mirror_of(self).info.num_publishers

    @property
    def creation_time(self) -> dt.datetime:
        """When the room was created (UTC)."""
        return dt.datetime.fromtimestamp(mirror_of(self).info.creation_time_ms / 1000, dt.UTC)

    @property
    def is_recording(self) -> bool:
        """Whether the room is being recorded."""
        return mirror_of(self).info.active_recording

    @property
    def departure_timeout(self) -> float:
        """Seconds that the room stays open after the last one has left."""
        return float(mirror_of(self).info.departure_timeout_s)

    @property
    def empty_timeout(self) -> float:
        """Seconds that the room stays open if nobody joins."""
        return float(mirror_of(self).info.empty_timeout_s)

    @property
    def sdk_room(self) -> Any:
        """livekit.rtc's own room with `media="sdk"`, for what is not here: video, encryption keys, data tracks."""
        return mirror_of(self).driver.sdk_room()

    def stats(self) -> dict[str, Any]:
        """What was counted, by name.

        `media_path`; `callback_errors`, those of stream handlers among them; `rpc_refused`, `rpc_abandoned`: calls that
        were too many, handlers that did not heed that they were cancelled; `streams_refused`, `streams_failed`:
        incoming ones that were too many, that were not read in time; and what the driver counted.
        """
        mirror = mirror_of(self)
        return {
            "media_path": mirror.driver.media_path,
            "callback_errors": self.callback_errors + self._streams.handler_errors,
            "rpc_refused": mirror.rpc.refused,
            "rpc_abandoned": mirror.rpc.abandoned,
            "streams_refused": self._streams.refused,
            "streams_failed": self._streams.failed,
            **mirror.driver.stats(),
        }

    async def get_rtc_stats(self) -> Any:
        """What the peer connections measured: with `media="sdk"` livekit.rtc's `RtcStats`."""
        return await mirror_of(self).driver.rtc_stats()

    async def simulate_scenario(self, scenario: int) -> None:
        """Has something go wrong on purpose (`SimulateScenarioKind`), for tests."""
        await mirror_of(self).driver.simulate_scenario(scenario)

    # -- streams --------------------------------------------------------------------------------------------------

    def register_text_stream_handler(self, topic: str, handler: TextStreamHandler) -> None:
        """Has `handler(reader, identity)` called for each text of that topic. Raises ValueError if one is there."""
        self._streams.register(topic, handler, is_text=True)

    def unregister_text_stream_handler(self, topic: str) -> None:
        """Takes it back."""
        self._streams.unregister(topic, is_text=True)

    def register_byte_stream_handler(self, topic: str, handler: ByteStreamHandler) -> None:
        """Has `handler(reader, identity)` called for each file of that topic. Raises ValueError if one is there."""
        self._streams.register(topic, handler, is_text=False)

    def unregister_byte_stream_handler(self, topic: str) -> None:
        """Takes it back."""
        self._streams.unregister(topic, is_text=False)

    # -- sessions -------------------------------------------------------------------------------------------------

    async def open(self, settings: CallSettings, events: CallEvents) -> OpenCall:
        """For `VoiceSession.start(room)`: as `RoomCall(room)`, the first caller who has no session yet."""
        from beluga_voice.livekit.room_call import RoomCall

        return await RoomCall(self).open(settings, events)

    def __repr__(self) -> str:
        sid = self._mirror.info.sid if self._mirror is not None else ""
        return (
            f"Room(sid={sid or 'unknown'}, name={self.name}, metadata={self.metadata}, "
            f"connection_state={self.connection_state.name})"
        )


def mirror_of(room: Room) -> RoomMirror:
    """What a session needs of a room. Raises InvalidStateError before it was joined."""
    mirror = room._mirror  # pyright: ignore[reportPrivateUsage] - the other half of the same noun
    if mirror is None:
        raise InvalidStateError("the room was not joined")
    return mirror
