from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.call_run import CallRecord
from beluga_voice.simulation.demo import Demo
from beluga_voice.simulation.script import DEMO_SCRIPT, CallerScript, Line
from beluga_voice.simulation.scripted_caller import ScriptedCaller, SpokenLine

SCRIPT = CallerScript(lines=(Line(text="Tell me all."), Line(text="Are you open?", begin="over")))
CallOf = Callable[..., CallLog]
GOOD = [("tell me all", "Gladly!"), ("are you open", "Yes.")]


def demo(log: CallLog, *, outcome: Any = "done", lines: int = 2, starved: int = 0) -> Demo:
    caller = ScriptedCaller(SCRIPT, [])
    caller.outcome = outcome
    caller.spoken += [
        SpokenLine(line.text, float(at), at + 1.0, over_agent=line.begin == "over")
        for at, line in enumerate(SCRIPT.lines[:lines])
    ]
    recorder: Any = None
    return Demo(CallRecord(log, recorder, {"input_starved_samples": starved}), caller)


def test_all_went_well(call_of: CallOf) -> None:
    assert demo(call_of(*GOOD, interrupted=1)).shortcomings(SCRIPT) == []


@pytest.mark.parametrize(
    ("turns", "interrupted", "told"),
    [
        ([("", "Gladly!"), GOOD[1]], 1, "turn 1 ('Tell me all.') was not heard"),
        ([("police dog", "Gladly!"), GOOD[1]], 1, "turn 1 ('Tell me all.') was heard as 'police dog'"),
        ([GOOD[0], ("are you open", "")], 1, "turn 2 ('Are you open?') was not answered"),
        (GOOD, None, "turn 2 talked over the agent, and the agent did not stop"),
        ([*GOOD, ("are", "What?")], 1, "the caller took 2 turns, the session counted 3"),
    ],
)
def test_what_went_wrong_is_told_by_turn(
    call_of: CallOf, turns: list[tuple[str, str]], interrupted: int | None, told: str
) -> None:
    assert demo(call_of(*turns, interrupted=interrupted)).shortcomings(SCRIPT) == [told]


def test_a_caller_who_gave_up_or_was_hung_up_on_is_told(call_of: CallOf) -> None:
    found = demo(call_of(GOOD[0]), outcome="unanswered", lines=1).shortcomings(SCRIPT)
    assert found == ["the caller gave up waiting after turn 1 ('Tell me all.')"]
    found = demo(call_of(), outcome="hung_up_on", lines=0).shortcomings(SCRIPT)
    assert found == ["the call ended early, after the agent's greeting"]


def test_a_caller_with_holes_in_his_sound_means_a_busy_machine(call_of: CallOf) -> None:
    assert demo(call_of(), starved=16_000).overloaded
    assert not demo(call_of(), starved=320).overloaded


@pytest.mark.parametrize(("lost", "busy"), [(48_000, True), (960, False)])
def test_a_caller_in_a_room_counts_his_holes_himself(call_of: CallOf, lost: int, busy: bool) -> None:
    played = demo(call_of(), starved=16_000)
    counters = {**played.record.counters, "caller_lost_samples": lost}
    assert replace(played, record=replace(played.record, counters=counters)).overloaded is busy


def test_the_script_has_what_a_demo_needs() -> None:
    lines = DEMO_SCRIPT.lines
    assert len(lines) >= 4
    assert [(line.begin, line.wait_s) for line in lines if line.begin == "over"] == [("over", 1.0)]
    assert {line.wait_s for line in lines if line.begin == "after"} == {0.8}
    (pause_s,) = {line.pause_s for line in lines if len(line.parts) > 1}
    assert 0.25 < pause_s < 0.5  # the VAD notices, the endpointing does not
