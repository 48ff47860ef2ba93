"""The sessions of one backend: at most so many at once, each found by its id until it is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from beluga_voice.core_errors import translated
from beluga_voice.errors import SessionError
from beluga_voice.session import VoiceSession

if TYPE_CHECKING:
    from beluga_voice.config import BackendConfig, SessionConfig

__all__ = ["SessionBook", "backend_stats"]


class SessionBook:
    """What every backend does with sessions. `provider` is the backend's name, for errors."""

    def __init__(self, config: BackendConfig, provider: str) -> None:
        self._config = config
        self._provider = provider
        self._sessions: dict[str, VoiceSession] = {}

    def create(self, config: SessionConfig) -> VoiceSession:
        """A session, not yet started. It counts until it is closed.

        Raises SessionError session_limit_exceeded, and what a wrong configuration raises.
        """
        sessions = self.open
        limit = self._config.max_concurrent_sessions
        if limit and len(sessions) >= limit:
            raise SessionError(
                f"{len(sessions)} sessions are open: allowed: {limit} (max_concurrent_sessions)",
                code="session_limit_exceeded",
                provider=self._provider,
                operation="create_session",
            )
        session = VoiceSession.from_config(config, self._config)
        self._sessions[session.id] = session
        return session

    def get(self, session_id: str) -> VoiceSession:
        """The open session of that id. Raises SessionError session_not_found."""
        for session in self.open:
            if session.id == session_id:
                return session
        raise SessionError(f"no session {session_id!r} is open", code="session_not_found", provider=self._provider)

    @property
    def open(self) -> list[VoiceSession]:
        """The open sessions, oldest first."""
        self._sessions = {name: each for name, each in self._sessions.items() if not each.is_over}
        return list(self._sessions.values())

    async def aclose(self) -> None:
        """Ends every session."""
        await asyncio.gather(*(session.aclose() for session in self.open))

    def totals(self) -> dict[str, int]:
        """The counters of the open sessions, added up, and of each `..._max` the greatest."""
        totals: dict[str, int] = {}
        for session in self.open:
            for name, value in session.stats().items():
                if name.endswith("_max"):
                    totals[name] = max(totals.get(name, 0), value)
                elif not name.startswith("loop_"):  # a loop's counts are not its sessions' to add up
                    totals[name] = totals.get(name, 0) + value
        return totals


def backend_stats(book: SessionBook) -> dict[str, Any]:
    """What `stats()` of every backend has: the engine's, the loops', and those of the sessions in `book`."""
    from beluga_voice._engine import engine
    from beluga_voice._loop import loop_stats

    with translated():
        stats: dict[str, Any] = engine().stats()
    return {**stats, "backend_sessions": len(book.open), "loops": loop_stats(), "totals": book.totals()}
