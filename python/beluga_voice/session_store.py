"""What of an active session must survive the end of its process, and what keeps it.

A session that is under way is claimed by the backend that serves it and saved as it goes on; when it is over it is
deleted, and nothing is left of it. A process that dies leaves its records: when their leases have run out, another one
may claim them. Each claim has a fencing number greater than those before it, and a store refuses whoever comes with an
older one: of two who believe that a session is theirs, the later one is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self, runtime_checkable

from beluga_voice.turn import ChatMessage

__all__ = ["SessionRecord", "SessionStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session that is under way. Times are in UTC; the agent is no part of it, whoever goes on brings his own."""

    session_id: str
    provider: str
    state: str
    user_id: str | None = None
    history: tuple[ChatMessage, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    created_at: datetime
    last_activity: datetime

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it, as far as `metadata` can."""
        return {
            "session_id": self.session_id,
            "provider": self.provider,
            "state": self.state,
            "user_id": self.user_id,
            "history": [message.to_dict() for message in self.history],
            "metadata": dict(self.metadata),
            "created_at": self.created_at.isoformat(),
            "last_activity": self.last_activity.isoformat(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_dict` described."""
        fields: dict[str, Any] = {
            **values,
            "history": tuple(ChatMessage.from_dict(message) for message in values["history"]),
            "created_at": datetime.fromisoformat(values["created_at"]),
            "last_activity": datetime.fromisoformat(values["last_activity"]),
        }
        return cls(**fields)


@runtime_checkable
class SessionStore(Protocol):
    """Keeps records. Each call has a few seconds; one that fails costs the record and never the call."""

    async def claim(self, session_id: str, owner: str, *, lease_s: float) -> int:
        """Makes `owner` the one whose session it is for `lease_s` seconds, and returns his fencing number.

        Raises SessionError session_already_active while somebody else's lease holds.
        """
        ...

    async def save(self, record: SessionRecord, *, fence: int, lease_s: float) -> None:
        """Keeps `record` in place of an earlier one, and the lease for `lease_s` seconds from now.

        Raises SessionError session_expired where a greater number has claimed it, session_not_found where it was
        deleted or never claimed.
        """
        ...

    async def load(self, session_id: str) -> SessionRecord:
        """Raises SessionError session_not_found."""
        ...

    async def list_active(self) -> list[SessionRecord]:
        """Every record, oldest first, whoever's it is."""
        ...

    async def delete(self, session_id: str, *, fence: int) -> None:
        """Forgets it; nothing if it is not there. Raises SessionError session_expired as `save` does."""
        ...
