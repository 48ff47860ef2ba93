"""Backend `local`: by name, as many sessions as it may, and none after it was closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beluga_voice import LocalCall
from beluga_voice.backend import get_registry
from beluga_voice.config import BackendConfig, SessionConfig
from beluga_voice.errors import ConfigError, SessionError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn


async def agent(turn: Turn) -> str:
    return "gold"


def config() -> SessionConfig:
    return SessionConfig(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech)


async def test_as_many_sessions_as_it_may_and_one_more_when_one_is_closed() -> None:
    backend = get_registry().create("local", {"max_concurrent_sessions": 2, "vad": "energy"})
    first, second = await backend.create_session(config()), await backend.create_session(config())
    await first.start(LocalCall())
    await second.start(LocalCall())
    with pytest.raises(SessionError, match="2 sessions are open: allowed: 2") as refused:
        await backend.create_session(config())
    assert refused.value.code == "session_limit_exceeded"
    assert backend.list_sessions() == [first, second]
    assert backend.get_session(second.id) is second

    stats = backend.stats()
    assert stats["backend_sessions"] == 2
    assert stats["sessions"] == 2
    assert stats["healthy"] is True
    assert stats["totals"]["ticks"] >= 0

    await backend.close_session(first.id)
    assert first.state == "ended"
    third = await backend.create_session(config())
    assert backend.list_sessions() == [second, third]
    await backend.aclose()
    assert (second.is_over, third.is_over, backend.list_sessions()) == (True, True, [])


async def test_a_session_that_nobody_knows() -> None:
    backend = get_registry().create("local")
    with pytest.raises(SessionError) as unknown:
        backend.get_session("x")
    assert (unknown.value.code, unknown.value.provider) == ("session_not_found", "local")
    with pytest.raises(SessionError) as unknown:
        await backend.close_session("x")
    assert unknown.value.code == "session_not_found"


async def test_a_session_that_hung_up_gives_its_place_free() -> None:
    backend = get_registry().create("local", {"max_concurrent_sessions": 1, "vad": "energy"})
    session, call = await backend.create_session(config()), LocalCall()
    await session.start(call)
    await call.hang_up()
    await session.wait_closed()
    await (await backend.create_session(config())).aclose()


async def test_a_session_that_could_not_start_gives_its_place_free() -> None:
    class Broken(FakeSpeechToText):
        async def start(self) -> None:
            raise OSError("no model")

    backend = get_registry().create("local", {"max_concurrent_sessions": 1, "vad": "energy"})
    session = await backend.create_session(SessionConfig(agent=agent, stt=Broken, tts=FakeTextToSpeech))
    with pytest.raises(OSError, match="no model"):
        await session.start(LocalCall())
    await (await backend.create_session(config())).aclose()


async def test_what_a_session_leaves_unsaid_comes_from_the_backend() -> None:
    backend = get_registry().create(
        "local", BackendConfig(vad="energy", tts=FakeTextToSpeech, stt=FakeSpeechToText, timeout=2.0)
    )
    session = await backend.create_session(SessionConfig(agent=agent))
    await session.start(LocalCall())
    await session.say("gold")
    await backend.aclose()
    assert [item.text for item in session.history] == ["gold"]


def test_options_that_it_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="provider_config has room"):
        get_registry().create("local", {"provider_config": {"room": 1}})
