"""An event loop whose clock is virtual: it jumps to whatever is due next, and nobody waits.

asyncio's timers and the engine's ticks run on the same clock. What happens outside of the loop, in a process or on a
thread, takes no virtual time by itself: the clock stands still while it is in flight, and is charged for it afterwards.
The same input gives the same events, whatever this machine is doing meanwhile.

While the loop holds a network connection its clock keeps step with the machine's, except while something is in flight:
what may come over a connection, and when, nobody can know. That is slow, and never wrong.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import os
import selectors
import socket
import stat
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from beluga_voice import _core
from beluga_voice._engine import stepped_engine
from beluga_voice.clock import VirtualTime
from beluga_voice.errors import DeadlineError, InvalidStateError
from beluga_voice.virtual_time.charges import Charge, FixedTimes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from _typeshed import FileDescriptorLike

__all__ = ["VirtualLoop", "run"]

T = TypeVar("T")

_log = logging.getLogger("beluga_voice.virtual_time")

# Where the clock begins, in microseconds: not at 0, which is too often taken for "never".
_BEGIN_US = 1_000_000_000
_TICK_US = 10_000
# After so many rounds without a pause a loop is at work, and has not merely much to do at one moment: a tick passes, as
# it would on a machine that takes 10 us for a round. Without that whoever never waits would stop the clock for all.
_BUSY_ROUNDS = 1_000
# How far a clock runs on at most when no timer is set, in microseconds: the limit is looked at after that.
_STRIDE_US = 60_000_000

# Whether the running task has a flight under way: what happens within it is part of it.
_within: contextvars.ContextVar[bool] = contextvars.ContextVar("beluga_voice_in_flight", default=False)


@dataclass(slots=True, eq=False)
class _Flight:
    """Something outside of the loop that is waited for."""

    component: str
    number: int
    began_at: float
    began_at_real: float
    landed: asyncio.Future[None]
    charge_s: float = 0.0


class VirtualLoop(asyncio.SelectorEventLoop, VirtualTime):
    """See the module. As `asyncio.SelectorEventLoop`, on a clock of its own.

    - `charge`: what answers are charged; nothing by default.
    - `limit_s`: seconds of virtual time after which the run is given up with DeadlineError: something waits for ever.
    - `patience_s`: seconds of real time that the clock stands still for an answer; after that it runs on, so that the
      deadlines of whoever waits can do their work.
    """

    def __init__(self, *, charge: Charge | None = None, limit_s: float = 86_400.0, patience_s: float = 30.0) -> None:
        self._now_us = _BEGIN_US
        self._limit_us = _BEGIN_US + round(limit_s * 1e6)
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._charge: Charge = charge if charge is not None else FixedTimes()
        self._engine: _core.Engine | None = None
        self._numbers = itertools.count()
        self._held: dict[int, float] = {}
        """Real time since when the clock stands still, by the number of what holds it."""
        self._landed: list[_Flight] = []
        self._network = _Network()
        self._step: _Step | None = None
        self.overdue = 0
        """Answers that did not come within `patience_s`."""
        super().__init__(_Selector(self._idle, self._work, self._network))
        # Of the clock: a timer within a microsecond of now is due.
        self._clock_resolution = 1e-6

    # -- the clock ------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> _core.Engine:
        """The engine of this loop's calls; made when first asked for."""
        if self._engine is None:
            self._engine = stepped_engine(self._now_us)
        return self._engine

    def time(self) -> float:
        """Seconds on the virtual clock."""
        return self._now_us / 1e6

    def close(self) -> None:
        """Closes the loop and ends its calls."""
        engine, self._engine = self._engine, None
        super().close()
        if engine is not None:
            engine.stop()

    def _idle(self, timeout: float | None, wait: Callable[[float | None], _Ready]) -> _Ready:
        """Nothing is ready: waits for what is in flight, or moves the clock. `wait` looks at the loop's descriptors."""
        while self._held:
            self._step = None
            real = time.monotonic()
            number, since = next(iter(self._held.items()))
            left = since + self._patience_s - real
            ready = wait(max(0.0, left))
            if ready:
                return ready
            if left <= 0 and self._held.pop(number, None) is not None:
                self.overdue += 1
                _log.warning("an answer is %.0f s late: virtual time runs on without it", self._patience_s)
                self._land()
                return []
        if timeout is None and not self._has_calls():
            return self._wait_outside(wait)
        until_us = self._now_us + (_STRIDE_US if timeout is None else round(timeout * 1e6))
        if self._network.is_open:
            if self._step is None:
                self._step = _Step(time.monotonic(), self._now_us)
            ready = wait(max(0.0, self._step.until(min(until_us, self._now_us + _TICK_US))))
            if ready:
                return ready
            until_us = min(until_us, self._step.reached_us(self._now_us))
        else:
            self._step = None
        self._now_us = self._engine.advance(until_us) if self._engine is not None else until_us
        if self._now_us > self._limit_us:
            raise DeadlineError(
                f"{self._limit_s:g} s of virtual time have passed: something waits for what will not happen",
                operation="run",
            )
        return wait(0)

    def _work(self) -> None:
        """The loop is never idle."""
        if not self._held:
            until_us = self._now_us + _TICK_US
            self._now_us = self._engine.advance(until_us) if self._engine is not None else until_us

    def _has_calls(self) -> bool:
        return self._engine is not None and self._engine.sessions > 0

    def _wait_outside(self, wait: Callable[[float | None], _Ready]) -> _Ready:
        """No timer, no call, nothing in flight: only a descriptor or a thread can go on."""
        ready = wait(self._patience_s)
        if not ready:
            raise InvalidStateError(
                f"no timer is set, no call is open and nothing happened for {self._patience_s:g} s of real time: "
                "every task waits for another",
                operation="run",
            )
        return ready

    # -- what is in flight ----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def in_flight(self, component: str) -> AsyncGenerator[None]:
        """See `beluga_voice.clock.in_flight`."""
        if _within.get():
            yield
            return
        flight = _Flight(component, next(self._numbers), self.time(), time.monotonic(), self.create_future())
        token = _within.set(True)
        self._held[flight.number] = flight.began_at_real
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self._let_go(flight)
            raise
        except BaseException:
            await self._arrive(flight)
            raise
        else:
            await self._arrive(flight)
        finally:
            _within.reset(token)

    async def _arrive(self, flight: _Flight) -> None:
        """Waits until all that was in flight has landed, and until the charged time is over.

        Answers that were raced for are then told in the order in which they were asked for.
        """
        try:
            flight.charge_s = self._charge(flight.component, time.monotonic() - flight.began_at_real)
        except BaseException:
            self._let_go(flight)
            raise
        self._landed.append(flight)
        self._let_go(flight)
        try:
            await flight.landed
        finally:
            if flight in self._landed:
                self._landed.remove(flight)

    def _let_go(self, flight: _Flight) -> None:
        self._held.pop(flight.number, None)
        self._land()

    def _land(self) -> None:
        if self._held:
            return
        landed, self._landed = self._landed, []
        for flight in sorted(landed, key=lambda each: each.number):
            due = flight.began_at + flight.charge_s
            if due <= self.time():
                _settle(flight.landed)
            else:
                self.call_at(due, _settle, flight.landed)

    @contextmanager
    def _standing_still(self) -> Generator[None]:
        """The clock stands still, and nothing is charged."""
        number = next(self._numbers)
        self._held[number] = time.monotonic()
        try:
            yield
        finally:
            self._held.pop(number, None)
            self._land()

    # -- asyncio --------------------------------------------------------------------------------------------------

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """As asyncio's; a call on a thread is in flight, under the name "executor"."""
        running = super().run_in_executor(executor, func, *args)

        async def landed() -> T:
            async with self.in_flight("executor"):
                return await running

        return self.create_task(landed(), name="beluga-voice executor call")

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As asyncio's."""
        with self._standing_still():
            await super().shutdown_default_executor(*args)


