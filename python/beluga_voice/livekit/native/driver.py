"""A room of the core behind `RoomDriver`."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice import _core
from beluga_voice._engine import engine
from beluga_voice._loop import loop_link
from beluga_voice.core_errors import core_error, translated
from beluga_voice.errors import BelugaVoiceError, SessionError, TransportError
from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.another_token import with_another_token
from beluga_voice.livekit.enums import DisconnectReason, SimulateScenarioKind
from beluga_voice.livekit.native import translation
from beluga_voice.livekit.native.audio import NativeAudioFeed, NativeAudioSink, bare_call
from beluga_voice.livekit.native.call import NativeCallMedia
from beluga_voice.livekit.native.ears import Ears
from beluga_voice.livekit.native.events import EventTranslator
from beluga_voice.livekit.room_driver import NeedsSdkError
from beluga_voice.livekit.rpc import RpcError
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice._loop import LoopLink
    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.options import ParticipantTrackPermission, RoomOptions, TokenSource, TrackPublishOptions
    from beluga_voice.livekit.room_events import RoomEvent, TranscriptionPart
    from beluga_voice.livekit.room_state import Joined, StreamInfo, TrackInfo
    from beluga_voice.livekit.rpc import RpcCallInfo
    from beluga_voice.transport import CallSettings

__all__ = ["NativeDriver"]

_log = logging.getLogger("beluga_voice.livekit")

# For the whole of joining and for finding a way for sound, in seconds.
_CONNECT_TIMEOUT_S = 15.0
_MEDIA_TIMEOUT_S = 5.0
# How long the server may take to say goodbye, in seconds.
_LEAVE_TIMEOUT_S = 2.0
_OPUS_HZ = 48_000

# What a server that does not take us in means by these.
_NO_SESSION = {"not_found": "session_not_found", "rate_limit_exceeded": "session_limit_exceeded"}

_LEAVE_REASONS: Mapping[int, Literal["USER_UNAVAILABLE", "USER_REJECTED", "AGENT_ERROR"]] = {
    DisconnectReason.USER_UNAVAILABLE: "USER_UNAVAILABLE",
    DisconnectReason.USER_REJECTED: "USER_REJECTED",
    DisconnectReason.AGENT_ERROR: "AGENT_ERROR",
}

_SCENARIOS: Mapping[int, tuple[str, int]] = {
    SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT: ("signal_lost", 0),
    SimulateScenarioKind.SIMULATE_SPEAKER: ("speaker_update", 3),
    SimulateScenarioKind.SIMULATE_NODE_FAILURE: ("node_failure", 0),
    SimulateScenarioKind.SIMULATE_SERVER_LEAVE: ("server_leave", 0),
    SimulateScenarioKind.SIMULATE_MIGRATION: ("migration", 0),
    SimulateScenarioKind.SIMULATE_FULL_RECONNECT: ("full_reconnect", 0),
    SimulateScenarioKind.SIMULATE_DISCONNECT_SIGNAL_ON_RESUME: ("disconnect_signal_on_resume", 0),
}


class NativeDriver:
    """See the module and `RoomDriver`."""

    media_path: Literal["native"] = "native"

    def __init__(self) -> None:
        self.on_event: Callable[[RoomEvent], None] = _ignore
        self._tasks = Tasks(self._failed)
        self._loop: LoopLink | None = None
        self._bell: _core.Bell | None = None
        self._room: _core.Room | None = None
        self._token_source: TokenSource | None = None
        self._translator = EventTranslator()
        self._joined: asyncio.Future[Joined] | None = None
        self._held: list[RoomEvent] | None = []
        """What happened before `connect` has returned."""
        self._commands: dict[int, asyncio.Future[Any]] = {}
        self._tracks: dict[int, TrackInfo] = {}
        self._sources: dict[int, CallLink] = {}
        """Calls that carry a track's `AudioSource`."""
        self._ears = Ears(lambda: bare_call(self._core_room, output_hz=8_000), self._route, self._close_bare)
        self._topics: set[tuple[str, bool]] = set()
        self._streams: dict[str, _core.StreamReader] = {}
        self._over = asyncio.Event()

    # -- connection -----------------------------------------------------------------------------------------------

    async def connect(self, url: str, token: str, options: RoomOptions) -> Joined:
        """See `RoomDriver`. Raises NeedsSdkError where the SDK may succeed."""
        self._token_source = options.token_source
        self._loop = loop_link()
        self._bell = self._loop.bell()
        timeout_s = options.connect_timeout if options.connect_timeout is not None else _CONNECT_TIMEOUT_S
        with translated():
            self._room = engine().join_room(
                self._bell,
                url=url,
                token=token,
                auto_subscribe=options.auto_subscribe,
                connect_timeout_ms=round(timeout_s * 1000),
                media_timeout_ms=round(min(timeout_s, _MEDIA_TIMEOUT_S) * 1000),
                reconnect=True,
                renews_token=options.token_source is not None,
                epoch_ms=round((time.time() - time.monotonic()) * 1000),
                seed=secrets.randbits(64),
                user_agent=f"beluga-voice/{_core.__version__}",
            )
        self._joined = asyncio.get_running_loop().create_future()
        self._loop.add(self, self._bell)
        try:
            state = await self._joined
        except asyncio.CancelledError:
            self._forget()  # the core leaves a room that nobody holds
            raise
        # Whoever waits for this sees what was joined first, and then what happened since.
        asyncio.get_running_loop().call_soon(self._release)
        return state

    async def disconnect(self, reason: int) -> None:
        """See `RoomDriver`."""
        room = self._room
        if room is not None and not self._over.is_set():
            try:
                room.leave(_LEAVE_REASONS.get(reason, "CLIENT_INITIATED"))
                async with asyncio.timeout(_LEAVE_TIMEOUT_S):
                    await self._over.wait()
            except (TimeoutError, _core.CoreError):
                self._end(
                    DisconnectReason(reason) if reason in set(DisconnectReason) else DisconnectReason.UNKNOWN_REASON
                )
        self._forget()
        await self._tasks.cancel()

    def stats(self) -> dict[str, int]:
        """`commands_waiting`: asked of the room and not done yet."""
        return {"commands_waiting": len(self._commands)}

    def drain(self) -> None:
        """Tells what happened; called by the loop's link."""
        room = self._room
        if room is None:
            return
        events, more = room.drain()
        for name, fields in events:
            self._take(name, fields)
        if more and self._bell is not None:
            self._bell.ring()

    def abandon(self) -> None:
        """Leaves the room, and waits for nothing; called by the loop's link."""
        self._say(lambda room: room.leave("CLIENT_INITIATED"))

    def _take(self, name: str, fields: dict[str, Any]) -> None:
        match name:
            case "done":
                self._done(fields)
            case "connected":
                if self._joined is not None and not self._joined.done():
                    self._joined.set_result(self._translator.joined(fields))
            case "stream_opened":
                self._stream_opened(fields)
            case "stream_readable":
                self._pump(fields["stream_id"])
            case "token_needed":
                self._tasks.start(self._renew_token(), name="token")
            case "disconnected":
                self._disconnected(fields)
            case _:
                event = self._translator.translate(name, fields)
                if isinstance(event, told.LocalTrackPublished | told.LocalTrackRepublished):
                    self._tracks[fields["track"]] = event.track
                if event is not None:
                    self._tell(event)
                if isinstance(event, told.LocalTrackUnpublished):
                    self._taken_back(fields["track"])

    def _tell(self, event: RoomEvent) -> None:
        if self._held is not None:
            self._held.append(event)
        else:
            self.on_event(event)

    def _release(self) -> None:
        held, self._held = self._held, None
        for event in held or ():
            self.on_event(event)

    def _disconnected(self, fields: dict[str, Any]) -> None:
        error = fields["error"]
        if self._joined is not None and not self._joined.done():
            if error is not None and error["wants_sdk"]:
                self._joined.set_exception(NeedsSdkError(error["message"]))
            else:
                self._joined.set_exception(_error(error, "connect"))
            self._over.set()
            self._forget()
            return
        failed = core_error(error["code"], error["message"], provider="livekit") if error is not None else None
        if failed is not None:
            _log.warning("the room was lost: %s (%s)", failed, failed.code)
        self._end(translation.reason(fields["reason"]), failed)
        self._forget()

    def _end(self, reason: DisconnectReason, error: BelugaVoiceError | None = None) -> None:
        if not self._over.is_set():
            self._over.set()
            self._tell(told.Disconnected(reason, error))

    def _forget(self) -> None:
        """The room is over, or to be: nobody drains it any more."""
        if self._loop is not None:
            self._loop.discard(self)
            self._loop = None
        self._room = None
        for waiting in self._commands.values():
            if not waiting.done():
                waiting.set_exception(_gone())
                waiting.exception()  # who waits is told; who does not need not be
        self._commands.clear()
        self._streams.clear()
        # Calls of no session: the loop holds them, and nobody else would end them.
        for source in self._sources.values():
            source.abandon()
        self._sources.clear()

    async def _renew_token(self) -> None:
        if self._token_source is not None:
            await with_another_token(self._token_source, self._use_token)

    async def _use_token(self, token: str) -> None:
        if self._room is not None:
            self._room.set_token(token)

    # -- commands -------------------------------------------------------------------------------------------------

    @property
    def _core_room(self) -> _core.Room:
        if self._room is None:
            raise _gone()
        return self._room

    def _done(self, fields: dict[str, Any]) -> None:
        waiting = self._commands.pop(fields["id"], None)
        if waiting is None or waiting.done():
            return
        if fields["error"] is not None:
            waiting.set_exception(_error(fields["error"], "command"))
        else:
            waiting.set_result(fields["value"])

    async def _ask(self, ask: Callable[[_core.Room], int]) -> Any:
        room = self._core_room
        with translated(provider="livekit", operation="command"):
            command = ask(room)
        waiting = self._commands[command] = asyncio.get_running_loop().create_future()
        try:
            return await waiting
        except asyncio.CancelledError:
            self._commands.pop(command, None)
            room.cancel(command)
            raise

    def _say(self, ask: Callable[[_core.Room], int]) -> None:
        """Asks for what nobody waits for: a room that is gone has done it by going."""
        if self._room is not None:
            try:
                ask(self._room)
            except _core.CoreError as error:
                _log.warning("the room took no command: %s", error.args[1])

    # -- tracks ---------------------------------------------------------------------------------------------------

    def published(self, track: int) -> TrackInfo:
        """A track of ours as it is now."""
        return self._tracks[track]

    async def _publish(self, name: str, options: TrackPublishOptions) -> int:
        numbers: list[int] = []

        def ask(room: _core.Room) -> int:
            command, track = room.publish(
                name=name,
                source=translation.SOURCE_NAMES.get(options.source, "UNKNOWN"),
                stream=options.stream,
                muted=False,
            )
            numbers.append(track)
            return command

        self._tracks_info(await self._ask(ask), numbers)
        return numbers[0]

    def _tracks_info(self, info: Mapping[str, Any], numbers: list[int]) -> None:
        self._tracks[numbers[0]] = translation.track_info(info)

    async def unpublish(self, track: int) -> None:
        """Takes a track of ours back, by the core's number."""
        source = self._sources.pop(track, None)
        if source is not None:
            self.detach(source)
            await source.close()
        try:
            await self._ask(lambda room: room.unpublish(track))
        except TransportError as error:
            if error.code != "not_found":  # else the server took it back before
                raise
        self._tracks.pop(track, None)

    def _taken_back(self, track: int) -> None:
        """By the server, where its source is still there; a session keeps what it knows of its track until it ends."""
        source = self._sources.pop(track, None)
        if source is not None:
            del self._tracks[track]
            self._tasks.start(self._close_bare(source), name="end of a track")

    def route_input(self, link: CallLink, sid: str | None) -> None:
        """What a session's call hears: a remote track, or None: silence."""
        self._ears.give(link, sid)

    def _route(self, link: CallLink, sid: str | None) -> None:
        self._say(lambda room: room.route_input(_doors(link)[0], track_sid=sid))

    def detach(self, link: CallLink) -> None:
        """The call is over: its doors leave the room."""
        self._ears.forget(link)
        input_door, output_door = _doors(link)
        self._say(lambda room: room.detach_input(input_door))
        self._say(lambda room: room.detach_output(output_door))

    async def publish_track(
        self, name: str, *, sample_rate: int, num_channels: int, queue_size_ms: int, options: TrackPublishOptions
    ) -> tuple[TrackInfo, NativeAudioSink]:
        """See `RoomDriver`."""
        output_hz = 24_000 if sample_rate <= 24_000 else 48_000
        encoding = options.audio_encoding
        link = bare_call(
            self._core_room, output_hz=output_hz, max_bitrate_bps=encoding.max_bitrate if encoding is not None else 0
        )
        if options.red:
            _log.warning("natively each frame of %s is sent once: media='sdk' can send it twice (red)", name)
        try:
            track = await self._publish(name, options)
        except BaseException:
            await self._close_bare(link)
            raise
        self._sources[track] = link
        self._say(lambda room: room.route_output(_doors(link)[1], track))
        sink = NativeAudioSink(link, sample_rate=sample_rate, num_channels=num_channels, queue_size_ms=queue_size_ms)
        return self._tracks[track], sink

    async def unpublish_track(self, sid: str) -> None:
        """See `RoomDriver`."""
        track = self._number_of(sid)
        if track is not None:
            await self.unpublish(track)

    def set_track_muted(self, sid: str, *, muted: bool) -> None:
        """See `RoomDriver`."""
        track = self._number_of(sid)
        if track is not None:
            self._say(lambda room: room.mute(track, muted))

    def set_subscribed(self, identity: str, sid: str, *, subscribed: bool) -> None:
        """See `RoomDriver`."""
        self._say(lambda room: room.subscribe(sid, subscribed))

    def set_subscription_permissions(
        self, *, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]
    ) -> None:
        """See `RoomDriver`."""
        allowed = [
            (
                each.participant_identity,
                each.allow_all,
                [track for sid in each.allowed_track_sids if (track := self._number_of(sid)) is not None],
            )
            for each in permissions
        ]
        self._say(lambda room: room.permit_subscriptions(allow_all, allowed))

    def _number_of(self, sid: str) -> int | None:
        return next((track for track, info in self._tracks.items() if info.sid == sid), None)

    def open_audio(
        self, sid: str, *, sample_rate: int, num_channels: int, frame_size_ms: int | None
    ) -> NativeAudioFeed:
        """See `RoomDriver`."""
        return NativeAudioFeed(
            self._ears, sid, sample_rate=sample_rate, num_channels=num_channels, frame_size_ms=frame_size_ms
        )

    async def _close_bare(self, link: CallLink) -> None:
        self.detach(link)
        await link.close()

    async def open_call(
        self, settings: CallSettings, *, track_name: str, sample_rate: int, options: TrackPublishOptions
    ) -> NativeCallMedia:
        """See `RoomDriver`."""
        link = settings.open(
            codec="opus", input_hz=_OPUS_HZ, output_hz=sample_rate, output_codec="opus", room=self._core_room
        )
        try:
            track = await self._publish(track_name, options)
        except BaseException:
            await self._close_bare(link)
            raise
        self._say(lambda room: room.route_output(_doors(link)[1], track))
        return NativeCallMedia(self, link, track)

    async def open_caller(
        self,
        bell: _core.Bell,
        quiet: _core.Tape,
        *,
        silence: Literal["dtx", "continuous"],
        kept_packets: int,
        options: TrackPublishOptions | None,
    ) -> _core.Caller:
        """A light caller (`beluga_voice.testing.Caller`), who hears nobody yet; with `options` he has a track."""
        with translated():
            caller = self._core_room.open_caller(bell, quiet=quiet, silence=silence, kept_packets=kept_packets)
        if options is not None:
            track = await self._publish("microphone", options)
            self._say(lambda room: room.route_output(caller.doors[1], track))
        return caller

    def route_caller(self, caller: _core.Caller, sid: str | None) -> None:
        """What a light caller hears: a remote track, or None: nobody."""
        self._say(lambda room: room.route_input(caller.doors[0], track_sid=sid))

    # -- data -----------------------------------------------------------------------------------------------------

    async def publish_data(
        self, payload: bytes, *, reliable: bool, destination_identities: Sequence[str], topic: str
    ) -> None:
        """See `RoomDriver`."""
        await self._ask(
            lambda room: room.send_data(
                payload, reliable=reliable, topic=topic or None, destinations=list(destination_identities)
            )
        )

    async def publish_dtmf(self, *, code: int, digit: str) -> None:
        """See `RoomDriver`."""
        await self._ask(lambda room: room.send_dtmf(code, digit, []))

    async def publish_transcription(
        self, *, identity: str, track_sid: str, segments: Sequence[TranscriptionPart]
    ) -> None:
        """See `RoomDriver`."""
        parts = [(each.id, each.text, each.start_time, each.end_time, each.final, each.language) for each in segments]
        await self._ask(
            lambda room: room.send_transcription(
                identity=identity, track_sid=track_sid, segments=parts, destinations=[]
            )
        )

    async def open_stream(
        self,
        stream: StreamInfo,
        *,
        destination_identities: Sequence[str],
        sender_identity: str | None,
        reply_to_id: str | None,
    ) -> StreamInfo:
        """See `RoomDriver`."""
        sent = await self._ask(
            lambda room: room.open_stream(
                **_header(stream, destination_identities, reply_to_id), sender_identity=sender_identity
            )
        )
        return translation.stream_info(sent)

    async def write_stream(self, stream_id: str, content: bytes) -> None:
        """See `RoomDriver`."""
        await self._ask(lambda room: room.write_stream(stream_id, content))

    async def close_stream(self, stream_id: str, *, reason: str, attributes: Mapping[str, str]) -> None:
        """See `RoomDriver`."""
        await self._ask(lambda room: room.close_stream(stream_id, reason, dict(attributes)))

    async def send_whole(
        self,
        stream: StreamInfo,
        content: bytes,
        *,
        destination_identities: Sequence[str],
        reply_to_id: str | None,
        compress: bool,
    ) -> StreamInfo:
        """See `RoomDriver`. The core decides by itself what is worth compressing."""
        sent = await self._ask(
            lambda room: room.open_stream(**_header(stream, destination_identities, reply_to_id), whole=content)
        )
        return translation.stream_info(sent)

    def accept_streams(self, topic: str, *, is_text: bool, accepted: bool) -> None:
        """See `RoomDriver`."""
        (self._topics.add if accepted else self._topics.discard)((topic, is_text))

    def drop_stream(self, stream_id: str) -> None:
        """See `RoomDriver`."""
        self._streams.pop(stream_id, None)

    def _stream_opened(self, fields: dict[str, Any]) -> None:
        stream = translation.stream_info(fields["info"])
        if (stream.topic, stream.is_text) not in self._topics:
            return  # the reader goes with the event: the core drops the rest
        self._streams[stream.stream_id] = fields["reader"]
        self._tell(told.StreamOpened(stream, fields["identity"]))
        self._pump(stream.stream_id)

    def _pump(self, stream_id: str) -> None:
        while (reader := self._streams.get(stream_id)) is not None:
            kind, value = reader.read()
            match kind:
                case "piece":
                    self._tell(told.StreamChunk(stream_id, value))
                case "end":
                    del self._streams[stream_id]
                    self._tell(told.StreamClosed(stream_id, value))
                case "failed":
                    del self._streams[stream_id]
                    self._tell(told.StreamClosed(stream_id, error=value[1]))
                case _:
                    return

    # -- calls ----------------------------------------------------------------------------------------------------

    async def perform_rpc(self, call: RpcCallInfo) -> str:
        """See `RoomDriver`."""
        answer: str = await self._ask(
            lambda room: room.call_method(
                destination=call.destination_identity,
                method=call.method,
                payload=call.payload,
                response_timeout_ms=round((call.response_timeout or 15.0) * 1000),
                round_trip_ms=round((call.max_round_trip_latency or 7.0) * 1000),
            )
        )
        return answer

    def serve_rpc(self, method: str, *, served: bool) -> None:
        """See `RoomDriver`."""
        self._say(lambda room: room.register_method(method) if served else room.unregister_method(method))

    def respond_rpc(self, invocation_id: int, payload: str | None, error: RpcError | None) -> None:
        """See `RoomDriver`."""
        failed = (int(error.code), error.message, str(error.data or "")) if error is not None else None
        self._say(lambda room: room.reply(invocation_id, payload=payload or "", error=failed))

    # -- ourselves ------------------------------------------------------------------------------------------------

    async def set_metadata(self, metadata: str) -> None:
        """See `RoomDriver`."""
        await self._ask(lambda room: room.update_self(metadata=metadata))

    async def set_name(self, name: str) -> None:
        """See `RoomDriver`."""
        await self._ask(lambda room: room.update_self(name=name))

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """See `RoomDriver`."""
        await self._ask(lambda room: room.update_self(attributes=dict(attributes)))

    # -- looking --------------------------------------------------------------------------------------------------

    async def rtc_stats(self) -> Mapping[str, Any]:
        """See `RoomDriver`: round trips, bytes, packets and what was counted of the room, by name."""
        return await self._ask(lambda room: room.stats())

    async def simulate_scenario(self, scenario: int) -> None:
        """See `RoomDriver`."""
        known = _SCENARIOS.get(scenario)
        if known is None:
            raise TransportError(
                "the native participant cannot be made to use TCP or TLS: media='sdk' can",
                code="protocol_error",
                provider="livekit",
            )
        name, seconds = known
        await self._ask(lambda room: room.simulate(name, seconds=seconds))

    def sdk_room(self) -> None:
        """None: there is no SDK on this path."""

    def sdk_track(self, sid: str) -> None:
        """None: there is no SDK on this path."""

    def _failed(self, error: BaseException) -> None:
        _log.error("a room of the core failed: %s", type(error).__name__)


