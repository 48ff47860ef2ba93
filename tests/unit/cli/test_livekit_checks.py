"""What `doctor` says of LiveKit; a real server is in tests/integration/livekit/test_the_doctor.py."""

from __future__ import annotations

import socket
from importlib.metadata import PackageNotFoundError

import pytest

from beluga_voice.cli import finding
from beluga_voice.cli.finding import Finding
from beluga_voice.cli.livekit_checks import livekit_findings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)


def found(name: str) -> Finding:
    return next(finding for finding in livekit_findings() if finding.name == name)


def test_without_a_server_only_the_packages_are_looked_at() -> None:
    assert {finding.name: finding.state for finding in livekit_findings()} == {
        "livekit": "ok", "livekit-api": "ok", "aiohttp": "ok", "server": "info"
    }  # fmt: skip


@pytest.mark.parametrize(("told", "state"), [("1.1.20", "missing"), ("1.1.21rc1", "ok"), ("1.10.0", "ok"), ("2", "ok")])
def test_an_sdk_that_is_too_old_is_told_with_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch, told: str, state: str
) -> None:
    monkeypatch.setattr(finding, "version", lambda _: told)
    sdk = found("livekit")
    assert sdk.state == state
    assert ("livekit>=1.1.21" in sdk.remedy) == (state == "missing")


def test_a_missing_extra_is_told_as_the_line_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(finding, "version", version)
    assert {finding.remedy for finding in livekit_findings() if finding.state == "missing"} == {
        "pip install 'beluga-voice[livekit]' (LiveKit rooms)"
    }


@pytest.mark.parametrize("url", ["localhost:7880", "ws://", "ws://host:port", "ftp://host"])
def test_an_address_that_is_none_is_told_with_an_example(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LIVEKIT_URL", url)
    assert "ws://localhost:7880" in found("server").remedy


def test_a_server_that_is_not_there_is_told_and_nothing_more_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("LIVEKIT_URL", f"ws://user:canary@127.0.0.1:{port}/?access_token=canary")
    monkeypatch.setenv("LIVEKIT_API_KEY", "devkey")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "canary")
    findings = livekit_findings()
    assert findings[-1].name == "server"
    assert f"127.0.0.1:{port} cannot be reached" in findings[-1].found
    assert "start the server" in findings[-1].remedy
    assert "canary" not in str(findings)
