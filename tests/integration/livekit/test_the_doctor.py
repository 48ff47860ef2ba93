"""`beluga-voice doctor` before a real livekit-server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from livekit import api

from beluga_voice.cli.livekit_checks import livekit_findings

if TYPE_CHECKING:
    from collections.abc import Generator

    from beluga_voice.cli.finding import Finding
    from beluga_voice.testing import LiveKitServer


def looked_at(server: LiveKitServer, monkeypatch: pytest.MonkeyPatch, **different: str) -> dict[str, Finding]:
    own = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.api_key, "LIVEKIT_API_SECRET": server.api_secret}
    environment = own | different
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return {finding.name: finding for finding in livekit_findings()}


async def rooms(server: LiveKitServer) -> list[str]:
    async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client:
        return [room.name for room in (await client.room.list_rooms(api.ListRoomsRequest())).rooms]


def test_a_server_that_serves_is_found_to_and_nothing_is_left_behind(
    own_livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked_at(own_livekit_server, monkeypatch)
    assert {name: found[name].state for name in ("server", "key", "native media")} == {
        "server": "ok", "key": "ok", "native media": "ok"
    }  # fmt: skip
    assert asyncio.run(rooms(own_livekit_server)) == []


def test_a_key_that_the_server_does_not_know_is_told_and_never_shown(
    livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked_at(livekit_server, monkeypatch, LIVEKIT_API_SECRET="canary-" * 8)
    assert found["key"].state == "missing"
    assert "LIVEKIT_API_SECRET" in found["key"].remedy
    assert "native media" not in found
    assert "canary" not in str(found)


def test_a_key_that_is_not_set_is_told(livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked_at(livekit_server, monkeypatch, LIVEKIT_API_SECRET="")
    assert (found["server"].state, found["key"].state) == ("ok", "missing")


@pytest.fixture
def deaf_livekit_server() -> Generator[LiveKitServer]:
    """One whose media nobody reaches: it tells its clients an address where nothing listens, and no TCP."""
    from beluga_voice.testing import LiveKitServer

    with LiveKitServer(media_address="127.0.0.9") as server:
        yield server


def test_a_server_whose_media_cannot_be_reached_is_told_with_what_to_let_through(
    deaf_livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked_at(deaf_livekit_server, monkeypatch)
    assert (found["key"].state, found["native media"].state) == ("ok", "missing")
    assert "UDP" in found["native media"].remedy
