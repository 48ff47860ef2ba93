"""The SDK's events as JSON can carry them."""

from __future__ import annotations

import base64
from typing import Any, cast

from livekit import rtc

__all__ = ["facts_of"]

# event -> the names of its arguments, as livekit's documentation has them
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "participant_connected": ("participant",),
    "participant_disconnected": ("participant",),
    "participant_active": ("participant",),
    "local_track_published": ("publication", "track"),
    "local_track_unpublished": ("publication",),
    "local_track_republished": ("publication", "previous_sid"),
    "local_track_subscribed": ("track",),
    "track_published": ("publication", "participant"),
    "track_unpublished": ("publication", "participant"),
    "track_subscribed": ("track", "publication", "participant"),
    "track_unsubscribed": ("track", "publication", "participant"),
    "track_subscription_failed": ("participant", "track_sid", "error"),
    "track_muted": ("participant", "publication"),
    "track_unmuted": ("participant", "publication"),
    "active_speakers_changed": ("speakers",),
    "room_metadata_changed": ("old", "new"),
    "participant_metadata_changed": ("participant", "old", "new"),
    "participant_name_changed": ("participant", "old", "new"),
    "participant_attributes_changed": ("changed", "participant"),
    "participant_encryption_status_changed": ("participant", "is_encrypted"),
    "participant_permissions_changed": ("participant", "permissions"),
    "connection_quality_changed": ("participant", "quality"),
    "connection_state_changed": ("state",),
    "disconnected": ("reason",),
    "data_received": ("packet",),
    "sip_dtmf_received": ("dtmf",),
    "transcription_received": ("segments", "participant", "publication"),
}


def facts_of(event: str, arguments: tuple[object, ...]) -> dict[str, Any]:
    """An event's arguments by name; participants as `identity`, publications and tracks as the facts about them."""
    facts: dict[str, Any] = {}
    for name, value in zip(_ARGUMENTS.get(event, ()), arguments, strict=False):
        match value:
            case rtc.Participant():
                facts["identity"] = value.identity
            case rtc.DataPacket():
                facts |= _of_data(value)
            case rtc.SipDTMF():
                facts |= {"code": value.code, "digit": value.digit, "identity": _identity(value.participant)}
            case _:
                facts[name] = _plain(event, name, value)
    if event == "participant_disconnected" and isinstance(arguments[0], rtc.Participant):
        reason = arguments[0].disconnect_reason
        facts["reason"] = rtc.DisconnectReason.Name(reason) if reason is not None else None
    return facts


def _of_data(packet: rtc.DataPacket) -> dict[str, Any]:
    return {
        "data": base64.b64encode(packet.data).decode("ascii"),
        "reliable": packet.kind == rtc.DataPacketKind.KIND_RELIABLE,
        "topic": packet.topic,
        "identity": _identity(packet.participant),
    }


def _identity(participant: rtc.Participant | None) -> str | None:
    return participant.identity if participant is not None else None


def _plain(event: str, name: str, value: object) -> Any:
    match value:
        case rtc.Participant():
            return value.identity
        case rtc.TrackPublication():
            source = rtc.TrackSource.Name(value.source)
            return {"sid": value.sid, "name": value.name, "source": source, "muted": value.muted}
        case rtc.Track():
            return {"sid": value.sid, "name": value.name, "muted": value.muted}
        case rtc.TranscriptionSegment():
            return {"id": value.id, "text": value.text, "final": value.final}
        case dict():
            return dict(cast("dict[str, str]", value))
        case list():
            return [_plain(event, name, each) for each in cast("list[object]", value)]
        case None | bool() | str():
            return value
        case _:
            return _enum_name(event, name, value)


def _enum_name(event: str, name: str, value: Any) -> str:
    match event, name:
        case "disconnected", "reason":
            return rtc.DisconnectReason.Name(value)
        case "connection_state_changed", "state":
            return rtc.ConnectionState.Name(value)
        case "connection_quality_changed", "quality":
            # As a browser's SDK calls them.
            return rtc.ConnectionQuality(value).name.removeprefix("QUALITY_")
        case _:
            return str(value)
