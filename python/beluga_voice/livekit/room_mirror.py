"""A room as it is now, kept by what a driver tells, and told on as livekit.rtc's events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.agents_desk import AgentsDesk
from beluga_voice.livekit.enums import (
    ConnectionQuality,
    ConnectionState,
    DataPacketKind,
    DisconnectReason,
    ParticipantState,
    TrackKind,
    known,
)
from beluga_voice.livekit.packets import DataPacket, SipDTMF
from beluga_voice.livekit.participant import LocalParticipant, RemoteParticipant, local_publication
from beluga_voice.livekit.publication import RemoteTrackPublication
from beluga_voice.livekit.records import ParticipantRecord, PublicationRecord, TrackRecord
from beluga_voice.livekit.rpc_service import RpcService
from beluga_voice.livekit.track import RemoteAudioTrack, RemoteVideoTrack
from beluga_voice.livekit.track_permissions import TrackPermissions
from beluga_voice.livekit.transcription import TranscriptionSegment
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.errors import BelugaVoiceError
    from beluga_voice.livekit.room_driver import RoomDriver
    from beluga_voice.livekit.room_state import Joined, ParticipantInfo, TrackInfo
    from beluga_voice.livekit.stream_desk import StreamDesk

__all__ = ["RoomMirror"]

_log = logging.getLogger("beluga_voice.livekit")

# How long what was under way when the room was left may take to end, in seconds.
_SETTLE_S = 5.0


class RoomMirror:
    """The room's records. `emit` calls back whoever asked for an event of livekit.rtc's."""

    def __init__(self, driver: RoomDriver, joined: Joined, emit: Callable[..., None], streams: StreamDesk) -> None:
        self.driver = driver
        self.info = joined.room
        self.state = ConnectionState.CONN_CONNECTED
        self.reason: int = DisconnectReason.UNKNOWN_REASON
        """Why the room was left, once it was."""
        self.error: BelugaVoiceError | None = None
        """What failed then, where that is known."""
        self.left = asyncio.Event()
        self.sid_changed = asyncio.Event()
        self.remote: dict[str, RemoteParticipant] = {}
        self.rpc = RpcService(driver)
        self._records: dict[str, ParticipantRecord] = {}
        self._local_record = ParticipantRecord(joined.local)
        self.permissions = TrackPermissions(
            driver, lambda: tuple(self.remote), lambda: tuple(self._local_record.publications)
        )
        self.local = LocalParticipant(self._local_record, driver, self.permissions, self.rpc)
        self.served: list[str] = []
        """Identities of callers who have a session."""
        self.agents = AgentsDesk(self.local, streams)
        self._emit = emit
        self._streams = streams
        self._tasks = Tasks(self._failed)
        self._takers = self._table()
        for participant, tracks in joined.remote:
            record = self._note(participant)
            for track in tracks:
                record.add(self._publication(record, track))

    def take(self, event: told.RoomEvent) -> None:
        """Notes what has happened, and tells of it."""
        if self.state == ConnectionState.CONN_DISCONNECTED:
            return
        try:
            self._takers[type(event)](event)
        except Exception as error:  # a defect of ours: the events after this one are told all the same
            self._failed(error)

    async def settle(self) -> None:
        """Until what was under way when the room was left has ended."""
        await self._tasks.settle(_SETTLE_S)

    def publication_of_ours(self, info: TrackInfo) -> PublicationRecord:
        """The record of a track that a session has published."""
        return local_publication(self._local_record, self.driver, info)

    def record(self, identity: str) -> ParticipantRecord | None:
        """Of a remote participant."""
        return self._records.get(identity)

    def _table(self) -> Mapping[type[told.RoomEvent], Callable[[Any], None]]:
        return {
            told.SidKnown: self._on_sid,
            told.RoomUpdated: self._on_room_updated,
            told.RoomMoved: self._on_moved,
            told.ParticipantConnected: self._on_participant_connected,
            told.ParticipantDisconnected: self._on_participant_disconnected,
            told.ParticipantUpdated: self._on_participant_updated,
            told.TrackPublished: self._on_track_published,
            told.TrackUnpublished: self._on_track_unpublished,
            told.TrackSubscribed: self._on_track_subscribed,
            told.TrackUnsubscribed: self._on_track_unsubscribed,
            told.TrackSubscriptionFailed: self._on_subscription_failed,
            told.TrackMuted: self._on_track_muted,
            told.LocalTrackPublished: self._on_local_published,
            told.LocalTrackUnpublished: self._on_local_unpublished,
            told.LocalTrackRepublished: self._on_local_republished,
            told.LocalTrackSubscribed: self._on_local_subscribed,
            told.ActiveSpeakersChanged: self._on_speakers,
            told.ConnectionQualityChanged: self._on_quality,
            told.DataArrived: self._on_data,
            told.DtmfArrived: self._on_dtmf,
            told.TranscriptionArrived: self._on_transcription,
            told.StreamOpened: self._streams.opened,
            told.StreamChunk: self._streams.chunk,
            told.StreamClosed: self._streams.closed,
            told.RpcRequested: self.rpc.take,
            told.ParticipantEncryptionChanged: self._on_encryption,
            told.EncryptionStateChanged: self._on_encryption_state,
            told.Reconnecting: self._on_reconnecting,
            told.Reconnected: self._on_reconnected,
            told.Rejoined: self._on_rejoined,
            told.TokenRefreshed: self._on_token_refreshed,
            told.Disconnected: self._on_disconnected,
        }

    # -- the room itself ------------------------------------------------------------------------------------------

    def _on_sid(self, event: told.SidKnown) -> None:
        self.info = replace(self.info, sid=event.sid)
        self.sid_changed.set()

    def _on_room_updated(self, event: told.RoomUpdated) -> None:
        before, self.info = self.info, event.room
        self.sid_changed.set()
        if before.metadata != event.room.metadata:
            self._emit("room_metadata_changed", before.metadata, event.room.metadata)
        self._emit("room_updated")

    def _on_moved(self, event: told.RoomMoved) -> None:
        self.info = event.room
        self.sid_changed.set()
        self._emit("moved")

    def _on_token_refreshed(self, _: told.TokenRefreshed) -> None:
        self._emit("token_refreshed")

    def _on_reconnecting(self, _: told.Reconnecting) -> None:
        self._become(ConnectionState.CONN_RECONNECTING)
        self._emit("reconnecting")

    def _on_reconnected(self, _: told.Reconnected) -> None:
        self._become(ConnectionState.CONN_CONNECTED)
        self._emit("reconnected")

    def _on_rejoined(self, event: told.Rejoined) -> None:
        for identity in tuple(self._records):
            self._on_participant_disconnected(told.ParticipantDisconnected(identity, DisconnectReason.UNKNOWN_REASON))
        self.info = event.joined.room
        self._local_record.info = event.joined.local
        for info, tracks in event.joined.remote:
            self._on_participant_connected(told.ParticipantConnected(info))
            for track in tracks:
                self._on_track_published(told.TrackPublished(info.identity, track))
        self.permissions.forget_sent()

    def _on_disconnected(self, event: told.Disconnected) -> None:
        self.reason, self.error = event.reason, event.error
        self._streams.end_all("Disconnected while receiving")
        self._tasks.start(self.rpc.aclose(), name="end of RPC")
        self._tasks.start(self.agents.aclose(), name="end of agents")
        for record in self._records.values():
            record.leave()
            for publication in record.publications.values():
                if publication.track is not None:
                    publication.track.leave()
        local = self._local_record
        local.info = replace(local.info, disconnect_reason=event.reason)
        for sid in tuple(local.publications):
            self._forget_local(sid)
        self._become(ConnectionState.CONN_DISCONNECTED)
        self._emit("disconnected", known(DisconnectReason, event.reason))
        self.sid_changed.set()
        self.left.set()

    def _become(self, state: ConnectionState) -> None:
        if self.state != state:
            self.state = state
            self._emit("connection_state_changed", state)

    # -- participants ---------------------------------------------------------------------------------------------

    def _note(self, info: ParticipantInfo) -> ParticipantRecord:
        record = self._records[info.identity] = ParticipantRecord(info)
        record.face = self.remote[info.identity] = RemoteParticipant(record)
        return record

    def _find(self, identity: str | None) -> ParticipantRecord | None:
        if identity == self._local_record.info.identity:
            return self._local_record
        return self._records.get(identity) if identity else None

    def _on_participant_connected(self, event: told.ParticipantConnected) -> None:
        identity = event.participant.identity
        if identity in self._records:  # he came again before the driver knew that he had left
            self._on_participant_disconnected(
                told.ParticipantDisconnected(identity, DisconnectReason.DUPLICATE_IDENTITY)
            )
        record = self._note(event.participant)
        self.permissions.send()
        self._emit("participant_connected", record.face)

    def _on_participant_disconnected(self, event: told.ParticipantDisconnected) -> None:
        record = self._records.get(event.identity)
        if record is None:
            return
        for sid in tuple(record.publications):
            self._on_track_unpublished(told.TrackUnpublished(event.identity, sid))
        del self._records[event.identity], self.remote[event.identity]
        state = ParticipantState.PARTICIPANT_STATE_DISCONNECTED
        record.info = replace(record.info, disconnect_reason=event.reason, state=state)
        record.leave()
        self.permissions.send()
        self._emit("participant_disconnected", record.face)

    def _on_participant_updated(self, event: told.ParticipantUpdated) -> None:
        record = self._find(event.participant.identity)
        if record is None:
            return
        before, after = record.info, event.participant
        record.info = after
        face = self.local if record is self._local_record else record.face
        if before.metadata != after.metadata:
            self._emit("participant_metadata_changed", face, before.metadata, after.metadata)
        if before.name != after.name:
            self._emit("participant_name_changed", face, before.name, after.name)
        changed = _changed(before.attributes, after.attributes)
        if changed:
            self._emit("participant_attributes_changed", changed, face)
        if before.permission != after.permission:
            self._emit("participant_permissions_changed", face, after.permission)
        active = ParticipantState.PARTICIPANT_STATE_ACTIVE
        if before.state != active and after.state == active and face is not self.local:
            self._emit("participant_active", face)

    def _face(self, identity: str | None) -> Any:
        record = self._find(identity)
        if record is self._local_record:
            return self.local
        return record.face if record is not None else None

    def _on_speakers(self, event: told.ActiveSpeakersChanged) -> None:
        faces = [self._face(identity) for identity in event.identities]
        self._emit("active_speakers_changed", [face for face in faces if face is not None])

    def _on_quality(self, event: told.ConnectionQualityChanged) -> None:
        record = self._find(event.identity)
        if record is not None:
            record.quality = event.quality
            quality = known(ConnectionQuality, event.quality)
            self._emit("connection_quality_changed", self._face(event.identity), quality)

    def _on_encryption(self, event: told.ParticipantEncryptionChanged) -> None:
        self._emit("participant_encryption_status_changed", self._face(event.identity), event.is_encrypted)

    def _on_encryption_state(self, event: told.EncryptionStateChanged) -> None:
        self._emit("e2ee_state_changed", self._face(event.identity), event.state)

    # -- tracks of others -----------------------------------------------------------------------------------------

    def _publication(self, record: ParticipantRecord, info: TrackInfo) -> PublicationRecord:
        publication = PublicationRecord(self.driver, record.info.identity, info)
        publication.face = RemoteTrackPublication(publication)
        return publication

    def _found(self, identity: str, sid: str) -> tuple[ParticipantRecord, PublicationRecord] | None:
        record = self._records.get(identity)
        publication = record.publications.get(sid) if record is not None else None
        return (record, publication) if record is not None and publication is not None else None

    def _on_track_published(self, event: told.TrackPublished) -> None:
        record = self._records.get(event.identity)
        if record is None or event.track.sid in record.publications:
            return
        publication = self._publication(record, event.track)
        record.add(publication)
        self._emit("track_published", publication.face, record.face)

    def _on_track_unpublished(self, event: told.TrackUnpublished) -> None:
        found = self._found(event.identity, event.sid)
        if found is None:
            return
        record, publication = found
        self._on_track_unsubscribed(told.TrackUnsubscribed(event.identity, event.sid))
        record.remove(event.sid)
        self._emit("track_unpublished", publication.face, record.face)

    def _on_track_subscribed(self, event: told.TrackSubscribed) -> None:
        found = self._found(event.identity, event.sid)
        if found is None:
            return
        record, publication = found
        info = publication.info
        track = TrackRecord(info.name, info.kind)
        track.enter(self.driver, info)
        face = (RemoteVideoTrack if info.kind == TrackKind.KIND_VIDEO else RemoteAudioTrack)(track)
        publication.set_track(track, face)
        record.changed.wake()
        self._emit("track_subscribed", face, publication.face, record.face)

    def _on_track_unsubscribed(self, event: told.TrackUnsubscribed) -> None:
        found = self._found(event.identity, event.sid)
        track = found[1].track if found is not None else None
        if found is None or track is None:
            return
        record, publication = found
        face = publication.track_face
        track.leave()
        publication.set_track(None, None)
        record.changed.wake()
        self._emit("track_unsubscribed", face, publication.face, record.face)

    def _on_subscription_failed(self, event: told.TrackSubscriptionFailed) -> None:
        record = self._records.get(event.identity)
        if record is not None:
            self._emit("track_subscription_failed", record.face, event.sid, event.error)

    def _on_track_muted(self, event: told.TrackMuted) -> None:
        record = self._find(event.identity)
        publication = record.publications.get(event.sid) if record is not None else None
        if publication is not None and publication.info.muted != event.muted:
            publication.update(replace(publication.info, muted=event.muted))
            name = "track_muted" if event.muted else "track_unmuted"
            self._emit(name, self._face(event.identity), publication.face)

    # -- tracks of ours -------------------------------------------------------------------------------------------

    def _on_local_published(self, event: told.LocalTrackPublished) -> None:
        publication = self.publication_of_ours(event.track)
        self.permissions.send()
        self._emit("local_track_published", publication.face, publication.track_face)

    def _on_local_unpublished(self, event: told.LocalTrackUnpublished) -> None:
        publication = self._forget_local(event.sid)
        if publication is not None:
            self.permissions.release(publication)
            self._emit("local_track_unpublished", publication.face)

    def _forget_local(self, sid: str) -> PublicationRecord | None:
        publication = self._local_record.remove(sid)
        if publication is not None and publication.track is not None:
            publication.track.leave()
        return publication

    def _on_local_republished(self, event: told.LocalTrackRepublished) -> None:
        publication = self._local_record.remove(event.previous_sid)
        if publication is None:
            return
        publication.update(event.track)
        self._local_record.add(publication)
        self.permissions.send()
        self._emit("local_track_republished", publication.face, event.previous_sid)

    def _on_local_subscribed(self, event: told.LocalTrackSubscribed) -> None:
        publication = self._local_record.publications.get(event.sid)
        if publication is not None:
            publication.heard.set()
            self._emit("local_track_subscribed", publication.track_face)

    # -- data -----------------------------------------------------------------------------------------------------

    def _on_data(self, event: told.DataArrived) -> None:
        sender = self.remote.get(event.identity) if event.identity else None
        self._emit("data_received", DataPacket(event.data, known(DataPacketKind, event.kind), sender, event.topic))

    def _on_dtmf(self, event: told.DtmfArrived) -> None:
        sender = self.remote.get(event.identity) if event.identity else None
        self._emit("sip_dtmf_received", SipDTMF(event.code, event.digit, sender))

    def _on_transcription(self, event: told.TranscriptionArrived) -> None:
        segments = [
            TranscriptionSegment(each.id, each.text, each.start_time, each.end_time, each.language, each.final)
            for each in event.segments
        ]
        record = self._find(event.identity)
        publication = record.publication_faces.get(event.track_sid) if record is not None else None
        self._emit("transcription_received", segments, self._face(event.identity), publication)

    def _failed(self, error: BaseException) -> None:
        _log.error("an event of the room could not be told", exc_info=error)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """What is new in `after`; what is no longer there is ''."""
    gone = {key: "" for key in before if key not in after}
    return {**gone, **{key: value for key, value in after.items() if before.get(key) != value}}
