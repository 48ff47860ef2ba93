"""What an agent does besides speaking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.call import on_call

from beluga_voice import EndCall, Say, ToolFinished, ToolStarted
from beluga_voice.events import (
    AgentStateChanged,
    CloseEvent,
    FunctionToolsExecuted,
    FunctionToolStarted,
    PlayoutFinished,
    PlayoutStarted,
    SpeechCreated,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn
    from beluga_voice.commands import Command


async def test_tools_are_told_in_their_order_with_what_they_were_given() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield "Gold. "
        yield ToolStarted("weather", {"city": "Paris"}, "a")
        yield ToolStarted("clock", call_id="b")
        yield ToolFinished("clock", result="noon", call_id="b")
        yield ToolFinished("weather", error="no such city", call_id="a")
        yield "Hand."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")

    told = [event for event in tried.events if isinstance(event, (FunctionToolStarted, FunctionToolsExecuted))]
    assert [(type(event), event.name) for event in told] == [
        (FunctionToolStarted, "weather"),
        (FunctionToolStarted, "clock"),
        (FunctionToolsExecuted, "clock"),
        (FunctionToolsExecuted, "weather"),
    ]
    clock, weather = tried.all(FunctionToolsExecuted)
    assert (clock.result, clock.error, clock.turn_id) == ("noon", None, 1)
    assert (weather.arguments, weather.result, weather.error) == ({"city": "Paris"}, None, "no such city")
    assert tried.tts.asked == ["Gold. ", "Hand."], "what came before the tool is said before it"


async def test_say_within_an_answer_is_a_speech_of_its_own() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield "Gold hand"
        yield Say("Iron jump.", allow_interruptions=False)
        yield "Kite."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "iron", "jump", "kite")
        await tried.heard(PlayoutFinished, nth=3)

    assert [event.source for event in tried.all(SpeechCreated)] == ["reply", "say", "reply"]
    assert [event.turn_id for event in tried.all(SpeechCreated)] == [1, 1, 1]
    assert [item.text for item in tried.session.history] == ["able", "Gold hand", "Iron jump.", "Kite."]


async def test_the_call_ends_when_the_farewell_was_heard() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield "Gold hand iron."
        yield EndCall("the caller is content")
        yield "Never said."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.session.wait_closed()
        closed = await tried.heard(CloseEvent)

    assert tried.agent_words == ["gold", "hand", "iron"]
    assert (closed.reason, closed.detail, closed.error) == ("task_completed", "the caller is content", None)
    assert tried.session.state == "ended"
    assert tried.all(PlayoutFinished)[0].interrupted is False
    assert tried.events[-1] is closed


async def test_a_caller_who_talks_over_the_farewell_is_still_there() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        if turn.text == "able":
            yield "gold hand iron jump kite lamp milk nest"
            yield EndCall()
        else:
            yield "zero"

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm dark echo")
        await tried.agent_heard("zero")
        assert tried.session.state == "active"


async def test_an_answer_of_tools_alone_makes_no_sound() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        yield ToolStarted("lamp")
        yield ToolFinished("lamp", result=True)

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )

    assert not tried.all(PlayoutStarted)
    assert not tried.agent_sound.any()
