from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from beluga_voice._model_table import MODELS
from beluga_voice.cli import checks, finding, model_check
from beluga_voice.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path


def examined(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *arguments])
    return result.exit_code, result.stdout


def test_it_says_that_the_defaults_can_run() -> None:
    code, told = examined()
    assert code == 0
    assert "beluga-voice demo" in told
    for part in ("pocketsphinx", "silero", "verified", "LIVEKIT_URL", "livekit-server"):
        assert part in told


def test_json_says_the_same() -> None:
    code, told = examined("--json")
    findings = json.loads(told)["findings"]
    assert json.loads(told)["ready"] == (code == 0)
    assert {finding["group"] for finding in findings} >= {"package", "models", "environment", "servers"}


def test_a_missing_package_is_told_as_the_line_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in ("piper-tts", "matplotlib"):
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(finding, "version", version)
    code, told = examined()
    assert code == 1
    todo = told.partition("to do")[2]
    assert "pip install 'beluga-voice[local]'" in todo
    assert "pip install 'beluga-voice[plots]'" in todo
    assert "cannot run" in told


def test_what_is_only_nice_to_have_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:

    def version(name: str) -> str:
        if name == "matplotlib":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(finding, "version", version)
    assert examined()[0] == 0


def test_a_key_is_told_to_be_there_and_not_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_API_SECRET", "hunter2")
    _, told = examined("--json")
    assert {"name": "LIVEKIT_API_SECRET", "found": "set"}.items() <= {
        key: value
        for finding in json.loads(told)["findings"]
        if finding["name"] == "LIVEKIT_API_SECRET"
        for key, value in finding.items()
    }.items()
    assert "hunter2" not in told


@pytest.mark.parametrize(("content", "state"), [(None, "missing"), (b"not the weights", "damaged")])
def test_damaged_and_missing_weights_are_found(tmp_path: Path, content: bytes | None, state: str) -> None:
    if content is not None:
        (tmp_path / MODELS[0].file).write_bytes(content)
    found = model_check.embedded_models(tmp_path)[0]
    assert (found.state, found.usable) == (state, False)
    assert "pip install --force-reinstall" in found.remedy


def test_damaged_weights_fail_doctor_and_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from beluga_voice.cli import models

    broken = model_check.embedded_models(tmp_path)
    monkeypatch.setattr(checks, "embedded_models", lambda: broken)
    monkeypatch.setattr(models, "embedded_models", lambda: broken)
    assert examined()[0] == 1
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 1
    assert "missing" in result.stdout


def test_every_embedded_model_has_a_purpose() -> None:
    assert all(model.purpose for model in model_check.embedded_models())
