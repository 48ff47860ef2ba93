"""Who may interrupt what, and how."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.call import OUT_HZ, on_call, turn_handling
from support.components import RampVoice

from beluga_voice import Say
from beluga_voice.events import AgentStateChanged, Interruption, PlayoutFinished, PlayoutStarted, UserTurnEnded
from beluga_voice.testing.tone_words import WORD_S, noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn
    from beluga_voice.commands import Command

LONG = "gold hand iron jump kite lamp milk nest open pink quiz rose salt tree"


async def agent(turn: Turn) -> str:
    return LONG if turn.text == "able" else "zero"


async def test_fewer_words_than_asked_for_do_not_stop_the_agent() -> None:
    async with on_call(agent, handling=turn_handling(min_words=3)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm dark")
        await tried.heard(PlayoutFinished)
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")

    assert tried.agent_words == LONG.split()
    assert tried.all(Interruption)[0].action == "await_words"
    assert [item.interrupted for item in tried.session.history] == [False, False]


async def test_as_many_words_as_asked_for_stop_it_when_the_last_is_understood() -> None:
    async with on_call(agent, handling=turn_handling(min_words=3)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm dark echo fish belt corn")
        stopped = await tried.heard(PlayoutFinished)
        await tried.agent_heard("zero")

    assert stopped.interrupted
    onset_s = tried.caller_onsets_s[1]
    assert onset_s + 3 * WORD_S - 0.1 <= stopped.at_s <= onset_s + 5 * WORD_S


async def test_ducking_lowers_the_agent_by_as_much_as_was_asked_for() -> None:
    voice = RampVoice(seconds=3.0, sample_rate=OUT_HZ)
    async with on_call(agent, tts=voice, handling=turn_handling(duck_gain_db=-6.0)) as tried:
        await tried.say("able")
        await tried.heard(PlayoutStarted)
        await tried.session_time(tried.now_s + 0.4)
        await tried.play(noise(0.5, 16_000))
        finished = await tried.heard(PlayoutFinished)
        await tried.session_time(tried.now_s + 0.1)

    assert not finished.interrupted
    assert tried.all(Interruption)[0].action == "duck"
    begin = int(np.flatnonzero(tried.agent_sound)[0])
    gain = tried.agent_sound[begin : begin + len(voice.sound)] / voice.sound
    assert len(gain) == len(voice.sound), "ducking stops nothing"
    assert gain.min() == pytest.approx(10 ** (-6 / 20), abs=0.01)
    assert gain[: OUT_HZ // 4].min() > 0.99
    assert gain[-OUT_HZ:].min() > 0.99, "when the caller is silent the agent is as loud as before"


async def test_words_stop_a_ducked_agent() -> None:
    async with on_call(agent, handling=turn_handling(duck_gain_db=-6.0)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm dark echo")
        await tried.agent_heard("zero")

    assert tried.all(PlayoutFinished)[0].interrupted


async def test_what_may_not_be_interrupted_is_heard_to_its_end() -> None:
    async with on_call(agent) as tried:
        notice = tried.session.say(LONG, allow_interruptions=False)
        await tried.agent_heard("gold")
        await tried.say("calm dark echo")
        await notice
        await tried.until(lambda: len(tried.agent_words) >= len(LONG.split()))

    assert tried.agent_words == LONG.split()
    assert not notice.interrupted
    assert not tried.all(Interruption)
    assert [item.role for item in tried.session.history] == ["assistant"], "what he said over it is dropped"


async def test_what_he_says_over_it_is_kept_if_that_is_wanted() -> None:
    handling = turn_handling(discard_audio_if_uninterruptible=False)
    async with on_call(agent, handling=handling) as tried:
        notice = tried.session.say(LONG, allow_interruptions=False)
        await tried.agent_heard("gold")
        await tried.say("calm dark echo")
        await notice
        await tried.agent_heard("zero")

    assert tried.agent_words == [*LONG.split(), "zero"]
    assert {item.text for item in tried.session.history} >= {"calm dark echo"}


async def test_even_then_its_owner_may_stop_it() -> None:
    async with on_call(agent) as tried:
        notice = tried.session.say(LONG, allow_interruptions=False)
        await tried.agent_heard("gold")
        notice.interrupt()
        await notice

    assert notice.interrupted
    assert len(tried.agent_words) < 6


async def test_with_interruptions_off_the_agent_always_finishes() -> None:
    thinking, go_on = asyncio.Event(), asyncio.Event()
    asked: list[str] = []

    async def slow(turn: Turn) -> str:
        asked.append(turn.text)
        if turn.text != "able":
            return "zero"
        thinking.set()
        await go_on.wait()
        return "gold hand iron jump"

    async with on_call(slow, handling=turn_handling(enabled=False)) as tried:
        await tried.say("able")
        await thinking.wait()
        await tried.say("calm dark echo")  # while it thinks
        await tried.heard(UserTurnEnded, nth=2)
        go_on.set()
        await tried.agent_heard("gold", "hand")
        await tried.say("fish belt corn")  # while it speaks
        await tried.agent_heard("zero")
        await tried.heard(PlayoutFinished, nth=2)

    assert not tried.all(Interruption)
    assert asked == ["able", "calm dark echo"]
    assert tried.agent_words == ["gold", "hand", "iron", "jump", "zero"]
    assert not any(item.interrupted for item in tried.session.history)


async def test_with_interruptions_off_a_greeting_is_not_interrupted_either() -> None:
    async with on_call(agent, handling=turn_handling(enabled=False)) as tried:
        greeting = tried.session.say("gold hand iron jump kite lamp")
        await tried.agent_heard("gold")
        await tried.say("calm dark echo")
        await greeting

    assert not greeting.interrupted


async def test_a_part_of_an_answer_that_may_not_be_interrupted() -> None:
    async def careful(turn: Turn) -> AsyncIterator[str | Command]:
        if turn.text != "able":
            yield "zero"
            return
        yield Say("gold hand iron jump kite", allow_interruptions=False)
        yield " ".join(["lamp milk nest open pink quiz rose salt"] * 2)

    async with on_call(careful) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm dark")  # over the part that is protected
        await tried.agent_heard("kite", "lamp", "milk")
        await tried.say("echo fish belt")
        await tried.agent_heard("zero")

    first, second = tried.all(PlayoutFinished)[:2]
    assert (first.interrupted, second.interrupted) == (False, True)
    assert tried.agent_words[:5] == ["gold", "hand", "iron", "jump", "kite"]
    assert [item.text for item in tried.session.history if item.role == "user"] == ["able", "echo fish belt"]


async def test_a_sound_shorter_than_the_minimum_interrupts_nothing() -> None:
    async with on_call(agent, handling=turn_handling(min_duration=0.6)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.say("calm")
        await tried.heard(PlayoutFinished)

    assert not tried.all(Interruption)
    assert tried.all(UserTurnEnded)[1].discarded
    assert [item.text for item in tried.session.history] == ["able", LONG]
