"""What is known of a room at one moment, as a driver tells it: plain values, never changed, only replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from beluga_voice.livekit.enums import (
    DisconnectReason,
    EncryptionType,
    ParticipantKind,
    ParticipantState,
    TrackKind,
    TrackSource,
)

__all__ = ["Joined", "ParticipantInfo", "ParticipantPermission", "RoomInfo", "StreamInfo", "TrackInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantPermission:
    """What the server lets a participant do."""

    can_subscribe: bool = True
    can_publish: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[int, ...] = ()
    """`TrackSource`s; none: any."""
    hidden: bool = False
    can_update_metadata: bool = False
    can_subscribe_metrics: bool = False
    can_manage_agent_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackInfo:
    """A published track."""

    sid: str
    name: str = ""
    kind: int = TrackKind.KIND_AUDIO
    source: int = TrackSource.SOURCE_UNKNOWN
    muted: bool = False
    mime_type: str = ""
    simulcasted: bool = False
    width: int = 0
    height: int = 0
    encryption_type: int = EncryptionType.NONE
    audio_features: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantInfo:
    """A participant, without what he publishes."""

    identity: str
    sid: str = ""
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: int = ParticipantKind.PARTICIPANT_KIND_STANDARD
    kind_details: tuple[int, ...] = ()
    state: int = ParticipantState.PARTICIPANT_STATE_ACTIVE
    joined_at_ms: int = 0
    """Since 1970; 0: not yet."""
    permission: ParticipantPermission = field(default_factory=ParticipantPermission)
    disconnect_reason: int = DisconnectReason.UNKNOWN_REASON


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInfo:
    """A room. `sid` may come after the room was joined: '' until then."""

    name: str
    sid: str = ""
    metadata: str = ""
    empty_timeout_s: int = 0
    departure_timeout_s: int = 0
    max_participants: int = 0
    creation_time_ms: int = 0
    num_participants: int = 0
    num_publishers: int = 0
    active_recording: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """A room as it was joined: the remote participants with what they publish, in the order in which they joined."""

    room: RoomInfo
    local: ParticipantInfo
    remote: tuple[tuple[ParticipantInfo, tuple[TrackInfo, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """A stream of text or bytes, as its header describes it."""

    stream_id: str
    is_text: bool
    topic: str = ""
    mime_type: str = ""
    timestamp_ms: int = 0
    size: int | None = None
    """Bytes in all, where that is known beforehand."""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = ""
    """Of the file, for bytes."""
    attachments: tuple[str, ...] = ()
    """Streams that belong to a text."""
