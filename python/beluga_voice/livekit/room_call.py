"""A session's place in a room: whom it serves, and who hears its voice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice.call_link import Waiter
from beluga_voice.errors import ConfigError, DeadlineError, SessionError, TransportError
from beluga_voice.livekit.enums import ParticipantKind, TrackSource
from beluga_voice.livekit.options import TrackPublishOptions
from beluga_voice.livekit.room import mirror_of
from beluga_voice.livekit.room_open_call import RoomOpenCall

if TYPE_CHECKING:
    from beluga_voice.livekit.participant import RemoteParticipant
    from beluga_voice.livekit.room import Room
    from beluga_voice.livekit.room_mirror import RoomMirror
    from beluga_voice.transport import CallEvents, CallSettings

__all__ = ["CALLER_KINDS", "RoomCall"]

Screen = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

# What LiveKit's SIP service writes into the attributes of a caller at a telephone.
_SIP_NUMBER = "sip.phoneNumber"
_SIP_FACTS = {
    "sip.callID": "call_id",
    "sip.trunkPhoneNumber": "dialled_number",
    "sip.trunkID": "trunk_id",
    "sip.ruleID": "rule_id",
}

CALLER_KINDS = (
    ParticipantKind.PARTICIPANT_KIND_STANDARD,
    ParticipantKind.PARTICIPANT_KIND_SIP,
    ParticipantKind.PARTICIPANT_KIND_CONNECTOR,
)
"""Who may be a caller where nothing else is said: users and telephones, and no agent or recorder."""

# Of the agent's voice where nothing is said, in Hz: a telephone carries no more.
_VOICE_HZ = 24_000
_TELEPHONE_HZ = 16_000

# How long the caller may take to subscribe to the agent's voice before the session begins all the same, in seconds.
_SUBSCRIPTION_TIMEOUT_S = 5.0


class RoomCall:
    """What a session starts on: `await session.start(livekit.RoomCall(room, participant_identity="alice"))`.

    `await session.start(room)` is the same with nothing said.

    - `participant_identity`: the caller. Without it the one who joined first, or joins first, is of one of
      `participant_kinds` and has no session in this room yet.
    - `participant_timeout`: seconds to wait for him; None: until he comes.
    - `rejoin_timeout`: seconds that a caller whose connection broke may take to come back under the same identity
      before his session ends. One who left by his own will has ended it.
    - `track_name`, `sample_rate`: of the agent's voice; 8000, 12000, 16000, 24000 or 48000 Hz. None: 24000, and for a
      caller at a telephone 16000.
    - `audience`: "caller": nobody else may hear the agent or read the transcripts; "room": everybody may.
    - `transcription`: whether what is said by both is written as text streams (`lk.transcription`).
    - `text_input`: whether what the caller writes (`lk.chat`) is a turn of his.
    - `screen`: is asked about a caller at a telephone, with his number and what is known of his call, before he is
      answered; returns what his session is to know of it, or raises what `start` then raises.
    """

    def __init__(
        self,
        room: Room,
        *,
        participant_identity: str | None = None,
        participant_kinds: Sequence[int] = CALLER_KINDS,
        participant_timeout: float | None = None,
        rejoin_timeout: float = 30.0,
        track_name: str = "agent",
        sample_rate: int | None = None,
        audience: Literal["caller", "room"] = "caller",
        transcription: bool = True,
        text_input: bool = True,
        screen: Screen | None = None,
    ) -> None:
        if sample_rate not in (None, 8_000, 12_000, 16_000, 24_000, 48_000):
            raise ConfigError(f"sample_rate = {sample_rate}: allowed: 8000, 12000, 16000, 24000 or 48000")
        if audience not in ("caller", "room"):
            raise ConfigError(f"audience = {audience!r}: allowed: 'caller' or 'room'")
        self.room = room
        self._identity = participant_identity
        self._kinds = tuple(participant_kinds)
        self._timeout = participant_timeout
        self._rejoin_timeout = rejoin_timeout
        self._track_name = track_name
        self._sample_rate = sample_rate
        self._audience: Literal["caller", "room"] = audience
        self._transcription = transcription
        self._text_input = text_input
        self._screen = screen
        self._opened = False
        self._served: str | None = None

    @property
    def served_identity(self) -> str | None:
        """Whom the session serves; None as long as it waits for somebody."""
        return self._served

    async def open(self, settings: CallSettings, events: CallEvents) -> RoomOpenCall:
        """Waits for the caller, publishes the agent's voice, and waits until he listens. For `VoiceSession.start`.

        Raises SessionError session_already_active (it was opened before), DeadlineError (nobody came in time),
        TransportError not_connected and disconnected, AuthError authorization_failed (no right to publish).
        """
        if self._opened:
            raise SessionError("this call has had its session", code="session_already_active", provider="livekit")
        self._opened = True
        mirror = mirror_of(self.room)
        identity = await self._caller(mirror)
        mirror.served.append(identity)
        self._served = identity
        try:
            await self._tell_of_telephone(identity, mirror, events)
            call = await self._call(identity, mirror, settings, events)
        except BaseException:
            mirror.served.remove(identity)
            raise
        return await _answered(call, self.room, mirror)

    async def _tell_of_telephone(self, identity: str, mirror: RoomMirror, events: CallEvents) -> None:
        caller = mirror.remote.get(identity)
        if caller is None or caller.kind != ParticipantKind.PARTICIPANT_KIND_SIP:
            return
        known = {name: value for key, name in _SIP_FACTS.items() if (value := caller.attributes.get(key, ""))}
        number = caller.attributes.get(_SIP_NUMBER, "")
        known = await self._screen(number, known) if self._screen is not None else {**known, "phone_number": number}
        events.telephone(known)

    async def _call(
        self, identity: str, mirror: RoomMirror, settings: CallSettings, events: CallEvents
    ) -> RoomOpenCall:
        options = TrackPublishOptions(source=TrackSource.SOURCE_MICROPHONE, dtx=False)
        sample_rate = self._rate_for(mirror.remote.get(identity))
        permissions = mirror.permissions
        if self._audience == "caller":
            with permissions.publishing_a_voice():
                media = await mirror.driver.open_call(
                    settings, track_name=self._track_name, sample_rate=sample_rate, options=options
                )
                publication = mirror.publication_of_ours(media.track)
                permissions.reserve(publication, identity)
        else:
            media = await mirror.driver.open_call(
                settings, track_name=self._track_name, sample_rate=sample_rate, options=options
            )
            publication = mirror.publication_of_ours(media.track)
        return RoomOpenCall(
            self.room,
            mirror,
            identity,
            media,
            publication,
            events,
            rejoin_timeout_s=self._rejoin_timeout,
            for_all=self._audience == "room",
            transcription=self._transcription,
            text_input=self._text_input,
        )

    def _rate_for(self, caller: RemoteParticipant | None) -> int:
        if self._sample_rate is not None:
            return self._sample_rate
        is_telephone = caller is not None and caller.kind == ParticipantKind.PARTICIPANT_KIND_SIP
        return _TELEPHONE_HZ if is_telephone else _VOICE_HZ

    async def _caller(self, mirror: RoomMirror) -> str:
        room, changed = self.room, Waiter()

        def look_again(*_: object) -> None:
            changed.wake()

        room.on("participant_connected", look_again)
        room.on("disconnected", look_again)
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    _check_connected(room)
                    for participant in mirror.remote.values():
                        if self._is_wanted(participant, mirror):
                            return participant.identity
                    await changed.wait()
        except TimeoutError:
            who = f"{self._identity!r}" if self._identity is not None else "a caller"
            raise DeadlineError(
                f"{who} did not join within {self._timeout:g} s (participant_timeout)",
                provider="livekit",
                operation="start",
            ) from None
        finally:
            room.off("participant_connected", look_again)
            room.off("disconnected", look_again)

    def _is_wanted(self, participant: RemoteParticipant, mirror: RoomMirror) -> bool:
        if self._identity is not None:
            return participant.identity == self._identity
        return participant.kind in self._kinds and participant.identity not in mirror.served


async def _answered(call: RoomOpenCall, room: Room, mirror: RoomMirror) -> RoomOpenCall:
    """The call once the caller listens: what is said to nobody is lost, and a greeting waits for him."""
    try:
        await _first_of(call.publication.heard, mirror.left, timeout_s=_SUBSCRIPTION_TIMEOUT_S)
        _check_connected(room)
    except BaseException:
        try:
            await call.link.close()
        finally:
            await call.aclose()
        raise
    call.begin()
    return call


def _check_connected(room: Room) -> None:
    if not room.isconnected():
        raise TransportError("the room was left", code="disconnected", provider="livekit", operation="start")


async def _first_of(*events: asyncio.Event, timeout_s: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
