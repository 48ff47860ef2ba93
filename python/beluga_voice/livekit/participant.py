"""Participants: who is in a room, ourselves included."""

from __future__ import annotations

import asyncio
import datetime as dt
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from beluga_voice.livekit.data_stream import (
    ByteStreamInfo,
    ByteStreamWriter,
    TextStreamInfo,
    TextStreamWriter,
    byte_stream_info,
    text_stream_info,
)
from beluga_voice.livekit.enums import (
    ConnectionQuality,
    DisconnectReason,
    ParticipantKind,
    ParticipantKindDetail,
    ParticipantState,
    known,
)
from beluga_voice.livekit.options import ParticipantTrackPermission, TrackPublishOptions
from beluga_voice.livekit.publication import LocalTrackPublication, RemoteTrackPublication, TrackPublication
from beluga_voice.livekit.records import ParticipantRecord, PublicationRecord
from beluga_voice.livekit.room_events import TranscriptionPart
from beluga_voice.livekit.room_state import ParticipantPermission, StreamInfo, TrackInfo
from beluga_voice.livekit.rpc import RpcCallInfo, RpcHandler, RpcInterceptor, outgoing_chain
from beluga_voice.livekit.track import LocalAudioTrack, RemoteAudioTrack, record_of

if TYPE_CHECKING:
    from beluga_voice.livekit.room_driver import RoomDriver
    from beluga_voice.livekit.rpc_service import RpcService
    from beluga_voice.livekit.track_permissions import TrackPermissions
    from beluga_voice.livekit.transcription import Transcription

__all__ = ["LocalParticipant", "Participant", "RemoteParticipant", "audible_track", "local_publication"]

H = TypeVar("H", bound=RpcHandler)

_UNKNOWN_TYPE = "application/octet-stream"


class Participant:
    """What every participant has."""

    def __init__(self, record: ParticipantRecord) -> None:
        self._record = record

    @property
    def track_publications(self) -> Mapping[str, TrackPublication]:
        """What he publishes, by sid."""
        return MappingProxyType(self._record.publication_faces)

    @property
    def sid(self) -> str:
        """The server's name for this stay of his."""
        return self._record.info.sid

    @property
    def name(self) -> str:
        """As shown to people."""
        return self._record.info.name

    @property
    def identity(self) -> str:
        """Who he is: unique in the room, and the same when he comes again."""
        return self._record.info.identity

    @property
    def metadata(self) -> str:
        """Whatever his token or a server says about him."""
        return self._record.info.metadata

    @property
    def attributes(self) -> dict[str, str]:
        """The same by name. A telephone's begin with "sip."."""
        return dict(self._record.info.attributes)

    @property
    def kind(self) -> ParticipantKind | int:
        """What he is: a user, a telephone, an agent."""
        return known(ParticipantKind, self._record.info.kind)

    @property
    def kind_details(self) -> list[ParticipantKindDetail | int]:
        """More of that."""
        return [known(ParticipantKindDetail, each) for each in self._record.info.kind_details]

    @property
    def state(self) -> ParticipantState | int:
        """How far he has come."""
        return known(ParticipantState, self._record.info.state)

    @property
    def joined_at(self) -> dt.datetime | None:
        """When he joined (UTC)."""
        joined_at_ms = self._record.info.joined_at_ms
        return dt.datetime.fromtimestamp(joined_at_ms / 1000, dt.UTC) if joined_at_ms else None

    @property
    def permissions(self) -> ParticipantPermission:
        """What the server lets him do."""
        return self._record.info.permission

    @property
    def connection_quality(self) -> ConnectionQuality | int:
        """As the server judged it last."""
        return known(ConnectionQuality, self._record.quality)

    @property
    def disconnect_reason(self) -> DisconnectReason | int | None:
        """Why he left; None as long as he is here."""
        reason = self._record.info.disconnect_reason
        return known(DisconnectReason, reason) if reason else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sid={self.sid}, identity={self.identity}, name={self.name})"


class RemoteParticipant(Participant):
    """Somebody else."""

    @property
    def track_publications(self) -> Mapping[str, RemoteTrackPublication]:
        """What he publishes, by sid."""
        return MappingProxyType(self._record.publication_faces)


async def audible_track(participant: Participant, source: int | None, *, after: Any) -> RemoteAudioTrack | None:
    """A subscribed track of that source other than `after`, now or later; None when the participant has left."""
    record = participant._record  # pyright: ignore[reportPrivateUsage] - the other half of the same noun
    while not record.gone:
        for publication in record.publication_faces.values():
            track = publication.track
            if isinstance(track, RemoteAudioTrack) and track is not after and publication.source == source:
                return track
        await record.changed.wait()
    return None


