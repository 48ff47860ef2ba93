"""What carries a call's sound: a session starts on one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from beluga_voice import _core
from beluga_voice._engine import engine
from beluga_voice._loop import loop_link
from beluga_voice.call_link import CallLink
from beluga_voice.core_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Buffer

    from beluga_voice.audio_format import AudioFormat
    from beluga_voice.config import TurnHandling, VadOptions
    from beluga_voice.errors import BelugaVoiceError
    from beluga_voice.events import SessionEvent

__all__ = ["CallEvents", "CallSettings", "OpenCall", "TakesSound", "Transport", "TransportStats"]


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a session asks of the core, whatever carries it."""

    vad: Literal["silero", "energy"]
    vad_options: VadOptions
    turn_handling: TurnHandling
    user_away_timeout: float | None
    complexity: int = 5
    """Opus's, 0 to 10: what the agent's speech may cost, until a table of cost against quality says better."""
    bitrate_bps: int = 24_000
    """Opus's mean rate, 6000 to 510000."""

    def open(
        self,
        *,
        codec: Literal["pcm", "live_pcm", "opus", "pcmu", "pcma"],
        input_hz: int,
        output_hz: int,
        output_codec: Literal["pcm", "opus"] = "pcm",
        jitter_min_delay_ms: int = 20,
        jitter_max_delay_ms: int = 200,
        room: _core.Room | None = None,
    ) -> CallLink:
        """A call of the core on the running loop, with the door that the transport needs; a `room` has its doors.

        Raises ConfigError, SessionError session_limit_exceeded, ComponentError model_not_found.
        """
        interruption = self.turn_handling.interruption
        false_timeout = interruption.false_interruption_timeout
        core = engine()
        loop = loop_link()  # held until the call's link holds it
        bell = loop.bell()
        with translated():
            call: _core.Call = core.open_call(
                bell,
                input=codec,
                input_hz=input_hz,
                output=output_codec,
                output_hz=output_hz,
                jitter_min_delay_ms=jitter_min_delay_ms,
                jitter_max_delay_ms=jitter_max_delay_ms,
                vad=self.vad,
                activation_threshold=self.vad_options.activation_threshold,
                deactivation_threshold=self.vad_options.release_threshold,
                min_speech_ms=_ms(self.vad_options.min_speech_duration),
                min_silence_ms=_ms(self.vad_options.min_silence_duration),
                prefix_padding_ms=_ms(self.vad_options.prefix_padding_duration),
                min_delay_ms=_ms(self.turn_handling.endpointing.min_delay),
                discard_audio_if_uninterruptible=interruption.discard_audio_if_uninterruptible,
                false_interruption_timeout_ms=(
                    _ms(false_timeout) if false_timeout is not None and interruption.resume_false_interruption else None
                ),
                user_away_timeout_ms=_ms(self.user_away_timeout) if self.user_away_timeout is not None else None,
                interruptible_while_thinking=interruption.enabled,
                min_interruption_ms=_ms(interruption.min_duration),
                duck_gain_db=interruption.duck_gain_db if interruption.duck_gain_db is not None else 0.0,
                complexity=self.complexity,
                bitrate_bps=self.bitrate_bps,
                room=room,
            )
        return CallLink(call, loop, bell)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvents:
    """What a transport calls to tell the session: on the session's loop, and never before `open` has returned."""

    reconnecting: Callable[[], None]
    """The connection to the caller was lost and is being restored."""
    reconnected: Callable[[], None]
    """It is restored."""
    caller_left: Callable[[], None]
    """The caller has gone for good."""
    lost: Callable[[BelugaVoiceError], None]
    """The connection to the caller is gone for good."""
    text_received: Callable[[str], None]
    """The caller has written instead of speaking."""
    dtmf_received: Callable[[str, int], None]
    """The caller has pressed a key of his telephone: the digit and its code."""
    telephone: Callable[[Mapping[str, Any]], None]
    """The caller is at a telephone, of which this is known. Called, if at all, before `open` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportStats:
    """What was measured of the way between the session and its caller, so far. None: that is not measured here."""

    round_trip_s: float | None = None
    """To the server and back, in seconds, when last it was measured."""
    jitter_s: float | None = None
    """Of the caller's packets (RFC 3550, 6.4.1)."""
    buffer_s: float | None = None
    """By how much the jitter buffer delays the caller."""
    concealed_s: float | None = None
    """Seconds of the caller's sound that were lost or late, and made up for."""
    packets_received: int | None = None
    """Of the caller's sound."""
    packets_lost: int | None = None
    """The same, those that never came."""
    packets_lost_there: int | None = None
    """Of the agent's sound, as the other side reports it."""


class OpenCall(Protocol):
    """A call that a transport has opened for one session."""

    @property
    def link(self) -> CallLink:
        """The call in the core."""
        ...

    def take(self, event: SessionEvent) -> None:
        """What the session tells, for whoever shows it at the other end: states, transcripts."""
        ...

    def stats(self) -> dict[str, int]:
        """What the transport counted of this call."""
        ...

    async def transport_stats(self) -> TransportStats:
        """What is measured of the way to the caller. Raises TransportError."""
        ...

    async def aclose(self) -> None:
        """The session is over, and the call in the core closed: lets go of the rest."""
        ...


@runtime_checkable
class TakesSound(Protocol):
    """A call whose caller's sound the session may be handed (`VoiceSession.process_audio`)."""

    async def hear(self, pcm: Buffer, *, audio_format: AudioFormat) -> None:
        """What the caller says next. Waits while a second of it is waiting to be heard."""
        ...


@runtime_checkable
class Transport(Protocol):
    """Something that a session can be started on."""

    async def open(self, settings: CallSettings, events: CallEvents) -> OpenCall:
        """Opens a call, which may take until there is a caller.

        Raises SessionError session_already_active where there is a call for one session only, and what opening raises.
        Cancelled, it leaves nothing behind.
        """
        ...


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
