"""The one place that knows how an asyncio loop is woken.

The core makes a descriptor readable at most once per tick; the loop then drains those of its calls and rooms that rang.
Loops that cannot poll a descriptor get a thread that does it for them.
"""

from __future__ import annotations

import asyncio
import logging
import select
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from beluga_voice import _core
from beluga_voice._engine import engine
from beluga_voice.core_errors import translated

__all__ = ["LoopLink", "loop_link", "loop_stats"]

_log = logging.getLogger("beluga_voice.session")

# Weak on both sides: a loop keeps its link, and so its calls, alive for as long as it listens to them.
_links: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[LoopLink]] = weakref.WeakKeyDictionary()
# Each loop has a thread of its own, and any thread may ask for all.
_links_lock = threading.RLock()

# How often a thread that waits for a loop looks whether the loop is still there, in seconds.
_LOOK_S = 0.5


def loop_link() -> LoopLink:
    """The running loop's link to the core. Hold it for as long as it is needed."""
    loop = asyncio.get_running_loop()
    with _links_lock:
        known = _links.get(loop)
    link = known() if known is not None else None
    if link is None:
        link = LoopLink(loop)
        with _links_lock:
            _links[loop] = weakref.ref(link)
    return link


def loop_stats() -> list[dict[str, int]]:
    """`LoopLink.stats` of every loop that listens to the core."""
    with _links_lock:
        links = [known() for known in _links.values()]
    return [link.stats() for link in links if link is not None]


class Drained(Protocol):
    """A call or a room of the core: something happens in it of which the loop is to be told."""

    def drain(self) -> None:
        """Tells what happened."""
        ...

    def abandon(self) -> None:
        """Ends it, from any thread: its loop was closed, and nobody can be told any more."""
        ...


class _Reader:
    """What a loop calls when the core wakes it. The loop alone holds it: one that lets go of it unasked was closed."""

    def __init__(self, drain: Callable[[], None]) -> None:
        self._drain = drain

    def __call__(self) -> None:
        self._drain()


class LoopLink:
    """One loop, its wakeup, its calls and its rooms."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        with translated():
            self._wakeup = _core.Wakeup(engine())
        # The number of each one's bell, and who has that number.
        self._calls: dict[Drained, int] = {}
        self._with_bell: dict[int, list[Drained]] = {}
        self._thread: threading.Thread | None = None
        self._reader: weakref.ref[_Reader] | None = None
        self.wakes = 0
        """How often the core woke this loop."""

    def stats(self) -> dict[str, int]:
        """How long the loop let the core wait, in microseconds from its wake-up to the loop's looking.

        `loop_lag_us_count`, `loop_lag_us_sum` and `loop_lag_us_max`.
        """
        count, total, most = self._wakeup.lag_us()
        return {"loop_lag_us_count": count, "loop_lag_us_sum": total, "loop_lag_us_max": most}

    def bell(self) -> _core.Bell:
        """What a call or a room of the core is given, to say that something has happened in it."""
        return self._wakeup.bell()

    def add(self, call: Drained, bell: _core.Bell) -> None:
        """Drains `call` from now on, whenever its bell has rung."""
        if not self._calls:
            self._listen()
        self._calls[call] = bell.number
        self._with_bell.setdefault(bell.number, []).append(call)
        # Something may have happened between the call's opening and now.
        bell.ring()

    def discard(self, call: Drained) -> None:
        """The call is over. With the last one the loop stops listening."""
        number = self._calls.pop(call, None)
        if number is not None:
            self._with_bell[number].remove(call)
            if not self._with_bell[number]:
                del self._with_bell[number]
        loop = self._loop()
        if self._calls or loop is None:
            return
        if self._thread is None:
            self._reader = None
            if not loop.is_closed():
                loop.remove_reader(self._wakeup.fileno())
        else:
            self._thread = None
            self._wakeup.notify()  # it looks, and ends

    def _listen(self) -> None:
        loop = self._loop()
        if loop is None or self._thread is not None:
            return
        reader = _Reader(self._drain)
        try:
            loop.add_reader(self._wakeup.fileno(), reader)
            self._reader = weakref.ref(reader, self._let_go)
        except NotImplementedError:
            self._thread = threading.Thread(target=self._poll, name="beluga-voice-wakeup", daemon=True)
            self._thread.start()

    def _let_go(self, _: object) -> None:
        """The loop was closed in the middle of calls, without a word to anybody: they end, whoever still holds them."""
        self._reader = None
        calls, self._calls, self._with_bell = self._calls, {}, {}
        for call in calls:
            call.abandon()

    def _drain(self) -> None:
        self.wakes += 1
        for number in self._wakeup.clear():
            for call in tuple(self._with_bell.get(number, ())):
                try:
                    call.drain()
                except Exception:  # a defect of ours: the loop's other calls must not hear of it
                    _log.exception("a call's events could not be told")

    def _poll(self) -> None:
        drained = threading.Event()

        def drain() -> None:
            try:
                self._drain()
            finally:
                drained.set()

        while threading.current_thread() is self._thread:
            readable, _, _ = select.select([self._wakeup.fileno()], [], [], _LOOK_S)
            loop = self._loop()
            if loop is None or loop.is_closed():
                self._let_go(None)
                return
            if not readable:
                continue
            drained.clear()
            try:
                loop.call_soon_threadsafe(drain)
            except RuntimeError:  # closed just now
                self._let_go(None)
                return
            while not drained.wait(_LOOK_S):
                if loop.is_closed():
                    self._let_go(None)
                    return
            del loop
