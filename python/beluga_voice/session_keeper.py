"""Keeps the sessions of one backend in its store for as long as they are under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from beluga_voice.errors import BelugaVoiceError, SessionError
from beluga_voice.session_store import SessionRecord
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.session import VoiceSession
    from beluga_voice.session_store import SessionStore

__all__ = ["SessionKeeper"]

T = TypeVar("T")

_log = logging.getLogger("beluga_voice.store")

# How long a session stays its backend's after the last word from it, and how often there is one though nothing
# happened, in seconds.
_LEASE_S = 30.0
_RENEWED_S = 10.0
# What a store may take for an answer, and what all of them may take when the backend stops, in seconds.
_TIMEOUT_S = 5.0
_SETTLE_S = 6.0


class SessionKeeper:
    """One writer for each session: however much happens while it waits for the store, it then writes once.

    `owner`: the backend's id. A store that fails costs the record, is logged and counted, and is asked again at the
    next occasion; the call never waits for it.
    """

    def __init__(self, store: SessionStore, *, owner: str, provider: str) -> None:
        self._store = store
        self._owner = owner
        self._provider = provider
        self._tasks = Tasks(self._broken)
        self.failures = 0
        """Answers of the store that were errors, or late."""

    def watch(self, session: VoiceSession) -> None:
        """From the moment that it is under way until it is over."""
        changed = asyncio.Event()
        writing: list[asyncio.Task[None]] = []

        def happened(_: object) -> None:
            if session.state == "active" and not writing:
                writing.append(self._tasks.start(self._keep(session, changed), name="session record"))
            changed.set()

        for name in ("session_state_changed", "conversation_item_added", "close"):
            session.on(name, happened)

    async def aclose(self) -> None:
        """Once the sessions are over: until the last of them is deleted."""
        await self._tasks.settle(_SETTLE_S)
        await self._tasks.cancel()

    async def _keep(self, session: VoiceSession, changed: asyncio.Event) -> None:
        fence: int | None = None
        while not session.is_over:
            changed.clear()
            try:
                if fence is None:
                    fence = await self._asked(self._store.claim(session.id, self._owner, lease_s=_LEASE_S))
                if session.state in ("active", "reconnecting"):
                    await self._asked(self._store.save(self._record(session), fence=fence, lease_s=_LEASE_S))
            except SessionError as lost:
                self._failed(session, lost)
                if lost.code == "session_expired":
                    return  # somebody else serves it by now: his record is not ours to touch
                fence = None
            except Exception as error:
                self._failed(session, error)
            if session.state in ("active", "reconnecting"):
                await _until(changed, _RENEWED_S)
            else:
                await session.wait_closed()
        if fence is not None:
            try:
                await self._asked(self._store.delete(session.id, fence=fence))
            except Exception as error:
                self._failed(session, error)

    async def _asked(self, answer: Awaitable[T]) -> T:
        async with asyncio.timeout(_TIMEOUT_S):
            return await answer

    def _record(self, session: VoiceSession) -> SessionRecord:
        return SessionRecord(
            session_id=session.id,
            provider=self._provider,
            state=session.state,
            user_id=session.user_id,
            history=session.history,
            metadata=session.metadata,
            created_at=session.created_at,
            last_activity=datetime.now(UTC),
        )

    def _failed(self, session: VoiceSession, error: Exception) -> None:
        self.failures += 1
        told = error.message if isinstance(error, BelugaVoiceError) else type(error).__name__
        _log.warning("what session %s must not lose could not be kept: %s", session.id, told)

    def _broken(self, error: BaseException) -> None:
        _log.error("a session's record", exc_info=error)


async def _until(changed: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await changed.wait()
    except TimeoutError:
        return
