"""The clock of this package: the machine's, or the one of a loop that keeps virtual time.

Whatever measures or stamps asks `now()`; whatever waits for something outside of the loop (a process, a thread, a
server) does so inside `in_flight(...)`. On an ordinary loop both are the machine's clock and nothing else. On a virtual
loop (`beluga_voice.virtual_time.VirtualLoop`) time stands still meanwhile, and what it took is charged after.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager

    from beluga_voice import _core

__all__ = ["VirtualTime", "in_flight", "now", "virtual_time"]


class VirtualTime(ABC):
    """What a loop is that keeps virtual time; its `time()` is the clock."""

    @property
    @abstractmethod
    def engine(self) -> _core.Engine:
        """The engine of this loop's calls, stepped by its clock."""

    @abstractmethod
    def time(self) -> float:
        """Seconds on the virtual clock."""

    @abstractmethod
    def in_flight(self, component: str) -> AbstractAsyncContextManager[None]:
        """Holds the clock while within; `component` says what is waited for, and so what is charged."""


def virtual_time() -> VirtualTime | None:
    """The running loop, if it keeps virtual time."""
    try:
        loop: object = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop if isinstance(loop, VirtualTime) else None


def now() -> float:
    """Seconds, on the clock that the engine's events are stamped by. Differences have a meaning, values have none."""
    virtual = virtual_time()
    return virtual.time() if virtual is not None else time.monotonic()


@asynccontextmanager
async def in_flight(component: str) -> AsyncGenerator[None]:
    """Around an await of what happens outside of the event loop.

    `component`: "stt", "tts", "agent", or a name of yours, by which it is charged.
    """
    virtual = virtual_time()
    if virtual is None:
        yield
        return
    async with virtual.in_flight(component):
        yield
