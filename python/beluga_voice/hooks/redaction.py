"""Redaction as a configuration says it, and of the words of a call on their way out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from beluga_voice.events import AgentOutputTranscribed, UserInputTranscribed
from beluga_voice.hooks.hook_spec import made_hook
from beluga_voice.hooks.personal_data import ENTITIES, Entity
from beluga_voice.hooks.redactor import PersonalDataRedactor, Redactor, StreamRedactor
from beluga_voice.validation import Options

if TYPE_CHECKING:
    from beluga_voice.events import SessionEvent

__all__ = ["OutgoingWords", "Redaction"]


class Redaction(Options):
    """What is taken out of a call's words where they leave the process: logs, traces, what is retained."""

    entities: list[Entity] = Field(
        default_factory=lambda: list(ENTITIES), description=f"What is looked for: {', '.join(ENTITIES)}."
    )
    patterns: dict[str, str] = Field(
        default_factory=dict[str, str], description="Regular expressions of your own, by the name of their mark."
    )
    redactor: Any = Field(
        None, description="A Redactor of your own in place of these: an instance, class, module:Class."
    )
    transcription: bool = Field(False, description="Whether transcripts written into a room are redacted too.")

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.redactor is not None:
            if {"entities", "patterns"} & self.model_fields_set:
                raise ValueError("redactor: allowed: without entities and patterns")
            object.__setattr__(self, "redactor", made_hook(self.redactor, Redactor))
        else:
            self.made()
        return self

    def made(self) -> Redactor:
        """What does it. Raises ConfigError for a pattern that is none."""
        if self.redactor is not None:
            return self.redactor
        return PersonalDataRedactor(self.entities, patterns=self.patterns)


class OutgoingWords:
    """The transcripts of one session as those may read them who are not to know everything.

    What was shown is never taken back: of a text that grows the end is held as long as it may become what is marked.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._speeches: dict[str, StreamRedactor] = {}

    def of(self, event: SessionEvent) -> SessionEvent:
        """`event`, its words redacted."""
        if isinstance(event, UserInputTranscribed):
            text = event.transcript
            known = text if event.is_final else text[: self._redactor.settled(text)].rstrip()
            return replace(event, transcript=self._redactor.redact(known))
        if isinstance(event, AgentOutputTranscribed):
            stream = self._speeches.setdefault(event.speech_id, StreamRedactor(self._redactor))
            shown = stream.push(f"{event.transcript} " if event.transcript else "")
            if event.is_final:
                shown += stream.flush()
                del self._speeches[event.speech_id]
            return replace(event, transcript=shown.strip())
        return event
