"""What `beluga-voice call` refuses before it goes anywhere; rooms are in tests/integration/livekit."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from beluga_voice.cli.app import app

KEYS = {"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "canary" * 8}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def call(*options: str) -> Result:
    result = CliRunner().invoke(app, ["call", "--room", "r", *options])
    assert "canary" not in result.stdout + result.stderr
    return result


def test_what_is_not_set_is_named_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    result = call()
    assert result.exit_code == 2
    assert "LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET" in result.stderr
    assert "livekit-server --dev" in result.stderr
    assert "LIVEKIT_URL" not in call("--url", "ws://127.0.0.1:9").stderr.splitlines()[0]


def test_an_agent_that_is_not_there_is_told_before_a_room_is_joined() -> None:
    result = call("--agent", "json:nothing")
    assert result.exit_code == 1
    assert "(agent_invalid)" in result.stderr


def test_a_url_that_is_none_is_told_with_what_is_allowed() -> None:
    result = call("--url", "localhost")
    assert result.exit_code == 1
    assert "ws:// or wss://" in result.stderr


def test_an_unknown_component_is_told_before_a_room_is_joined() -> None:
    result = call("--tts", "pipe")
    assert "did you mean 'piper'?" in result.stderr


def test_a_server_that_is_not_there_is_told_with_what_to_look_at() -> None:
    result = call()
    what, do = result.stderr.splitlines()
    assert what.endswith("(connection_failed)")
    assert "LIVEKIT_URL" in do
    assert result.exit_code == 1
