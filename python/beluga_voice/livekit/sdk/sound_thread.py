"""A thread for the sound of calls over the SDK, with an event loop of its own.

On the agents' loop each 10 ms that are said wait for whatever else is to be done there, ten megabytes that arrive
among it, and a second of speech comes to last longer than a second.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from beluga_voice._loop import LoopLink

__all__ = ["SoundTask", "SoundThread", "sound_thread"]

_log = logging.getLogger("beluga_voice.livekit")

# How long the thread may take to end at exit, in seconds: the SDK is about to be taken down under it.
_GRACE_S = 2.0


class SoundTask:
    """Work on the sound's loop, owned by the loop that it was started on."""

    def __init__(self, sound: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._sound = sound
        self._home = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        sound.call_soon_threadsafe(self._start, work)

    def cancel(self) -> None:
        """It is to end; `gone` waits for that."""
        with contextlib.suppress(RuntimeError):  # the process is about to end, and the thread has
            self._sound.call_soon_threadsafe(self._cancel)

    async def gone(self, timeout_s: float) -> bool:
        """Waits until it has ended, but no longer than that; whether it has."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    # -- on the sound's loop --------------------------------------------------------------------------------------

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._cancelled:
            self._tell_gone()
            return
        self._task = self._sound.create_task(work(), name="beluga-voice sdk sound")
        self._task.add_done_callback(self._ended)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Let go of at once: by its traceback a task holds all that it knew.
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the sound of a call over the SDK broke off", exc_info=error)
        self._tell_gone()

    def _tell_gone(self) -> None:
        with contextlib.suppress(RuntimeError):  # the owner's loop was closed: nobody waits
            self._home.call_soon_threadsafe(self._gone.set)


class SoundThread:
    """See the module. Ends with the process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        # One that can be woken by the core, whatever the policy makes.
        self.loop = asyncio.SelectorEventLoop()
        """For the SDK's sources, which belong to a loop."""
        self._link: LoopLink | None = None
        self._thread = threading.Thread(target=self._run, name="beluga-voice-sdk-sound", daemon=True)
        self._thread.start()
        # Before the SDK ends itself: it has begun by now, and who comes last is called first.
        atexit.register(self._stop)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> SoundTask:
        """Runs what `work` returns until it ends or is cancelled."""
        return SoundTask(self.loop, work)

    def link(self) -> LoopLink:
        """What wakes the loop with each tick; asked for on the loop. `loop_stats` tells of agents' loops, not of it."""
        if self._link is None:
            self._link = LoopLink(self.loop)
        return self._link

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            self.loop.run_until_complete(asyncio.wait_for(_all_of(left), _GRACE_S))
        self.loop.close()

    def _stop(self) -> None:
        if self.pid == os.getpid():  # a forked child has no such thread
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(_GRACE_S)


_thread: SoundThread | None = None
_lock = threading.Lock()


def sound_thread() -> SoundThread:
    """This process's; the first call starts it."""
    global _thread
    with _lock:
        if _thread is None or _thread.pid != os.getpid():
            _thread = SoundThread()
        return _thread


async def _all_of(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