@dataclass(frozen=True, slots=True)
class _Step:
    """Virtual time in step with the machine's, from the moment when it was made."""

    real_s: float
    virtual_us: int

    def until(self, due_us: int) -> float:
        """Seconds of real time until the virtual clock shows `due_us`."""
        return self.real_s + (due_us - self.virtual_us) / 1e6 - time.monotonic()

    def reached_us(self, at_least_us: int) -> int:
        """What the virtual clock is to show now."""
        return max(at_least_us, self.virtual_us + round((time.monotonic() - self.real_s) * 1e6))


class _Network:
    """The loop's descriptors that are network connections. Pipes and the loop's own sockets are none."""

    def __init__(self) -> None:
        self._descriptors: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether there is one."""
        return bool(self._descriptors)

    def add(self, descriptor: int) -> None:
        """Notes a descriptor if it is one."""
        if _is_network(descriptor):
            self._descriptors.add(descriptor)

    def discard(self, descriptor: int) -> None:
        """It is not watched any more."""
        self._descriptors.discard(descriptor)


def _is_network(descriptor: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as known:
            # The two ends of a socketpair, which asyncio makes for itself, have no names.
            return known.family != socket.AF_UNIX or bool(known.getsockname()) or bool(known.getpeername())
    except OSError:
        return False


_Ready = list[tuple[selectors.SelectorKey, int]]


class _Selector(selectors.DefaultSelector):
    """Asks `idle` what to do when nothing is ready, instead of sleeping; tells `work` of a loop that never is idle."""

    def __init__(
        self,
        idle: Callable[[float | None, Callable[[float | None], _Ready]], _Ready],
        work: Callable[[], None],
        network: _Network,
    ) -> None:
        super().__init__()
        self._idle = idle
        self._work = work
        self._network = network
        self._busy = 0
        """Rounds of the loop since it was idle."""

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._network.add(key.fd)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._network.discard(key.fd)
        return key

    def select(self, timeout: float | None = None) -> _Ready:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self._busy += 1
            if self._busy % _BUSY_ROUNDS == 0:
                self._work()
            return ready
        self._busy = 0
        return self._idle(timeout, super().select)


def run(
    main: Coroutine[Any, Any, T],
    *,
    charge: Charge | None = None,
    limit_s: float = 86_400.0,
    patience_s: float = 30.0,
    debug: bool | None = None,
) -> T:
    """As `asyncio.run`, on virtual time; see `VirtualLoop` for the options.

    Raises what `main` raises, DeadlineError (`limit_s` is over), InvalidStateError (nothing can ever happen any more).
    """

    def new_loop() -> VirtualLoop:
        return VirtualLoop(charge=charge, limit_s=limit_s, patience_s=patience_s)

    with asyncio.Runner(debug=debug, loop_factory=new_loop) as runner:
        return runner.run(main)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
