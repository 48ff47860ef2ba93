from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import sys
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from beluga_voice import (
    AgentError,
    AgentHost,
    ChatMessage,
    DeadlineError,
    EndCall,
    Say,
    TokensUsed,
    ToolFinished,
    ToolStarted,
    Turn,
    share,
)
from beluga_voice.agent import AgentFactory
from beluga_voice.commands import COMMANDS, Command, command_from_dict
from beluga_voice.worker_pool import PoolFullError, WorkerPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TURN = Turn(text="hi")


async def answer(agent: object, turn: Turn = TURN, **options: Any) -> list[str | Command]:
    host = AgentHost(agent, **options)
    try:
        return [piece async for piece in host.run(turn)]
    finally:
        host.close()


async def coroutine(turn: Turn) -> str:
    return f"you said {turn.text}"


async def coroutine_of_iterator(turn: Turn) -> AsyncIterator[str]:
    return generator(turn)


async def generator(turn: Turn) -> AsyncIterator[str]:
    yield "you said "
    yield turn.text


def function(turn: Turn) -> str:
    return f"you said {turn.text}"


def sync_generator(turn: Turn) -> Iterator[str]:
    yield "you said "
    yield turn.text


def returns_coroutine(turn: Turn) -> object:
    return coroutine(turn)


class Responds:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.count = 0

    async def respond(self, turn: Turn) -> str:
        self.count += 1
        return f"you said {turn.text}" if self.count == 1 else f"{self.count}"


class RespondsInThread:
    def respond(self, turn: Turn) -> Iterator[str]:
        yield from sync_generator(turn)


class CallableObject:
    async def __call__(self, turn: Turn) -> str:
        return f"you said {turn.text}"


class Greets:
    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    async def respond(self, turn: Turn) -> str:
        return self.greeting + turn.text


@pytest.mark.parametrize(
    "agent",
    [
        coroutine,
        coroutine_of_iterator,
        generator,
        function,
        sync_generator,
        returns_coroutine,
        Responds,
        RespondsInThread,
        CallableObject,
        lambda turn: generator(turn),
        lambda: Responds(),
        lambda: coroutine,
        functools.partial(Greets, "you said "),
        functools.partial(lambda greeting, turn: greeting + turn.text, "you said "),
        Responds().respond,
    ],
)
async def test_every_form_of_agent_answers(agent: object) -> None:
    pieces = await answer(agent)
    assert "".join(map(str, pieces)) == "you said hi"


async def test_objects_answer_too() -> None:
    assert await answer(Responds()) == ["you said hi"]
    assert await answer(CallableObject()) == ["you said hi"]
    assert await answer(RespondsInThread()) == ["you said ", "hi"]


async def test_commands_come_in_order_with_the_text() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield "One moment. "
        yield ToolStarted("clock", {"zone": turn.text}, call_id="1")
        yield ToolFinished("clock", result=12, call_id="1")
        yield Say("Twelve.", allow_interruptions=False)
        yield EndCall("done")

    assert await answer(agent) == [
        "One moment. ",
        ToolStarted("clock", {"zone": "hi"}, call_id="1"),
        ToolFinished("clock", result=12, call_id="1"),
        Say("Twelve.", allow_interruptions=False),
        EndCall("done"),
    ]
    assert await answer(lambda _: EndCall()) == [EndCall()]


@pytest.mark.parametrize(
    "command",
    [ToolStarted("a", {"x": [1]}), ToolFinished("a", error="no"), Say("b"), EndCall("c"), TokensUsed(7, 3, model="m")],
)
def test_commands_and_turns_go_over_the_wire(command: Command) -> None:
    assert command_from_dict(json.loads(json.dumps(command.to_dict()))) == command
    turn = Turn(
        text="a",
        history=(ChatMessage("user", "b"), ChatMessage("assistant", "c", interrupted=True)),
        language="en-US",
        confidence=0.5,
        started_at_s=1.0,
        ended_at_s=2.0,
        session_id="s",
        metadata={"k": 1},
    )
    assert Turn.from_dict(json.loads(json.dumps(turn.to_dict()))) == turn


def test_an_unknown_command_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="allowed: end_call, say, tokens_used, tool_finished, tool_started"):
        command_from_dict({"type": "dance"})
    assert len({command.type for command in COMMANDS}) == len(COMMANDS)


def needs_two(turn: Turn, more: int) -> str:
    return f"{turn}{more}"


async def async_factory() -> str:
    return ""


