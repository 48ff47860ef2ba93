"""livekit.rtc's room behind `RoomDriver`."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from livekit import rtc

from beluga_voice.errors import AuthError, BelugaVoiceError, InvalidStateError, TransportError
from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.another_token import with_another_token
from beluga_voice.livekit.data_stream import StreamError
from beluga_voice.livekit.enums import DisconnectReason
from beluga_voice.livekit.rpc import RpcError
from beluga_voice.livekit.sdk.audio import SdkAudioFeed, SdkAudioSink
from beluga_voice.livekit.sdk.call import INPUT_HZ, SdkCallMedia
from beluga_voice.livekit.sdk.events import TRANSLATIONS
from beluga_voice.livekit.sdk.farewell import Farewell
from beluga_voice.livekit.sdk.permission_sender import PermissionSender
from beluga_voice.livekit.sdk.sound_thread import sound_thread
from beluga_voice.livekit.sdk.streams import IncomingStreams, OutgoingStreams
from beluga_voice.livekit.sdk.translation import joined, room_info, track_info
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.livekit.options import (
        ParticipantTrackPermission,
        RoomOptions,
        TokenSource,
        TrackPublishOptions,
    )
    from beluga_voice.livekit.room_events import RoomEvent, TranscriptionPart
    from beluga_voice.livekit.room_state import Joined, StreamInfo, TrackInfo
    from beluga_voice.livekit.rpc import RpcCallInfo
    from beluga_voice.transport import CallSettings

__all__ = ["SdkDriver"]

_log = logging.getLogger("beluga_voice.livekit")

# After these the room is over, or we are not wanted in it: it is not joined anew.
_FINAL = frozenset(
    {
        DisconnectReason.CLIENT_INITIATED,
        DisconnectReason.DUPLICATE_IDENTITY,
        DisconnectReason.PARTICIPANT_REMOVED,
        DisconnectReason.ROOM_DELETED,
        DisconnectReason.ROOM_CLOSED,
    }
)

# Imported when a room is first joined over the SDK, whose threads are this process's: a forked child has none of them.
_PROCESS = os.getpid()

# How long the SDK collects changes before it tells the server of them, and has then told it, in seconds.
_RENEGOTIATION_S = 0.25


class _Published:
    """A track of ours: what it is made of, and what it is called now."""

    def __init__(self, name: str, source: Any, options: TrackPublishOptions) -> None:
        self.name = name
        self.source = source
        self.options = options
        self.track: Any = None
        self.info: TrackInfo | None = None


class SdkDriver:
    """See the module and `RoomDriver`."""

    media_path: Literal["sdk"] = "sdk"

    def __init__(self) -> None:
        self.on_event: Callable[[RoomEvent], None] = _ignore
        self._tasks = Tasks(self._failed)
        self._room: Any = None
        self._told_by: Any = None
        """The room whose events count: `_room`, unless that was given up."""
        self._farewell: Farewell | None = None
        self._url = ""
        self._token = ""
        self._sid = ""
        self._options: RoomOptions | None = None
        self._leaving = False
        self._over = False
        self._is_reconnecting = False
        self._published: dict[str, _Published] = {}
        self._incoming = IncomingStreams(self._tell, self._tasks)
        self._outgoing = OutgoingStreams()
        self._permissions = PermissionSender(self._send_permissions)
        self._rpc_methods: dict[str, None] = {}
        self._rpc_waiting: dict[int, asyncio.Future[str | None]] = {}
        self._rpc_numbers = itertools.count(1)
        self._rejoins = 0
        self._rejoining: asyncio.Task[None] | None = None
        self._unpublished_at = -_RENEGOTIATION_S

    # -- connection -----------------------------------------------------------------------------------------------

    async def connect(self, url: str, token: str, options: RoomOptions) -> Joined:
        """See `RoomDriver`. Raises TransportError `connection_failed` for whatever it was; `joining` looks closer.

        Raises InvalidStateError in a forked child.
        """
        if os.getpid() != _PROCESS:
            raise InvalidStateError(
                "this process was forked from one that has joined rooms over the SDK; start children with 'spawn'",
                provider="livekit",
                operation="connect",
            )
        self._url, self._token, self._options = url, token, options
        self._room = await self._joined(token)
        self._farewell = Farewell()
        self._farewell.room(self._room)
        self._listen(self._room)
        self._tasks.start(self._learn_sid(self._room), name="room sid")
        # Whoever waits for this sees what was joined first, and then what is subscribed to.
        asyncio.get_running_loop().call_soon(self._tell_subscribed, _subscribed(self._room))
        return joined(self._room)

    async def disconnect(self, reason: int) -> None:
        """See `RoomDriver`."""
        self._leaving = True
        if self._room is not None:
            # libwebrtc is still being told of a track that is gone: to end it in the midst of that is an error in its
            # log, and on the screen.
            await asyncio.sleep(self._unpublished_at + _RENEGOTIATION_S - asyncio.get_running_loop().time())
            await self._room.disconnect(reason=reason)
        self._end(reason)
        await self._tasks.cancel()

    def stats(self) -> dict[str, int]:
        """`rejoins`: times that the room was joined anew after the SDK had given up."""
        return {"rejoins": self._rejoins}

    async def _joined(self, token: str) -> Any:
        room = rtc.Room()
        connecting = asyncio.ensure_future(room.connect(self._url, token, self._sdk_options()))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # The SDK goes on by itself: without this a participant whom nobody knows of would stay in the room.
            self._tasks.start(_leave(room, connecting), name="leave")
            raise
        except rtc.ConnectError as error:
            raise TransportError(
                f"the room could not be joined: {error.message}",
                code="connection_failed",
                provider="livekit",
                operation="connect",
            ) from None
        return room

    def _sdk_options(self) -> rtc.RoomOptions:
        ours = self._options
        assert ours is not None
        options = rtc.RoomOptions(
            auto_subscribe=ours.auto_subscribe,
            dynacast=ours.dynacast,
            encryption=ours.encryption,
            connect_timeout=ours.connect_timeout,
            single_peer_connection=ours.single_peer_connection,
        )
        if ours.rtc_config is not None:
            options.rtc_config = rtc.RtcConfiguration(**vars(ours.rtc_config))
        if ours.data_stream is not None:
            options.data_stream = rtc.DataStreamOptions(ours.data_stream.max_payload_byte_length)
        return options

    async def _learn_sid(self, room: Any) -> None:
        try:
            sid = await room.sid
        except RuntimeError:  # the room was left before it had one
            return
        if room is self._room and not self._over:
            self._sid = sid
            self._tell(told.SidKnown(sid))

    # -- what the SDK tells ---------------------------------------------------------------------------------------

    def _listen(self, room: Any) -> None:
        self._told_by = room
        for event, translate in TRANSLATIONS.items():
            self._on(room, event, self._translated_by(translate))
        self._on(room, "room_updated", lambda: self._tell(told.RoomUpdated(room_info(room, self._sid))))
        self._on(room, "moved", lambda: self._tell(told.RoomMoved(room_info(room, self._sid))))
        self._on(room, "local_track_unpublished", self._forget)
        self._on(room, "local_track_republished", self._republished)
        self._on(room, "reconnecting", self._reconnecting)
        self._on(room, "reconnected", self._reconnected)
        self._on(room, "disconnected", self._disconnected)

    def _translated_by(self, translate: Callable[..., RoomEvent | None]) -> Callable[..., None]:
        return lambda *arguments: self._tell(translate(*arguments))

    def _on(self, room: Any, event: str, callback: Callable[..., None]) -> None:
        def while_it_is_ours(*arguments: Any) -> None:
            if room is self._told_by and not self._over:
                callback(*arguments)

        room.on(event, while_it_is_ours)

    def _tell(self, event: RoomEvent | None) -> None:
        if event is not None:
            self.on_event(event)

    def _tell_subscribed(self, tracks: Sequence[tuple[str, Any]]) -> None:
        for identity, publication in tracks:
            if publication.track is not None:
                self._tell(told.TrackSubscribed(identity, publication.sid))

    def _forget(self, publication: Any) -> None:
        self._published.pop(publication.sid, None)
        self._tell(told.LocalTrackUnpublished(publication.sid))

    def _republished(self, publication: Any, previous_sid: str) -> None:
        ours = self._published.pop(previous_sid, None)
        if ours is not None:
            ours.info = track_info(publication)
            self._published[publication.sid] = ours
        self._tell(told.LocalTrackRepublished(track_info(publication), previous_sid))

    def _reconnecting(self) -> None:
        if not self._is_reconnecting:
            self._is_reconnecting = True
            self._tell(told.Reconnecting())

    def _reconnected(self) -> None:
        self._is_reconnecting = False
        self._tell(told.Reconnected())

    def _disconnected(self, reason: int) -> None:
        options = self._options
        if self._leaving or reason in _FINAL or options is None:
            self._end(reason)
        else:
            self._reconnecting()
            if self._rejoining is not None:  # lost again before all was published: of that nobody may ever be told
                self._rejoining.cancel()
            # Without another one the token of before has to do: it may well be good for hours.
            token_source = options.token_source or (lambda: self._token)
            self._rejoining = self._tasks.start(self._rejoin(token_source, reason), name="rejoin")

    def _end(self, reason: int) -> None:
        if not self._over:
            self._over = True
            if self._farewell is not None:
                self._farewell.done()
            self.on_event(told.Disconnected(reason))
            for waiting in self._rpc_waiting.values():
                waiting.cancel()

    # -- joining anew, after the SDK has given up -----------------------------------------------------------------

    async def _rejoin(self, token_source: TokenSource, reason: int) -> None:
        if not await with_another_token(token_source, self._join_anew):
            self._end(reason)

    async def _join_anew(self, token: str) -> bool:
        room = await self._joined(token)
        self._rejoins += 1
        try:
            await self._move_to(room)
        except Exception:
            self._told_by = None
            self._tasks.start(room.disconnect(), name="leave")
            raise
        return True

    async def _move_to(self, room: Any) -> None:
        self._room = room
        if self._farewell is not None:
            self._farewell.room(room)
        self._listen(room)
        self._incoming.move_to(room)
        for method in self._rpc_methods:
            room.local_participant.register_rpc_method(method, self._on_rpc)
        self._tell(told.Rejoined(joined(room)))
        self._tell_subscribed(_subscribed(room))
        self._tasks.start(self._learn_sid(room), name="room sid")
        for previous_sid, ours in tuple(self._published.items()):
            try:
                publication = await self._publish(ours)
            except AuthError as error:
                _log.warning("the track %s is not published any more: %s", ours.name, error.message)
                self._published.pop(previous_sid, None)
                self._tell(told.LocalTrackUnpublished(previous_sid))
                continue
            self._published.pop(previous_sid, None)
            self._tell(told.LocalTrackRepublished(track_info(publication), previous_sid))
        self._reconnected()

    # -- tracks ---------------------------------------------------------------------------------------------------

    @property
    def _local(self) -> Any:
        if self._room is None or self._over:
            raise TransportError("the room was left", code="not_connected", provider="livekit")
        return self._room.local_participant

    async def publish_track(
        self, name: str, *, sample_rate: int, num_channels: int, queue_size_ms: int, options: TrackPublishOptions
    ) -> tuple[TrackInfo, SdkAudioSink]:
        """See `RoomDriver`."""
        ours = _Published(name, rtc.AudioSource(sample_rate, num_channels, queue_size_ms), options)
        publication = await self._publish(ours)
        return track_info(publication), SdkAudioSink(ours.source)

    async def _publish(self, ours: _Published) -> Any:
        # A track that is published before it is known who may hear it is everybody's.
        await self._permissions.sent()
        local = self._local
        if not local.permissions.can_publish:
            raise AuthError("the token does not allow publishing", code="authorization_failed", provider="livekit")
        ours.track = rtc.LocalAudioTrack.create_audio_track(ours.name, ours.source)
        publishing = asyncio.ensure_future(local.publish_track(ours.track, _publish_options(ours.options)))
        try:
            with _translated("publish_track"):
                publication = await asyncio.shield(publishing)
        except asyncio.CancelledError:
            # The SDK goes on by itself: without this a track that nobody knows of would stay in the room.
            self._tasks.start(self._take_back(publishing), name="unpublish")
            raise
        ours.info = track_info(publication)
        self._published[publication.sid] = ours
        return publication

    async def _take_back(self, publishing: asyncio.Future[Any]) -> None:
        await asyncio.wait({publishing})
        if not publishing.cancelled() and publishing.exception() is None:
            await self.unpublish_track(publishing.result().sid)

    async def unpublish_track(self, sid: str) -> None:
        """See `RoomDriver`."""
        with _translated("unpublish_track"):
            await self._local.unpublish_track(sid)
        self._published.pop(sid, None)
        self._unpublished_at = asyncio.get_running_loop().time()

    def set_track_muted(self, sid: str, *, muted: bool) -> None:
        """See `RoomDriver`."""
        ours = self._published.get(sid)
        if ours is not None:
            (ours.track.mute if muted else ours.track.unmute)()

    def set_subscribed(self, identity: str, sid: str, *, subscribed: bool) -> None:
        """See `RoomDriver`."""
        participant = self._room.remote_participants.get(identity)
        publication = participant.track_publications.get(sid) if participant is not None else None
        if publication is not None:
            publication.set_subscribed(subscribed)

    def set_subscription_permissions(
        self, *, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]
    ) -> None:
        """See `RoomDriver`."""
        if not self._over:
            self._permissions.want(allow_all, permissions)

    def _send_permissions(self, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]) -> None:  # noqa: FBT001
        if self._over:
            return
        self._local.set_track_subscription_permissions(
            allow_all_participants=allow_all,
            participant_permissions=[rtc.ParticipantTrackPermission(**vars(each)) for each in permissions],
        )

    def open_audio(self, sid: str, *, sample_rate: int, num_channels: int, frame_size_ms: int | None) -> SdkAudioFeed:
        """See `RoomDriver`."""
        track = self.sdk_track(sid)
        if track is None:
            raise TransportError(f"track {sid} is not subscribed to", code="not_connected", provider="livekit")
        return SdkAudioFeed(track, sample_rate=sample_rate, num_channels=num_channels, frame_size_ms=frame_size_ms)

    async def open_call(
        self, settings: CallSettings, *, track_name: str, sample_rate: int, options: TrackPublishOptions
    ) -> SdkCallMedia:
        """See `RoomDriver`."""
        sound = sound_thread()
        source = rtc.AudioSource(sample_rate, 1, queue_size_ms=0, loop=sound.loop)
        ours = _Published(track_name, source, options)
        link = settings.open(codec="live_pcm", input_hz=INPUT_HZ, output_hz=sample_rate)
        try:
            await self._publish(ours)
        except BaseException:
            await link.close()
            raise

        def track() -> TrackInfo:
            assert ours.info is not None
            return ours.info

        async def unpublish() -> None:
            await self.unpublish_track(track().sid)

        return SdkCallMedia(link, ours.source, track, unpublish, self.sdk_track, lambda: ours.track, sound)

    # -- data -----------------------------------------------------------------------------------------------------

    async def publish_data(
        self, payload: bytes, *, reliable: bool, destination_identities: Sequence[str], topic: str
    ) -> None:
        """See `RoomDriver`."""
        with _translated("publish_data"):
            await self._may_send().publish_data(
                payload, reliable=reliable, destination_identities=list(destination_identities), topic=topic
            )

    async def publish_dtmf(self, *, code: int, digit: str) -> None:
        """See `RoomDriver`."""
        with _translated("publish_dtmf"):
            await self._may_send().publish_dtmf(code=code, digit=digit)

    async def publish_transcription(
        self, *, identity: str, track_sid: str, segments: Sequence[TranscriptionPart]
    ) -> None:
        """See `RoomDriver`."""
        parts = [
            rtc.TranscriptionSegment(each.id, each.text, each.start_time, each.end_time, each.language, each.final)
            for each in segments
        ]
        with _translated("publish_transcription"):
            await self._may_send().publish_transcription(rtc.Transcription(identity, track_sid, parts))

    async def open_stream(
        self,
        stream: StreamInfo,
        *,
        destination_identities: Sequence[str],
        sender_identity: str | None,
        reply_to_id: str | None,
    ) -> StreamInfo:
        """See `RoomDriver`."""
        return await self._outgoing.open(
            self._may_send(),
            stream,
            destination_identities=destination_identities,
            sender_identity=sender_identity,
            reply_to_id=reply_to_id,
        )

    async def write_stream(self, stream_id: str, content: bytes) -> None:
        """See `RoomDriver`."""
        await self._outgoing.write(stream_id, content)

    async def close_stream(self, stream_id: str, *, reason: str, attributes: Mapping[str, str]) -> None:
        """See `RoomDriver`."""
        await self._outgoing.close(stream_id, reason=reason, attributes=attributes)

    async def send_whole(
        self,
        stream: StreamInfo,
        content: bytes,
        *,
        destination_identities: Sequence[str],
        reply_to_id: str | None,
        compress: bool,
    ) -> StreamInfo:
        """See `RoomDriver`."""
        return await self._outgoing.send(
            self._may_send(),
            stream,
            content,
            destination_identities=destination_identities,
            reply_to_id=reply_to_id,
            compress=compress,
        )

    def accept_streams(self, topic: str, *, is_text: bool, accepted: bool) -> None:
        """See `RoomDriver`."""
        self._incoming.accept(self._room, topic, is_text=is_text, accepted=accepted)

    def drop_stream(self, stream_id: str) -> None:
        """See `RoomDriver`."""
        self._incoming.drop(stream_id)

    def _may_send(self) -> Any:
        local = self._local
        if not local.permissions.can_publish_data:
            raise AuthError("the token does not allow sending data", code="authorization_failed", provider="livekit")
        return local

    # -- calls ----------------------------------------------------------------------------------------------------

    async def perform_rpc(self, call: RpcCallInfo) -> str:
        """See `RoomDriver`."""
        try:
            answer: str = await self._local.perform_rpc(
                destination_identity=call.destination_identity,
                method=call.method,
                payload=call.payload,
                response_timeout=call.response_timeout,
                max_round_trip_latency=call.max_round_trip_latency,
            )
        except rtc.RpcError as error:
            raise RpcError(error.code, error.message, error.data) from None
        return answer

    def serve_rpc(self, method: str, *, served: bool) -> None:
        """See `RoomDriver`."""
        if served:
            self._rpc_methods[method] = None
            self._local.register_rpc_method(method, self._on_rpc)
        else:
            self._rpc_methods.pop(method, None)
            self._local.unregister_rpc_method(method)

    async def _on_rpc(self, invocation: rtc.RpcInvocationData) -> str | None:
        number = next(self._rpc_numbers)
        answered = self._rpc_waiting[number] = asyncio.get_running_loop().create_future()
        self._tell(
            told.RpcRequested(
                number,
                invocation.request_id,
                invocation.caller_identity,
                invocation.method,
                invocation.payload,
                invocation.response_timeout,
            )
        )
        try:
            return await answered
        finally:
            del self._rpc_waiting[number]

    def respond_rpc(self, invocation_id: int, payload: str | None, error: RpcError | None) -> None:
        """See `RoomDriver`."""
        answered = self._rpc_waiting.get(invocation_id)
        if answered is None or answered.done():
            return
        if error is not None:
            answered.set_exception(rtc.RpcError(error.code, error.message, error.data))
        else:
            answered.set_result(payload)

    # -- ourselves ------------------------------------------------------------------------------------------------

    async def set_metadata(self, metadata: str) -> None:
        """See `RoomDriver`."""
        await self._may_change_itself().set_metadata(metadata)

    async def set_name(self, name: str) -> None:
        """See `RoomDriver`."""
        await self._may_change_itself().set_name(name)

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """See `RoomDriver`."""
        await self._may_change_itself().set_attributes(dict(attributes))

    def _may_change_itself(self) -> Any:
        local = self._local
        if not local.permissions.can_update_metadata:  # the SDK would be refused, and say nothing
            raise AuthError(
                "the token does not allow changing one's own name, metadata and attributes (can_update_own_metadata)",
                code="authorization_failed",
                provider="livekit",
            )
        return local

    # -- looking --------------------------------------------------------------------------------------------------

    async def rtc_stats(self) -> rtc.RtcStats:
        """See `RoomDriver`."""
        return await self._room.get_rtc_stats()

    async def simulate_scenario(self, scenario: int) -> None:
        """See `RoomDriver`."""
        await self._room.simulate_scenario(scenario)

    def sdk_room(self) -> rtc.Room:
        """See `RoomDriver`."""
        return self._room

    def sdk_track(self, sid: str) -> Any:
        """See `RoomDriver`."""
        ours = self._published.get(sid)
        if ours is not None:
            return ours.track
        for participant in self._room.remote_participants.values():
            publication = participant.track_publications.get(sid)
            if publication is not None:
                return publication.track
        return None

    def _failed(self, error: BaseException) -> None:
        _log.error("the SDK's room failed", exc_info=error)


def _ignore(_: RoomEvent) -> None: ...


def _subscribed(room: Any) -> list[tuple[str, Any]]:
    """What was subscribed to before anybody listened: the SDK tells of it while it still joins, and never again."""
    return [
        (identity, publication)
        for identity, participant in room.remote_participants.items()
        for publication in participant.track_publications.values()
        if publication.track is not None
    ]


async def _leave(room: Any, connecting: asyncio.Future[None]) -> None:
    await asyncio.wait({connecting})
    if not connecting.cancelled() and connecting.exception() is None:
        await room.disconnect()


def _publish_options(ours: TrackPublishOptions) -> rtc.TrackPublishOptions:
    source: Any = ours.source
    options = rtc.TrackPublishOptions(source=source, stream=ours.stream, preconnect_buffer=ours.preconnect_buffer)
    if ours.dtx is not None:
        options.dtx = ours.dtx
    if ours.red is not None:
        options.red = ours.red
    if ours.audio_encoding is not None and ours.audio_encoding.max_bitrate:
        options.audio_encoding.max_bitrate = ours.audio_encoding.max_bitrate
    return options


@contextmanager
def _translated(operation: str) -> Generator[None]:
    """The SDK's errors are a class for each command and a text; a room that is gone is the one reason known."""
    try:
        yield
    except (BelugaVoiceError, StreamError, asyncio.CancelledError):
        raise
    except Exception as error:
        text: str = getattr(error, "message", "") or str(error)
        raise TransportError(
            f"{operation} failed: {text}", code="disconnected", provider="livekit", operation=operation
        ) from None
