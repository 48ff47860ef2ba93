from __future__ import annotations

import json
from typing import Any

import pytest

from beluga_voice.errors import AgentError
from beluga_voice.events import (
    AgentFalseInterruption,
    AgentStateChanged,
    CloseEvent,
    ConversationItemAdded,
    ErrorEvent,
    FunctionToolsExecuted,
    FunctionToolStarted,
    Interruption,
    PlayoutFinished,
    PlayoutStarted,
    SessionEvent,
    SpeechCreated,
    UserInputTranscribed,
    UserTurnEnded,
    UserTurnStarted,
)
from beluga_voice.simulation.call_log import CallLog, StateBand
from beluga_voice.simulation.report import call_report
from beluga_voice.turn import ChatMessage

QUESTION: list[SessionEvent] = [
    UserTurnStarted(at_s=1.06, turn_id=1, onset_s=1.0),
    UserInputTranscribed(at_s=1.5, transcript="are you", is_final=False, turn_id=1),
    UserTurnEnded(at_s=2.5, turn_id=1, onset_s=1.0, voiced_end_s=2.0),
    UserInputTranscribed(at_s=2.6, transcript="are you open", is_final=True, turn_id=1),
    ConversationItemAdded(
        at_s=2.6,
        item=ChatMessage("user", "are you open"),
        turn_id=1,
        metrics={"end_of_turn_delay": 0.5, "transcription_delay": 0.1},
    ),
    SpeechCreated(at_s=2.6, speech_id="s1", source="reply", turn_id=1),
]
TOOL: list[SessionEvent] = [
    FunctionToolStarted(at_s=2.6, name="hours", arguments={"day": "sunday"}, call_id="c1"),
    FunctionToolsExecuted(at_s=2.61, name="hours", arguments={"day": "sunday"}, result="ten", call_id="c1", turn_id=1),
]
STARTED = PlayoutStarted(at_s=2.81, speech_id="s1")


def answered(text: str, *, interrupted: bool, at_s: float = 4.0) -> list[SessionEvent]:
    return [
        PlayoutFinished(at_s=at_s, speech_id="s1", played_s=at_s - 2.8, interrupted=interrupted),
        ConversationItemAdded(
            at_s=at_s,
            item=ChatMessage("assistant", text, interrupted=interrupted),
            turn_id=1,
            speech_id="s1",
            started_speaking_at_s=2.8,
            stopped_speaking_at_s=at_s,
            metrics={"llm_node_ttft": 0.01, "tts_node_ttfb": 0.18, "playback_latency": 0.005, "e2e_latency": 0.8},
        ),
    ]


def log_of(*events: SessionEvent) -> CallLog:
    log = CallLog()
    for event in events:
        log.take(event)
    return log


def turns(log: CallLog) -> list[dict[str, Any]]:
    report = call_report(log, duration_s=5.0, counters={"ticks": 500})
    assert json.loads(json.dumps(report)) == report
    return report["turns"]


def test_a_turn_of_the_report() -> None:
    log = log_of(*QUESTION, *TOOL, STARTED, *answered("On Sunday from ten.", interrupted=False))
    assert turns(log) == [
        {
            "heard": "are you open",
            "said": "On Sunday from ten.",
            "tools": [{"name": "hours", "arguments": {"day": "sunday"}, "result": "ten", "error": None}],
            "interrupted": False,
            "start_s": 1.0,
            "end_s": 2.0,
            "first_audio_s": 2.8,
            "interrupted_at_s": None,
            "stages_ms": {
                "end_of_turn": 500.0, "stt": 100.0, "agent": 10.0, "tts": 180.0, "playout": 5.0, "total": 800.0,
            },
        }
    ]  # fmt: skip


def test_nothing_is_said_before_its_sound_was_played() -> None:
    (turn,) = turns(log_of(*QUESTION, STARTED))
    assert turn["heard"] == "are you open"
    assert turn["said"] == ""


def test_what_the_recogniser_guesses_is_not_heard() -> None:
    (turn,) = turns(log_of(*QUESTION[:2]))
    assert (turn["heard"], turn["end_s"]) == ("", None)


