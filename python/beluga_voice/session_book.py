"""The sessions of one backend: at most so many at once, each found by its id until it is over."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beluga_voice.core_errors import translated
from beluga_voice.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Generator

    from beluga_voice.session import VoiceSession

__all__ = ["SessionBook"]


class SessionBook:
    """What every backend does with sessions. `limit`: sessions at the same time, 0 for any number."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._sessions: dict[str, VoiceSession] = {}
        self._reserved = 0

    @contextmanager
    def place(self) -> Generator[None]:
        """A place for one session, which counts from now on: within, whatever the session needs may be made, and the
        session `add`ed. A place without one is free again afterwards.

        Raises SessionError session_limit_exceeded.
        """
        taken = self.taken
        if self.limit and taken >= self.limit:
            raise SessionError(
                f"{taken} sessions are open: allowed: {self.limit} (max_concurrent_sessions)",
                code="session_limit_exceeded",
                details={"open": taken, "allowed": self.limit},
            )
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def add(self, session: VoiceSession) -> None:
        """Into the place that is being held; it counts until it is over."""
        self._sessions[session.id] = session

    def get(self, session_id: str) -> VoiceSession:
        """The open session of that id. Raises SessionError session_not_found."""
        session = self._sessions.get(session_id)
        if session is None or session.is_over:
            raise SessionError(f"no session {session_id!r} is open", code="session_not_found")
        return session

    @property
    def open(self) -> list[VoiceSession]:
        """The open sessions, oldest first."""
        self._sessions = {name: each for name, each in self._sessions.items() if not each.is_over}
        return list(self._sessions.values())

    @property
    def taken(self) -> int:
        """Places that are not free: open sessions, and those that are being made."""
        return len(self.open) + self._reserved

    async def drain(self, timeout_s: float) -> None:
        """Until every conversation is over, but no longer than that. Sessions without one, as they have not begun or
        wait for their caller, are ended at once."""
        idle = [session for session in self.open if session.state == "initial"]
        ends = [*(session.aclose() for session in idle), *(session.wait_closed() for session in self.open)]
        if ends:
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.gather(*ends)
            except TimeoutError:
                return

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

    def stats(self) -> dict[str, Any]:
        """What `stats()` of every backend has: the engine's, the loops', and those of these sessions."""
        from beluga_voice._engine import engine
        from beluga_voice._loop import loop_stats

        with translated():
            stats: dict[str, Any] = engine().stats()
        return {**stats, "backend_sessions": len(self.open), "loops": loop_stats(), "totals": self.totals()}
