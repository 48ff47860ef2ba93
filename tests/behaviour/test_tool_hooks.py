"""FR-015: whoever owns the agent is asked before it uses a tool, and told after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.call import on_call

from beluga_voice import LocalCall, ToolDeniedError, ToolFinished, ToolStarted, VoiceSession
from beluga_voice.events import ErrorEvent, FunctionToolsExecuted, FunctionToolStarted
from beluga_voice.hooks import ToolHook
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import run_call
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from beluga_voice import Turn
    from beluga_voice.commands import Command
    from beluga_voice.hooks import ToolCall


class Guard(ToolHook):
    def __init__(self, *denied: str) -> None:
        self.denied = denied
        self.seen: list[object] = []

    async def before(self, call: ToolCall) -> str | None:
        self.seen.append(("before", call.name, call.arguments, call.metadata))
        return "not on a Sunday" if call.name in self.denied else None

    def after(self, call: ToolCall, result: ToolFinished) -> None:
        self.seen.append(("after", call.name, call.arguments, result.result))

    def reported(self, call: ToolCall) -> Mapping[str, Any]:
        return {name: value for name, value in call.arguments.items() if name != "pin"}


used: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_used() -> None:
    used.clear()


async def asynchronous(turn: Turn) -> AsyncIterator[str | Command]:
    try:
        yield ToolStarted("transfer", {"pin": 1234, "to": "a@b.de"}, "t")
        used.append("transfer")
        yield ToolFinished("transfer", result="done", call_id="t")
        yield "gold"
    except ToolDeniedError as denied:
        yield "iron" if "Sunday" in denied.message else "hand"


def plain(turn: Turn) -> Iterator[str | Command]:
    try:
        yield ToolStarted("transfer", {"pin": 1234, "to": "a@b.de"}, "t")
        used.append("transfer")
        yield ToolFinished("transfer", result="done", call_id="t")
        yield "gold"
    except ToolDeniedError:
        yield "iron"


@pytest.mark.parametrize("agent", [asynchronous, plain])
async def test_a_tool_that_may_be_used_is_told_before_and_after(agent: Any) -> None:
    guard = Guard()
    async with on_call(agent, tool_hook=guard, metadata={"shop": 7}) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
    arguments = {"pin": 1234, "to": "a@b.de"}
    assert guard.seen == [("before", "transfer", arguments, {"shop": 7}), ("after", "transfer", arguments, "done")]
    assert used == ["transfer"]


@pytest.mark.parametrize("agent", [asynchronous, plain])
async def test_a_tool_that_is_denied_is_not_used_and_the_agent_can_say_so(agent: Any) -> None:
    async with on_call(agent, tool_hook=Guard("transfer")) as tried:
        await tried.say("able")
        await tried.agent_heard("iron")
        told = [event for event in tried.events if isinstance(event, (FunctionToolStarted, FunctionToolsExecuted))]
    assert used == []
    assert [type(event) for event in told] == [FunctionToolStarted, FunctionToolsExecuted]
    assert told[1].error == "the tool transfer was denied: not on a Sunday"  # type: ignore[union-attr]
    assert tried.all(ErrorEvent) == []


async def test_an_agent_that_does_not_heed_it_is_told_as_an_error() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield "gold. "
        yield ToolStarted("transfer")
        used.append("transfer")

    async with on_call(agent, tool_hook=Guard("transfer")) as tried:
        await tried.say("able")
        error = await tried.heard(ErrorEvent)
    assert (error.source, error.error.code, error.recoverable) == ("agent", "tool_denied", True)
    assert used == []


@pytest.mark.parametrize("fault", ["raises", "hangs"])
async def test_a_hook_that_fails_denies(fault: str) -> None:
    class Faulty(ToolHook):
        async def before(self, call: ToolCall) -> str | None:
            if fault == "raises":
                raise OSError("secret")
            await asyncio.Event().wait()
            return None

    async with on_call(asynchronous, tool_hook=Faulty, hook_timeout=1.0) as tried:
        await tried.say("able")
        await tried.agent_heard("hand")
    assert used == []


async def test_arguments_in_reports_are_those_that_the_hook_and_the_redaction_leave() -> None:
    async with on_call(asynchronous, tool_hook=Guard(), redaction={}) as tried:
        started = ToolStarted("transfer", {"pin": 1234, "to": "a@b.de", "notes": ["call 555-867-5309", 3]})
        assert tried.session.reported_arguments(started) == {"to": "[email]", "notes": ["call [phone]", 3]}


class Ada:
    async def talk(self, call: LocalCall) -> None:
        await call.write(spoken("able", 16_000))
        await asyncio.sleep(4.0)


async def test_a_calls_report_has_no_other_arguments() -> None:
    session = VoiceSession(
        agent=asynchronous, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy", tool_hook=Guard(), redaction={}
    )
    record = await run_call(session, LocalCall(), Ada(), log=CallLog())
    assert [tool.arguments for turn in record.log.turns for tool in turn.tools] == [{"to": "[email]"}]
