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
    from beluga_voice.config import TurnHandling, VadOptions

__all__ = ["CallSettings", "Transport"]


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a session asks of the core, whatever carries it."""

    vad: Literal["silero", "energy"]
    vad_options: VadOptions
    turn_handling: TurnHandling
    user_away_timeout: float | None

    def open(
        self,
        *,
        codec: Literal["pcm", "opus", "pcmu", "pcma"],
        input_hz: int,
        output_hz: int,
        output_codec: Literal["pcm", "opus"] = "pcm",
        jitter_min_delay_ms: int = 20,
        jitter_max_delay_ms: int = 200,
    ) -> CallLink:
        """A call of the core on the running loop, with the door that the transport needs.

        Raises ConfigError, SessionError session_limit_exceeded, ComponentError model_not_found.
        """
        interruption = self.turn_handling.interruption
        false_timeout = interruption.false_interruption_timeout
        core = engine()
        loop = loop_link()  # held until the call's link holds it
        with translated():
            call: _core.Call = core.open_call(
                loop.wakeup,
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
            )
        return CallLink(call, loop)


@runtime_checkable
class Transport(Protocol):
    """Something that a session can be started on. It serves one session."""

    def open(self, settings: CallSettings) -> CallLink:
        """Opens the call in the core. Raises SessionError session_already_active for a second session."""
        ...

    def closed(self) -> None:
        """The session is over."""
        ...


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
