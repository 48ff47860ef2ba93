"""What happens in a room, as a driver tells it: in order, on the loop that connected.

A driver tells of each change once, after it has happened. Whoever a change is about is named by his identity, a track
by its sid; what is no longer known by that name when an event arrives is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beluga_voice.livekit.room_state import Joined, ParticipantInfo, RoomInfo, StreamInfo, TrackInfo

if TYPE_CHECKING:
    from beluga_voice.errors import BelugaVoiceError

__all__ = [
    "ActiveSpeakersChanged",
    "ConnectionQualityChanged",
    "DataArrived",
    "Disconnected",
    "DtmfArrived",
    "EncryptionStateChanged",
    "LocalTrackPublished",
    "LocalTrackRepublished",
    "LocalTrackSubscribed",
    "LocalTrackUnpublished",
    "ParticipantConnected",
    "ParticipantDisconnected",
    "ParticipantEncryptionChanged",
    "ParticipantUpdated",
    "Reconnected",
    "Reconnecting",
    "Rejoined",
    "RoomEvent",
    "RoomMoved",
    "RoomUpdated",
    "RpcRequested",
    "SidKnown",
    "StreamChunk",
    "StreamClosed",
    "StreamOpened",
    "TokenRefreshed",
    "TrackMuted",
    "TrackPublished",
    "TrackSubscribed",
    "TrackSubscriptionFailed",
    "TrackUnpublished",
    "TrackUnsubscribed",
    "TranscriptionArrived",
    "TranscriptionPart",
]


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """What every event is."""


@dataclass(frozen=True, slots=True)
class SidKnown(RoomEvent):
    """The server has given the room its sid."""

    sid: str


@dataclass(frozen=True, slots=True)
class RoomUpdated(RoomEvent):
    """Something about the room changed; metadata among it."""

    room: RoomInfo


@dataclass(frozen=True, slots=True)
class RoomMoved(RoomEvent):
    """We were moved to another room."""

    room: RoomInfo


@dataclass(frozen=True, slots=True)
class ParticipantConnected(RoomEvent):
    """Somebody joined. What he publishes follows as `TrackPublished`."""

    participant: ParticipantInfo


@dataclass(frozen=True, slots=True)
class ParticipantDisconnected(RoomEvent):
    """Somebody left. His tracks were told as unpublished before, as far as the driver knew of them."""

    identity: str
    reason: int


@dataclass(frozen=True, slots=True)
class ParticipantUpdated(RoomEvent):
    """Something about a participant, ourselves included, changed: name, metadata, attributes, permission, state."""

    participant: ParticipantInfo


@dataclass(frozen=True, slots=True)
class TrackPublished(RoomEvent):
    """A remote participant publishes a track."""

    identity: str
    track: TrackInfo


@dataclass(frozen=True, slots=True)
class TrackUnpublished(RoomEvent):
    """And no longer does."""

    identity: str
    sid: str


@dataclass(frozen=True, slots=True)
class TrackSubscribed(RoomEvent):
    """A remote track's media is there."""

    identity: str
    sid: str


@dataclass(frozen=True, slots=True)
class TrackUnsubscribed(RoomEvent):
    """And no longer is."""

    identity: str
    sid: str


@dataclass(frozen=True, slots=True)
class TrackSubscriptionFailed(RoomEvent):
    """It will not be there."""

    identity: str
    sid: str
    error: str


@dataclass(frozen=True, slots=True)
class TrackMuted(RoomEvent):
    """A track of somebody's, or of ours, was muted or (`muted` false) unmuted."""

    identity: str
    sid: str
    muted: bool


@dataclass(frozen=True, slots=True)
class LocalTrackPublished(RoomEvent):
    """A track of ours is published; told after `publish_track` has returned."""

    track: TrackInfo


@dataclass(frozen=True, slots=True)
class LocalTrackUnpublished(RoomEvent):
    """A track of ours no longer is, by our own doing or the server's."""

    sid: str


@dataclass(frozen=True, slots=True)
class LocalTrackRepublished(RoomEvent):
    """The room was joined anew, and a track of ours has another sid in it."""

    track: TrackInfo
    previous_sid: str


@dataclass(frozen=True, slots=True)
class LocalTrackSubscribed(RoomEvent):
    """The first one listens to a track of ours."""

    sid: str


@dataclass(frozen=True, slots=True)
class ActiveSpeakersChanged(RoomEvent):
    """Everybody who speaks now, loudest first; not the difference."""

    identities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectionQualityChanged(RoomEvent):
    """The server judges a participant's connection anew."""

    identity: str
    quality: int


@dataclass(frozen=True, slots=True)
class DataArrived(RoomEvent):
    """A packet of data; `identity` is None when a server sent it."""

    data: bytes
    kind: int
    identity: str | None
    topic: str | None


@dataclass(frozen=True, slots=True)
class DtmfArrived(RoomEvent):
    """A key that a caller on a telephone pressed."""

    code: int
    digit: str
    identity: str | None


@dataclass(frozen=True, slots=True)
class TranscriptionPart:
    """A segment of a transcription (legacy packet). Times in milliseconds."""

    id: str
    text: str
    start_time: int = 0
    end_time: int = 0
    language: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class TranscriptionArrived(RoomEvent):
    """What somebody said, as an agent understood it (legacy packet)."""

    identity: str
    track_sid: str
    segments: tuple[TranscriptionPart, ...]


@dataclass(frozen=True, slots=True)
class StreamOpened(RoomEvent):
    """A stream of a topic that was asked for begins."""

    stream: StreamInfo
    identity: str


@dataclass(frozen=True, slots=True)
class StreamChunk(RoomEvent):
    """The next piece of a stream, in order and decompressed; of a text, UTF-8 that may be cut anywhere."""

    stream_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class StreamClosed(RoomEvent):
    """The end of a stream. `error` says what is wrong with it; `attributes` are those of its trailer."""

    stream_id: str
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RpcRequested(RoomEvent):
    """Somebody calls a method of ours, and was told that it arrived. `RoomDriver.respond_rpc` answers."""

    invocation_id: int
    request_id: str
    caller_identity: str
    method: str
    payload: str
    response_timeout_s: float


@dataclass(frozen=True, slots=True)
class ParticipantEncryptionChanged(RoomEvent):
    """Whether all that a participant publishes is encrypted end to end."""

    identity: str
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class EncryptionStateChanged(RoomEvent):
    """How the encryption of a participant's tracks fares; the SDK's `EncryptionState`."""

    identity: str
    state: int


@dataclass(frozen=True, slots=True)
class Reconnecting(RoomEvent):
    """The connection was lost and is being restored: resumed, or the room joined anew."""


@dataclass(frozen=True, slots=True)
class Reconnected(RoomEvent):
    """It is restored; what changed meanwhile was told before."""


@dataclass(frozen=True, slots=True)
class Rejoined(RoomEvent):
    """The room was joined anew, with a new token and by nobody's doing but ours: this is what it is now.

    Follows `Reconnecting`; `LocalTrackRepublished` for each track of ours follows, or `LocalTrackUnpublished` where
    that is refused, and `Reconnected`.
    """

    joined: Joined


@dataclass(frozen=True, slots=True)
class TokenRefreshed(RoomEvent):
    """The server gave us a new token. The driver keeps it."""


@dataclass(frozen=True, slots=True)
class Disconnected(RoomEvent):
    """We are out of the room for good; nothing follows."""

    reason: int
    error: BelugaVoiceError | None = None
    """What failed, if something did and the driver knows."""
