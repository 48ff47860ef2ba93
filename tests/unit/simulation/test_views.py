from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from beluga_voice.errors import ComponentError
from beluga_voice.events import (
    AgentStateChanged,
    CloseEvent,
    ConversationItemAdded,
    ErrorEvent,
    FunctionToolsExecuted,
    SessionEvent,
    UserInputTranscribed,
    UserTurnStarted,
)
from beluga_voice.simulation.call_log import CallLog
from beluga_voice.simulation.latency_table import latency_table
from beluga_voice.simulation.live_view import LiveView
from beluga_voice.simulation.plain_view import PlainView
from beluga_voice.turn import ChatMessage

CallOf = Callable[..., CallLog]
FAILURE = ComponentError("no answer", component="stt", code="stream_timeout", provider="x")
EVENTS: list[SessionEvent] = [
    AgentStateChanged(at_s=0.0, old_state="initializing", new_state="listening"),
    UserTurnStarted(at_s=62.1, turn_id=1, onset_s=62.0),
    UserInputTranscribed(at_s=62.5, transcript="are you", is_final=False, turn_id=1),
    UserInputTranscribed(at_s=63.5, transcript="are you open", is_final=True, turn_id=1),
    FunctionToolsExecuted(at_s=63.6, name="hours", arguments={"day": "sunday"}, result="ten", turn_id=1),
    ConversationItemAdded(
        at_s=66.0,
        item=ChatMessage("assistant", "From ten", interrupted=True),
        turn_id=1,
        speech_id="s1",
        started_speaking_at_s=64.0,
    ),
    ErrorEvent(at_s=67.0, error=FAILURE, source="stt", recoverable=True),
    CloseEvent(at_s=68.0, reason="user_initiated"),
]


def test_plain_lines_tell_each_thing_once_with_the_time_at_which_it_happened() -> None:
    out, log = io.StringIO(), CallLog()
    with PlainView(out) as view:
        for event in EVENTS:
            log.take(event)
            view.take(event, log)
    assert out.getvalue().splitlines() == [
        " 1:02.0  caller  are you open",
        " 1:03.6  tool    hours(day='sunday') → ten",
        " 1:04.0  agent   From ten  [interrupted]",
        " 1:07.0  error   stt: no answer (stream_timeout)",
    ]


def shown_live(events: list[SessionEvent], *, height: int = 30) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=90, height=height, color_system=None)
    log = CallLog()
    view = LiveView(console, "Museum")
    for event in events:
        log.take(event)
        view.take(event, log)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


def test_a_terminal_shows_states_and_the_transcript_as_it_comes() -> None:
    screen = shown_live(EVENTS[:3])
    assert "caller" in screen
    assert "agent listening" in screen
    assert "1:02.0  caller  are you" in screen


def test_a_terminal_shows_what_was_said_used_and_cut_short() -> None:
    screen = shown_live(EVENTS)
    for part in ("are you open", "hours(day='sunday') → ten", "no answer (stream_timeout)", "over"):
        assert part in screen


def test_a_long_call_keeps_its_newest_lines_in_sight(call_of: CallOf) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=90, height=14, color_system=None)
    view = LiveView(console, "Museum")
    log = call_of(*[(f"question {number}", f"answer {number}") for number in range(1, 40)])
    view.take(EVENTS[0], log)
    with console.capture() as captured:
        console.print(view)
    screen = captured.get()
    assert "answer 39" in screen
    assert "question 1 " not in screen
    assert len(screen.splitlines()) <= 14


def test_the_table_has_each_turns_latency_by_stage(call_of: CallOf) -> None:
    console = Console(file=io.StringIO(), width=120)
    log = call_of(("tell me all", "Gladly!"), ("are you open", "Yes."), interrupted=1)
    log.turns[1].speeches.clear()
    with console.capture() as captured:
        console.print(latency_table(log))
    first, second = [line for line in captured.get().splitlines() if "tell me" in line or "are you" in line]
    assert first.split()[-6:] == ["500", "100", "4", "200", "3", "800"]
    assert "interrupted" in first
    assert second.split()[-6:] == ["500", "100", "-", "-", "-", "-"]