def _header(stream: StreamInfo, destinations: Sequence[str], reply_to_id: str | None) -> dict[str, Any]:
    header: dict[str, Any] = {
        "content": "text" if stream.is_text else "bytes",
        "topic": stream.topic,
        "attributes": dict(stream.attributes),
        "stream_id": stream.stream_id,
        "destinations": list(destinations),
        "total_bytes": stream.size,
    }
    if stream.is_text:
        return {**header, "reply_to": reply_to_id or "", "attached": list(stream.attachments)}
    return {**header, "name": stream.name, "mime_type": stream.mime_type}


def _error(error: Mapping[str, Any] | None, operation: str) -> Exception:
    """The core's error as one of ours."""
    if error is None:
        return _gone()
    if error["rpc"] is not None:
        code, message, data = error["rpc"]
        return RpcError(code, message, data or None)
    code, message = error["code"], error["message"]
    if operation == "connect" and code in _NO_SESSION:
        return SessionError(message, code=_NO_SESSION[code], provider="livekit", operation=operation)
    return core_error(code, message, provider="livekit", operation=operation)


def _doors(link: CallLink) -> tuple[int, int]:
    """What the room calls a call's doors."""
    doors = link.call.doors_in_room
    assert doors is not None, "calls of this driver are opened in its room"
    return doors


def _gone() -> BelugaVoiceError:
    return TransportError("the room was left", code="not_connected", provider="livekit")


def _ignore(_: RoomEvent) -> None: ...
