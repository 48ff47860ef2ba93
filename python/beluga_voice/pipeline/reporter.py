"""What the pipeline tells of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from beluga_voice.events import ErrorEvent
from beluga_voice.pipeline.ear import EAR_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.call_link import CallLink
    from beluga_voice.errors import BelugaVoiceError
    from beluga_voice.events import SessionEvent

__all__ = ["Reporter"]


class Reporter:
    """Hands events to the session, with the session's time at hand to stamp them."""

    def __init__(self, link: CallLink, emit: Callable[[SessionEvent], None]) -> None:
        self._link = link
        self.event = emit

    @property
    def at_s(self) -> float:
        """Session time now."""
        return self._link.call.ear_written / EAR_HZ

    def error(self, error: BelugaVoiceError, source: Literal["stt", "agent", "tts", "s2s", "session"]) -> None:
        """Tells of a failure that the call survives."""
        if self._link.call.closed:
            return  # what is cut off by the end of the call is no failure
        self.event(ErrorEvent(at_s=self.at_s, error=error, source=source, recoverable=True))
