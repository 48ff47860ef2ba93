"""What a backend does with the rooms that it answers in, on virtual time and without a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_room import FakeDriver

from beluga_voice import SessionConfig, get_registry
from beluga_voice.livekit import ParticipantKind, joining
from beluga_voice.livekit.room_state import ParticipantInfo
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice.livekit import RoomOptions
    from beluga_voice.livekit.room_state import Joined

ADA = ParticipantInfo(identity="ada")
PHONE = ParticipantInfo(identity="phone", kind=ParticipantKind.PARTICIPANT_KIND_SIP)

CONFIG = SessionConfig(agent=lambda _: "", stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy")


class Server:
    """Notes what a backend does with its rooms; they are not left while the gate is shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *callers: ParticipantInfo, **options: Any) -> None:
        self.done: list[str] = []
        self.callers = callers
        self.drivers: list[FakeDriver] = []
        self.leave_gate = asyncio.Event()
        self.leave_gate.set()
        monkeypatch.setattr(joining, "_native_driver", self._driver)
        settings = {"url": "ws://localhost:1", "api_key": "k", "api_secret": "s" * 32, **options}
        self.backend: Any = get_registry().create("livekit", {"provider_config": settings})
        monkeypatch.setattr(self.backend.server, "list_rooms", self._list_rooms)
        monkeypatch.setattr(self.backend.server, "delete_room", self._delete_room)

    def _driver(self) -> FakeDriver:
        driver = _GatedDriver(self)
        self.drivers.append(driver)
        return driver

    async def _list_rooms(self, _: Any) -> list[Any]:
        return []

    async def _delete_room(self, name: str) -> None:
        self.done.append("deleted")


class _GatedDriver(FakeDriver):
    def __init__(self, server: Server) -> None:
        super().__init__(*server.callers)
        self._server = server

    async def connect(self, url: str, token: str, options: RoomOptions) -> Joined:
        self._server.done.append("joined")
        return await super().connect(url, token, options)

    async def disconnect(self, reason: int) -> None:
        await self._server.leave_gate.wait()
        self._server.done.append("left")
        await super().disconnect(reason)


async def test_who_answers_in_a_room_that_is_being_left_and_deleted_is_not_thrown_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(monkeypatch, ADA, delete_room_on_close=True)
    first = await server.backend.answer(CONFIG, room="r")
    server.leave_gate.clear()
    await first.aclose()
    answering = asyncio.create_task(server.backend.answer(CONFIG, room="r"))
    await asyncio.sleep(1.0)
    server.leave_gate.set()
    second = await answering
    assert server.done == ["joined", "left", "deleted", "joined"]
    assert second.state == "active"
    await server.backend.aclose()


@pytest.mark.parametrize(
    ("caller", "options", "hz"),
    [(ADA, {}, 24_000), (PHONE, {}, 16_000), (PHONE, {"publish_rate": 24_000}, 24_000)],
)
async def test_a_telephone_gets_the_agents_voice_at_16_khz_unless_another_rate_is_set(
    caller: ParticipantInfo, options: dict[str, Any], hz: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch, caller, **options)
    await server.backend.answer(CONFIG, room="r")
    assert server.drivers[0].calls[0].sample_rate == hz
    await server.backend.aclose()
