"""One session in a room, under way: its caller's comings and goings, and what the others are shown of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from beluga_voice.errors import InternalError, TransportError
from beluga_voice.events import AgentOutputTranscribed, AgentStateChanged, UserInputTranscribed
from beluga_voice.livekit.enums import ConnectionState, DisconnectReason, TrackKind, TrackSource
from beluga_voice.livekit.transcripts import Transcripts
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.call_link import CallLink
    from beluga_voice.errors import BelugaVoiceError
    from beluga_voice.events import SessionEvent
    from beluga_voice.livekit.packets import SipDTMF
    from beluga_voice.livekit.participant import RemoteParticipant
    from beluga_voice.livekit.publication import RemoteTrackPublication
    from beluga_voice.livekit.records import PublicationRecord
    from beluga_voice.livekit.room import EventTypes, Room
    from beluga_voice.livekit.room_driver import CallMedia
    from beluga_voice.livekit.room_mirror import RoomMirror
    from beluga_voice.transport import CallEvents, TransportStats

__all__ = ["RoomOpenCall"]

_log = logging.getLogger("beluga_voice.livekit")

# A caller who is gone for one of these does not come back: he, or somebody on his behalf, wanted it so.
_LEFT = frozenset(
    {
        DisconnectReason.CLIENT_INITIATED,
        DisconnectReason.PARTICIPANT_REMOVED,
        DisconnectReason.ROOM_DELETED,
        DisconnectReason.ROOM_CLOSED,
        DisconnectReason.USER_REJECTED,
        DisconnectReason.USER_UNAVAILABLE,
        DisconnectReason.SIP_TRUNK_FAILURE,
    }
)
# When we are out of the room for one of these, so is everybody.
_ROOM_IS_GONE = frozenset({DisconnectReason.ROOM_DELETED, DisconnectReason.ROOM_CLOSED})

_VOICES = (TrackSource.SOURCE_MICROPHONE, TrackSource.SOURCE_UNKNOWN)
"""What a caller's voice may be published as, the likelier one first."""


