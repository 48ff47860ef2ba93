"""Threads for code that would block the event loop: so many, and no more work waiting than stated."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

__all__ = ["PoolFullError", "WorkerPool"]


class PoolFullError(Exception):
    """As much work waits as may."""


class WorkerPool:
    """A bounded pool of daemon threads, started when first needed.

    Unlike `concurrent.futures.ThreadPoolExecutor` it refuses work instead of queueing it without end, and a call that
    never returns keeps neither the pool's owner nor the interpreter's exit waiting.

    - `size`: threads. `waiting`: calls that may wait for one; policy: the newest is refused (`PoolFullError`).
    - `exit_wait_s`: how long the interpreter's exit waits for calls that run, of a pool that lives as long as the
      process. For libraries in C++: a daemon thread that comes back from one into an interpreter that is ending is
      unwound, which C++ answers by aborting the process.
    """

    def __init__(self, size: int, *, waiting: int = 64, name: str = "beluga-voice", exit_wait_s: float = 0.0) -> None:
        if size < 1 or waiting < 0:
            raise ValueError(f"size = {size}, waiting = {waiting}: allowed: size from 1, waiting from 0")
        self.size = size
        self.waiting = waiting
        self._name = name
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._load = 0  # calls that run or wait
        self._closed = False
        self._exiting = False
        self.refused = 0
        """Calls refused because as many waited as may."""
        if exit_wait_s > 0.0:
            atexit.register(self._finish, exit_wait_s, os.getpid())

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Runs `call` on a thread, in a copy of the caller's context."""
        future: Future[T] = Future()
        context = contextvars.copy_context()
        with self._lock:
            if self._closed:
                raise PoolFullError("the pool is closed")
            if self._load >= self.size + self.waiting:
                self.refused += 1
                raise PoolFullError(f"{self.size} calls run and {self.waiting} wait")
            self._load += 1
            if len(self._threads) < min(self._load, self.size):
                name = f"{self._name}-{len(self._threads) + 1}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()
        self._work.put((future, lambda: context.run(call)))
        return future

    async def run(self, call: Callable[[], T]) -> T:
        """Awaits `call` on a thread. Cancelled, it takes the call back if that still waits, else leaves it running."""
        return await asyncio.wrap_future(self.submit(call))

    def close(self) -> None:
        """No more work; threads end when they have done what they do. Does not wait."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for _ in self._threads:
                self._work.put(None)

    def _finish(self, within_s: float, pid: int) -> None:
        """Waits for the calls that run; those that wait are dropped."""
        if pid != os.getpid():  # a forked child has no such threads
            return
        self._exiting = True
        self.close()
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            if self._exiting:
                return
            future, call = item
            # Nothing may outlive the call: an agent's generator or a model would stay alive with it.
            del item
            try:
                if future.set_running_or_notify_cancel():
                    _settle(future, call)
            finally:
                del future, call
                with self._lock:
                    self._load -= 1


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        result = call()
    except StopIteration as error:  # which no future can hold
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    except BaseException as error:  # it belongs to whoever awaits the future, SystemExit included
        future.set_exception(error)
    else:
        future.set_result(result)
