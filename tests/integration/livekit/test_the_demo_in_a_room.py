"""`beluga-voice demo --livekit`, once, with everything real: what it promises is looked at in its three files."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from beluga_voice import livekit
from beluga_voice.cli.app import app
from beluga_voice.simulation.script import DEMO_SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.quiet_machine


HZ = 24_000
MIN_SPEECH_S = 0.5  # turn_handling.interruption.min_duration, as the demo leaves it
OVER = next(number for number, line in enumerate(DEMO_SCRIPT.lines) if line.begin == "over")
SOUND = 30  # of 32768: a voice's breath has it; zeros through Opus have not
LONGEST_LEG_S = 0.4


class Played:
    def __init__(self, out: Path, result: Result) -> None:
        self.out = out
        self.result = result
        self.report: dict[str, Any] = json.loads((out / "report.json").read_text())
        self.turns: list[dict[str, Any]] = self.report["turns"]
        self.lines: list[dict[str, Any]] = self.report["caller"]["lines"]
        with wave.open(str(out / "call.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (HZ, 2, 2)
            self.said, self.received = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T

    @property
    def way_in_s(self) -> float:
        """From the caller's mouth to the session's ear: his own labels against the voice that the session found."""
        heard = zip(self.lines, self.turns, strict=True)
        return float(np.median([turn["end_s"] - line["end_s"] for line, turn in heard]))

    @property
    def way_out_s(self) -> float:
        """From the answer's being sent to the caller's ear. A voice begins with a breath: the shortest one is right."""
        sent_s = [said["first_audio_s"] for said in self.turns] + [
            said["start_s"] for said in self.report["unprompted"]
        ]
        return min(first_sound_s(self.received, at_s) - at_s for at_s in sent_s)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    out = tmp_path_factory.mktemp("demo-livekit")
    before = livekit.media_paths()
    result = CliRunner().invoke(app, ["demo", "--livekit", "--out", str(out)])
    assert result.exit_code == 0, result.stdout + result.stderr
    assert livekit.media_paths() == {**before, "native": before["native"] + 1}
    return Played(out, result)


def level_dbfs(samples: NDArray[np.int16], start_s: float, end_s: float) -> float:
    cut = samples[round(start_s * HZ) : round(end_s * HZ)] / 32_768
    return 20 * float(np.log10(max(1e-6, float(np.sqrt(np.mean(cut**2))))))


def first_sound_s(samples: NDArray[np.int16], after_s: float) -> float:
    start = round(after_s * HZ)
    return (start + int(np.argmax(np.abs(samples[start:].astype(np.int32)) > SOUND))) / HZ


def test_every_line_of_the_script_was_heard_and_answered(played: Played) -> None:
    assert played.report["caller"]["outcome"] == "done"
    assert [line["text"] for line in played.lines] == [line.words for line in DEMO_SCRIPT.lines]
    assert len(played.turns) == len(played.lines)
    for turn in played.turns:
        assert turn["heard"]
        assert turn["said"]
    assert played.report["errors"] == []


def test_the_caller_no_longer_receives_the_agent_soon_after_he_talked_over_it(played: Played) -> None:
    interrupted = played.turns[OVER - 1]
    assert interrupted["interrupted"]
    assert len(interrupted["said"].split()) < 15
    ways_s = played.way_in_s + played.way_out_s
    assert 0.0 < ways_s < 2 * LONGEST_LEG_S
    onset_s = played.lines[OVER]["onset_s"]
    assert level_dbfs(played.received, interrupted["first_audio_s"], onset_s + 0.1) > -40
    silent_from_s = onset_s + MIN_SPEECH_S + 0.13 + ways_s
    answer_s = played.turns[OVER]["first_audio_s"]
    assert np.abs(played.received[round(silent_from_s * HZ) : round(answer_s * HZ)]).max() < 104  # -50 dBFS


def test_the_right_channel_is_what_reached_the_caller(played: Played) -> None:
    for turn in played.turns:
        # Nothing before it was sent, and nothing at that moment either: it has a way to go.
        sent_s = turn["first_audio_s"]
        assert np.abs(played.received[round((sent_s - 0.2) * HZ) : round((sent_s + 0.01) * HZ)]).max() < SOUND
        assert 0.01 < first_sound_s(played.received, sent_s) - sent_s < LONGEST_LEG_S
        assert level_dbfs(played.received, sent_s, sent_s + LONGEST_LEG_S + 0.3) > -40


def test_the_left_channel_is_what_the_caller_said(played: Played) -> None:
    for line in played.lines:
        assert level_dbfs(played.said, line["onset_s"] - 0.3, line["onset_s"] - 0.02) < -50
        assert level_dbfs(played.said, line["onset_s"], line["end_s"]) > -35


def test_the_report_has_the_form_of_the_demo_in_this_process(played: Played) -> None:
    assert set(played.report) == {
        *("duration_s", "close_reason", "turns", "unprompted", "errors", "counters", "caller", "versions"),
    }
    assert played.report["duration_s"] == pytest.approx(len(played.said) / HZ, abs=0.01)
    for turn in played.turns:
        stages = dict(turn["stages_ms"])
        assert stages["total"] == pytest.approx(1_000 * (turn["first_audio_s"] - turn["end_s"]), abs=1.0)
        assert set(stages) == {"end_of_turn", "stt", "agent", "tts", "playout", "total"}
    tools = {tool["name"] for turn in played.turns for tool in turn["tools"]}
    assert tools == {"opening_hours", "ticket_price"}


def test_the_terminal_tells_the_call_and_its_latencies(played: Played) -> None:
    told = played.result.stdout
    for turn in played.turns:
        assert turn["heard"] in told
        assert turn["said"] in told
    assert "end of turn" in told
    assert (played.out / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_was_lost_on_the_way(played: Played) -> None:
    counters = played.report["counters"]
    for name in ("events_dropped", "session_events_dropped", "commands_refused", "recording_lost_samples"):
        assert counters[name] == 0, name