def test_an_interruption_tells_when_the_agent_gave_way() -> None:
    cut_in = Interruption(at_s=3.5, speech_id="s1", onset_s=3.0, action="pause")
    log = log_of(*QUESTION, STARTED, cut_in, *answered("On Sunday", interrupted=True))
    (turn,) = turns(log)
    assert (turn["said"], turn["interrupted"], turn["interrupted_at_s"]) == ("On Sunday", True, 3.5)
    assert log.speeches[0].onset_s == 3.0


def test_an_interruption_without_words_leaves_no_mark_but_a_count() -> None:
    cut_in = Interruption(at_s=3.5, speech_id="s1", onset_s=3.0, action="pause")
    log = log_of(
        *QUESTION,
        STARTED,
        cut_in,
        AgentFalseInterruption(at_s=5.5, resumed=True),
        *answered("On Sunday from ten.", interrupted=False, at_s=7.0),
    )
    (turn,) = turns(log)
    assert (turn["interrupted"], turn["interrupted_at_s"]) == (False, None)
    assert log.false_interruptions == 1


def test_a_discarded_turn_is_counted_and_is_no_turn() -> None:
    log = log_of(
        UserTurnStarted(at_s=1.06, turn_id=1, onset_s=1.0),
        UserTurnEnded(at_s=1.2, turn_id=1, onset_s=1.0, discarded=True),
    )
    assert turns(log) == []
    assert log.discarded_turns == 1


def test_a_tool_belongs_to_the_turn_that_it_served_also_when_the_next_one_has_begun() -> None:
    next_turn = UserTurnStarted(at_s=2.605, turn_id=2, onset_s=2.55)
    log = log_of(*QUESTION, next_turn, *TOOL)
    assert [len(turn["tools"]) for turn in turns(log)] == [1, 0]


def test_what_the_agent_says_by_itself_is_no_turns_answer() -> None:
    log = log_of(
        SpeechCreated(at_s=0.0, speech_id="s0", source="say"),
        PlayoutStarted(at_s=0.3, speech_id="s0"),
        PlayoutFinished(at_s=1.0, speech_id="s0", played_s=0.7, interrupted=False),
        ConversationItemAdded(
            at_s=1.0, item=ChatMessage("assistant", "Hello!"), speech_id="s0", started_speaking_at_s=0.29
        ),
    )
    report = call_report(log, duration_s=1.0, counters={})
    assert report["unprompted"] == [{"said": "Hello!", "interrupted": False, "start_s": 0.29, "end_s": 1.0}]
    assert report["turns"] == []


def test_errors_and_the_end_are_told_with_their_codes() -> None:
    log = log_of(
        ErrorEvent(at_s=1.0, error=AgentError("it raised"), source="agent", recoverable=True),
        CloseEvent(at_s=2.0, reason="task_completed"),
    )
    report = call_report(log, duration_s=2.0, counters={})
    assert (report["errors"][0]["code"], report["errors"][0]["source"]) == ("agent_error", "agent")
    assert report["close_reason"] == "task_completed"


def test_states_follow_one_another_without_a_gap() -> None:
    log = log_of(
        AgentStateChanged(at_s=0.0, old_state="initializing", new_state="listening"),
        AgentStateChanged(at_s=2.0, old_state="listening", new_state="thinking"),
        AgentStateChanged(at_s=2.5, old_state="thinking", new_state="speaking"),
    )
    assert log.bands("agent", 4.0) == [
        StateBand("listening", 0.0, 2.0),
        StateBand("thinking", 2.0, 2.5),
        StateBand("speaking", 2.5, 4.0),
    ]
    assert log.bands("user", 4.0) == [StateBand("listening", 0.0, 4.0)]


@pytest.mark.parametrize("stage", ["numpy", "beluga-voice", "python"])
def test_the_report_tells_versions(stage: str) -> None:
    assert call_report(CallLog(), duration_s=0.0, counters={})["versions"][stage]