@pytest.mark.parametrize("agent", [3, "agent", object(), needs_two, Greets, int, async_factory, [coroutine], {}])
def test_what_cannot_be_an_agent_is_refused_at_creation(agent: object) -> None:
    with pytest.raises(AgentError, match="allowed: a function of one argument") as caught:
        AgentFactory(agent)
    assert caught.value.code == "agent_invalid"


def test_no_agent_has_a_code_of_its_own() -> None:
    with pytest.raises(AgentError) as caught:
        AgentFactory(None)
    assert caught.value.code == "agent_not_set"


def test_a_factory_of_nonsense_is_refused_when_it_is_used() -> None:
    with pytest.raises(AgentError, match=r"it made int: int cannot answer"):
        AgentFactory(lambda: 3).create()
    with pytest.raises(AgentError, match="could not be made: ZeroDivisionError"):
        AgentFactory(lambda: 1 // 0).create()


async def test_a_class_is_made_anew_for_each_session() -> None:
    before = Responds.made
    factory = AgentFactory(Responds)
    assert Responds.made == before
    first, second = AgentHost(factory), AgentHost(factory)
    assert Responds.made == before + 2
    assert [piece async for piece in first.run(TURN)] == ["you said hi"]
    assert [piece async for piece in first.run(TURN)] == ["2"]
    assert [piece async for piece in second.run(TURN)] == ["you said hi"]


def test_an_object_serves_one_session_unless_it_is_shared() -> None:
    mine = Responds()
    AgentHost(mine)
    with pytest.raises(AgentError, match=r"serves another session already: allowed: its class, a factory, or share"):
        AgentHost(mine)
    ours = Responds()
    AgentHost(share(ours))
    AgentHost(share(ours))


@pytest.mark.parametrize("value", [None, 3, b"x", ["a"], {"a": 1}])
async def test_an_answer_of_a_wrong_type_is_named(value: object) -> None:
    async def yields(turn: Turn) -> AsyncIterator[object]:
        yield "fine"
        yield value

    for agent, did in ((lambda _: value, "answered with"), (yields, "yielded")):
        with pytest.raises(AgentError, match=rf"{did} {type(value).__name__}: allowed: text or ToolStarted") as caught:
            await answer(agent)
        assert caught.value.code == "agent_error"


class ItsOwnError(Exception):
    pass


async def fails(turn: Turn) -> AsyncIterator[str]:
    yield "a"
    raise ItsOwnError("boom")


def fails_in_thread(turn: Turn) -> str:
    raise ItsOwnError("boom")


def exits(turn: Turn) -> str:
    sys.exit("boom")


async def exits_async(turn: Turn) -> str:
    sys.exit("boom")


def runs_out(turn: Turn) -> str:
    return next(iter(()))


@pytest.mark.parametrize("agent", [fails, fails_in_thread, exits, exits_async, runs_out])
async def test_an_agents_fault_stays_in_its_call(agent: object) -> None:
    with pytest.raises(AgentError, match="raised") as caught:
        await answer(agent)
    assert caught.value.code == "agent_error"
    assert caught.value.__cause__ is not None


async def test_an_agent_that_cancels_itself_does_not_hang_the_call() -> None:
    async def agent(turn: Turn) -> str:
        raise asyncio.CancelledError

    with pytest.raises(AgentError, match="cancelled itself"):
        await answer(agent)


async def test_a_late_agent_is_given_up() -> None:
    cancelled = asyncio.Event()

    async def agent(turn: Turn) -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(DeadlineError, match=r"gave nothing for 0\.05 s") as caught:
        await answer(agent, timeout_s=0.05)
    assert caught.value.code == "timeout"
    assert cancelled.is_set()


async def test_a_slow_listener_does_not_make_the_agent_late() -> None:
    host = AgentHost(generator, timeout_s=0.05)
    heard: list[str | Command] = []
    async for piece in host.run(TURN):
        heard.append(piece)
        await asyncio.sleep(0.12)
    assert heard == ["you said ", "hi"]


async def test_a_late_thread_is_abandoned_and_counted_and_the_loop_goes_on() -> None:
    release, came_back = threading.Event(), threading.Event()

    def agent(turn: Turn) -> str:
        release.wait(30)
        came_back.set()
        return "too late"

    pool = WorkerPool(1)
    host = AgentHost(agent, timeout_s=0.05, pool=pool)
    with pytest.raises(DeadlineError):
        await anext(host.run(TURN))
    assert host.abandoned == 1
    # Its thread is taken: the next turn waits for it, and is late in turn, but nothing hangs.
    with pytest.raises(DeadlineError):
        await anext(host.run(TURN))
    assert host.abandoned == 1
    release.set()
    await asyncio.to_thread(came_back.wait, 10)
    assert [piece async for piece in host.run(TURN)] == ["too late"]
    pool.close()


async def test_an_agent_that_heeds_no_cancellation_is_abandoned_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beluga_voice.foreign_calls._GRACE_S", 0.05)
    release = asyncio.Event()

    async def agent(turn: Turn) -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "never heard"

    host = AgentHost(agent, timeout_s=0.05)
    with pytest.raises(DeadlineError):
        await anext(host.run(TURN))
    assert host.abandoned == 1
    release.set()
    await no_tasks_left()


async def no_tasks_left() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait_for(asyncio.wait(others), 5)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def waits_inside(seen: list[str]) -> Callable[[Turn], AsyncIterator[str]]:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        try:
            yield "a"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("closed")

    return agent


def waits_for_listener(seen: list[str]) -> Callable[[Turn], AsyncIterator[str]]:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("closed")

    return agent


@pytest.mark.parametrize("make", [waits_inside, waits_for_listener])
@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_an_interruption_cancels_the_agent_whole(
    make: Callable[[list[str]], Callable[[Turn], AsyncIterator[str]]], how: str
) -> None:
    seen: list[str] = []
    host = AgentHost(make(seen))
    first = asyncio.Event()

    async def listen() -> None:
        async with aclosing(host.run(TURN)) as pieces:
            async for _ in pieces:
                first.set()
                if how == "close":
                    return
                await asyncio.Event().wait()

    task = asyncio.create_task(listen())
    await first.wait()
    if how == "cancel":
        task.cancel()
    await asyncio.wait({task})
    assert seen == ["cancelled", "closed"]
    assert host.abandoned == 0
    await no_tasks_left()


async def test_an_interruption_closes_a_generator_in_its_thread() -> None:
    closed_on: list[str] = []
    closed = threading.Event()

    def agent(turn: Turn) -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            closed_on.append(threading.current_thread().name)
            closed.set()

    pool = WorkerPool(2, name="agents")
    host = AgentHost(agent, pool=pool)
    async with aclosing(host.run(TURN)) as pieces:
        assert await anext(pieces) == "a"
    assert await asyncio.to_thread(closed.wait, 10)
    assert closed_on[0].startswith("agents-")
    assert host.abandoned == 0
    pool.close()


async def test_timeouts_and_context_of_an_agent_span_its_yields() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def agent(turn: Turn) -> AsyncIterator[str]:
        variable.set(7)
        try:
            async with asyncio.timeout(0.05):
                yield "a"
                await asyncio.Event().wait()
        except TimeoutError:
            yield f"late {variable.get()}"

    assert await answer(agent) == ["a", "late 7"]


async def test_the_loop_ticks_on_while_a_sync_agent_blocks() -> None:
    ticks = 0
    release = threading.Event()

    def agent(turn: Turn) -> str:
        release.wait(30)
        return "done"

    async def tick() -> None:
        nonlocal ticks
        while ticks < 20:
            await asyncio.sleep(0)
            ticks += 1
        release.set()

    ticker = asyncio.create_task(tick())
    assert await answer(agent) == ["done"]
    await ticker
    assert ticks == 20


async def test_a_pool_refuses_what_it_cannot_take() -> None:
    pool = WorkerPool(1, waiting=1)
    gate = threading.Event()
    running, waiting = pool.submit(gate.wait), pool.submit(lambda: "second")
    with pytest.raises(PoolFullError, match="1 calls run and 1 wait"):
        pool.submit(print)
    with pytest.raises(AgentError, match="found no thread"):
        await anext(AgentHost(function, pool=pool).run(TURN))
    assert pool.refused == 2
    gate.set()
    assert await asyncio.wrap_future(running)
    assert await asyncio.wrap_future(waiting) == "second"
    pool.close()
    with pytest.raises(PoolFullError, match="closed"):
        pool.submit(print)


async def test_a_call_that_still_waits_is_taken_back() -> None:
    pool = WorkerPool(1)
    gate = threading.Event()
    ran: list[int] = []
    blocker = pool.submit(gate.wait)
    waiting = asyncio.create_task(pool.run(lambda: ran.append(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    gate.set()
    await asyncio.wrap_future(blocker)
    await pool.run(lambda: None)
    assert ran == []
    pool.close()
