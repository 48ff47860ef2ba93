"""livekit.rtc's events as those of a driver, where one says what the other does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from livekit import rtc

from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.room_events import RoomEvent
from beluga_voice.livekit.sdk.translation import participant_info, track_info

__all__ = ["TRANSLATIONS"]

Participant = rtc.Participant
Publication = rtc.TrackPublication


def participant_connected(participant: Participant) -> RoomEvent:
    return told.ParticipantConnected(participant_info(participant))


def participant_disconnected(participant: Participant) -> RoomEvent:
    return told.ParticipantDisconnected(participant.identity, participant.disconnect_reason or 0)


def participant_updated(participant: Participant | None, *_: object) -> RoomEvent | None:
    return told.ParticipantUpdated(participant_info(participant)) if participant is not None else None


def participant_attributes_changed(_: object, participant: Participant | None) -> RoomEvent | None:
    return participant_updated(participant)


def participant_encryption_status_changed(participant: Participant | None, is_encrypted: bool) -> RoomEvent:  # noqa: FBT001
    return told.ParticipantEncryptionChanged(_identity(participant) or "", is_encrypted)


def e2ee_state_changed(participant: Participant | None, state: int) -> RoomEvent:
    return told.EncryptionStateChanged(_identity(participant) or "", state)


def connection_quality_changed(participant: Participant | None, quality: int) -> RoomEvent:
    return told.ConnectionQualityChanged(_identity(participant) or "", quality)


def active_speakers_changed(speakers: list[Participant]) -> RoomEvent:
    return told.ActiveSpeakersChanged(tuple(each.identity for each in speakers))


def track_published(publication: Publication, participant: Participant) -> RoomEvent:
    return told.TrackPublished(participant.identity, track_info(publication))


def track_unpublished(publication: Publication, participant: Participant) -> RoomEvent:
    return told.TrackUnpublished(participant.identity, publication.sid)


def track_subscribed(_: object, publication: Publication, participant: Participant) -> RoomEvent:
    return told.TrackSubscribed(participant.identity, publication.sid)


def track_unsubscribed(_: object, publication: Publication, participant: Participant) -> RoomEvent:
    return told.TrackUnsubscribed(participant.identity, publication.sid)


def track_subscription_failed(participant: Participant, sid: str, error: object) -> RoomEvent:
    return told.TrackSubscriptionFailed(participant.identity, sid, str(error))


def track_muted(participant: Participant, publication: Publication) -> RoomEvent:
    return told.TrackMuted(participant.identity, publication.sid, muted=True)


def track_unmuted(participant: Participant, publication: Publication) -> RoomEvent:
    return told.TrackMuted(participant.identity, publication.sid, muted=False)


def local_track_published(publication: Publication, _: object) -> RoomEvent:
    return told.LocalTrackPublished(track_info(publication))


def local_track_subscribed(track: rtc.Track | None) -> RoomEvent | None:
    return told.LocalTrackSubscribed(track.sid) if track is not None else None


def data_received(packet: rtc.DataPacket) -> RoomEvent:
    return told.DataArrived(packet.data, packet.kind, _identity(packet.participant), packet.topic)


def sip_dtmf_received(key: rtc.SipDTMF) -> RoomEvent:
    return told.DtmfArrived(key.code, key.digit, _identity(key.participant))


def transcription_received(
    segments: list[rtc.TranscriptionSegment], participant: Participant | None, publication: Publication | None
) -> RoomEvent:
    parts = tuple(
        told.TranscriptionPart(each.id, each.text, each.start_time, each.end_time, each.language, each.final)
        for each in segments
    )
    sid = publication.sid if publication is not None else ""
    return told.TranscriptionArrived(_identity(participant) or "", sid, parts)


def token_refreshed() -> RoomEvent:
    return told.TokenRefreshed()


def _identity(participant: Participant | None) -> str | None:
    return participant.identity if participant is not None else None


TRANSLATIONS: Mapping[str, Callable[..., RoomEvent | None]] = {
    "participant_active": participant_updated,
    "participant_metadata_changed": participant_updated,
    "participant_name_changed": participant_updated,
    "participant_permissions_changed": participant_updated,
    **{
        each.__name__: each
        for each in (
            participant_connected,
            participant_disconnected,
            participant_attributes_changed,
            participant_encryption_status_changed,
            e2ee_state_changed,
            connection_quality_changed,
            active_speakers_changed,
            track_published,
            track_unpublished,
            track_subscribed,
            track_unsubscribed,
            track_subscription_failed,
            track_muted,
            track_unmuted,
            local_track_published,
            local_track_subscribed,
            data_received,
            sip_dtmf_received,
            transcription_received,
            token_refreshed,
        )
    },
}
"""By the SDK's event: what it is called with, and what is told; None: nothing."""
