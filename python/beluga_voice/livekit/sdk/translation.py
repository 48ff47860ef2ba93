"""livekit.rtc's objects as the plain values of `beluga_voice.livekit.room_state`."""

from __future__ import annotations

from typing import Any

from beluga_voice.livekit.room_state import (
    Joined,
    ParticipantInfo,
    ParticipantPermission,
    RoomInfo,
    StreamInfo,
    TrackInfo,
)

__all__ = ["joined", "participant_info", "room_info", "stream_info", "track_info"]


def room_info(room: Any, sid: str) -> RoomInfo:
    """A livekit.rtc Room."""
    return RoomInfo(
        name=room.name,
        sid=sid,
        metadata=room.metadata,
        empty_timeout_s=int(room.empty_timeout),
        departure_timeout_s=int(room.departure_timeout),
        creation_time_ms=int(room.creation_time.timestamp() * 1000),
        num_participants=room.num_participants,
        num_publishers=room.num_publishers,
        active_recording=room.is_recording,
    )


def participant_info(participant: Any) -> ParticipantInfo:
    """A livekit.rtc Participant."""
    permission = participant.permissions
    joined_at = participant.joined_at
    return ParticipantInfo(
        identity=participant.identity,
        sid=participant.sid,
        name=participant.name,
        metadata=participant.metadata,
        attributes=participant.attributes,
        kind=participant.kind,
        kind_details=tuple(participant.kind_details),
        state=participant.state,
        joined_at_ms=int(joined_at.timestamp() * 1000) if joined_at is not None else 0,
        permission=ParticipantPermission(
            can_subscribe=permission.can_subscribe,
            can_publish=permission.can_publish,
            can_publish_data=permission.can_publish_data,
            can_publish_sources=tuple(permission.can_publish_sources),
            hidden=permission.hidden,
            can_update_metadata=permission.can_update_metadata,
            can_subscribe_metrics=permission.can_subscribe_metrics,
            can_manage_agent_session=permission.can_manage_agent_session,
        ),
        disconnect_reason=participant.disconnect_reason or 0,
    )


def track_info(publication: Any) -> TrackInfo:
    """A livekit.rtc TrackPublication."""
    return TrackInfo(
        sid=publication.sid,
        name=publication.name,
        kind=publication.kind,
        source=publication.source,
        muted=publication.muted,
        mime_type=publication.mime_type,
        simulcasted=publication.simulcasted,
        width=publication.width,
        height=publication.height,
        encryption_type=publication.encryption_type,
        audio_features=tuple(publication.audio_features),
    )


def joined(room: Any) -> Joined:
    """A livekit.rtc Room that was just joined; who came first stands first."""
    everybody = sorted(
        room.remote_participants.values(), key=lambda each: each.joined_at.timestamp() if each.joined_at else 0.0
    )
    remote = tuple(
        (participant_info(each), tuple(track_info(track) for track in each.track_publications.values()))
        for each in everybody
    )
    return Joined(room_info(room, ""), participant_info(room.local_participant), remote)


def stream_info(info: Any, *, is_text: bool) -> StreamInfo:
    """A livekit.rtc TextStreamInfo or ByteStreamInfo."""
    return StreamInfo(
        stream_id=info.stream_id,
        is_text=is_text,
        topic=info.topic,
        mime_type=info.mime_type,
        timestamp_ms=info.timestamp,
        size=info.size or None,
        attributes=dict(info.attributes or {}),
        name="" if is_text else info.name,
        attachments=tuple(info.attachments) if is_text else (),
    )
