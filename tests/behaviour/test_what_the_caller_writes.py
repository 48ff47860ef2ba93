"""A caller who writes instead of speaking, and words that are told as they are heard."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from support.call import OUT_HZ, on_call

from beluga_voice.errors import ConfigError, SessionError
from beluga_voice.events import (
    AgentOutputTranscribed,
    ConversationItemAdded,
    PlayoutFinished,
    PlayoutStarted,
)
from beluga_voice.testing import FakeAgent, FakeTextToSpeech
from beluga_voice.testing.tone_words import noise, voiced_runs

if TYPE_CHECKING:
    from beluga_voice import Turn


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


async def test_what_is_written_is_answered_like_what_is_said() -> None:
    agent = FakeAgent(["Gold hand."])
    async with on_call(agent, metadata={"k": 1}) as tried:
        tried.session.generate_reply(user_input="  able bake\x00 ")
        await tried.agent_heard("gold", "hand")
        (turn,) = agent.turns
        assert (turn.text, turn.language, turn.confidence, turn.metadata) == ("able bake", None, None, {"k": 1})
        assert turn.started_at_s == turn.ended_at_s
        user, assistant = [await tried.heard(ConversationItemAdded, nth=nth) for nth in (1, 2)]
        assert (user.item.role, user.item.text, user.turn_id, user.metrics) == ("user", "able bake", -1, {})
        assert (assistant.item.text, assistant.turn_id) == ("Gold hand.", -1)
        assert "e2e_latency" not in assistant.metrics
        await tried.say("calm")
        spoken = await tried.heard(ConversationItemAdded, nth=3)
        assert (spoken.item.text, spoken.turn_id) == ("calm", 1)


async def test_what_is_written_interrupts_and_is_answered_instead() -> None:
    agent = FakeAgent(["Gold hand iron jump kite lamp milk nest open.", "Rose."])
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        tried.session.generate_reply(user_input="bake")
        await tried.agent_heard("rose")
        finished = await tried.heard(PlayoutFinished)
        assert finished.interrupted
        assert [item.text for item in tried.session.history if item.role == "user"] == ["able", "bake"]
        assert tried.session.history[1].interrupted


async def test_what_is_written_in_one_breath_is_one_turn_and_too_much_of_it_is_dropped() -> None:
    agent = FakeAgent(["Gold."])
    async with on_call(agent) as tried:
        for number in range(10):
            tried.session.generate_reply(user_input=f"line {number}")
        await tried.agent_heard("gold")
        assert [turn.text for turn in agent.turns] == ["\n".join(f"line {number}" for number in range(2, 10))]
        assert tried.session.stats()["typed_texts_dropped"] == 2


async def test_what_cuts_off_a_question_that_was_not_answered_is_asked_with_it() -> None:
    agent = FakeAgent(["Gold."], delay=0.5)
    async with on_call(agent) as tried:
        tried.session.generate_reply(user_input="first")
        await asyncio.sleep(0.1)
        tried.session.generate_reply(user_input="second")
        await tried.agent_heard("gold")
        assert [turn.text for turn in agent.turns] == ["first", "first second"]


async def test_one_may_wait_until_all_is_answered_and_said() -> None:
    agent = FakeAgent(["Gold hand iron jump."], delay=0.5)
    async with on_call(agent) as tried:
        await tried.session.wait_for_inactive()
        tried.session.generate_reply(user_input="first")
        tried.session.say("Kite lamp.")
        await tried.session.wait_for_inactive()
        assert sorted(item.text for item in tried.session.history) == ["Gold hand iron jump.", "Kite lamp.", "first"]
        assert tried.session.agent_state == "listening"
        tried.session.generate_reply(user_input="second")
        waiting = asyncio.create_task(tried.session.wait_for_inactive())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await tried.session.aclose()
        await waiting
    await tried.session.wait_for_inactive()


async def test_too_long_a_text_and_a_session_that_is_over_are_refused() -> None:
    async with on_call(repeat) as tried:
        with pytest.raises(ConfigError, match="50001 letters"):
            tried.session.generate_reply(user_input="x" * 50_001)
        tried.session.generate_reply(user_input=" \n ")
        await asyncio.sleep(0.1)
        assert tried.session.history == ()
    with pytest.raises(SessionError, match="ended"):
        tried.session.generate_reply(user_input="able")


async def test_words_are_told_when_they_begin_to_be_heard() -> None:
    async with on_call(repeat) as tried:
        await tried.session.say("gold hand iron. jump kite.")
        started = await tried.heard(PlayoutStarted)
        await tried.heard(AgentOutputTranscribed, lambda told: told.is_final)
        told = tried.all(AgentOutputTranscribed)
        assert [each.transcript for each in told] == ["gold", "hand", "iron.", "jump", "kite.", ""]
        for number, each in enumerate(told[:-1]):
            assert each.at_s - started.at_s == pytest.approx(number * 0.21, abs=0.06)
        assert [each.is_final for each in told] == [False] * 5 + [True]


async def test_a_voice_that_stalls_between_sentences_is_not_run_ahead_of() -> None:
    tts = FakeTextToSpeech(delay=2.0)
    async with on_call(repeat, tts=tts) as tried:
        await tried.session.say("Gold hand iron jump kite lamp. Milk nest open pink quiz rose.")
        assert len(tts.asked) == 2
        told = {each.transcript: each.at_s for each in tried.all(AgentOutputTranscribed)}
        await tried.agent_heard("quiz")
        first_s, second_s = (start / OUT_HZ for start, _ in voiced_runs(tried.agent_sound, OUT_HZ, gap_s=0.2))
        assert told["Gold"] == pytest.approx(first_s, abs=0.05)
        assert told["lamp."] - first_s == pytest.approx(5 * 0.21, abs=0.06)
        assert told["Milk"] == pytest.approx(second_s, abs=0.05)


async def test_a_pause_stops_the_words_and_what_goes_on_goes_on_with_them() -> None:
    async with on_call(repeat) as tried:
        tried.session.say("gold hand iron jump kite lamp milk nest open pink.")
        await tried.agent_heard("gold", "hand")
        await tried.play(noise(0.4, tried.call.sample_rate))
        await tried.heard(AgentOutputTranscribed, lambda told: told.is_final)
        words = tried.all(AgentOutputTranscribed, lambda told: bool(told.transcript))
        assert " ".join(each.transcript for each in words) == "gold hand iron jump kite lamp milk nest open pink."
        gaps = [second.at_s - first.at_s for first, second in pairwise(words)]
        assert max(gaps) > 0.4
        assert sorted(gaps)[-2] < 0.3


async def test_what_is_cut_off_ends_with_the_words_that_were_heard() -> None:
    async with on_call(repeat) as tried:
        speech = tried.session.say("gold hand iron jump kite lamp milk nest open pink.")
        await tried.agent_heard("gold", "hand")
        speech.interrupt()
        await speech
        final = await tried.heard(AgentOutputTranscribed, lambda told: told.is_final)
        told = " ".join(each.transcript for each in tried.all(AgentOutputTranscribed) if each.transcript)
        assert told.split()[: len(speech.heard.split())] == speech.heard.split()
        assert len(told.split()) - len(speech.heard.split()) <= 1
        assert final.transcript == ""
