"""`beluga-voice simulate` with everything real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from beluga_voice.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
QUESTION = ROOT / "tests" / "data" / "weather_question.wav"


def simulated(agent: str, out: Path, *options: str, exit_code: int = 0) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(app, ["simulate", str(QUESTION), "--agent", agent, "--out", str(out), *options])
    assert result.exit_code == exit_code, result.stdout + result.stderr
    return json.loads((out / "report.json").read_text()), result.stderr


def test_a_recorded_question_is_answered_by_the_examples_agent(tmp_path: Path) -> None:
    report, _ = simulated(f"{ROOT}/examples/tool_agent.py:Forecaster", tmp_path)
    (turn,) = report["turns"]
    assert "weather" in turn["heard"]
    assert turn["said"] == "Let me look. In Paris: sunshine, nineteen degrees."
    assert [tool["name"] for tool in turn["tools"]] == ["look_up"]
    assert (report["caller"]["outcome"], report["errors"]) == ("done", [])
    assert (tmp_path / "call.wav").stat().st_size > 24_000 * 4 * 3


def test_an_agent_that_fails_fails_the_command_and_the_call_is_on_record(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text("def agent(turn):\n    raise RuntimeError('no such table')\n")
    report, told = simulated(f"{tmp_path}/failing.py:agent", tmp_path, exit_code=1)
    assert "no such table" in told
    assert "(agent_error)" in told
    (turn,) = report["turns"]
    assert (bool(turn["heard"]), turn["said"]) == (True, "")
