"""Takes what names a person out of text before that leaves the process."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from beluga_voice.errors import ConfigError
from beluga_voice.hooks.personal_data import ENTITIES, Entity, marked, settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PersonalDataRedactor", "Redactor", "StreamRedactor"]


class Redactor(ABC):
    """Makes a text one that may leave the process."""

    @abstractmethod
    def redact(self, text: str) -> str:
        """`text` without what is to be kept to ourselves. The same text gives the same one."""

    def settled(self, text: str) -> int:
        """How many of its first letters `redact` will make the same of, whatever comes after them.

        0, as here, has a text that is still growing wait for its end.
        """
        return 0


class PersonalDataRedactor(Redactor):
    """Puts `[email]`, `[card]` ... in the place of what `personal_data` finds.

    - `entities`: which ones; all by default.
    - `patterns`: regular expressions of your own by the name of their mark. With any, growing texts wait for their end.
    """

    def __init__(self, entities: Sequence[Entity] = ENTITIES, *, patterns: Mapping[str, str] | None = None) -> None:
        for entity in entities:
            if entity not in ENTITIES:
                raise ConfigError(f"redaction.entities has {entity!r}: allowed: {', '.join(ENTITIES)}")
        self._entities = tuple(entities)
        self._patterns = [(_compiled(name, pattern), f"[{name}]") for name, pattern in (patterns or {}).items()]

    def redact(self, text: str) -> str:
        """See `Redactor`."""
        for pattern, mark in self._patterns:
            text = pattern.sub(lambda _, mark=mark: mark, text)
        return marked(text, self._entities, lambda entity: f"[{entity}]")

    def settled(self, text: str) -> int:
        """See `Redactor`."""
        return 0 if self._patterns else settled(text)


class StreamRedactor:
    """A text that grows: what was shown of it is never taken back, and in the end it is what `redact` makes of it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._waiting = ""

    def push(self, text: str) -> str:
        """More of it has come: what more may be shown."""
        self._waiting += text
        cut = self._redactor.settled(self._waiting)
        done, self._waiting = self._waiting[:cut], self._waiting[cut:]
        return self._redactor.redact(done) if done else ""

    def flush(self) -> str:
        """No more comes: the rest."""
        rest, self._waiting = self._waiting, ""
        return self._redactor.redact(rest) if rest else ""


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"redaction.patterns.{name} = {pattern!r}: allowed: a regular expression; {error}",
            details={"field": f"redaction.patterns.{name}"},
        ) from None
