"""A server that takes connections and says nothing keeps nobody waiting for longer than was set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import pytest
from support.mute_server import mute_server

from beluga_voice import SessionConfig, get_registry
from beluga_voice.errors import BelugaVoiceError, TransportError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn
    from beluga_voice.providers.livekit.backend import LiveKitBackend


@pytest.fixture
async def mute_url() -> AsyncGenerator[str]:
    async with mute_server() as url:
        yield url


async def agent(turn: Turn) -> str:
    return "gold"


CONFIG = SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech)


def backend_at(url: str, **provider_config: Any) -> LiveKitBackend:
    settings = {"url": url, "api_key": "key", "api_secret": "canary-" * 6, **provider_config}
    config = {"provider_config": settings, "connect_timeout": 1.0, "max_retries": 1, "retry_delay": 0.1}
    return get_registry().create("livekit", config)


@pytest.mark.parametrize("operation", ["start", "answer", "join", "list_rooms", "create_room", "delete_room"])
async def test_whatever_is_asked_of_it_ends_with_a_code(mute_url: str, operation: str) -> None:
    backend = backend_at(mute_url)
    asked = {
        "start": backend.start,
        "answer": lambda: backend.answer(CONFIG, room="r"),
        "join": lambda: backend.join("r"),
        "list_rooms": backend.server.list_rooms,
        "create_room": lambda: backend.server.create_room("r"),
        "delete_room": lambda: backend.server.delete_room("r"),
    }
    with pytest.raises(TransportError) as late:
        await asyncio.wait_for(asked[operation](), 30.0)  # type: ignore[operator]
    assert (late.value.code, late.value.provider, late.value.retryable) == ("connection_timeout", "livekit", True)
    assert "canary" not in repr(late.value)
    assert backend.list_sessions() == []
    await backend.aclose()


async def test_it_is_unhealthy_and_says_why(mute_url: str) -> None:
    backend = backend_at(mute_url)
    with pytest.raises(BelugaVoiceError):
        await backend.start()
    assert backend.get_connection_state() == "error"
    health = await asyncio.wait_for(backend.health_check(), 30.0)
    assert (health.status, health.details["connection"].reason) == ("unhealthy", "not started")
    await backend.aclose()


async def test_settings_of_a_backend_that_can_change_do_and_others_are_named(mute_url: str) -> None:
    backend = backend_at(mute_url)
    changed = await backend.update_config(provider_config={"audience": "room", "participant_timeout": 5.0})
    assert changed.provider_config["audience"] == "room"
    assert changed.provider_config["url"] == mute_url
    with pytest.raises(BelugaVoiceError, match=r"provider_config\.url, provider_config\.api_secret: allowed: another"):
        await backend.update_config(provider_config={"url": "wss://b.example", "api_secret": "other"})
    with pytest.raises(BelugaVoiceError, match="audience = 'all': allowed: 'caller' or 'room'"):
        await backend.update_config(provider_config={"audience": "all"})
    assert backend.get_config() is changed
    await backend.update_config(connect_timeout=2.0)
    assert backend.server.timeout_s == 2.0
    await backend.aclose()
