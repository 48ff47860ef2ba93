"""What an agent is asked: the caller's turn, and what was said before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ChatMessage", "Turn"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One thing that was said. For the agent's part `text` is what the caller heard of it, which may be less than what
    the agent answered: then `interrupted` is true."""

    role: Literal["user", "assistant"]
    text: str
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {"role": self.role, "text": self.text, "interrupted": self.interrupted}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The message that `to_dict` described."""
        return cls(role=values["role"], text=values["text"], interrupted=values.get("interrupted", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn of the caller.

    - `text`: what was understood. `language`: BCP-47; `confidence`: 0 to 1; None where the recogniser does not say.
    - `history`: what was said before, oldest first, this turn not included.
    - `started_at_s`, `ended_at_s`: its first and last voiced sample, in seconds on the session's media clock.
    - `metadata`: what the session was configured with; JSON-able.
    """

    text: str
    history: tuple[ChatMessage, ...] = ()
    language: str | None = None
    confidence: float | None = None
    started_at_s: float = 0.0
    ended_at_s: float = 0.0
    session_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "text": self.text,
            "history": [message.to_dict() for message in self.history],
            "language": self.language,
            "confidence": self.confidence,
            "started_at_s": self.started_at_s,
            "ended_at_s": self.ended_at_s,
            "session_id": self.session_id,
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The turn that `to_dict` described. Unknown names are a TypeError."""
        history = tuple(ChatMessage.from_dict(message) for message in values.get("history", ()))
        fields: dict[str, Any] = {**values, "history": history}
        return cls(**fields)
