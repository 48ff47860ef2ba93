"""Who may subscribe to our tracks, sent by the SDK one list after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beluga_voice.livekit.options import ParticipantTrackPermission

__all__ = ["PermissionSender"]

Allowed = tuple[bool, "Sequence[ParticipantTrackPermission]"]

# By then a list is on its way, in seconds: ten times what the SDK's threads take on a machine that is busy.
_APART_S = 0.1


class PermissionSender:
    """The SDK hands each list to the server by a task of its own and does not say when it has: of two at once either
    may come last and be the one that holds, and a caller whose session began together with another's would hear nothing
    for ever. So there is time between two, and of those that are wanted meanwhile the newest is sent.

    `send` gives the SDK a list.
    """

    def __init__(self, send: Callable[[bool, Sequence[ParticipantTrackPermission]], None]) -> None:
        self._send = send
        self._waiting: Allowed | None = None
        # A timer and no task: nothing has to be ended when the loop is.
        self._next: asyncio.TimerHandle | None = None
        self._sent = asyncio.Event()
        self._sent.set()

    def want(self, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]) -> None:  # noqa: FBT001
        """This is to hold from now on."""
        self._waiting = (allow_all, permissions)
        self._sent.clear()
        if self._next is None:
            self._send_waiting()

    async def sent(self) -> None:
        """Until what was wanted last is with the SDK."""
        await self._sent.wait()

    def _send_waiting(self) -> None:
        self._next = None
        if self._waiting is None:
            return
        wanted, self._waiting = self._waiting, None
        self._next = asyncio.get_running_loop().call_later(_APART_S, self._send_waiting)
        self._sent.set()
        self._send(*wanted)
