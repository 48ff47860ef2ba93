"""US2.1: with a model of speech the caller's sound is answered with sound, and nothing is transcribed in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.answering import codes
from support.call import on_call

from beluga_voice.commands import EndCall, ToolFinished, ToolStarted
from beluga_voice.events import (
    AgentStateChanged,
    CloseEvent,
    ConversationItemAdded,
    FunctionToolsExecuted,
    FunctionToolStarted,
    PlayoutFinished,
    PlayoutStarted,
    UserInputTranscribed,
    UserTurnEnded,
)
from beluga_voice.testing import FakeSpeechToSpeech, FakeSpeechToText, FakeTextToSpeech


def _history(tried: Any) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in tried.session.history]


async def test_sound_is_answered_with_sound_and_without_a_transcript() -> None:
    model = FakeSpeechToSpeech(["gold hand"], transcribes=False, tells_text=False)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able bake")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert tried.agent_words == ["gold", "hand"]
        assert not tried.all(UserInputTranscribed)
        assert _history(tried) == []

    assert model.started
    assert model.closed
    assert model.heard == [["able", "bake"]]
    assert not codes(tried)


async def test_what_the_model_says_of_both_sides_is_in_the_history_in_order() -> None:
    model = FakeSpeechToSpeech(["gold hand", "iron"], transcript_delay=2.5)
    async with on_call(None, s2s=model) as tried:
        await tried.say("able bake")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: len(tried.session.history) == 2)
        assert _history(tried) == [("user", "able bake"), ("assistant", "gold hand")]
        # The answer was there first, and the transcript still comes before it.
        said = [event.item.role for event in tried.all(ConversationItemAdded)]
        assert said == ["assistant", "user"]
        await tried.say("calm")
        await tried.until(lambda: len(tried.session.history) == 4)
        assert _history(tried)[2:] == [("user", "calm"), ("assistant", "iron")]

    assert not codes(tried)


async def test_the_agent_thinks_then_speaks_then_listens() -> None:
    async with on_call(None, s2s=FakeSpeechToSpeech(["gold hand"], delay=0.3)) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: tried.session.agent_state == "listening")

    states = [event.new_state for event in tried.all(AgentStateChanged)]
    assert states == ["listening", "thinking", "speaking", "listening", "idle"]


async def test_a_model_that_finds_the_end_of_turns_itself_answers_when_it_likes() -> None:
    model = FakeSpeechToSpeech(["gold hand", "iron"], detects_turns=True, turn_silence=0.15)
    handling = {"turn_detection": "realtime_llm", "endpointing": {"min_delay": 1.0}}
    async with on_call(None, s2s=model, handling=handling) as tried:
        await tried.say("able bake")
        await tried.agent_heard("gold", "hand")
        # The core, which waits for a second of silence, had not yet found the end of the turn.
        begun = await tried.heard(PlayoutStarted)
        ended = await tried.heard(UserTurnEnded)
        assert begun.at_s < ended.at_s
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("calm")
        await tried.agent_heard("iron")
        await tried.until(lambda: len(tried.session.history) == 4)
        assert _history(tried) == [
            ("user", "able bake"),
            ("assistant", "gold hand"),
            ("user", "calm"),
            ("assistant", "iron"),
        ]

    assert not model.asked
    assert tried.session.stats()["s2s_turns_unanswered"] == 0
    assert not codes(tried)


async def test_a_turn_that_the_model_does_not_answer_leaves_nobody_waiting() -> None:
    model = FakeSpeechToSpeech(["gold"], detects_turns=True)
    async with on_call(
        None, s2s=model, s2s_timeout=1.0, handling={"turn_detection": "realtime_llm"}, user_away_timeout=None
    ) as tried:
        rng = np.random.default_rng(1)
        await tried.play(rng.normal(0, 3_000, 16_000).astype(np.int16))  # a noise: the model hears no word in it
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "thinking")
        assert tried.session.agent_state == "listening"

    assert tried.session.stats()["s2s_turns_unanswered"] == 1
    assert not codes(tried)


async def test_tools_and_the_end_of_the_call_are_told_by_commands() -> None:
    model = FakeSpeechToSpeech(
        [
            [
                "gold",
                ToolStarted("look", {"at": 1}, "1"),
                ToolFinished("look", "seen", call_id="1"),
                "hand",
                EndCall("bye"),
            ]
        ]
    )
    async with on_call(None, s2s=model) as tried:
        await tried.say("able")
        close = await tried.heard(CloseEvent)
        started = await tried.heard(FunctionToolStarted)
        finished = await tried.heard(FunctionToolsExecuted)

    assert tried.agent_words == ["gold", "hand"]
    assert (close.reason, close.detail) == ("task_completed", "bye")
    assert (started.name, started.arguments) == ("look", {"at": 1})
    assert (finished.result, finished.arguments, finished.turn_id) == ("seen", {"at": 1}, 1)


async def test_the_session_has_the_model_say_what_it_wants_said() -> None:
    model = FakeSpeechToSpeech(["gold"], tells_text=False)
    async with on_call(None, s2s=model) as tried:
        handle = tried.session.say("zero yard")
        await handle
        assert tried.agent_words == ["zero", "yard"]
        assert _history(tried) == [("assistant", "zero yard")]
        assert handle.heard == "zero yard"


async def test_what_the_caller_writes_is_answered() -> None:
    model = FakeSpeechToSpeech(["gold"])
    async with on_call(None, s2s=model) as tried:
        tried.session.generate_reply(user_input="What is it?")
        await tried.agent_heard("gold")
        await tried.until(lambda: len(tried.session.history) == 2)

    assert [(each.turn_id, each.text) for each in model.asked] == [(None, "What is it?")]


@pytest.mark.parametrize("pipeline_type", ["stt_tts", "s2s"])
async def test_us2_3_of_both_pipelines_the_one_that_is_configured_answers(pipeline_type: str) -> None:
    """US2.3: both are there, and the user chooses by configuration."""
    model, stt, tts = FakeSpeechToSpeech(["gold"]), FakeSpeechToText(), FakeTextToSpeech()

    async def agent(turn: object) -> str:
        return "zero"

    async with on_call(
        agent if pipeline_type == "stt_tts" else None, s2s=model, stt=stt, tts=tts, pipeline_type=pipeline_type
    ) as tried:
        await tried.say("able")
        await tried.agent_heard("zero" if pipeline_type == "stt_tts" else "gold")

    assert (stt.started, tts.started, model.started) == (
        (True, True, False) if pipeline_type == "stt_tts" else (False, False, True)
    )
