"""Callers of the local backend who ring and were not answered yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beluga_voice.errors import BelugaVoiceError, SessionError

if TYPE_CHECKING:
    from beluga_voice.providers.local.call import LocalCall, LocalOpenCall
    from beluga_voice.transport import CallEvents, CallSettings

__all__ = ["Ringing", "RingingCall"]

# Callers who ring at the same time. Policy: one more is refused.
_LONGEST_QUEUE = 256


class Ringing:
    """The queue of them, oldest first."""

    def __init__(self) -> None:
        self._calls: list[tuple[LocalCall, str | None]] = []
        self._changed = asyncio.Condition()

    async def add(self, call: LocalCall, user_id: str | None) -> None:
        """One more. Raises SessionError session_limit_exceeded."""
        if len(self._calls) >= _LONGEST_QUEUE:
            raise SessionError(f"{_LONGEST_QUEUE} callers ring already", code="session_limit_exceeded")
        async with self._changed:
            self._calls.append((call, user_id))
            self._changed.notify_all()

    async def take(self, user_id: str | None) -> tuple[LocalCall, str | None]:
        """The call of that name, else the oldest, with the name that it has; waits for it."""
        async with self._changed:
            while True:
                for place, ringing in enumerate(self._calls):
                    if user_id is None or user_id == ringing[1]:
                        return self._calls.pop(place)
                await self._changed.wait()

    async def put_back(self, call: LocalCall, user_id: str | None) -> None:
        """One that was taken and could not be answered: it goes on ringing, as the oldest."""
        async with self._changed:
            self._calls.insert(0, (call, user_id))
            self._changed.notify_all()


class RingingCall:
    """What a session starts on: the call of whoever rings."""

    def __init__(self, ringing: Ringing, user_id: str | None) -> None:
        self._ringing = ringing
        self._user_id = user_id

    async def open(self, settings: CallSettings, events: CallEvents) -> LocalOpenCall:
        """Waits for the caller. For `VoiceSession.start`."""
        call, name = await self._ringing.take(self._user_id)
        try:
            return await call.open(settings, events)
        except BelugaVoiceError:
            await self._ringing.put_back(call, name)
            raise
