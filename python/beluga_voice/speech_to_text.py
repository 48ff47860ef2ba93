"""Speech to text: what a recogniser has to do, and what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import BaseModel

    from beluga_voice.handles import Ear

__all__ = ["SpeechToText", "Transcript"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood of a turn.

    - `is_final`: nothing more follows for this turn. Before that come guesses, each replacing the one before.
    - `turn_id`: the turn of `ear.utterances()` it belongs to; None from a recogniser that cuts the sound itself.
    - `start_s`, `end_s`: where its words lie, in seconds on the session's media clock.
    - `confidence`: 0 to 1. `language`: BCP-47, such as "en-US". None where the recogniser does not say.

    A turn in which nothing was understood is final with the text "".
    """

    text: str
    is_final: bool
    turn_id: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None
    language: str | None = None


class SpeechToText(ABC):
    """A recogniser; one instance serves one session.

    A subclass with options names their pydantic model `Options` and takes one instance of it as its only argument. An
    option `interim_results` that is false says that no guesses come: rules that need words at once are then refused.
    """

    Options: ClassVar[type[BaseModel] | None] = None

    async def start(self) -> None:  # noqa: B027 - an empty hook, not a forgotten @abstractmethod
        """Loads and connects what must be ready before the call is answered."""

    @abstractmethod
    def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        """Transcripts, interim and final, as long as the ear is open.

        When it raises, the session calls `stream` again and gives it the turn that was being heard once more, from its
        start; a second failure costs what was not guessed of that turn, and no more. `ComponentError(component="stt",
        ...)` says best what happened.
        """

    async def aclose(self) -> None:  # noqa: B027 - an empty hook
        """Lets go of everything; called once, at the end of the session, whether or not `start` was."""