class RoomOpenCall:
    """See `beluga_voice.transport.OpenCall`. Nothing is heard and told before `begin`."""

    def __init__(
        self,
        room: Room,
        mirror: RoomMirror,
        identity: str,
        media: CallMedia,
        publication: PublicationRecord,
        events: CallEvents,
        *,
        rejoin_timeout_s: float,
        for_all: bool,
        transcription: bool,
        text_input: bool,
    ) -> None:
        self.identity = identity
        """The caller's."""
        self._room = room
        self._mirror = mirror
        self._media = media
        self.publication = publication
        """Of the agent's voice."""
        self._events: CallEvents | None = events
        self._rejoin_timeout_s = rejoin_timeout_s
        self._text_input = text_input
        self._heard_sid: str | None = None
        self._away: asyncio.TimerHandle | None = None
        self._tasks = Tasks(self._failed)
        self._transcripts = (
            Transcripts(room, identity, for_all=for_all, track_sids=self._track_sids) if transcription else None
        )
        self._callbacks: dict[EventTypes, Callable[..., None]] = {
            "participant_connected": self._on_participant_connected,
            "participant_disconnected": self._on_participant_disconnected,
            "track_published": self._on_track_published,
            "track_subscribed": self._on_tracks,
            "track_unsubscribed": self._on_tracks,
            "sip_dtmf_received": self._on_dtmf,
            "connection_state_changed": self._on_connection_state,
            "disconnected": self._on_disconnected,
        }

    def begin(self) -> None:
        """The session is about to be told: from now on the caller is heard."""
        for event, callback in self._callbacks.items():
            self._room.on(event, callback)
        self._mirror.agents.add(self, text_input=self._text_input)
        caller = self._caller
        if caller is None:  # he left while his call was opened
            self._wait_for_return()
            return
        for publication in caller.track_publications.values():
            self._subscribe(publication)
        self._listen()

    # -- OpenCall -------------------------------------------------------------------------------------------------

    @property
    def link(self) -> CallLink:
        """The call in the core."""
        return self._media.link

    def take(self, event: SessionEvent) -> None:
        """States become attributes, words transcripts."""
        if isinstance(event, AgentStateChanged):
            self._mirror.agents.note_state(self, event.new_state)
        elif self._transcripts is None:
            return
        elif isinstance(event, AgentOutputTranscribed):
            self._transcripts.agent_says(event.speech_id, event.transcript, is_final=event.is_final)
        elif isinstance(event, UserInputTranscribed) and event.turn_id is not None:
            self._transcripts.caller_says(event.turn_id, event.transcript, is_final=event.is_final)

    def stats(self) -> dict[str, int]:
        """What the path counted, transcripts that could not be sent, and `media_path_native` or `media_path_sdk`, 1: so
        that a backend's totals say how many calls went which way."""
        return {
            f"media_path_{self._mirror.driver.media_path}": 1,
            **self._media.stats(),
            **(self._transcripts.stats() if self._transcripts is not None else {}),
        }

    async def transport_stats(self) -> TransportStats:
        """As the path measures it."""
        return await self._media.transport_stats()

    async def aclose(self) -> None:
        """Unpublishes the agent's voice and lets go of the rest; the room stays as it is."""
        for event, callback in self._callbacks.items():
            self._room.off(event, callback)
        if self._events is not None:  # a second time he may be another session's
            self._mirror.served.remove(self.identity)
        self._events = None
        self._stop_waiting()
        self._mirror.agents.discard(self)
        if self._transcripts is not None:
            await self._transcripts.aclose()
        await self._media.aclose()
        self._mirror.permissions.release(self.publication)
        await self._tasks.cancel()
        await self._mirror.agents.settle()

    # -- the caller -----------------------------------------------------------------------------------------------

    @property
    def _caller(self) -> RemoteParticipant | None:
        return self._mirror.remote.get(self.identity)

    def text_received(self, text: str) -> None:
        """The caller wrote."""
        if self._events is not None:
            self._events.text_received(text)

    def _on_participant_connected(self, participant: RemoteParticipant) -> None:
        if participant.identity == self.identity:
            self._stop_waiting()

    def _on_participant_disconnected(self, participant: RemoteParticipant) -> None:
        if participant.identity != self.identity:
            return
        # While we are cut off ourselves the others seem to leave; whether they did shows when we are back.
        if self._room.connection_state == ConnectionState.CONN_RECONNECTING:
            return
        if participant.disconnect_reason in _LEFT and self._events is not None:
            self._events.caller_left()
        else:
            self._wait_for_return()

    def _wait_for_return(self) -> None:
        if self._away is None:
            loop = asyncio.get_running_loop()
            self._away = loop.call_later(self._rejoin_timeout_s, self._stayed_away)

    def _stayed_away(self) -> None:
        self._away = None
        if self._events is not None:
            self._events.caller_left()

    def _stop_waiting(self) -> None:
        if self._away is not None:
            self._away.cancel()
            self._away = None

    # -- his voice ------------------------------------------------------------------------------------------------

    def _on_track_published(self, publication: RemoteTrackPublication, participant: RemoteParticipant) -> None:
        if participant.identity == self.identity:
            self._subscribe(publication)

    def _subscribe(self, publication: RemoteTrackPublication) -> None:
        if publication.kind == TrackKind.KIND_AUDIO and publication.source in _VOICES and not publication.subscribed:
            publication.set_subscribed(True)

    def _on_tracks(self, _: object, __: object, participant: RemoteParticipant) -> None:
        if participant.identity == self.identity:
            self._listen()

    def _listen(self) -> None:
        """To the voice that is there now, if it is another one than before."""
        sid = self._voice_sid()
        if sid != self._heard_sid:
            self._heard_sid = sid
            self._media.listen(sid)

    def _voice_sid(self) -> str | None:
        caller = self._caller
        publications = caller.track_publications.values() if caller is not None else ()
        voices = [
            each
            for each in publications
            if each.subscribed and each.kind == TrackKind.KIND_AUDIO and each.source in _VOICES
        ]
        # Of several the one that is heard already: a second microphone takes nobody's turn away.
        kept = next((each for each in voices if each.sid == self._heard_sid), None)
        first = min(voices, key=lambda each: _VOICES.index(TrackSource(each.source)), default=None)
        found = kept or first
        return found.sid if found is not None else None

    def _track_sids(self) -> tuple[str, str]:
        """Of the caller's voice, '' where there is none, and of the agent's."""
        return self._heard_sid or "", self._media.track.sid

    def _on_dtmf(self, key: SipDTMF) -> None:
        if key.participant is not None and key.participant.identity == self.identity and self._events is not None:
            self._events.dtmf_received(key.digit, key.code)

    # -- our connection -------------------------------------------------------------------------------------------

    def _on_connection_state(self, state: ConnectionState) -> None:
        if self._events is None:
            return
        if state == ConnectionState.CONN_RECONNECTING:
            self._events.reconnecting()
        elif state == ConnectionState.CONN_CONNECTED:
            self._events.reconnected()
            self._listen()
            if self._caller is None:
                self._wait_for_return()

    def _on_disconnected(self, reason: int) -> None:
        if self._events is None:
            return
        if reason in _ROOM_IS_GONE or reason == DisconnectReason.CLIENT_INITIATED:
            self._events.caller_left()
            return
        self._events.lost(self._loss(reason, self._mirror.error))

    def _loss(self, reason: int, cause: BelugaVoiceError | None) -> BelugaVoiceError:
        if isinstance(cause, InternalError):  # the connection did not fail
            return cause
        name = reason.name if isinstance(reason, DisconnectReason) else str(reason)
        message, details = f"the connection to the room was lost: {name}", {"reason": name}
        if cause is not None:
            message, details = f"{message} ({cause.message})", {**details, "cause": cause.code}
        return TransportError(message, code="disconnected", provider="livekit", details=details)

    def _failed(self, error: BaseException) -> None:
        _log.error("a call in a room failed", exc_info=error)

    def __repr__(self) -> str:
        return f"RoomOpenCall(identity={self.identity!r})"
