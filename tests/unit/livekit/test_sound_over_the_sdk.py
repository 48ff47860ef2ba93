"""What an agent says is handed to the SDK in time, however long the SDK takes to confirm it, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from beluga_voice.livekit.sdk.sound_sender import SoundSender
from beluga_voice.testing import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice import _core
    from beluga_voice._loop import Drained

HZ, FRAME = 24_000, 240


class Call:
    """A call whose output is a count, so that each sample says which it is, or zeros where the agent is silent."""

    output_hz = HZ

    def __init__(self, *, silent_frames: range = range(0)) -> None:
        self.closed = False
        self.link = Link()
        self.ticked_s = 0.0
        self.output_written = 0
        self._silent = silent_frames

    def frame(self, number: int) -> bytes:
        if number in self._silent:
            return bytes(2 * FRAME)
        return np.full(FRAME, number + 1, np.int16).tobytes()

    def read_output(self, start: int, max_samples: int, /) -> tuple[bytes, int, int]:
        assert start % FRAME == 0
        assert max_samples == FRAME
        return self.frame(start // FRAME), start, 0

    def notify_output(self, bell: _core.Bell, /) -> None:
        assert bell is self.link.given

    async def tick(self, frames: int) -> None:
        for _ in range(frames):
            await asyncio.sleep(0.01)
            self.output_written += FRAME
            self.ticked_s = asyncio.get_running_loop().time()
            self.link.wake()

    async def last(self, frames: int) -> None:
        await self.tick(frames)
        await asyncio.sleep(0.3)
        self.closed = True
        self.link.wake()


class Link:
    """A loop that the core wakes, for whoever is on it."""

    def __init__(self) -> None:
        self.given: Any = object()
        self.woken: list[Drained] = []

    def wake(self) -> None:
        for each in tuple(self.woken):
            each.drain()

    def bell(self) -> _core.Bell:
        return self.given

    def add(self, call: Drained, bell: _core.Bell, /) -> None:
        assert bell is self.given
        self.woken.append(call)

    def discard(self, call: Drained, /) -> None:
        self.woken.remove(call)


class Outlet:
    """The SDK: takes a frame and confirms it after `confirms_after(now)` seconds."""

    def __init__(self, call: Call, confirms_after: Callable[[float], float]) -> None:
        self.taken: list[int] = []
        """The number of each frame, from 1; 0: silence."""
        self.late_s: list[float] = []
        self.after_tick_s: list[float] = []
        self.unconfirmed = 0
        self._call = call
        self._confirms_after = confirms_after
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()

    def capture(self, pcm: bytes) -> None:
        number = int(np.frombuffer(pcm, np.int16)[0])
        self.taken.append(number)
        self.after_tick_s.append(self._loop.time() - self._call.ticked_s)
        if number:
            self.late_s.append((self._call.output_written - number * FRAME) / HZ)
        self.unconfirmed += 1
        self._loop.call_later(self._confirms_after(self._loop.time() - self._began_s), self._confirm)

    def _confirm(self) -> None:
        self.unconfirmed -= 1

    async def aclose(self) -> None: ...


def sent(frames: int, call: Call, confirms_after: Callable[[float], float]) -> tuple[Outlet, SoundSender]:
    async def scene() -> tuple[Outlet, SoundSender]:
        outlet = Outlet(call, confirms_after)
        sender = SoundSender(call)
        async with asyncio.TaskGroup() as group:
            group.create_task(sender.run(outlet, call.link))
            group.create_task(call.last(frames))
        assert not call.link.woken, "a call that is over is woken no more"
        return outlet, sender

    return run(scene())


def test_a_frame_goes_out_with_the_tick_that_wrote_it() -> None:
    outlet, _ = sent(100, Call(), lambda _: 0.009)
    assert outlet.taken == [*range(1, 101)]
    assert set(outlet.after_tick_s) == {0.0}


def test_every_frame_goes_out_in_time_though_the_sdk_confirms_late() -> None:
    outlet, sender = sent(300, Call(), lambda _: 0.06)
    assert outlet.taken == [*range(1, 301)]
    assert max(outlet.late_s) <= 0.01
    assert sender.samples_lost == 0


def test_what_could_not_be_sent_for_a_second_is_not_sent_late() -> None:
    # From 1 s on nothing is confirmed for a second.
    outlet, sender = sent(400, Call(), lambda now: max(0.001, 2.0 - now) if now > 1.0 else 0.001)
    assert max(outlet.late_s) <= 0.2
    assert outlet.taken == sorted(outlet.taken)
    assert len(outlet.taken) * FRAME + sender.samples_lost == 400 * FRAME
    assert 70 * FRAME < sender.samples_lost < 110 * FRAME


def test_a_pause_makes_up_for_what_is_late_and_nothing_that_is_said_is_lost() -> None:
    # Eight frames in 85 ms: the SDK keeps up with 94 frames of 100, for two seconds at a time.
    call = Call(silent_frames=range(200, 260))
    outlet, sender = sent(460, call, lambda _: 0.085)
    said = [number for number in outlet.taken if number]
    assert said == [number + 1 for number in range(460) if number not in range(200, 260)]
    assert sender.samples_lost == 0
    before, after = outlet.late_s[199], outlet.late_s[200]
    assert before > 0.1
    assert after <= 0.06


def test_an_sdk_that_fails_is_told_of_once() -> None:
    class Broken(Outlet):
        def capture(self, pcm: bytes) -> None:
            super().capture(pcm)
            raise RuntimeError("the source is gone")

    async def scene() -> Broken:
        call = Call()
        outlet = Broken(call, lambda _: 0.001)
        sending = asyncio.ensure_future(SoundSender(call).run(outlet, call.link))
        await call.last(10)
        with pytest.raises(RuntimeError, match="the source is gone"):
            await sending
        return outlet

    assert run(scene()).taken == [1]


def test_who_is_told_to_end_while_the_sdk_confirms_nothing_sends_nothing_more() -> None:
    async def scene() -> None:
        call = Call()
        outlet = Outlet(call, lambda _: 0.5)
        sending = asyncio.ensure_future(SoundSender(call).run(outlet, call.link))
        await call.tick(10)
        taken = list(outlet.taken)
        assert taken == [*range(1, 9)], "eight may be unconfirmed, two wait"
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not call.link.woken
        await asyncio.sleep(1.0)  # all is confirmed long since
        assert outlet.taken == taken

    run(scene())
