from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from beluga_voice import _core
from beluga_voice.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ["numpy", "pydantic", "yaml", "structlog", "matplotlib", "pocketsphinx", "piper", "onnxruntime", "uvloop"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_help_loads_nothing_that_takes_time() -> None:
    code = (
        "import sys; sys.argv = ['beluga-voice', '--help']\n"
        "from beluga_voice.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules], "
        "[name for name in sys.modules if name.startswith(('beluga_voice.components', 'beluga_voice._core'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "simulate" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded [] []"


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "beluga_voice", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == _core.__version__


@pytest.mark.parametrize("command", ["demo", "simulate", "call", "console", "doctor", "models"])
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--debug" in result.stdout


@pytest.mark.parametrize("command", ["schema", "check"])
def test_every_command_about_settings_explains_itself(command: str) -> None:
    result = run("config", command, "--help")
    assert result.exit_code == 0
    assert "--debug" in result.stdout


def test_who_carries_the_sound_is_asked_of_a_room_alone() -> None:
    result = run("demo", "--media", "sdk")
    assert result.exit_code == 2
    assert "--livekit" in result.stderr


def test_an_error_is_two_lines_and_a_code(tmp_path: Path) -> None:
    result = run("simulate", str(tmp_path / "none.wav"), "--agent", "json:dumps")
    what, do = result.stderr.splitlines()
    assert what.startswith("error: ")
    assert "none.wav" in what
    assert what.endswith("(os_error)")
    assert do.strip().startswith("do: ")
    assert result.exit_code == 1


def test_debug_shows_where_it_came_from(tmp_path: Path) -> None:
    result = run("simulate", str(tmp_path / "none.wav"), "--agent", "json:dumps", "--debug")
    assert isinstance(result.exception, FileNotFoundError)


def test_an_unknown_component_is_told_with_what_there_is(tmp_path: Path) -> None:
    result = run("simulate", str(tmp_path / "none.wav"), "--agent", "json:dumps", "--stt", "pocketsphin")
    assert "did you mean 'pocketsphinx'?" in result.stderr
    assert "(provider_not_found)" in result.stderr


def test_models_are_verified_and_listed() -> None:
    result = run("models")
    assert result.exit_code == 0
    for part in ("silero", "verified", "MIT", "sha256", "Nothing to download"):
        assert part in result.stdout
    assert json.loads(run("models", "--json").stdout)["downloads"] == []
