"""livekit.rtc's enumerations: its names and its numbers, so that a value of theirs compares equal to one of ours.

These are the SDK's numbers (FFI), which in places are not those of LiveKit's protocol: `DataPacketKind`, `TrackKind`,
`StreamState` and `ParticipantKind.PARTICIPANT_KIND_CONNECTOR` differ.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

E = TypeVar("E", bound=IntEnum)

__all__ = [
    "AudioTrackFeature",
    "ConnectionQuality",
    "ConnectionState",
    "DataPacketKind",
    "DisconnectReason",
    "EncryptionType",
    "ParticipantKind",
    "ParticipantKindDetail",
    "ParticipantState",
    "SimulateScenarioKind",
    "StreamState",
    "TrackKind",
    "TrackSource",
    "known",
]


class ConnectionState(IntEnum):
    """Of a room's connection."""

    CONN_DISCONNECTED = 0
    CONN_CONNECTED = 1
    CONN_RECONNECTING = 2


class ConnectionQuality(IntEnum):
    """Of a participant, as the server judges it every few seconds."""

    QUALITY_UNKNOWN = -1
    QUALITY_POOR = 0
    QUALITY_GOOD = 1
    QUALITY_EXCELLENT = 2
    QUALITY_LOST = 3


class DataPacketKind(IntEnum):
    """How a packet of data travelled."""

    KIND_LOSSY = 0
    KIND_RELIABLE = 1


class DisconnectReason(IntEnum):
    """Why somebody is no longer in the room."""

    UNKNOWN_REASON = 0
    CLIENT_INITIATED = 1
    DUPLICATE_IDENTITY = 2
    SERVER_SHUTDOWN = 3
    PARTICIPANT_REMOVED = 4
    ROOM_DELETED = 5
    STATE_MISMATCH = 6
    JOIN_FAILURE = 7
    MIGRATION = 8
    SIGNAL_CLOSE = 9
    ROOM_CLOSED = 10
    USER_UNAVAILABLE = 11
    USER_REJECTED = 12
    SIP_TRUNK_FAILURE = 13
    CONNECTION_TIMEOUT = 14
    MEDIA_FAILURE = 15
    AGENT_ERROR = 16


class EncryptionType(IntEnum):
    """How a track is encrypted end to end."""

    NONE = 0
    GCM = 1
    CUSTOM = 2


class ParticipantKind(IntEnum):
    """What a participant is."""

    PARTICIPANT_KIND_STANDARD = 0
    PARTICIPANT_KIND_INGRESS = 1
    PARTICIPANT_KIND_EGRESS = 2
    PARTICIPANT_KIND_SIP = 3
    PARTICIPANT_KIND_AGENT = 4
    PARTICIPANT_KIND_CONNECTOR = 5
    PARTICIPANT_KIND_BRIDGE = 6


class ParticipantKindDetail(IntEnum):
    """More of what a participant is."""

    PARTICIPANT_KIND_DETAIL_CLOUD_AGENT = 0
    PARTICIPANT_KIND_DETAIL_FORWARDED = 1
    PARTICIPANT_KIND_DETAIL_CONNECTOR_WHATSAPP = 2
    PARTICIPANT_KIND_DETAIL_CONNECTOR_TWILIO = 3
    PARTICIPANT_KIND_DETAIL_BRIDGE_RTSP = 4
    PARTICIPANT_KIND_DETAIL_SIMULATION = 5


class ParticipantState(IntEnum):
    """How far a participant has come; data reaches him from ACTIVE on."""

    PARTICIPANT_STATE_JOINING = 0
    PARTICIPANT_STATE_JOINED = 1
    PARTICIPANT_STATE_ACTIVE = 2
    PARTICIPANT_STATE_DISCONNECTED = 3


class StreamState(IntEnum):
    """Whether the server forwards a track."""

    STATE_UNKNOWN = 0
    STATE_ACTIVE = 1
    STATE_PAUSED = 2


class TrackKind(IntEnum):
    """Sound or picture."""

    KIND_UNKNOWN = 0
    KIND_AUDIO = 1
    KIND_VIDEO = 2


class TrackSource(IntEnum):
    """Where a track comes from."""

    SOURCE_UNKNOWN = 0
    SOURCE_CAMERA = 1
    SOURCE_MICROPHONE = 2
    SOURCE_SCREENSHARE = 3
    SOURCE_SCREENSHARE_AUDIO = 4


class AudioTrackFeature(IntEnum):
    """What was done to a track's sound before it was sent."""

    TF_STEREO = 0
    TF_NO_DTX = 1
    TF_AUTO_GAIN_CONTROL = 2
    TF_ECHO_CANCELLATION = 3
    TF_NOISE_SUPPRESSION = 4
    TF_ENHANCED_NOISE_CANCELLATION = 5
    TF_PRECONNECT_BUFFER = 6


class SimulateScenarioKind(IntEnum):
    """What `Room.simulate_scenario` has the server, or the connection, do."""

    SIMULATE_SIGNAL_RECONNECT = 0
    SIMULATE_SPEAKER = 1
    SIMULATE_NODE_FAILURE = 2
    SIMULATE_SERVER_LEAVE = 3
    SIMULATE_MIGRATION = 4
    SIMULATE_FORCE_TCP = 5
    SIMULATE_FORCE_TLS = 6
    SIMULATE_FULL_RECONNECT = 7
    SIMULATE_DISCONNECT_SIGNAL_ON_RESUME = 8


def known(kind: type[E], number: int) -> E | int:
    """The member of that number; a number that a newer server or SDK has, and we do not, stays a number."""
    try:
        return kind(number)
    except ValueError:
        return number
