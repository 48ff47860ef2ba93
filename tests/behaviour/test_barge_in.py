"""The caller talks over the agent, and means it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.call import OUT_HZ, on_call
from support.components import EAR_HZ, RampVoice

from beluga_voice import Say
from beluga_voice.events import (
    AgentStateChanged,
    ConversationItemAdded,
    Interruption,
    PlayoutFinished,
    PlayoutMark,
    PlayoutStarted,
)
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import WORD_S, spoken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn
    from beluga_voice.commands import Command
    from beluga_voice.handles import Mouth

LONG = "gold hand iron jump kite lamp milk nest open pink quiz rose salt tree unit vase"


def quiet_from(sound: np.ndarray, rate_hz: int, after_s: float) -> float:
    """When the agent's last sample before a silence of 200 ms went out, looking from `after_s` on."""
    start = round(after_s * rate_hz)
    loud = np.flatnonzero(np.abs(sound[start:].astype(np.int32)) > 30)
    if not len(loud):
        return after_s
    breaks = np.flatnonzero(np.diff(loud) > 0.2 * rate_hz)
    last = loud[breaks[0]] if len(breaks) else loud[-1]
    return float(start + last + 1) / rate_hz


@pytest.mark.parametrize("guesses", [True, False])
async def test_the_agent_is_cancelled_and_falls_silent_and_the_next_turn_is_answered(guesses: bool) -> None:
    """Whether the recogniser shows words at once or only when the turn is over."""
    cancelled: list[str] = []
    asked: list[Turn] = []

    async def agent(turn: Turn) -> AsyncIterator[str]:
        asked.append(turn)
        if len(asked) > 1:
            yield "Zero."
            return
        try:
            yield f"{LONG}. "
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(turn.text)
            raise

    async with on_call(agent, stt=FakeSpeechToText(interim_results=guesses)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "iron")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")
        await tried.heard(ConversationItemAdded, nth=4)

    assert cancelled == ["able"]
    interruption = tried.all(Interruption)[0]
    assert interruption.action == "pause"
    onset_s = tried.caller_onsets_s[1]
    assert interruption.onset_s == pytest.approx(onset_s, abs=0.04)
    silent_s = quiet_from(tried.agent_sound, OUT_HZ, onset_s)
    # 0.2 s of speech were asked for; a tone of 140 ms and its gap count once the next tone is heard.
    assert 0.2 <= silent_s - onset_s <= 0.33

    said = [word.strip(".") for word in tried.session.history[1].text.split()]
    heard = tried.agent_words[:-1]
    assert tried.agent_words[-1] == "zero"
    assert len(heard) < len(LONG.split())
    assert said == heard[: len(said)], "the history holds words that nobody heard"
    assert len(heard) - len(said) <= 1, "the history lost words that were heard"
    assert [(item.role, item.interrupted) for item in tried.session.history] == [
        ("user", False),
        ("assistant", True),
        ("user", False),
        ("assistant", False),
    ]
    assert asked[1].text == "calm dark echo fish"
    assert asked[1].history == tried.session.history[:2], "the agent must know what was heard of its last answer"
    finished = tried.all(PlayoutFinished)
    assert [event.interrupted for event in finished] == [True, False]
    states = [event.new_state for event in tried.all(AgentStateChanged)]
    assert states == ["listening", "thinking", "speaking", "listening", "thinking", "speaking", "listening", "idle"]


async def test_the_voice_is_cancelled_in_the_middle_of_a_sentence() -> None:
    reached = asyncio.Event()

    async def on_word(word: str) -> None:
        if word == "jump":
            reached.set()
            await asyncio.Event().wait()

    async def agent(turn: Turn) -> str:
        return "gold hand iron jump kite lamp milk nest." if turn.text == "able" else "Zero."

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word)) as tried:
        await tried.say("able")
        await reached.wait()
        await tried.agent_heard("gold", "hand", "iron")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")
        await tried.heard(ConversationItemAdded, nth=4)

    assert tried.tts.cancelled == ["gold hand iron jump kite lamp milk nest."]
    assert tried.agent_words == ["gold", "hand", "iron", "zero"]
    # Three words of eight were made and heard: how much of the sentence that is, can only be guessed.
    said = tried.session.history[1].text.split()
    assert said == ["gold", "hand", "iron"][: len(said)], "the history holds words that were never made"
    assert said


async def test_a_sentence_still_being_written_is_remembered_as_far_as_it_was_heard() -> None:
    """A voice that hands over half a minute at once waits in `write` when it is cut off."""

    async def agent(turn: Turn) -> str:
        return " ".join(["gold"] * 60) + "." if turn.text == "able" else "Zero."

    class AtOnce(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            rate = 48_000
            await mouth.write(spoken(text, rate), sample_rate=rate)

    async with on_call(agent, tts=AtOnce()) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "gold", "gold")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")

    said = tried.session.history[1]
    heard = tried.agent_words.count("gold")
    assert said.interrupted
    assert heard - 3 <= len(said.text.split()) <= heard


async def test_nothing_of_an_answer_is_said_after_it_was_talked_over() -> None:
    """Also not what the agent had said in parts, all of them already made."""

    async def agent(turn: Turn) -> AsyncIterator[str | Command]:
        if turn.text != "able":
            yield "Zero."
            return
        yield "gold hand iron jump kite. "
        yield Say("lamp milk nest")
        yield "open pink quiz."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.until(lambda: len(tried.tts.asked) >= 3)
        await tried.agent_heard("gold", "hand")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")

    assert not {"lamp", "milk", "nest", "open", "pink", "quiz"} & set(tried.agent_words)
    assert [item.role for item in tried.session.history] == ["user", "assistant", "user", "assistant"]


