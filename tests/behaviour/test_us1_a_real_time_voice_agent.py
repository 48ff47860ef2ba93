"""US1: a voice agent in real time, without anybody assembling a pipeline by hand; and EC-006 and EC-010 beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.answering import codes
from support.call import CALLER_HZ, on_call, turn_handling

from beluga_voice import LocalCall, SessionConfig, get_registry
from beluga_voice.events import ConversationItemAdded, Interruption, PlayoutFinished, PlayoutStarted
from beluga_voice.testing import (
    Answered,
    FakeAgent,
    FakeSpeechToText,
    FakeTextToSpeech,
    Say,
    ScriptedCaller,
    TalkOver,
)
from beluga_voice.testing.tone_words import WORDS, silence

if TYPE_CHECKING:
    from beluga_voice import Turn

LONG = "zero yard wind vase unit tree salt rose quiz pink"
ENDPOINT_S = 0.25
COMPONENTS_S = 0.1 + 0.1  # what recogniser and voice take; the agent's own time is its own

# Callers of one backend say words of the first half, the agent answers each with words of the second.
CALLERS = 8


async def echo(turn: Turn) -> str:
    """Answers each word with another of its own."""
    return " ".join(WORDS[WORDS.index(word) + 20] for word in turn.text.split())


async def test_us1_1_what_is_said_is_transcribed_given_to_the_agent_and_answered_within_500_ms() -> None:
    agent = FakeAgent(["zero yard"])
    stt, tts = FakeSpeechToText(delay=0.1), FakeTextToSpeech(delay=0.1)
    async with on_call(agent, stt=stt, tts=tts, handling=turn_handling(min_delay=ENDPOINT_S)) as tried:
        await tried.say("able bake")
        await tried.heard(PlayoutFinished)
        answered = await tried.heard(ConversationItemAdded, lambda event: event.item.role == "assistant")

    assert [turn.text for turn in agent.turns] == ["able bake"]
    assert tried.agent_words == ["zero", "yard"]
    assert answered.metrics["e2e_latency"] < 0.5
    assert answered.metrics["e2e_latency"] - ENDPOINT_S - COMPONENTS_S < 0.05


async def test_us1_2_the_whole_utterance_is_processed_once_the_caller_has_paused_for_long_enough() -> None:
    agent = FakeAgent(["zero"])
    async with on_call(agent, handling=turn_handling(min_delay=0.6)) as tried:
        for words in ("able bake", "calm", "dark echo"):
            await tried.say(words)
            await tried.play(silence(0.4, CALLER_HZ))
        await tried.agent_heard("zero")

    assert [turn.text for turn in agent.turns] == ["able bake calm dark echo"]


async def test_us1_3_talking_over_the_answer_stops_it_and_what_was_said_is_answered() -> None:
    agent = FakeAgent([LONG, "milk"])
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("zero", "yard")
        await tried.say("bake calm dark")
        interruption = await tried.heard(Interruption)
        begun = await tried.heard(PlayoutStarted)
        stopped = await tried.heard(PlayoutFinished)
        await tried.agent_heard("milk")
        await tried.until(lambda: len(tried.session.history) == 4)

    assert stopped.interrupted
    assert begun.at_s + stopped.played_s - interruption.at_s < 0.05  # the fade included
    assert [item.text for item in tried.session.history if item.role == "user"] == ["able", "bake calm dark"]
    assert "pink" not in tried.agent_words


@pytest.mark.parametrize(
    "interrupt", [False, True], ids=["us1_4 callers at once", "ec_006 callers who interrupt at once"]
)
async def test_callers_of_one_backend_are_served_at_once_and_hear_nothing_of_each_other(*, interrupt: bool) -> None:
    """US1.4, and EC-006 where all of them talk over their answers in the same moment."""
    backend = get_registry().create("local", {"max_concurrent_sessions": CALLERS})
    calls = [LocalCall() for _ in range(CALLERS)]
    sessions = []
    callers = []
    for number in range(CALLERS):
        own, after = WORDS[number], WORDS[number + CALLERS]
        script = [
            Say(" ".join([own] * 6)),
            *([TalkOver(f"{after} {after} {after}", after=0.4)] * interrupt),
            Answered(),
        ]
        callers.append(ScriptedCaller(script))
        config = SessionConfig(
            agent=echo,
            stt=FakeSpeechToText(),
            tts=FakeTextToSpeech(),
            vad="energy",
            turn_handling=turn_handling(),
        )
        sessions.append(await backend.create_session(config))
    await asyncio.gather(*(session.start(call) for session, call in zip(sessions, calls, strict=True)))
    await asyncio.gather(*(caller.talk(call) for caller, call in zip(callers, calls, strict=True)))
    histories = [session.history for session in sessions]
    await backend.aclose()

    for number, (history, caller) in enumerate(zip(histories, callers, strict=True)):
        own, after = WORDS[number], WORDS[number + CALLERS]
        said = [item.text for item in history if item.role == "user"]
        assert said == [" ".join([own] * 6), *([" ".join([after] * 3)] * interrupt)]
        answers = {WORDS[number + 20], WORDS[number + CALLERS + 20]}
        assert set(caller.heard_words) <= answers
        assert caller.heard_words[-1] == WORDS[(number + CALLERS if interrupt else number) + 20]
        assert history[1].interrupted == interrupt


@pytest.mark.parametrize("failure", [RuntimeError("no"), ["zero. ", RuntimeError("no")]], ids=["at once", "half way"])
async def test_ec_010_an_agent_that_fails_is_told_of_and_the_next_question_is_answered(failure: object) -> None:
    agent = FakeAgent([failure, "yard"], piece_delay=0.2)  # type: ignore[list-item]
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.until(lambda: codes(tried) == [("agent", "agent_error")])
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("bake")
        await tried.agent_heard("yard")
        assert tried.session.state == "active"
    assert ("zero" in tried.agent_words) == isinstance(failure, list)
