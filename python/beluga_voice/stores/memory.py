"""Records in this process: for tests, and for backends of one process that come and go."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from beluga_voice.clock import now
from beluga_voice.errors import SessionError
from beluga_voice.session_store import SessionRecord

__all__ = ["MemorySessionStore"]


@dataclass(slots=True)
class _Claim:
    owner: str
    fence: int
    until: float
    record: SessionRecord | None = None


class MemorySessionStore:
    """See `SessionStore`. Not safe between threads: for backends of one event loop.

    `max_sessions`: claims at the same time. Policy: one more is refused with session_limit_exceeded.
    """

    def __init__(self, *, max_sessions: int = 100_000) -> None:
        self._max_sessions = max_sessions
        self._claims: dict[str, _Claim] = {}
        # One counter for all sessions: a number stays the greatest though its session was deleted in between.
        self._fences = itertools.count(1)

    async def claim(self, session_id: str, owner: str, *, lease_s: float) -> int:
        """See `SessionStore`."""
        known = self._claims.get(session_id)
        if known is not None and known.owner != owner and known.until > now():
            raise SessionError(
                f"session {session_id!r} belongs to {known.owner!r} for {known.until - now():.1f} s more",
                code="session_already_active",
            )
        if known is None and len(self._claims) >= self._max_sessions:
            raise SessionError(f"{self._max_sessions} sessions are kept already", code="session_limit_exceeded")
        fence = next(self._fences)
        record = known.record if known is not None else None
        self._claims[session_id] = _Claim(owner, fence, now() + lease_s, record)
        return fence

    async def save(self, record: SessionRecord, *, fence: int, lease_s: float) -> None:
        """See `SessionStore`."""
        claim = self._claimed(record.session_id, fence)
        claim.record, claim.until = record, now() + lease_s

    async def load(self, session_id: str) -> SessionRecord:
        """See `SessionStore`."""
        claim = self._claims.get(session_id)
        if claim is None or claim.record is None:
            raise _unknown(session_id)
        return claim.record

    async def list_active(self) -> list[SessionRecord]:
        """See `SessionStore`."""
        return sorted(
            (claim.record for claim in self._claims.values() if claim.record is not None),
            key=lambda record: record.created_at,
        )

    async def delete(self, session_id: str, *, fence: int) -> None:
        """See `SessionStore`."""
        if session_id in self._claims:
            self._claimed(session_id, fence)
            del self._claims[session_id]

    def _claimed(self, session_id: str, fence: int) -> _Claim:
        claim = self._claims.get(session_id)
        if claim is None:
            raise _unknown(session_id)
        if claim.fence != fence:
            raise SessionError(f"session {session_id!r} is {claim.owner!r}'s by now", code="session_expired")
        return claim


def _unknown(session_id: str) -> SessionError:
    return SessionError(f"nothing is kept of session {session_id!r}", code="session_not_found")
