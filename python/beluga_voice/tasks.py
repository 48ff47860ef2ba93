"""Tasks with an owner: started here, ended here, their failures told to somebody."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Tasks"]

# How long tasks that were cancelled may take to be gone, in seconds: longer than what they call may take to let go.
_GRACE_S = 5.0


class Tasks:
    """The tasks of one owner. `on_failure`, a method of the owner's, is told of an exception that nobody awaits."""

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        # A dict for its order: tasks end in the order in which they began.
        self._running: dict[asyncio.Task[None], None] = {}
        # The owner holds its tasks and not they it: what it holds is let go of with it, and not when Python next looks
        # for cycles.
        self._on_failure = weakref.WeakMethod(on_failure)
        self.abandoned = 0
        """Tasks that did not end when they were cancelled, for code that they call does not heed it."""

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Runs `work` until it ends or `cancel` is called."""
        task = asyncio.get_running_loop().create_task(work, name=f"beluga-voice {name}")
        self._running[task] = None
        task.add_done_callback(self._ended)
        return task

    def __contains__(self, task: object) -> bool:
        return task in self._running

    async def settle(self, timeout_s: float) -> None:
        """Waits until all have ended by themselves, but no longer than that; the task that calls does not count."""
        running = self._running.keys() - {asyncio.current_task()}
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    async def cancel(self) -> None:
        """Cancels all and waits until they are gone, those that heed it; the task that calls is left alone."""
        current = asyncio.current_task()
        running = [task for task in self._running if task is not current]
        for task in running:
            task.cancel()
        if running:
            _, left = await asyncio.wait(running, timeout=_GRACE_S)
            self.abandoned += len(left)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        try:
            error = task.exception()
        except asyncio.CancelledError:
            # Asked for, so that the task forgets it: by its traceback it holds all that the task knew.
            return
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            # A signal's handler was called while this task was at work: asyncio raises it where the loop was run.
            return
        on_failure = self._on_failure()
        if error is not None and on_failure is not None:
            on_failure(error)
