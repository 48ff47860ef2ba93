from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from beluga_voice.clock import in_flight, now
from beluga_voice.errors import DeadlineError, InvalidStateError
from beluga_voice.virtual_time import FixedTimes, MeasuredTimes, RecordedTimes, VirtualLoop, run

if TYPE_CHECKING:
    from pathlib import Path


async def elsewhere(release_s: float = 0.02) -> None:
    """Waits for a thread that the loop knows nothing of."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    thread = threading.Timer(release_s, lambda: loop.call_soon_threadsafe(done.set))
    thread.start()
    await done.wait()
    thread.join()


def test_an_hour_passes_at_once() -> None:
    async def main() -> float:
        began = now()
        await asyncio.sleep(3600)
        return now() - began

    real = time.monotonic()
    assert run(main()) == pytest.approx(3600)
    assert time.monotonic() - real < 60


def test_timers_fire_in_their_order_and_at_their_time() -> None:
    told: list[tuple[str, float]] = []

    async def tell(name: str, delay: float) -> None:
        await asyncio.sleep(delay)
        told.append((name, round(now() - began, 6)))

    async def main() -> None:
        nonlocal began
        began = now()
        async with asyncio.TaskGroup() as group:
            for name, delay in (("late", 2.0), ("early", 0.25), ("middle", 1.000_001)):
                group.create_task(tell(name, delay))

    began = 0.0
    run(main())
    assert told == [("early", 0.25), ("middle", 1.000_001), ("late", 2.0)]


def test_a_deadline_passes_on_the_virtual_clock() -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run(main())


def test_the_clock_stands_still_for_what_is_in_flight_and_is_charged_after() -> None:
    async def main() -> tuple[float, float]:
        began = now()
        async with in_flight("stt"):
            await elsewhere()
            landed = now() - began
        return landed, now() - began

    assert run(main()) == (0.0, 0.0)
    assert run(main(), charge=FixedTimes({"stt": 0.25})) == (0.0, 0.25)
    assert run(main(), charge=FixedTimes({"tts": 0.25}, default=0.5)) == (0.0, 0.5)


def test_a_timer_waits_for_what_is_in_flight() -> None:
    told: list[str] = []

    async def fly() -> None:
        async with in_flight("agent"):
            await elsewhere()
        told.append("answer")

    async def main() -> None:
        answer = asyncio.create_task(fly())
        await asyncio.sleep(0.001)
        told.append("timer")
        await answer

    run(main())
    assert told == ["answer", "timer"]


def test_answers_that_race_are_told_in_the_order_in_which_they_were_asked_for() -> None:
    told: list[int] = []

    async def fly(number: int, real_s: float) -> None:
        async with in_flight("agent"):
            await elsewhere(real_s)
        told.append(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number, real_s in enumerate((0.06, 0.02, 0.04)):
                group.create_task(fly(number, real_s))

    run(main())
    assert told == [0, 1, 2]


def test_what_it_took_can_be_charged_recorded_and_charged_again(tmp_path: Path) -> None:
    async def main() -> float:
        began = now()
        for _ in range(3):
            async with in_flight("tts"):
                await elsewhere()
        return now() - began

    measured = MeasuredTimes()
    took = run(main(), charge=measured)
    assert len(measured.log["tts"]) == 3
    assert took == pytest.approx(sum(measured.log["tts"]), abs=1e-5)
    assert took >= 0.06

    measured.save(tmp_path / "times.json")
    assert run(main(), charge=RecordedTimes.load(tmp_path / "times.json")) == took
    with pytest.raises(InvalidStateError, match=r"tts: 1 answers were recorded"):
        run(main(), charge=RecordedTimes({"tts": [0.1]}))


def test_a_failure_in_flight_is_told_when_it_lands() -> None:
    async def fly() -> None:
        async with in_flight("stt"):
            await elsewhere()
            raise ConnectionError

    async def main() -> float:
        began = now()
        with pytest.raises(ConnectionError):
            await fly()
        return now() - began

    assert run(main(), charge=FixedTimes({"stt": 0.125})) == 0.125


def test_what_is_cancelled_in_flight_holds_nobody_up() -> None:
    async def fly() -> None:
        async with in_flight("stt"):
            await asyncio.Event().wait()

    async def main() -> float:
        began = now()
        task = asyncio.create_task(fly())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(1)
        return now() - began

    assert run(main()) == 1.0


def test_one_flight_within_another_is_part_of_it() -> None:
    async def main() -> float:
        began = now()
        async with in_flight("stt"), in_flight("stt"):
            await elsewhere()
        return now() - began

    assert run(main(), charge=FixedTimes({"stt": 0.5})) == 0.5


def test_a_thread_is_in_flight() -> None:
    async def main() -> float:
        began = now()
        waiting = asyncio.create_task(asyncio.to_thread(time.sleep, 0.05))
        await asyncio.sleep(0)
        async with asyncio.timeout(0.001):
            await waiting
        return now() - began

    assert run(main()) == 0.0


def test_an_answer_that_never_comes_is_given_up_so_that_deadlines_pass() -> None:
    overdue = 0

    async def main() -> None:
        nonlocal overdue
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        try:
            async with in_flight("stt"), asyncio.timeout(10):
                await asyncio.Event().wait()
        finally:
            overdue = loop.overdue

    with pytest.raises(TimeoutError):
        run(main(), patience_s=0.05)
    assert overdue == 1


def test_a_run_in_which_nothing_can_happen_is_given_up() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(InvalidStateError, match="every task waits for another"):
        run(main(), patience_s=0.05)


def test_a_run_that_goes_on_for_ever_is_given_up() -> None:
    async def main() -> None:
        for _ in range(1_000):
            await asyncio.sleep(1)

    with pytest.raises(DeadlineError, match="100 s of virtual time"):
        run(main(), limit_s=100)


def test_a_connection_keeps_the_clock_in_step_with_the_machine_s() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.to_thread(time.sleep, 0.05)
        writer.write(b"yes\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> tuple[float, float, float]:
        began, real = now(), time.monotonic()
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.sleep(0.1)
        slept = time.monotonic() - real
        writer.write(b"there?\n")
        async with asyncio.timeout(20):
            assert await reader.readline() == b"yes\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        virtual = now() - began
        await asyncio.sleep(3600)
        return slept, virtual, time.monotonic() - real

    slept, virtual, real = run(main())
    assert slept >= 0.1
    assert 0.1 <= virtual < 20
    assert real < 60


def test_whoever_never_waits_does_not_stop_the_clock_for_all() -> None:
    async def hurry() -> None:
        while True:  # noqa: ASYNC110 - that is what is tried
            await asyncio.sleep(0)

    async def main() -> float:
        began = now()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hurry(), 0.5)
        return now() - began

    assert run(main()) == pytest.approx(0.5, abs=0.011)
