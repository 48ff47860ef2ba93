"""Barge-in with a model of speech: the core stops the sound, the model learns how much of it was heard."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from support.answering import codes
from support.call import CALLER_HZ, on_call, turn_handling

from beluga_voice.events import (
    AgentFalseInterruption,
    Interruption,
    PlayoutFinished,
    PlayoutStarted,
    UserTurnEnded,
)
from beluga_voice.testing import FakeSpeechToSpeech
from beluga_voice.testing.tone_words import WORD_S, noise

LONG = "gold hand iron jump kite lamp milk nest open pink"


@pytest.mark.parametrize("turn_detection", ["vad", "realtime_llm"])
@pytest.mark.parametrize("keeps_talking", [False, True], ids=["stops", "keeps talking"])
async def test_the_model_is_told_that_it_was_talked_over_and_how_much_was_heard(
    turn_detection: str, keeps_talking: bool
) -> None:
    model = FakeSpeechToSpeech(
        [LONG, "zero"], word_delay=0.2, detects_turns=True, keeps_talking=keeps_talking, transcript_delay=0.05
    )
    handling = {**turn_handling(), "turn_detection": turn_detection}
    async with on_call(None, s2s=model, handling=handling) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.say("bake calm dark")
        interruption = await tried.heard(Interruption)
        first = await tried.heard(PlayoutFinished)
        await tried.agent_heard("zero")
        await tried.heard(PlayoutFinished, nth=2)
        await tried.until(lambda: len(tried.session.history) == 4)
        history = list(tried.session.history)

    (given_up,) = model.given_up
    assert first.interrupted
    assert given_up.heard_s == pytest.approx(first.played_s)
    assert interruption.onset_s < first.at_s
    assert history[1].interrupted
    assert history[1].text == given_up.heard_text
    assert LONG.startswith(history[1].text)
    assert 0 < len(history[1].text.split()) < 9
    assert [item.text for item in history[2:]] == ["bake calm dark", "zero"]
    heard = tried.agent_words
    # Nothing of the rest, though the model went on; a word that was cut off may not have been understood.
    assert heard[-1] == "zero"
    assert len(heard) <= len(history[1].text.split()) + 2, (heard, history[1].text)
    assert (tried.session.stats()["s2s_sounds_dropped"] > 0) == keeps_talking
    assert not codes(tried)


async def test_a_noise_over_the_model_is_a_false_interruption_and_it_goes_on() -> None:
    model = FakeSpeechToSpeech([LONG])
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.play(noise(0.4, CALLER_HZ))
        resumed = await tried.heard(AgentFalseInterruption)
        finished = await tried.heard(PlayoutFinished)
        assert resumed.resumed
        assert not finished.interrupted
        await tried.until(lambda: len(tried.session.history) == 2)
        assert tried.session.history[1].text == LONG

    assert finished.played_s == pytest.approx(10 * WORD_S, abs=0.01)
    assert not model.given_up
    assert len(model.asked) == 1
    assert not codes(tried)


async def test_to_a_model_that_tells_no_words_every_turn_counts() -> None:
    model = FakeSpeechToSpeech([LONG, "zero"], transcribes=False)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.play(noise(0.4, CALLER_HZ))
        await tried.heard(PlayoutFinished, nth=2)
        assert tried.agent_words[-1] == "zero"

    assert len(model.given_up) == 1
    assert not codes(tried)


async def test_talking_on_while_the_model_thinks_has_it_think_again() -> None:
    model = FakeSpeechToSpeech(["gold", "zero"], delay=1.5)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.until(lambda: tried.session.agent_state == "thinking")
        await tried.say("bake calm")
        await tried.heard(UserTurnEnded, nth=2)
        await tried.heard(PlayoutFinished)
        assert [each.turn_id for each in model.asked] == [1, 2]

    (given_up,) = model.given_up
    assert (given_up.reply_id, given_up.heard_s) == (model.asked[0].id, 0.0)
    assert len(tried.agent_words) == 1
    assert not codes(tried)


async def test_what_may_not_be_interrupted_is_heard_to_its_end() -> None:
    model = FakeSpeechToSpeech(["gold"])
    async with on_call(None, s2s=model) as tried:
        handle = tried.session.say(LONG, allow_interruptions=False)
        await tried.heard(PlayoutStarted)
        await tried.say("able bake calm")
        await handle
        assert tried.agent_words == LONG.split()

    assert not model.given_up


async def test_the_session_itself_stops_what_is_being_said() -> None:
    model = FakeSpeechToSpeech([LONG])
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        tried.session.interrupt()
        finished = await tried.heard(PlayoutFinished)
        assert finished.interrupted
        await tried.until(lambda: bool(model.given_up))


async def test_a_reply_waits_for_room_and_is_not_late_for_that() -> None:
    """A minute of sound written at once: the mouth takes what it has room for, and the model's deadline rests."""
    minute = np.tile(np.array([8_000, -8_000], np.int16), 24_000 * 30)
    model = FakeSpeechToSpeech([[minute]])
    async with on_call(None, s2s=model, s2s_timeout=1.0) as tried:
        await tried.say("able")
        await tried.heard(PlayoutStarted)
        await asyncio.sleep(8)
        assert tried.session.agent_state == "speaking"
        assert not codes(tried)
