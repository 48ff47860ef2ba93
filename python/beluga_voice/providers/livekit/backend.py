"""Backend `livekit`: joins rooms and answers the callers in them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from beluga_voice import livekit
from beluga_voice.errors import BelugaVoiceError, ConfigError
from beluga_voice.health import ComponentHealth
from beluga_voice.livekit.enums import ConnectionState
from beluga_voice.providers.livekit.options import LiveKitOptions
from beluga_voice.providers.livekit.server_api import ServerApi
from beluga_voice.tasks import Tasks
from beluga_voice.voice_backend import VoiceBackend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from beluga_voice.config import BackendConfig, SessionConfig
    from beluga_voice.livekit.options import TokenSource
    from beluga_voice.livekit.room import Room
    from beluga_voice.session import VoiceSession

__all__ = ["LiveKitBackend"]

_log = logging.getLogger("beluga_voice.livekit")

_KINDS = {
    "standard": livekit.ParticipantKind.PARTICIPANT_KIND_STANDARD,
    "ingress": livekit.ParticipantKind.PARTICIPANT_KIND_INGRESS,
    "egress": livekit.ParticipantKind.PARTICIPANT_KIND_EGRESS,
    "sip": livekit.ParticipantKind.PARTICIPANT_KIND_SIP,
    "agent": livekit.ParticipantKind.PARTICIPANT_KIND_AGENT,
    "connector": livekit.ParticipantKind.PARTICIPANT_KIND_CONNECTOR,
}

# How long rooms may take to be left once their sessions have ended, in seconds.
_SETTLE_S = 5.0
# What the native path may take beyond the time to reach the server, to look for a way for sound and to ask why it was
# refused.
_JOIN_EXTRA_S = 15.0
# A name that no room has: the server is asked for it to see whether it answers.
_NO_ROOM = "beluga-voice asks whether you are there"

# What of a running backend may change, since each call reads it anew.
_LIVE_OPTIONS = frozenset(
    {
        "room",
        "media",
        "publish_rate",
        "audience",
        "participant_kinds",
        "participant_timeout",
        "rejoin_timeout",
        "transcription",
        "text_input",
        "delete_room_on_close",
    }
)


class LiveKitBackend(VoiceBackend):
    """Sessions in rooms, several of each in one process.

        backend = get_registry().create("livekit", {"provider_config": {"url": ..., "api_key": ..., "api_secret": ...}})
        session = await backend.answer(SessionConfig(agent=agent), room="a-room")
        await session.wait_closed()

    `answer` joins the room, if this backend is not in it yet, and serves the next caller there; the room is left when
    the last session in it has ended. Whoever wants more of a room takes the steps one by one:

        room = await backend.join("a-room")
        session = await backend.create_session(SessionConfig(agent=agent))
        await session.start(backend.call(room, participant_identity="alice"))

    `server` manages rooms, mints tokens and verifies webhooks. Belongs to one event loop.
    """

    def __init__(self, config: BackendConfig, options: LiveKitOptions) -> None:
        super().__init__(config, provider="livekit")
        self._options = options
        self._rooms: dict[str, Room] = {}
        self._joining: dict[str, tuple[asyncio.Lock, int]] = {}
        """By room, with how many hold it or wait for it."""
        self._answering: dict[str, int] = {}
        """Sessions in each room that `answer` has joined, those that wait for their caller among them."""
        self._places: dict[str, tuple[Room, livekit.RoomCall]] = {}
        self._media_paths: Counter[str] = Counter()
        self._tasks = Tasks(self._failed)
        self.server = ServerApi(options, timeout_s=config.connect_timeout)

    # -- rooms ----------------------------------------------------------------------------------------------------

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms that this backend is in, by name."""
        self._rooms = {name: room for name, room in self._rooms.items() if room.isconnected()}
        return dict(self._rooms)

    async def join(self, room: str | None = None) -> Room:
        """The room of that name, else of the option `room`, joined; one that it is in already as it is.

        Raises what `start` and `Room.connect` raise, ConfigError where no room is named, InvalidStateError once the
        backend is being stopped.
        """
        async with self._operation("join"):
            name = self._room_named(room)
            await self._ready()
            async with self._one_for_each(name):
                known = self.rooms.get(name)
                if known is not None:
                    return known
                timeout_s = self._config.connect_timeout + _JOIN_EXTRA_S
                joined = await self._reach("join", lambda: self._joined(name), timeout=timeout_s)
                self._rooms[name] = joined
                self._media_paths[joined.media_path] += 1
                return joined

    async def _joined(self, name: str) -> Room:
        options = livekit.RoomOptions(
            # A session asks for its caller's voice by itself: nothing else is wanted.
            auto_subscribe=False,
            connect_timeout=self._config.connect_timeout,
            media=self._options.media,
            token_source=self._token_source(name),
        )
        room = livekit.Room()
        await room.connect(self._options.url, self._token(name), options)
        return room

    @asynccontextmanager
    async def _one_for_each(self, room: str) -> AsyncGenerator[None]:
        lock, users = self._joining.get(room, (asyncio.Lock(), 0))
        self._joining[room] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            _, users = self._joining.pop(room)
            if users > 1:
                self._joining[room] = lock, users - 1

    async def leave(self, room: str | None = None) -> None:
        """Leaves a room; sessions in it end. Nothing if it is not in it."""
        async with self._operation("leave"):
            await self._leave(self._room_named(room))

    async def _leave(self, name: str) -> None:
        joined = self._rooms.pop(name, None)
        if joined is not None:
            await joined.disconnect()

    def call(self, room: Room, *, participant_identity: str | None = None) -> livekit.RoomCall:
        """What a session starts on: the caller of that identity, or the next one of `participant_kinds` without a
        session."""
        options = self._options
        return livekit.RoomCall(
            room,
            participant_identity=participant_identity,
            participant_kinds=[_KINDS[kind] for kind in options.participant_kinds],
            participant_timeout=options.participant_timeout,
            rejoin_timeout=options.rejoin_timeout,
            sample_rate=options.publish_rate if "publish_rate" in options.model_fields_set else None,
            audience=options.audience,
            transcription=options.transcription,
            text_input=options.text_input,
            screen=self._hooks.switchboard.admit,
        )

    def _room_named(self, room: str | None) -> str:
        name = room if room is not None else self._options.room
        if not name:
            raise ConfigError("room: missing; allowed: a name, or the option `room`", provider="livekit")
        return name

    def _token(self, room: str) -> str:
        if self._options.token is not None:
            return self._options.token.get_secret_value()
        return self.server.mint_token(room, self._options.identity, name=self._options.name, is_agent=True)

    def _token_source(self, room: str) -> TokenSource | None:
        if self._options.token_source is not None:
            return self._options.token_source
        return (lambda: self._token(room)) if self._options.has_key else None

    # -- sessions -------------------------------------------------------------------------------------------------

    async def answer(
        self, config: SessionConfig, *, room: str | None = None, participant_identity: str | None = None
    ) -> VoiceSession:
        """A session under way with the caller of that identity (else `config.user_id`), or with the next one in the
        room who has none.

        Waits for him, `participant_timeout` seconds if that is set. Raises what `create_session`, `join` and
        `VoiceSession.start` raise; nothing is left behind then.
        """
        async with self._operation("answer", config):
            name = self._room_named(room)
            # Before the room is joined: a room in which nobody can be served is none of ours.
            session = await self.create_session(config)
            self._answering[name] = self._answering.get(name, 0) + 1
            try:
                joined = await self.join(name)
                place = self.call(joined, participant_identity=participant_identity or config.user_id)
                self._places[session.id] = (joined, place)
                await session.start(place)
            except BaseException:
                await session.aclose()
                await self._done(name, session)
                raise
            self._tasks.start(self._leave_after(name, session), name="livekit room")
            return session

    async def _leave_after(self, name: str, session: VoiceSession) -> None:
        await session.wait_closed()
        await self._done(name, session)

    async def _done(self, name: str, session: VoiceSession) -> None:
        self._places.pop(session.id, None)
        self._answering[name] -= 1
        if self._answering[name]:
            return
        del self._answering[name]
        try:
            # Whoever wants to answer there meanwhile joins when that is done, and is not thrown out.
            async with self._one_for_each(name):
                await self._leave(name)  # nobody asks for it
                if self._options.delete_room_on_close and self._options.has_key:
                    await self.server.delete_room(name)
        except BelugaVoiceError as error:
            _log.warning("the room %s: %s", name, error)

    def session_of(self, room: str, participant_identity: str) -> VoiceSession | None:
        """The session that serves this participant, if `answer` began one."""
        for session_id, (joined, place) in self._places.items():
            if joined.name == room and place.served_identity == participant_identity:
                return self._book.get(session_id)
        return None

    def participant_of(self, session_id: str) -> str | None:
        """Whom a session serves: an identity; None as long as there is nobody, or for a session not of `answer`."""
        found = self._places.get(session_id)
        return found[1].served_identity if found is not None else None

    # -- of every backend -----------------------------------------------------------------------------------------

    async def _open(self) -> None:
        # A token is good for its room and for nothing else: that the server is there shows when the room is joined.
        if self._options.has_key:
            await self.server.list_rooms([_NO_ROOM])

    async def _close(self) -> None:
        await self._tasks.settle(_SETTLE_S)
        await self._tasks.cancel()
        rooms, self._rooms = self._rooms, {}
        await asyncio.gather(*(room.disconnect() for room in rooms.values()))
        await self.server.aclose()

    async def _examine(self) -> Mapping[str, ComponentHealth]:
        """`server`: whether it answers; `rooms`: degraded while the connection to one of them is being restored."""
        parts = {"server": ComponentHealth(), "rooms": ComponentHealth()}
        try:
            await self._reach("health_check", self._open, max_retries=0)
        except BelugaVoiceError as error:
            parts["server"] = ComponentHealth("unhealthy", f"{error.code}: {error.message}")
        lost = [name for name, room in self.rooms.items() if room.connection_state == ConnectionState.CONN_RECONNECTING]
        if lost:
            parts["rooms"] = ComponentHealth("degraded", f"being restored: {', '.join(sorted(lost))}")
        return parts

    def _adopt(self, config: BackendConfig) -> None:
        options = LiveKitOptions.of(config)
        fixed = [
            name
            for name in LiveKitOptions.model_fields
            if name not in _LIVE_OPTIONS and getattr(options, name) != getattr(self._options, name)
        ]
        if fixed:
            names = ", ".join(f"provider_config.{name}" for name in fixed)
            raise ConfigError(
                f"{names}: allowed: another backend, for this one has taken it; what may change: "
                f"{', '.join(sorted(_LIVE_OPTIONS))}",
                details={"fields": [f"provider_config.{name}" for name in fixed]},
            )
        self._options = options
        self.server.timeout_s = config.connect_timeout

    def stats(self) -> dict[str, Any]:
        """As `VoiceBackend.stats`, and of the rooms.

        `media_path`: rooms that this backend has joined, by who carried them (`livekit.media_paths()` has all of the
        process's); `rooms`: `Room.stats` by name. Of its open sessions `totals` has `media_path_native`, `_sdk`.
        """
        paths = {path: self._media_paths[path] for path in ("native", "sdk")}
        rooms = {name: room.stats() for name, room in self.rooms.items()}
        return {**super().stats(), "media_path": paths, "rooms": rooms}

    def _failed(self, error: BaseException) -> None:
        _log.error("a room could not be left", exc_info=error)

    def __repr__(self) -> str:
        return f"LiveKitBackend(url={self._options.url!r}, rooms={sorted(self.rooms)})"
