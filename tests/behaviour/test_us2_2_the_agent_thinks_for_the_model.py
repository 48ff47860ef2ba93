"""US2.2: with an agent, what the caller said goes through the agent's reasoning before the model speaks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.answering import codes
from support.call import CALLER_HZ, on_call

from beluga_voice.commands import EndCall, Say, ToolFinished, ToolStarted
from beluga_voice.events import CloseEvent, FunctionToolsExecuted, PlayoutFinished, UserTurnEnded
from beluga_voice.speech_to_speech import Respond, Speak
from beluga_voice.testing import FakeAgent, FakeSpeechToSpeech
from beluga_voice.testing.tone_words import silence

if TYPE_CHECKING:
    from beluga_voice import Turn


@pytest.mark.parametrize("turn_detection", ["vad", "realtime_llm"])
async def test_the_model_says_what_the_agent_tells_it_to(turn_detection: str) -> None:
    agent = FakeAgent([["zero ", "yard"], "milk"], delay=0.2)
    model = FakeSpeechToSpeech(["gold"], detects_turns=True)
    async with on_call(agent, s2s=model, handling={"turn_detection": turn_detection}) as tried:
        await tried.say("able bake")
        await tried.agent_heard("zero", "yard")
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("calm")
        await tried.agent_heard("milk")
        await tried.until(lambda: len(tried.session.history) == 4)
        assert [item.text for item in tried.session.history] == ["able bake", "zero yard", "calm", "milk"]

    first, second = agent.turns
    assert first.text == "able bake"
    assert [message.text for message in second.history] == ["able bake", "zero yard"]
    assert [each.instructions for each in model.asked if isinstance(each, Respond)] == ["zero yard", "milk"]
    assert "gold" not in tried.agent_words
    assert not codes(tried)


async def test_an_agent_that_says_nothing_leaves_the_answer_to_the_model() -> None:
    agent = FakeAgent([[ToolStarted("look", call_id="1"), ToolFinished("look", 1, call_id="1")]])
    async with on_call(agent, s2s=FakeSpeechToSpeech(["gold"])) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        assert (await tried.heard(FunctionToolsExecuted)).turn_id == 1


async def test_the_agents_commands_are_carried_out_in_their_order() -> None:
    agent = FakeAgent([[Say("zero", allow_interruptions=False), "yard", EndCall("bye")]])
    model = FakeSpeechToSpeech(["gold"])
    async with on_call(agent, s2s=model) as tried:
        await tried.say("able")
        close = await tried.heard(CloseEvent)

    assert close.detail == "bye"
    assert tried.agent_words == ["zero", "yard"]
    assert [type(each) for each in model.asked] == [Speak, Respond]


async def test_a_model_that_hears_no_words_lets_the_agent_know_of_the_turn_alone() -> None:
    agent = FakeAgent(["zero"])
    async with on_call(agent, s2s=FakeSpeechToSpeech(["gold"], transcribes=False)) as tried:
        await tried.say("able")
        await tried.agent_heard("zero")

    (turn,) = agent.turns
    assert turn.text == ""
    assert turn.ended_at_s > turn.started_at_s >= 0


async def test_a_failing_agent_costs_its_turn_and_no_more() -> None:
    agent = FakeAgent([RuntimeError("no"), "zero"])
    async with on_call(agent, s2s=FakeSpeechToSpeech(["gold"])) as tried:
        await tried.say("able")
        await tried.until(lambda: codes(tried) == [("agent", "agent_error")])
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert "gold" not in tried.agent_words


async def test_talking_over_the_answer_cancels_the_agent_that_still_gives_it() -> None:
    cancelled = asyncio.Event()

    async def agent(turn: Turn) -> str:
        if turn.text == "able":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise
        return "zero"

    async with on_call(agent, s2s=FakeSpeechToSpeech(["gold"])) as tried:
        await tried.say("able")
        await tried.until(lambda: tried.session.agent_state == "thinking")
        await tried.say("bake calm dark")
        await tried.heard(PlayoutFinished)
        assert cancelled.is_set()
        # The question that nobody answered is asked again with what followed.
        assert [item.text for item in tried.session.history] == ["able bake calm dark", "zero"]


async def test_what_are_two_turns_to_the_core_and_one_to_the_model_is_answered_once() -> None:
    agent = FakeAgent(["zero"])
    model = FakeSpeechToSpeech(["gold"], detects_turns=True, turn_silence=0.9)
    handling = {"turn_detection": "realtime_llm", "endpointing": {"min_delay": 0.25}}
    async with on_call(agent, s2s=model, handling=handling) as tried:
        await tried.say("able")
        await tried.play(silence(0.6, CALLER_HZ))
        await tried.say("bake")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.heard(UserTurnEnded, nth=2)

    assert [turn.text for turn in agent.turns] == ["able bake"]
    assert tried.agent_words == ["zero"]
    assert not codes(tried)
