"""A call of the core on an event loop: its events called back, its sound and its room awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from beluga_voice import _core
from beluga_voice.audio_format import int16_mono
from beluga_voice.core_errors import QueueFullError, translated
from beluga_voice.errors import InternalError, InvalidStateError, SessionError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from beluga_voice._loop import LoopLink

__all__ = ["CallLink", "Waiter"]

_EAR_READERS = 8
_OUTPUT_READERS = 4

_TICK_S = 0.01

# The core tells of a call's end within a tick: one that has not by then never will, in seconds.
_END_TIMEOUT_S = 5.0

# Samples handed to the core at once: it copies what it is given, though it may have room for little of it.
_PIECE_SAMPLES = 48_000

# Room that is waited for, in samples. The mouth holds five times as much, seconds of sound: whoever says more than it
# holds is woken once or twice a second. The door's is one tick: what comes in is not to wait.
_ROOM_SAMPLES = {"mouth": 24_000, "input": 160}


class Waiter:
    """A place where coroutines wait for the core, or for anyone else who calls `wake`."""

    def __init__(self) -> None:
        # A dict for its order: who waited first is woken first, in every run.
        self._futures: dict[asyncio.Future[None], None] = {}

    async def wait(self) -> None:
        """Until the next `wake`. What is waited for has to be looked at again after it."""
        future = asyncio.get_running_loop().create_future()
        self._futures[future] = None
        try:
            await future
        finally:
            self._futures.pop(future, None)

    def wake(self) -> None:
        """Ends every wait."""
        for future in self._futures:
            if not future.done():
                future.set_result(None)


class CallLink:
    """See the module. Belongs to the loop that it was made on, which drains it when the call's `bell` rings.

    `on_event` is called for each event, in order.
    """

    def __init__(self, call: _core.Call, loop: LoopLink, bell: _core.Bell) -> None:
        self.call = call
        self.on_event: Callable[[_core.Event], None] = _ignore
        self._waiters: dict[tuple[str, int], Waiter] = {
            ("mouth", 0): Waiter(),
            ("input", 0): Waiter(),
            ("packets", 0): Waiter(),
        }
        self._over = asyncio.Event()
        self._loop_link = loop
        self._loop_link.add(self, bell)

    def stats(self) -> dict[str, int]:
        """What was measured of the call (see `_core.Call.stats`) and of its loop (see `LoopLink.stats`)."""
        return {**self.call.stats(), **self._loop_link.stats()}

    @property
    def over(self) -> bool:
        """Whether the last event was called back."""
        return self._over.is_set()

    def drain(self) -> None:
        """Calls back what happened; called by the loop's link."""
        events, ready = self.call.drain()
        for event in events:
            self.on_event(event)
            if event.kind in ("closed", "failed"):
                self._end()
        for who in ready:
            waiter = self._waiters.get(who)
            if waiter is not None:
                waiter.wake()

    def abandon(self) -> None:
        """Ends the call, and waits for nothing; called by the loop's link."""
        with contextlib.suppress(_core.CoreError):  # over already, or so many commands wait that it is not worth one
            self.call.close()

    async def close(self) -> None:
        """Ends the call and waits for its last event. Raises InternalError if that does not come."""
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                while not self.call.closed:
                    try:
                        self.call.close()
                    except _core.CoreError:  # as many commands wait as may: the next tick takes them
                        await asyncio.sleep(_TICK_S)
                    else:
                        break
                await self._over.wait()
        except TimeoutError:
            self._end()
            raise InternalError(
                f"the core did not end the call within {_END_TIMEOUT_S:g} s", operation="close"
            ) from None

    def _end(self) -> None:
        self._loop_link.discard(self)
        self._over.set()
        # Who listened holds this link, and with it a megabyte of sound: they part here.
        self.on_event = _ignore

    def ear_reader(self) -> Waiter:
        """A place to wait for the caller's sound. Give it back with `release`."""
        return self._reader("ear", _EAR_READERS)

    def output_reader(self) -> Waiter:
        """A place to wait for the agent's sound. Give it back with `release`."""
        return self._reader("out", _OUTPUT_READERS)

    def release(self, reader: Waiter) -> None:
        """Gives a reader's place back."""
        self._waiters = {who: waiter for who, waiter in self._waiters.items() if waiter is not reader}

    async def heard(self, reader: Waiter, position: int) -> None:
        """Until the caller's sound up to `position` was heard, the call is over, or somebody wakes the reader."""
        if not self.call.want_ear(self._place(reader), position):
            await reader.wait()

    async def sent(self, reader: Waiter, position: int) -> None:
        """Until the agent's sound up to `position` was sent, the call is over, or somebody wakes the reader."""
        if not self.call.want_output(self._place(reader), position):
            await reader.wait()

    async def encoded(self) -> None:
        """Until a packet of the agent's is there, or the call is over."""
        if not self.call.want_packet():
            await self._waiters["packets", 0].wait()

    async def write_mouth(self, pcm: Buffer, write: Callable[[memoryview], int]) -> None:
        """Queues all of `pcm`, waiting while there is no room; `write` queues what it can and says how much that was.

        Raises SessionError when the call is over.
        """
        await self._write(("mouth", 0), pcm, write, self.call.want_mouth)

    async def write_input(self, pcm: Buffer) -> None:
        """The caller's sound, waiting while there is no room. Raises SessionError when the call is over."""
        await self._write(("input", 0), pcm, self.call.write_input, self.call.want_input)

    async def _write(
        self,
        who: tuple[str, int],
        pcm: Buffer,
        write: Callable[[memoryview], int],
        want: Callable[[int], bool],
    ) -> None:
        rest = int16_mono(pcm)
        while True:
            if self.call.closed:
                raise SessionError("the call is over", code="session_not_active", operation="write")
            try:
                with translated():
                    rest = rest[2 * write(rest[: 2 * _PIECE_SAMPLES]) :]
            except QueueFullError:  # of controls: the next utterances' beginnings wait like their sound
                await asyncio.sleep(_TICK_S)
                continue
            if not rest:
                return
            # Room for a good piece: waking for every freed sample would be all we do.
            if not want(min(len(rest) // 2, _ROOM_SAMPLES[who[0]])):
                await self._waiters[who].wait()

    def _reader(self, kind: str, places: int) -> Waiter:
        for place in range(places):
            if (kind, place) not in self._waiters:
                waiter = self._waiters[kind, place] = Waiter()
                return waiter
        raise InvalidStateError(f"{places} readers of this call's sound exist already")

    def _place(self, reader: Waiter) -> int:
        return next(place for (_, place), waiter in self._waiters.items() if waiter is reader)


def _ignore(_: _core.Event) -> None: ...