class LocalParticipant(Participant):
    """Ourselves."""

    def __init__(
        self, record: ParticipantRecord, driver: RoomDriver, permissions: TrackPermissions, rpc: RpcService
    ) -> None:
        super().__init__(record)
        self._driver = driver
        self._permissions = permissions
        self._rpc = rpc

    @property
    def track_publications(self) -> Mapping[str, LocalTrackPublication]:
        """What we publish, by sid."""
        return MappingProxyType(self._record.publication_faces)

    # -- tracks ---------------------------------------------------------------------------------------------------

    async def publish_track(
        self, track: LocalAudioTrack, options: TrackPublishOptions | None = None
    ) -> LocalTrackPublication:
        """Publishes a track of sound.

        Raises TransportError, AuthError `authorization_failed`, ConfigError for a `max_bitrate` that Opus has not.
        """
        record = record_of(track)
        outlets = record.outlets
        assert outlets is not None
        info, sink = await self._driver.publish_track(
            track.name,
            sample_rate=outlets.sample_rate,
            num_channels=outlets.num_channels,
            queue_size_ms=outlets.queue_size_ms,
            options=options or TrackPublishOptions(),
        )
        publication = local_publication(self._record, self._driver, info)
        record.enter(self._driver, info, sink)
        publication.set_track(record, track)
        return publication.face

    async def unpublish_track(self, track_sid: str) -> None:
        """Takes a track back. Raises TransportError."""
        await self._driver.unpublish_track(track_sid)
        publication = self._record.remove(track_sid)
        if publication is not None and publication.track is not None:
            publication.track.leave()

    def set_track_subscription_permissions(
        self,
        *,
        allow_all_participants: bool,
        participant_permissions: list[ParticipantTrackPermission] | None = None,
    ) -> None:
        """Who may subscribe to which of our tracks. Sessions' voices stay with their callers, whatever is said here."""
        self._permissions.set_base(allow_all=allow_all_participants, permissions=participant_permissions or [])

    # -- data -----------------------------------------------------------------------------------------------------

    async def publish_data(
        self,
        payload: bytes | str,
        *,
        reliable: bool = True,
        destination_identities: Sequence[str] = (),
        topic: str = "",
    ) -> None:
        """Sends a packet to these participants, or to all. Raises TransportError, AuthError."""
        data = payload.encode() if isinstance(payload, str) else payload
        await self._driver.publish_data(
            data, reliable=reliable, destination_identities=destination_identities, topic=topic
        )

    async def publish_dtmf(self, *, code: int, digit: str) -> None:
        """Presses a key towards telephones. Raises TransportError."""
        await self._driver.publish_dtmf(code=code, digit=digit)

    async def publish_transcription(self, transcription: Transcription) -> None:
        """Sends a transcription packet, the form before `lk.transcription`. Raises TransportError."""
        await self._driver.publish_transcription(
            identity=transcription.participant_identity,
            track_sid=transcription.track_sid,
            segments=[
                TranscriptionPart(each.id, each.text, each.start_time, each.end_time, each.language, each.final)
                for each in transcription.segments
            ],
        )

    async def stream_text(
        self,
        *,
        destination_identities: list[str] | None = None,
        topic: str = "",
        attributes: dict[str, str] | None = None,
        stream_id: str | None = None,
        reply_to_id: str | None = None,
        total_size: int | None = None,
        sender_identity: str | None = None,
    ) -> TextStreamWriter:
        """Begins a text that is written piece by piece. Raises StreamError, TransportError."""
        stream = StreamInfo(
            stream_id=stream_id or "",
            is_text=True,
            topic=topic,
            mime_type="text/plain",
            size=total_size,
            attributes=attributes or {},
        )
        opened = await self._driver.open_stream(
            stream,
            destination_identities=destination_identities or [],
            sender_identity=sender_identity,
            reply_to_id=reply_to_id,
        )
        return TextStreamWriter(self._driver, opened)

    async def send_text(
        self,
        text: str,
        *,
        destination_identities: list[str] | None = None,
        topic: str = "",
        attributes: dict[str, str] | None = None,
        reply_to_id: str | None = None,
        compress: bool = True,
    ) -> TextStreamInfo:
        """Sends a whole text. Raises StreamError, TransportError."""
        content = text.encode(errors="replace")
        stream = StreamInfo(
            stream_id="",
            is_text=True,
            topic=topic,
            mime_type="text/plain",
            size=len(content),
            attributes=attributes or {},
        )
        sent = await self._driver.send_whole(
            stream,
            content,
            destination_identities=destination_identities or [],
            reply_to_id=reply_to_id,
            compress=compress,
        )
        return text_stream_info(sent)

    async def stream_bytes(
        self,
        name: str,
        *,
        total_size: int | None = None,
        mime_type: str = _UNKNOWN_TYPE,
        attributes: dict[str, str] | None = None,
        stream_id: str | None = None,
        destination_identities: list[str] | None = None,
        topic: str = "",
    ) -> ByteStreamWriter:
        """Begins bytes that are written piece by piece. Raises StreamError, TransportError."""
        stream = StreamInfo(
            stream_id=stream_id or "",
            is_text=False,
            topic=topic,
            mime_type=mime_type,
            size=total_size,
            attributes=attributes or {},
            name=name,
        )
        opened = await self._driver.open_stream(
            stream, destination_identities=destination_identities or [], sender_identity=None, reply_to_id=None
        )
        return ByteStreamWriter(self._driver, opened)

    async def send_bytes(
        self,
        data: bytes,
        *,
        topic: str = "",
        name: str | None = None,
        mime_type: str | None = None,
        destination_identities: list[str] | None = None,
        attributes: dict[str, str] | None = None,
        stream_id: str | None = None,
        compress: bool = True,
    ) -> ByteStreamInfo:
        """Sends whole bytes. Raises StreamError, TransportError."""
        stream = StreamInfo(
            stream_id=stream_id or "",
            is_text=False,
            topic=topic,
            mime_type=mime_type or _UNKNOWN_TYPE,
            size=len(data),
            attributes=attributes or {},
            name=name or "unknown",
        )
        sent = await self._driver.send_whole(
            stream,
            data,
            destination_identities=destination_identities or [],
            reply_to_id=None,
            compress=compress,
        )
        return byte_stream_info(sent)

    async def send_file(
        self,
        file_path: str,
        *,
        topic: str = "",
        destination_identities: list[str] | None = None,
        attributes: dict[str, str] | None = None,
        stream_id: str | None = None,
        compress: bool = True,
    ) -> ByteStreamInfo:
        """Sends a file. Raises OSError, StreamError, TransportError."""
        path = Path(file_path)
        return await self.send_bytes(
            await asyncio.to_thread(path.read_bytes),
            topic=topic,
            name=path.name,
            mime_type=mimetypes.guess_type(file_path)[0],
            destination_identities=destination_identities,
            attributes=attributes,
            stream_id=stream_id,
            compress=compress,
        )

    # -- calls ----------------------------------------------------------------------------------------------------

    async def perform_rpc(
        self,
        *,
        destination_identity: str,
        method: str,
        payload: str,
        response_timeout: float | None = None,
        max_round_trip_latency: float | None = None,
    ) -> str:
        """Calls a method of somebody's and returns his answer. Raises RpcError."""
        call = RpcCallInfo(destination_identity, method, payload, response_timeout, max_round_trip_latency)
        return await outgoing_chain(tuple(self._rpc.interceptors), self._driver.perform_rpc)(call)

    def add_rpc_interceptor(self, interceptor: RpcInterceptor) -> None:
        """Wraps every call that is made or handled; one that is there already is not added."""
        if not any(each is interceptor for each in self._rpc.interceptors):
            self._rpc.interceptors.append(interceptor)

    def remove_rpc_interceptor(self, interceptor: RpcInterceptor) -> None:
        """Takes it back; calls under way keep it."""
        self._rpc.interceptors[:] = [each for each in self._rpc.interceptors if each is not interceptor]

    @overload
    def register_rpc_method(self, method_name: str, handler: H) -> H: ...
    @overload
    def register_rpc_method(self, method_name: str, handler: None = None) -> Callable[[H], H]: ...
    def register_rpc_method(self, method_name: str, handler: H | None = None) -> H | Callable[[H], H]:
        """Has `handler` answer calls of that method; without it a decorator.

        It is a function or a coroutine function of an `RpcInvocationData` and returns text. It is cancelled when the
        caller no longer waits. RpcError reaches the caller as it is, anything else as 1500.
        """

        def register(handler: H) -> H:
            self._rpc.handlers[method_name] = handler
            self._driver.serve_rpc(method_name, served=True)
            return handler

        return register(handler) if handler is not None else register

    def unregister_rpc_method(self, method: str) -> None:
        """Takes it back."""
        self._rpc.handlers.pop(method, None)
        self._driver.serve_rpc(method, served=False)

    # -- ourselves ------------------------------------------------------------------------------------------------

    async def set_metadata(self, metadata: str) -> None:
        """Changes our metadata. Raises AuthError where the token does not allow it."""
        await self._driver.set_metadata(metadata)

    async def set_name(self, name: str) -> None:
        """Changes our name. Raises AuthError where the token does not allow it."""
        await self._driver.set_name(name)

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        """Changes these attributes; '' removes one. Raises AuthError where the token does not allow it."""
        await self._driver.set_attributes(attributes)


def local_publication(record: ParticipantRecord, driver: RoomDriver, info: TrackInfo) -> PublicationRecord:
    """The record of a track of ours; the command that published it and the event that tells of it come in any order."""
    known_one = record.publications.get(info.sid)
    if known_one is None:
        known_one = PublicationRecord(driver, record.info.identity, info)
        known_one.face = LocalTrackPublication(known_one)
        record.add(known_one)
    return known_one
