"""`beluga-voice config`: a schema for editors, and a check that opens nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from beluga_voice.cli.app import app
from beluga_voice.config import BackendConfig
from beluga_voice.providers.livekit.options import LiveKitOptions

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("clean_environment")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", *arguments])


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(run("schema").stdout)


def test_every_setting_is_in_the_schema_with_what_it_means(schema: dict[str, Any]) -> None:
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(schema["properties"]) == set(BackendConfig.model_fields)
    assert all(each["description"] for each in schema["properties"].values())
    assert schema["additionalProperties"] is False
    delay = schema["properties"]["turn_handling"]["properties"]["endpointing"]["properties"]["min_delay"]
    assert (delay["minimum"], delay["maximum"], delay["default"]) == (0.1, 5.0, 0.5)
    assert "$ref" not in json.dumps(schema)


def test_the_schema_has_the_options_of_backends_and_components(schema: dict[str, Any]) -> None:
    assert schema["properties"]["provider"]["enum"] == ["livekit", "local"]
    by_provider = {
        each["if"]["properties"]["provider"]["const"]: each["then"]["properties"]["provider_config"]["properties"]
        for each in schema["allOf"]
    }
    assert set(by_provider["livekit"]) == set(LiveKitOptions.model_fields)
    assert by_provider["local"] == {}
    _, mapping = schema["properties"]["vad"]["anyOf"]
    silero = next(
        each["then"] for each in mapping["allOf"] if each["if"]["properties"]["provider"]["const"] == "silero"
    )
    assert silero["properties"]["activation_threshold"]["maximum"] == 0.99
    assert silero["additionalProperties"] is False


def test_a_right_file_is_said_to_be_right_and_its_secrets_are_not(tmp_path: Path) -> None:
    file = tmp_path / "beluga.yaml"
    file.write_text(
        "provider: livekit\nmax_retries: 5\nvad: {provider: silero, activation_threshold: 0.6}\n"
        "provider_config: {url: 'wss://a.example', api_key: canary-1, api_secret: canary-2}\n"
    )
    shown, data = run("check", str(file)), run("check", str(file), "--json")
    assert (shown.exit_code, data.exit_code) == (0, 0)
    assert "right, for backend 'livekit'" in shown.stdout
    assert "max_retries = 5" in shown.stdout
    assert json.loads(data.stdout)["set"]["vad"] == {"provider": "silero", "activation_threshold": 0.6}
    assert "canary" not in shown.stdout + data.stdout


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("max_retrys: 3\n", "max_retrys = 3: no such option, did you mean 'max_retries'?", "invalid_config"),
        ("retry_delay: 0\n", "retry_delay = 0: allowed: a number from 0.1 to 30.0", "invalid_config"),
        ("provider: livekitt\n", "did you mean 'livekit'?", "provider_not_found"),
        ("stt: pocketsphnix\n", "did you mean 'pocketsphinx'?", "provider_not_found"),
        ("vad: {provider: silero, threshold: 1}\n", "vad.silero.threshold = 1: no such option", "invalid_config"),
        ("provider: livekit\n", "LIVEKIT_URL in the environment", "invalid_config"),
        ("provider_config: {room: a}\n", "provider_config has room", "invalid_config"),
        ("- a\n", "its root is a list", "invalid_config"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path: Path, text: str, told: str, code: str) -> None:
    file = tmp_path / "beluga.yaml"
    file.write_text(text)
    result = run("check", str(file))
    assert result.exit_code == 1
    assert told in result.stderr
    assert f"({code})" in result.stderr


def test_the_environment_counts_in_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "beluga.yaml"
    file.write_text("timeout: 5\n")
    monkeypatch.setenv("BELUGA_VOICE_MAX_RETRIES", "99")
    result = run("check", str(file))
    assert "max_retries = '99': allowed: a whole number from 0 to 10" in result.stderr
