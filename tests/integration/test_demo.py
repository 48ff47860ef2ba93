"""`beluga-voice demo`, once, with everything real: all that it promises is looked at in its three files."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from beluga_voice.cli.app import app
from beluga_voice.simulation.script import DEMO_SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


HZ = 24_000
MIN_SPEECH_S = 0.5  # turn_handling.interruption.min_duration, as the demo leaves it
OVER = next(number for number, line in enumerate(DEMO_SCRIPT.lines) if line.begin == "over")
PAUSED = next(number for number, line in enumerate(DEMO_SCRIPT.lines) if len(line.parts) > 1)


class Played:
    def __init__(self, out: Path, result: Result) -> None:
        self.out = out
        self.result = result
        self.report: dict[str, Any] = json.loads((out / "report.json").read_text())
        self.turns: list[dict[str, Any]] = self.report["turns"]
        self.lines: list[dict[str, Any]] = self.report["caller"]["lines"]
        with wave.open(str(out / "call.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (HZ, 2, 2)
            self.caller, self.agent = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    out = tmp_path_factory.mktemp("demo")
    result = CliRunner().invoke(app, ["demo", "--out", str(out)])
    assert result.exit_code == 0, result.stdout + result.stderr
    return Played(out, result)


def level_dbfs(samples: NDArray[np.int16], start_s: float, end_s: float) -> float:
    cut = samples[round(start_s * HZ) : round(end_s * HZ)] / 32_768
    return 20 * float(np.log10(max(1e-6, float(np.sqrt(np.mean(cut**2))))))


def test_every_line_of_the_script_was_heard_and_answered(played: Played) -> None:
    assert [line["text"] for line in played.lines] == [line.words for line in DEMO_SCRIPT.lines]
    assert len(played.turns) == len(played.lines)
    for turn in played.turns:
        assert turn["heard"]
        assert turn["said"]
    assert played.report["errors"] == []


def test_a_pause_within_a_sentence_ends_no_turn(played: Played) -> None:
    assert "saturday" in played.turns[PAUSED]["heard"]
    assert "nine" in played.turns[PAUSED]["said"]


def test_the_tools_results_are_in_the_answers(played: Played) -> None:
    tools = {tool["name"]: (turn, tool) for turn in played.turns for tool in turn["tools"]}
    turn, tool = tools["ticket_price"]
    assert tool["result"]["euros"] == 8
    assert "eight euros" in turn["said"]
    assert "opening_hours" in tools


def test_the_agent_falls_silent_in_time_when_it_is_talked_over(played: Played) -> None:
    """By the sound alone: the onset is the script's label in the caller's file, the silence is in the agent's."""
    interrupted = played.turns[OVER - 1]
    assert interrupted["interrupted"]
    # The session hears the caller's file a constant later: what it was handed before the call began to tick.
    late_s = played.report["counters"]["input_starved_samples"] / 16_000
    assert late_s < 0.2, "this machine was too busy to play the caller in time"
    onset_s = played.lines[OVER]["onset_s"]
    assert level_dbfs(played.agent, onset_s - 0.3, onset_s + 0.1) > -40
    silent_from_s = onset_s + late_s + MIN_SPEECH_S + 0.13
    assert level_dbfs(played.agent, silent_from_s, silent_from_s + 0.5) < -50
    answer_s = played.turns[OVER]["first_audio_s"]
    assert np.abs(played.agent[round(silent_from_s * HZ) : round(answer_s * HZ)]).max() < 104  # -50 dBFS, every sample


def test_only_what_was_heard_before_the_interruption_counts_as_said(played: Played) -> None:
    said = played.turns[OVER - 1]["said"]
    assert said.startswith("Gladly!")
    assert len(said.split()) < 15


def test_the_caller_keeps_to_the_script(played: Played) -> None:
    over = played.lines[OVER]["onset_s"] - played.turns[OVER - 1]["first_audio_s"]
    assert over == pytest.approx(1.0, abs=0.2)  # the voice's own breath comes before its first sound
    for number in range(OVER + 1, len(played.lines)):
        onset_s = played.lines[number]["onset_s"]
        assert level_dbfs(played.agent, onset_s - 0.7, onset_s) < -50
        assert level_dbfs(played.agent, onset_s - 1.2, onset_s - 0.75) > -50


def test_both_channels_are_on_the_reports_axis(played: Played) -> None:
    for turn in played.turns:
        assert level_dbfs(played.caller, turn["start_s"] - 0.3, turn["start_s"] - 0.05) < -50
        assert level_dbfs(played.caller, turn["start_s"], turn["end_s"]) > -35
        first_s = turn["first_audio_s"]
        assert level_dbfs(played.agent, first_s - 0.2, first_s - 0.02) < -80
        assert level_dbfs(played.agent, first_s, first_s + 0.3) > -40


def test_the_stages_add_up_to_what_the_caller_waited(played: Played) -> None:
    for turn in played.turns:
        stages = dict(turn["stages_ms"])
        total = stages.pop("total")
        assert total == pytest.approx(1_000 * (turn["first_audio_s"] - turn["end_s"]), abs=1.0)
        assert set(stages) == {"end_of_turn", "stt", "agent", "tts", "playout"}
        assert sum(stages.values()) == pytest.approx(total, abs=60.0)


def test_the_terminal_tells_the_call_and_its_latencies(played: Played) -> None:
    told = played.result.stdout
    for turn in played.turns:
        assert turn["heard"] in told
        assert turn["said"] in told
    assert "end of turn" in told
    assert (played.out / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_was_lost_on_the_way(played: Played) -> None:
    counters = played.report["counters"]
    for name in ("events_dropped", "session_events_dropped", "recording_lost_samples", "commands_refused"):
        assert counters[name] == 0
