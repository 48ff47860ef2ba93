"""Calls of code that is not ours: a component or an agent may hang, and may not heed that it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from beluga_voice.signal_exit import is_of_a_signal

__all__ = ["ForeignCalls", "LateError"]

T = TypeVar("T")

# How long code that is cancelled may take to clean up before it is left alone, in seconds.
_GRACE_S = 1.0


class LateError(Exception):
    """It did not end in time. A TimeoutError may be the component's own."""


class ForeignCalls:
    """Awaits what components and agents do, each call in a task of its own that can be left alone."""

    def __init__(self) -> None:
        self.abandoned = 0
        """Calls that went on after they were cancelled or late: what they do from then on is not heeded."""
        self._left: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T], *, name: str, due: Callable[[], float]) -> T:
        """What `work` returns; LateError once the loop's time is past `due()`, which is asked anew when it comes.

        Late or cancelled with its caller, `work` is cancelled and, if it does not end, abandoned.
        """
        loop = asyncio.get_running_loop()
        task = loop.create_task(_contained(work), name=f"beluga-voice {name}")
        try:
            while not task.done():
                left_s = due() - loop.time()
                if left_s <= 0:
                    raise LateError
                await asyncio.wait({task}, timeout=left_s)
        finally:
            if not task.done():
                await self.give_up(task)
            else:
                self._forget(task)  # it may have failed in the very moment in which its caller is cancelled
            if task.done():
                work.close()  # never begun where it was cancelled at once: nobody is to be warned of that
        if task.cancelled():
            raise RuntimeError("it cancelled itself")
        return task.result()

    async def give_up(self, task: asyncio.Task[Any]) -> None:
        """Cancels a call, waits a second for it to clean up, then leaves it alone."""
        task.cancel()
        try:
            await asyncio.wait({task}, timeout=_GRACE_S)
        finally:
            if not task.done():
                self.abandoned += 1
                self._left.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        # What it raises after it was given up is nobody's concern, and what it raised before is its caller's.
        with suppress(asyncio.CancelledError):
            task.exception()


async def _contained(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except SystemExit as error:
        if is_of_a_signal(error):
            raise
        # asyncio would take it out of the loop, and every other call with it.
        raise RuntimeError(f"it raised SystemExit: {error}") from error