async def test_a_greeting_is_talked_over_like_an_answer() -> None:
    async def agent(turn: Turn) -> str:
        return "Zero."

    async with on_call(agent) as tried:
        greeting = tried.session.say(LONG)
        await tried.agent_heard("gold", "hand")
        await tried.say("calm dark echo fish")
        await greeting
        assert greeting.interrupted
        assert greeting.heard.split() == tried.agent_words[: len(greeting.heard.split())]
        await tried.agent_heard("zero")
        await tried.heard(ConversationItemAdded, nth=3)

    assert [item.text for item in tried.session.history][1:] == ["calm dark echo fish", "Zero."]


async def test_the_owner_interrupts_what_is_said_and_what_waits_to_be_said() -> None:
    cancelled = asyncio.Event()

    async def agent(turn: Turn) -> AsyncIterator[str]:
        try:
            yield f"{LONG}. "
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        waiting = tried.session.say("zero")
        tried.session.interrupt()
        await waiting
        await cancelled.wait()
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")
        # He can still be spoken to.
        await tried.session.say("acid belt")
        await tried.agent_heard("belt")

    assert waiting.interrupted
    assert waiting.heard == ""
    assert "zero" not in tried.agent_words
    assert [item.role for item in tried.session.history] == ["user", "assistant", "assistant"]


async def test_interrupting_an_agent_that_thinks_leaves_it_listening() -> None:
    thinking = asyncio.Event()

    async def agent(turn: Turn) -> str:
        thinking.set()
        await asyncio.Event().wait()
        return "never"

    async with on_call(agent) as tried:
        await tried.say("able")
        await thinking.wait()
        tried.session.interrupt()
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )


async def test_one_speech_of_several_is_taken_back() -> None:
    async def agent(turn: Turn) -> str:
        return "Zero."

    async with on_call(agent) as tried:
        first, second, third = (tried.session.say(text) for text in ("able bake", "calm dark", "echo fish"))
        second.interrupt()
        await third
        await tried.until(lambda: len(tried.agent_words) >= 4)

    assert (first.interrupted, second.interrupted, third.interrupted) == (False, True, False)
    assert tried.agent_words == ["able", "bake", "echo", "fish"]


async def test_taking_back_a_speech_that_waits_leaves_the_one_that_is_heard_alone() -> None:
    async def agent(turn: Turn) -> str:
        return "Zero."

    async with on_call(agent) as tried:
        texts = ("able bake gold hand iron", "calm dark", "echo fish")
        first, second, third = (tried.session.say(text) for text in texts)
        await tried.until(lambda: len(tried.tts.asked) == 3)
        await tried.agent_heard("able")
        second.interrupt()
        await third
        await tried.agent_heard("echo", "fish")

    assert (first.interrupted, second.interrupted, third.interrupted) == (False, True, False)
    assert first.heard == "able bake gold hand iron"
    assert second.heard == ""
    assert tried.agent_words == ["able", "bake", "gold", "hand", "iron", "echo", "fish"]


async def test_marks_are_told_when_they_are_heard_and_not_when_they_are_talked_over() -> None:
    class Marking(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            for word in text.split():
                await mouth.write(spoken(word, 16_000), sample_rate=16_000)
                mouth.mark(word)

    async def agent(turn: Turn) -> str:
        return LONG if turn.text == "able" else "zero"

    async with on_call(agent, tts=Marking()) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "iron")
        await tried.say("calm dark echo fish")
        await tried.heard(PlayoutMark, lambda mark: mark.name == "zero")

    marks = tried.all(PlayoutMark)
    names = [mark.name for mark in marks]
    assert names[-1] == "zero"
    assert names[:-1] == LONG.split()[: len(names) - 1]
    assert 3 <= len(names) < len(LONG.split())
    for number, mark in enumerate(marks[:-1], 1):
        assert mark.played_s == pytest.approx(number * WORD_S, abs=0.005)


async def test_a_pause_of_the_agent_within_its_answer_is_no_end() -> None:
    """The agent waits for its data after the first sentence; the caller talks over the second."""
    go_on = asyncio.Event()

    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text != "able":
            yield "Zero."
            return
        yield "gold hand. "
        await go_on.wait()
        yield LONG

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.session_time(tried.now_s + 0.4)
        go_on.set()
        await tried.agent_heard("gold", "hand", "iron")
        await tried.say("calm dark echo fish")
        await tried.agent_heard("zero")

    assert len(tried.all(PlayoutStarted)) == 2
    assert tried.session.stats()["playout_gaps"] > 0


async def test_the_fade_is_short_and_smooth() -> None:
    async def agent(turn: Turn) -> str:
        return "something" if turn.text == "able" else ""

    async with on_call(agent, tts=RampVoice(seconds=6.0, sample_rate=OUT_HZ)) as tried:
        await tried.say("able")
        await tried.heard(PlayoutStarted)
        await tried.session_time(tried.now_s + 0.5)
        await tried.say("calm dark echo")
        finished = await tried.heard(PlayoutFinished)
        await tried.session_time(tried.now_s + 0.2)

    interruption = tried.all(Interruption)[0]
    end = round(interruption.at_s * OUT_HZ)
    fading = tried.agent_sound[end - OUT_HZ // 100 : end].astype(int)
    assert fading[0] > 5_900, "the fade begins where the sound was"
    assert abs(fading[-1]) < 30
    assert not tried.agent_sound[end:].any(), "after the frame in which it was decided nothing is heard"
    assert finished.played_s == pytest.approx(np.count_nonzero(tried.agent_sound) / OUT_HZ - 0.01, abs=0.001)
    assert EAR_HZ  # the caller's axis and the agent's are one
