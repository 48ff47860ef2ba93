"""The event loop of a command: uvloop's where it is installed."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
import socket
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

__all__ = ["has_uvloop", "run"]


def has_uvloop() -> bool:
    """Whether `run` uses uvloop."""
    return importlib.util.find_spec("uvloop") is not None


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on the fastest loop there is."""
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(main if has_uvloop() else _woken_by_signals(main))


async def _woken_by_signals(main: Coroutine[Any, Any, T]) -> T:
    """`main`, on a loop that every signal wakes, as uvloop's are.

    asyncio's own sleeps on when a signal came just before it began to wait, or was given to another thread: Ctrl-C
    would do nothing until something else happens.
    """
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        loop.add_reader(near, near.recv, 4_096)
        before = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        try:
            return await main
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(near)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    return importlib.import_module("uvloop").new_event_loop if has_uvloop() else None
