"""A livekit-server of one's own, as far as it goes without one."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from beluga_voice.errors import ConfigError, DeadlineError, TransportError
from beluga_voice.simulation import livekit_server
from beluga_voice.simulation.livekit_server import LiveKitServer, livekit_server_program


def program(folder: Path, script: str) -> Path:
    path = folder / "livekit-server"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_without_one_it_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ConfigError, match="go install"):
        livekit_server_program()


def test_the_one_that_was_built_goes_before_the_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/livekit-server")
    assert livekit_server_program() == Path("/usr/bin/livekit-server")
    built = tmp_path / "beluga-voice" / "tools" / "livekit-server-v1" / "bin"
    built.mkdir(parents=True)
    assert livekit_server_program() == Path("/usr/bin/livekit-server")
    path = program(built, "exit")
    assert livekit_server_program() == path


def test_one_that_ends_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    server = LiveKitServer(program=program(tmp_path, "echo 'no such option'; exit 1"))
    with pytest.raises(TransportError, match="no such option"):
        server.start()
    assert not server.running
    assert server.log == "no such option\n"


def test_one_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(livekit_server, "_READY_S", 0.2)
    server = LiveKitServer(program=program(tmp_path, "exec sleep 600"))
    with pytest.raises(DeadlineError, match="did not answer"):
        server.start()
    assert not server.running


def test_a_port_that_somebody_takes_first_is_given_to_him(tmp_path: Path) -> None:
    """The first try finds its port taken, the second would be an ordinary start: it ends as well, of its own error."""
    tried = tmp_path / "tried"
    script = f"""
if [ -e {tried} ]; then echo "$LIVEKIT_CONFIG" >> {tried}; echo broken; exit 1; fi
echo "$LIVEKIT_CONFIG" > {tried}; echo 'listen tcp: address already in use'; exit 1"""
    with pytest.raises(TransportError, match="broken"):
        LiveKitServer(program=program(tmp_path, script)).start()
    first, second = (json.loads(line) for line in tried.read_text().splitlines())
    assert first["port"] != second["port"]


def test_its_configuration_may_be_added_to_and_overlaid(tmp_path: Path) -> None:
    told = tmp_path / "config"
    config = {"rtc": {"tcp_port": 0}, "room": {"auto_create": False}}
    server = LiveKitServer(program=program(tmp_path, f'echo "$LIVEKIT_CONFIG" > {told}; exit 1'), config=config)
    with pytest.raises(TransportError):
        server.start()
    used = json.loads(told.read_text())
    assert used["room"] == {"auto_create": False}
    assert used["rtc"]["tcp_port"] == 0
    assert used["rtc"]["udp_port"] == server.udp_port
    assert used["keys"] == {server.api_key: server.api_secret}


def test_a_token_says_who_may_do_what_until_when() -> None:
    server = LiveKitServer()
    token = server.token("a-room", "ada", kind="agent", ttl=60, attributes={"a": "b"}, grants={"can_publish": False})
    said = claims(token)
    assert (said["sub"], said["kind"], said["attributes"]) == ("ada", "agent", {"a": "b"})
    assert said["exp"] - said["nbf"] == 60
    assert said["video"]["room"] == "a-room"
    assert not said["video"]["canPublish"]
    assert server.api_secret not in repr(server)
