"""The caller says something, the agent answers, sentence by sentence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.call import on_call

from beluga_voice.events import (
    AgentOutputTranscribed,
    AgentStateChanged,
    ConversationItemAdded,
    PlayoutFinished,
    PlayoutStarted,
    SpeechCreated,
    UserInputTranscribed,
    UserStateChanged,
    UserTurnEnded,
    UserTurnStarted,
)
from beluga_voice.testing.tone_words import TONE_S, silence, spoken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn


async def test_the_first_sentence_is_heard_before_the_agent_has_finished() -> None:
    heard_first = asyncio.Event()
    asked: list[Turn] = []

    async def agent(turn: Turn) -> AsyncIterator[str]:
        asked.append(turn)
        yield "Gold hand "
        yield "iron. "
        await heard_first.wait()
        yield "Milk nest."

    async with on_call(agent, metadata={"room": 7}) as tried:
        await tried.say("able bake calm")
        await tried.agent_heard("gold", "hand", "iron")
        assert tried.tts.asked == ["Gold hand iron. "], "the second sentence cannot be there: its text is not"
        heard_first.set()
        finished = await tried.heard(PlayoutFinished)
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")

    assert tried.agent_words == ["gold", "hand", "iron", "milk", "nest"]
    assert [turn.text for turn in asked] == ["able bake calm"]
    assert asked[0].history == ()
    assert asked[0].metadata == {"room": 7}
    assert asked[0].session_id == tried.session.id
    assert (asked[0].language, asked[0].confidence) == ("en-US", 0.9)
    assert asked[0].started_at_s == pytest.approx(tried.caller_onsets_s[0], abs=0.04)
    assert asked[0].ended_at_s == pytest.approx(tried.caller_onsets_s[0] + 2 * 0.21 + TONE_S, abs=0.04)
    assert [(item.role, item.text, item.interrupted) for item in tried.session.history] == [
        ("user", "able bake calm", False),
        ("assistant", "Gold hand iron. Milk nest.", False),
    ]
    assert not finished.interrupted
    assert finished.played_s == pytest.approx(5 * 0.21, abs=0.005)


async def test_events_come_in_the_order_in_which_things_happen() -> None:
    async def agent(turn: Turn) -> str:
        return "Gold hand."

    async with on_call(agent) as tried:
        await tried.say("able bake")
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")

    kinds = (UserTurnStarted, UserTurnEnded, SpeechCreated, PlayoutStarted, PlayoutFinished, ConversationItemAdded)
    order = [event for event in tried.events if isinstance(event, kinds) or getattr(event, "is_final", False)]
    assert [type(event) for event in order] == [
        UserTurnStarted,
        UserTurnEnded,
        UserInputTranscribed,
        ConversationItemAdded,
        SpeechCreated,
        PlayoutStarted,
        PlayoutFinished,
        AgentOutputTranscribed,
        ConversationItemAdded,
    ]
    times = [event.at_s for event in tried.events]
    assert times == sorted(times), "session time ran backwards"
    agent_states = [(event.old_state, event.new_state) for event in tried.all(AgentStateChanged)]
    assert agent_states == [
        ("initializing", "listening"),
        ("listening", "thinking"),
        ("thinking", "speaking"),
        ("speaking", "listening"),
        ("listening", "idle"),
    ]
    user_states = [(event.old_state, event.new_state) for event in tried.all(UserStateChanged)]
    assert user_states == [("listening", "speaking"), ("speaking", "listening")]


async def test_a_turn_is_timed_in_the_sound_s_own_time() -> None:
    async def agent(turn: Turn) -> str:
        return "Gold hand."

    async with on_call(agent) as tried:
        await tried.say("able bake")
        await tried.heard(ConversationItemAdded, nth=2)

    (onset_s,) = tried.caller_onsets_s
    voiced_end_s = onset_s + 0.21 + TONE_S
    ended = tried.all(UserTurnEnded)[0]
    assert ended.onset_s == pytest.approx(onset_s, abs=0.04)
    assert ended.voiced_end_s == pytest.approx(voiced_end_s, abs=0.04)
    assert ended.at_s == pytest.approx(voiced_end_s + 0.3, abs=0.04), "min_delay counts from the true end of the voice"

    of_caller, of_agent = tried.all(ConversationItemAdded)
    assert of_caller.metrics["end_of_turn_delay"] == pytest.approx(0.3, abs=0.02)
    assert of_caller.metrics["transcription_delay"] >= 0
    assert set(of_agent.metrics) == {"llm_node_ttft", "tts_node_ttfb", "playback_latency", "e2e_latency"}
    assert all(value >= 0 for value in of_agent.metrics.values())
    first_sample_s = next(i for i, sample in enumerate(tried.agent_sound) if sample) / tried.call.output_sample_rate
    assert of_agent.started_speaking_at_s == pytest.approx(first_sample_s, abs=0.002)
    assert of_agent.metrics["e2e_latency"] == pytest.approx(first_sample_s - voiced_end_s, abs=0.03)


async def test_a_pause_inside_a_sentence_does_not_end_the_turn() -> None:
    asked: list[str] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        return "Gold."

    async with on_call(agent, handling={"endpointing": {"min_delay": 0.6}}) as tried:
        for text, pause_s in (("able bake", 0.35), ("calm dark", 0.35), ("echo", 0.0)):
            await tried.play(spoken(text, 16_000))
            await tried.play(silence(pause_s, 16_000))
        await tried.heard(PlayoutFinished)

    assert asked == ["able bake calm dark echo"]
    assert len(tried.all(UserTurnStarted)) == len(tried.all(UserTurnEnded)) == 1
    assert len(tried.all(UserStateChanged, lambda event: event.new_state == "speaking")) == 3


async def test_the_agent_is_told_what_was_said_before() -> None:
    asked: list[Turn] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn)
        return "Gold." if len(asked) == 1 else "Hand."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await tried.say("bake")
        await tried.heard(PlayoutFinished, nth=2)

    assert [item.text for item in asked[1].history] == ["able", "Gold."]
    assert [item.text for item in tried.session.history] == ["able", "Gold.", "bake", "Hand."]


async def test_what_is_said_unasked_is_heard_in_its_order() -> None:
    async def agent(turn: Turn) -> str:
        return "Echo."

    async with on_call(agent) as tried:
        first = tried.session.say("Able bake. Calm.")
        second = tried.session.say("Dark.")
        await second
        assert first.done()
        assert (first.heard, second.heard) == ("Able bake. Calm.", "Dark.")
        await tried.until(lambda: len(tried.agent_words) >= 4)

    assert tried.agent_words == ["able", "bake", "calm", "dark"]
    assert [item.text for item in tried.session.history] == ["Able bake. Calm.", "Dark."]
