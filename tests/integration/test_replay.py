"""A recording on virtual time: the very same engine, faster than real time, the same events each time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from beluga_voice import virtual_time
from beluga_voice.cli.app import app
from beluga_voice.simulation.simulate import simulate
from beluga_voice.testing import FakeAgent, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice.events import SessionEvent
    from beluga_voice.simulation.call_log import CallLog
    from beluga_voice.simulation.simulate import Simulation

ROOT = Path(__file__).resolve().parents[2]
QUESTION = ROOT / "tests" / "data" / "weather_question.wav"


class Events:
    def __init__(self) -> None:
        self.told: list[str] = []

    def take(self, event: SessionEvent, log: CallLog) -> None:
        self.told.append(repr(event))


def replayed(charge: virtual_time.Charge) -> tuple[list[str], Simulation]:
    events = Events()
    agent = FakeAgent([["gold hand.", "iron jump."]], piece_delay=0.3)
    played = virtual_time.run(simulate(QUESTION, agent, tts=FakeTextToSpeech(), view=events), charge=charge)
    return events.told, played


def test_the_same_recording_gives_the_same_events_twice() -> None:
    charge = {"stt": 0.004, "agent": 0.1}
    began = time.monotonic()
    first, played = replayed(virtual_time.FixedTimes(charge))
    took_s = time.monotonic() - began
    second, _ = replayed(virtual_time.FixedTimes(charge))
    assert first == second
    assert any("weather" in event and "is_final=True" in event for event in first)
    (turn,) = played.record.log.turns
    assert turn.said == "gold hand. iron jump."
    # How fast depends on the machine; that it does not wait does not.
    assert took_s < played.record.duration_s


def simulated(out: Path, *options: str) -> dict[str, Any]:
    agent = f"{ROOT}/examples/tool_agent.py:Forecaster"
    command = ["simulate", str(QUESTION), "--agent", agent, "--out", str(out), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "times real time" in result.stdout
    return json.loads((out / "report.json").read_text())["turns"][0]


def test_what_answers_took_is_kept_and_can_be_replayed(tmp_path: Path) -> None:
    measured = simulated(tmp_path / "first")
    times = json.loads((tmp_path / "first" / "times.json").read_text())
    assert min(len(times[component]) for component in ("stt", "tts")) > 1
    assert measured["stages_ms"]["stt"] > 0

    replayed = simulated(tmp_path / "second", "--times", str(tmp_path / "first" / "times.json"))
    for stage in ("end_of_turn", "stt", "agent", "tts", "total"):
        assert abs(replayed["stages_ms"][stage] - measured["stages_ms"][stage]) < 0.2, stage
    assert replayed["heard"] == measured["heard"]
    assert not (tmp_path / "second" / "times.json").exists()

    free = simulated(tmp_path / "third", "--times", "none")
    assert (free["stages_ms"]["stt"], free["stages_ms"]["tts"]) == (0, 0)


def test_a_file_that_holds_no_times_is_named(tmp_path: Path) -> None:
    (tmp_path / "times.json").write_text('{"stt": ["soon"]}')
    agent = f"{ROOT}/examples/tool_agent.py:Forecaster"
    result = CliRunner().invoke(
        app, ["simulate", str(QUESTION), "--agent", agent, "--times", str(tmp_path / "times.json")]
    )
    assert result.exit_code == 1
    assert "times.json" in result.stderr
    assert "allowed: a times.json of an earlier run" in result.stderr
