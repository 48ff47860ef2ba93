"""The caller goes on before the answer has begun: what he said first is no less asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.call import on_call

from beluga_voice.events import AgentStateChanged, ConversationItemAdded, Interruption, PlayoutFinished, UserTurnEnded
from beluga_voice.testing import FakeSpeechToText
from beluga_voice.testing.tone_words import noise

if TYPE_CHECKING:
    from beluga_voice import Turn


async def test_the_question_and_what_follows_it_are_answered_as_one() -> None:
    asked: list[Turn] = []
    cancelled: list[str] = []
    first = asyncio.Event()

    async def agent(turn: Turn) -> str:
        asked.append(turn)
        if len(asked) == 1:
            first.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(turn.text)
                raise
        return "Gold."

    async with on_call(agent) as tried:
        await tried.say("able bake")
        await first.wait()
        await tried.say("calm dark echo")
        await tried.heard(PlayoutFinished)

    assert cancelled == ["able bake"]
    assert [turn.text for turn in asked] == ["able bake", "able bake calm dark echo"]
    assert asked[1].history == ()
    assert [item.text for item in tried.session.history] == ["able bake calm dark echo", "Gold."]
    assert tried.all(Interruption)[0].speech_id is None


async def test_a_noise_does_not_lose_the_question() -> None:
    asked: list[str] = []
    first = asyncio.Event()

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        if len(asked) == 1:
            first.set()
            await asyncio.Event().wait()
        return "Gold."

    async with on_call(agent) as tried:
        await tried.say("able bake")
        await first.wait()
        await tried.play(noise(0.5, 16_000))
        await tried.heard(PlayoutFinished)
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")

    assert asked == ["able bake", "able bake"]
    assert [item.text for item in tried.session.history] == ["able bake", "Gold."]


async def test_a_noise_too_short_to_interrupt_leaves_the_answer_alone() -> None:
    asked: list[str] = []
    first, go_on = asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        first.set()
        await go_on.wait()
        return "Gold."

    async with on_call(agent) as tried:
        await tried.say("able bake")
        await first.wait()
        await tried.play(noise(0.12, 16_000))
        await tried.heard(UserTurnEnded, nth=2)
        go_on.set()
        await tried.heard(PlayoutFinished)
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")

    assert asked == ["able bake"]
    assert tried.agent_words == ["gold"]


async def test_a_word_too_short_to_interrupt_is_still_part_of_the_question() -> None:
    asked: list[str] = []
    first = asyncio.Event()

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        if len(asked) == 1:
            first.set()
            await asyncio.Event().wait()
        return "Gold."

    async with on_call(agent) as tried:
        await tried.say("able bake")
        await first.wait()
        await tried.say("calm")
        await tried.heard(PlayoutFinished)

    assert asked == ["able bake", "able bake calm"]


async def test_going_on_before_the_first_words_are_understood_asks_once() -> None:
    """The recogniser is slow: he has begun his second turn when the words of the first come."""
    asked: list[str] = []

    async def on_turn(turn_id: int) -> None:
        if turn_id == 1:
            await tried.heard(Interruption)

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        return "Gold."

    async with on_call(agent, stt=FakeSpeechToText(interim_results=False, before_final=on_turn)) as tried:
        await tried.say("able bake")
        await tried.heard(UserTurnEnded)
        await tried.say("calm dark echo fish gold")
        await tried.heard(PlayoutFinished)

    assert asked == ["able bake calm dark echo fish gold"]
    assert [item.text for item in tried.session.history] == ["able bake calm dark echo fish gold", "Gold."]
    assert next(item.item.text for item in tried.all(ConversationItemAdded)) == "able bake"


async def test_three_turns_in_a_row_are_one_question() -> None:
    asked: list[str] = []
    seen = asyncio.Semaphore(0)

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        seen.release()
        if len(asked) < 3:
            await asyncio.Event().wait()
        return "Gold."

    async with on_call(agent) as tried:
        for text in ("able bake", "calm dark", "echo fish"):
            await tried.say(text)
            await seen.acquire()
        await tried.heard(PlayoutFinished)

    assert asked[-1] == "able bake calm dark echo fish"
    assert [item.role for item in tried.session.history] == ["user", "assistant"]
