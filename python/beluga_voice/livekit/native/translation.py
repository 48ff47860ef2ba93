"""The core's words for participants, tracks and streams as `room_state` has them.

The core names things as LiveKit's protocol does; the numbers are livekit.rtc's (see `enums`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beluga_voice.livekit.enums import (
    AudioTrackFeature,
    ConnectionQuality,
    DisconnectReason,
    EncryptionType,
    ParticipantKind,
    ParticipantKindDetail,
    ParticipantState,
    TrackKind,
    TrackSource,
)
from beluga_voice.livekit.room_state import (
    Joined,
    ParticipantInfo,
    ParticipantPermission,
    RoomInfo,
    StreamInfo,
    TrackInfo,
)

__all__ = [
    "SOURCE_NAMES",
    "joined",
    "participant_info",
    "permission",
    "quality",
    "reason",
    "room_info",
    "stream_info",
    "track_info",
]

Fields = Mapping[str, Any]

_SOURCES: Mapping[str, int] = {
    "UNKNOWN": TrackSource.SOURCE_UNKNOWN,
    "CAMERA": TrackSource.SOURCE_CAMERA,
    "MICROPHONE": TrackSource.SOURCE_MICROPHONE,
    "SCREEN_SHARE": TrackSource.SOURCE_SCREENSHARE,
    "SCREEN_SHARE_AUDIO": TrackSource.SOURCE_SCREENSHARE_AUDIO,
}

SOURCE_NAMES: Mapping[int, str] = {number: name for name, number in _SOURCES.items()}
"""What the core calls a `TrackSource`."""

_KINDS: Mapping[str, int] = {"AUDIO": TrackKind.KIND_AUDIO, "VIDEO": TrackKind.KIND_VIDEO}


def joined(snapshot: Fields) -> Joined:
    """What was there when the room was joined, in the order in which they joined."""
    remotes = sorted(snapshot["remotes"], key=lambda each: (each["joined_ms"], each["identity"]))
    return Joined(
        room=room_info(snapshot["room"]),
        local=participant_info(snapshot["local"]),
        remote=tuple((participant_info(each), tuple(map(track_info, each["tracks"]))) for each in remotes),
    )


def room_info(room: Fields) -> RoomInfo:
    """A room."""
    return RoomInfo(
        name=room["name"],
        sid=room["sid"],
        metadata=room["metadata"],
        empty_timeout_s=room["empty_timeout_s"],
        departure_timeout_s=room["departure_timeout_s"],
        max_participants=room["max_participants"],
        creation_time_ms=room["created_ms"],
        num_participants=room["participants"],
        num_publishers=room["publishers"],
        active_recording=room["is_recording"],
    )


def participant_info(participant: Fields) -> ParticipantInfo:
    """A participant, without his tracks."""
    details = (
        getattr(ParticipantKindDetail, f"PARTICIPANT_KIND_DETAIL_{name}", None) for name in participant["kind_details"]
    )
    return ParticipantInfo(
        identity=participant["identity"],
        sid=participant["sid"],
        name=participant["name"],
        metadata=participant["metadata"],
        attributes=dict(participant["attributes"]),
        kind=getattr(
            ParticipantKind, f"PARTICIPANT_KIND_{participant['kind']}", ParticipantKind.PARTICIPANT_KIND_STANDARD
        ),
        kind_details=tuple(int(detail) for detail in details if detail is not None),
        state=getattr(ParticipantState, f"PARTICIPANT_STATE_{participant['state']}"),
        joined_at_ms=participant["joined_ms"],
        permission=permission(participant["permissions"]),
    )


def permission(permissions: Fields) -> ParticipantPermission:
    """What somebody may do."""
    return ParticipantPermission(
        can_subscribe=permissions["can_subscribe"],
        can_publish=permissions["can_publish"],
        can_publish_data=permissions["can_publish_data"],
        can_publish_sources=tuple(_SOURCES.get(name, 0) for name in permissions["can_publish_sources"]),
        hidden=permissions["hidden"],
        can_update_metadata=permissions["can_update_metadata"],
        can_subscribe_metrics=permissions["can_subscribe_metrics"],
    )


def track_info(track: Fields) -> TrackInfo:
    """A published track."""
    return TrackInfo(
        sid=track["sid"],
        name=track["name"],
        kind=_KINDS.get(track["kind"], TrackKind.KIND_UNKNOWN),
        source=_SOURCES.get(track["source"], TrackSource.SOURCE_UNKNOWN),
        muted=track["muted"],
        mime_type=track["mime_type"],
        width=track["width"],
        height=track["height"],
        encryption_type=EncryptionType.GCM if track["encrypted"] else EncryptionType.NONE,
        audio_features=(AudioTrackFeature.TF_STEREO,) if track["stereo"] else (),
    )


def stream_info(stream: Fields) -> StreamInfo:
    """A stream's header."""
    return StreamInfo(
        stream_id=stream["stream_id"],
        is_text=stream["content"] == "text",
        topic=stream["topic"],
        mime_type=stream["mime_type"],
        timestamp_ms=stream["timestamp_ms"],
        size=stream["total_bytes"],
        attributes=dict(stream["attributes"]),
        name=stream.get("name", ""),
        attachments=tuple(stream.get("attached", ())),
    )


def reason(name: str) -> DisconnectReason:
    """Why somebody left."""
    return getattr(DisconnectReason, name, DisconnectReason.UNKNOWN_REASON)


def quality(name: str) -> ConnectionQuality:
    """How good a connection is."""
    return getattr(ConnectionQuality, f"QUALITY_{name}", ConnectionQuality.QUALITY_UNKNOWN)
