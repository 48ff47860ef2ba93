"""Text to speech: what a voice has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from beluga_voice.handles import Mouth

__all__ = ["TextToSpeech"]


class TextToSpeech(ABC):
    """A voice; one instance serves one session.

    A subclass with options names their pydantic model `Options` and takes one instance of it as its only argument.
    """

    Options: ClassVar[type[BaseModel] | None] = None

    async def start(self) -> None:  # noqa: B027 - an empty hook, not a forgotten @abstractmethod
        """Loads and connects what must be ready before the call is answered."""

    @abstractmethod
    async def synthesize(self, text: str, mouth: Mouth) -> None:
        """Speaks `text`; returns when all of its sound is written to the mouth.

        Cancelled when the caller talks over it. Text with nothing to pronounce in it writes nothing.
        """

    async def aclose(self) -> None:  # noqa: B027 - an empty hook
        """Lets go of everything; called once, at the end of the session, whether or not `start` was."""
