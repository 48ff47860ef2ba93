"""Keeps what a hook says, and forgets it when its time is over."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from beluga_voice.hooks.data_retention import DATA_TYPES, DataType
from beluga_voice.hooks.hook_calls import HookCalls, HookFailedError

if TYPE_CHECKING:
    from beluga_voice.hooks.data_retention import DataRetentionHook
    from beluga_voice.turn import ChatMessage

__all__ = ["Belongings", "RetainedSession", "Retention"]

_log = logging.getLogger("beluga_voice.hooks")

# asyncio's timers reach no further than a day on every platform: what is kept longer is looked at again then.
_LONGEST_TIMER_S = 86_400.0

Forget = Callable[[], object]


@dataclass(slots=True)
class Belongings:
    """What a session that is over leaves behind. `forget`: what else has to be done to be rid of each, by its type."""

    session_id: str
    user_id: str | None
    transcript: tuple[ChatMessage, ...]
    metadata: dict[str, Any]
    audio: tuple[Any, ...] = ()
    forget: dict[DataType, list[Forget]] = field(default_factory=dict[DataType, list[Forget]])


@dataclass(slots=True)
class RetainedSession:
    """What is kept of one; a part that is not, or no longer, is None."""

    session_id: str
    audio: tuple[Any, ...] | None = None
    transcript: tuple[ChatMessage, ...] | None = None
    metadata: dict[str, Any] | None = None


class Retention:
    """What one backend keeps of sessions that are over. Belongs to its loop, whose clock ends the periods.

    - `max_sessions`: past that the one that ended first is forgotten before its time, and counted.
    """

    def __init__(self, hook: DataRetentionHook | None, *, timeout_s: float, max_sessions: int = 1_000) -> None:
        self._hook = hook
        self._calls = HookCalls(timeout_s)
        self._max_sessions = max_sessions
        self._kept: OrderedDict[str, RetainedSession] = OrderedDict()
        self._forget: dict[tuple[str, DataType], list[Forget]] = {}
        self._timers: dict[tuple[str, DataType], asyncio.TimerHandle] = {}
        self.forgotten_early = 0
        """Sessions that were forgotten for want of room."""

    def adopt(self, hook: DataRetentionHook | None, *, timeout_s: float) -> None:
        """Asks another hook from now on; what is kept stays for as long as was said."""
        self._hook = hook
        self._calls.timeout_s = timeout_s

    @property
    def asks(self) -> bool:
        """Whether there is a hook to be asked."""
        return self._hook is not None

    def get(self, session_id: str) -> RetainedSession | None:
        """What is kept of that session; None where there is nothing."""
        return self._kept.get(session_id)

    async def take(self, left: Belongings) -> None:
        """A session is over: asks what is kept of it, and is rid of the rest."""
        asked_with = {**left.metadata, "session_id": left.session_id, "user_id": left.user_id}
        for data_type in DATA_TYPES:
            if self._hook is None and data_type != "audio":
                continue  # the words are in the session alone, and go with whoever holds it
            period_s = await self._period_s(data_type, asked_with)
            key = (left.session_id, data_type)
            self._forget[key] = left.forget.get(data_type, [])
            if period_s <= 0.0:
                self._let_go(key)
                continue
            kept = self._kept.setdefault(left.session_id, RetainedSession(left.session_id))
            setattr(kept, data_type, getattr(left, data_type))
            self._forget_at(key, asyncio.get_running_loop().time() + period_s)
        while len(self._kept) > self._max_sessions:
            oldest = next(iter(self._kept))
            self.forgotten_early += 1
            for data_type in DATA_TYPES:
                self._let_go((oldest, data_type))

    async def _period_s(self, data_type: DataType, metadata: dict[str, Any]) -> float:
        hook = self._hook
        if hook is None:
            return 0.0
        try:
            if not await self._calls.ask(hook, "should_retain", bool, lambda: hook.should_retain(data_type, metadata)):
                return 0.0
            period: timedelta = await self._calls.ask(
                hook, "get_retention_period", timedelta, lambda: hook.get_retention_period(data_type)
            )
        except HookFailedError as failed:
            _log.warning("%s of a session is not kept: %s", data_type, failed)
            return 0.0
        return period.total_seconds()

    def _forget_at(self, key: tuple[str, DataType], at: float) -> None:
        loop = asyncio.get_running_loop()

        def due() -> None:
            if loop.time() >= at:
                self._let_go(key)
            else:
                self._forget_at(key, at)

        self._timers[key] = loop.call_at(min(at, loop.time() + _LONGEST_TIMER_S), due)

    def _let_go(self, key: tuple[str, DataType]) -> None:
        session_id, data_type = key
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        for forget in self._forget.pop(key, ()):
            try:
                forget()
            except Exception as error:
                _log.error("%s of a session could not be forgotten: %s", data_type, type(error).__name__)
        kept = self._kept.get(session_id)
        if kept is not None:
            setattr(kept, data_type, None)
            if kept.audio is None and kept.transcript is None and kept.metadata is None:
                del self._kept[session_id]
