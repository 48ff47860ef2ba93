"""Tasks with an owner: started here, ended here, their failures told to somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Tasks"]

# How long tasks that were cancelled may take to be gone, in seconds: longer than what they call may take to let go.
_GRACE_S = 5.0


class Tasks:
    """The tasks of one owner. `on_failure` is told of an exception that nobody awaits."""

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._on_failure = on_failure
        self.abandoned = 0
        """Tasks that did not end when they were cancelled, for code that they call does not heed it."""

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Runs `work` until it ends or `cancel` is called."""
        task = asyncio.get_running_loop().create_task(work, name=f"beluga-voice {name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def __contains__(self, task: object) -> bool:
        return task in self._running

    async def settle(self, timeout_s: float) -> None:
        """Waits until all have ended by themselves, but no longer than that; the task that calls does not count."""
        running = self._running - {asyncio.current_task()}
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
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)
