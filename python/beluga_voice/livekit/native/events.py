"""The core's events as those of a driver.

The core tells what changed about a participant, a driver what he is now: what was known of everybody is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.enums import DataPacketKind, ParticipantState
from beluga_voice.livekit.native import translation

if TYPE_CHECKING:
    from beluga_voice.livekit.room_events import RoomEvent
    from beluga_voice.livekit.room_state import Joined, ParticipantInfo

__all__ = ["EventTranslator"]

Fields = Mapping[str, Any]


class EventTranslator:
    """See the module. `translate` gives None where a driver has nothing to tell."""

    def __init__(self) -> None:
        self._local = ""
        self._participants: dict[str, ParticipantInfo] = {}

    def joined(self, snapshot: Fields) -> Joined:
        """The room was joined."""
        state = translation.joined(snapshot)
        self._local = state.local.identity
        self._participants = {each.identity: each for each in (state.local, *(info for info, _ in state.remote))}
        return state

    def translate(self, name: str, fields: Fields) -> RoomEvent | None:
        """What the event is for a driver."""
        of_itself = _OF_THEMSELVES.get(name)
        if of_itself is not None:
            return of_itself(fields)
        change = _CHANGES.get(name)
        if change is not None:
            return self._updated(fields.get("identity", self._local), change(fields))
        match name:
            case "participant_connected":
                info = translation.participant_info(fields["participant"])
                self._participants[info.identity] = info
                return told.ParticipantConnected(info)
            case "participant_disconnected":
                self._participants.pop(fields["identity"], None)
                return told.ParticipantDisconnected(fields["identity"], translation.reason(fields["reason"]))
            case "local_track_published":
                return told.LocalTrackPublished(translation.track_info(fields["info"]))
            case "local_track_republished":
                return told.LocalTrackRepublished(translation.track_info(fields["info"]), fields["old_sid"])
            case "local_track_unpublished":
                return told.LocalTrackUnpublished(fields["track_sid"])
            case _:
                return None

    def _updated(self, identity: str, change: Mapping[str, Any]) -> RoomEvent | None:
        info = self._participants.get(identity)
        if info is None:
            return None
        info = self._participants[identity] = replace(info, **change)
        return told.ParticipantUpdated(info)


def _muted(*, muted: bool) -> Callable[[Fields], RoomEvent]:
    return lambda fields: told.TrackMuted(fields["identity"], fields["track_sid"], muted=muted)


def _data(fields: Fields) -> RoomEvent:
    kind = DataPacketKind.KIND_RELIABLE if fields["reliable"] else DataPacketKind.KIND_LOSSY
    return told.DataArrived(fields["payload"], kind, fields["identity"], fields["topic"])


def _transcription(fields: Fields) -> RoomEvent:
    parts = tuple(
        told.TranscriptionPart(
            each["id"], each["text"], each["start_time"], each["end_time"], each["language"], each["is_final"]
        )
        for each in fields["segments"]
    )
    return told.TranscriptionArrived(fields["identity"], fields["track_sid"], parts)


def _rpc(fields: Fields) -> RoomEvent:
    return told.RpcRequested(
        fields["id"],
        fields["request_id"],
        fields["identity"],
        fields["method"],
        fields["payload"],
        fields["response_timeout_ms"] / 1000,
    )


_OF_THEMSELVES: Mapping[str, Callable[[Fields], RoomEvent]] = {
    "track_published": lambda fields: told.TrackPublished(fields["identity"], translation.track_info(fields["info"])),
    "track_unpublished": lambda fields: told.TrackUnpublished(fields["identity"], fields["track_sid"]),
    "track_subscribed": lambda fields: told.TrackSubscribed(fields["identity"], fields["track_sid"]),
    "track_unsubscribed": lambda fields: told.TrackUnsubscribed(fields["identity"], fields["track_sid"]),
    "track_subscription_failed": lambda fields: told.TrackSubscriptionFailed(
        fields["identity"] or "", fields["track_sid"], fields["error"]["message"]
    ),
    "track_muted": _muted(muted=True),
    "track_unmuted": _muted(muted=False),
    "local_track_subscribed": lambda fields: told.LocalTrackSubscribed(fields["track_sid"]),
    "active_speakers_changed": lambda fields: told.ActiveSpeakersChanged(
        tuple(identity for identity, _ in fields["speakers"])
    ),
    "connection_quality_changed": lambda fields: told.ConnectionQualityChanged(
        fields["identity"], translation.quality(fields["quality"])
    ),
    "data_received": _data,
    "sip_dtmf_received": lambda fields: told.DtmfArrived(fields["code"], fields["digit"], fields["identity"]),
    "transcription_received": _transcription,
    "rpc_request": _rpc,
    "room_updated": lambda fields: told.RoomUpdated(translation.room_info(fields["new"])),
    "moved": lambda fields: told.RoomMoved(translation.room_info(fields["room"])),
    "reconnecting": lambda _: told.Reconnecting(),
    "reconnected": lambda _: told.Reconnected(),
    "token_refreshed": lambda _: told.TokenRefreshed(),
}

_CHANGES: Mapping[str, Callable[[Fields], Mapping[str, Any]]] = {
    "participant_active": lambda _: {"state": ParticipantState.PARTICIPANT_STATE_ACTIVE},
    "participant_metadata_changed": lambda fields: {"metadata": fields["new"]},
    "participant_name_changed": lambda fields: {"name": fields["new"]},
    "participant_attributes_changed": lambda fields: {"attributes": dict(fields["attributes"])},
    "participant_permissions_changed": lambda fields: {"permission": translation.permission(fields["permissions"])},
    "local_sid_changed": lambda fields: {"sid": fields["sid"]},
}
