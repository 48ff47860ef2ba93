"""The one place that knows how an asyncio loop is woken.

The core makes a descriptor readable at most once per tick; the loop then drains every call it has. Loops that cannot
poll a descriptor get a thread that does it for them.
"""

from __future__ import annotations

import asyncio
import select
import threading
import weakref
from typing import TYPE_CHECKING

from beluga_voice import _core

if TYPE_CHECKING:
    from beluga_voice.call_link import CallLink

__all__ = ["LoopLink", "loop_link"]

_links: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopLink] = weakref.WeakKeyDictionary()


def loop_link() -> LoopLink:
    """The running loop's link to the core."""
    loop = asyncio.get_running_loop()
    link = _links.get(loop)
    if link is None:
        link = _links[loop] = LoopLink(loop)
    return link


class LoopLink:
    """One loop, its wakeup and its calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self.wakeup = _core.Wakeup()
        self._calls: set[CallLink] = set()
        self._thread: threading.Thread | None = None
        self.wakes = 0
        """How often the core woke this loop."""

    def add(self, call: CallLink) -> None:
        """Drains `call` from now on."""
        if not self._calls:
            self._listen()
        self._calls.add(call)
        # Something may have happened between the call's opening and now.
        self.wakeup.notify()

    def discard(self, call: CallLink) -> None:
        """The call is over. With the last one the loop stops listening."""
        self._calls.discard(call)
        loop = self._loop()
        if not self._calls and loop is not None and self._thread is None:
            loop.remove_reader(self.wakeup.fileno())

    def _listen(self) -> None:
        loop = self._loop()
        if loop is None or self._thread is not None:
            return
        try:
            loop.add_reader(self.wakeup.fileno(), self._drain)
        except NotImplementedError:
            self._thread = threading.Thread(target=self._poll, name="beluga-voice-wakeup", daemon=True)
            self._thread.start()

    def _drain(self) -> None:
        self.wakes += 1
        self.wakeup.clear()
        for call in tuple(self._calls):
            call.drain()

    def _poll(self) -> None:
        drained = threading.Event()

        def drain() -> None:
            try:
                self._drain()
            finally:
                drained.set()

        while True:
            select.select([self.wakeup.fileno()], [], [])
            loop = self._loop()
            if loop is None:
                return
            drained.clear()
            try:
                loop.call_soon_threadsafe(drain)
            except RuntimeError:  # the loop is closed
                return
            del loop
            drained.wait()
