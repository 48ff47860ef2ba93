"""US4: another backend by configuration alone; what there is can be asked for; what fails says whose it is and why."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_backend import FakePhoneProvider, FakeServer

from beluga_voice import BackendConfig, BackendRegistry, LocalCall, SessionConfig, registry as registry_module
from beluga_voice.errors import BelugaVoiceError, ConfigError, MissingDependencyError, ProviderError, TransportError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from beluga_voice import Turn, VoiceBackend


async def echo(turn: Turn) -> str:
    return f"{turn.text}."


async def application(registry: BackendRegistry, config: BackendConfig) -> list[tuple[str, str]]:
    """An application as users write one: it knows no backend, and takes one call of two turns."""
    async with registry.create(config.provider, config) as backend:
        session = await backend.answer(SessionConfig(agent=echo))
        await session.wait_closed()
        return [(message.role, message.text) for message in session.history]


@asynccontextmanager
async def caller(ring: Callable[[LocalCall], Any]) -> AsyncGenerator[None]:
    """Says two things and hangs up when both were answered."""

    async def talk() -> None:
        call = LocalCall()
        await ring(call)
        await call.connected()
        for word in ("able", "bake"):
            await call.write(spoken(word, call.sample_rate))
            assert await call.read(4.0) is not None
        await call.hang_up()

    talking = asyncio.create_task(talk())
    try:
        yield
    finally:
        await talking


async def test_us4_1_another_backend_by_configuration_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """US4.1: the same application on two backends, told apart by one line of a file. On LiveKit's:
    tests/integration/livekit/test_us4_1_the_same_application.py."""
    registry, phones = BackendRegistry(), FakePhoneProvider()
    registry.register("phone", phones)
    made: list[VoiceBackend] = []
    monkeypatch.setattr("beluga_voice.voice_backend.VoiceBackend.start", _noting(made))
    told = {}
    for provider in ("local", "phone"):
        path = tmp_path / f"{provider}.yaml"
        path.write_text(f"provider: {provider}\nvad: energy\n")
        config = BackendConfig.load(path, stt=FakeSpeechToText, tts=FakeTextToSpeech)
        ring = phones.calls.put if provider == "phone" else lambda call: made[-1].ring(call)  # type: ignore[attr-defined]
        running = asyncio.create_task(application(registry, config))
        await asyncio.sleep(0.1)
        async with caller(ring):
            told[provider] = await running
    assert told["local"] == told["phone"]
    assert [text for _, text in told["phone"]] == ["able", "able.", "bake", "bake."]
    assert [backend.provider for backend in made] == ["local", "phone"]


def _noting(made: list[VoiceBackend]) -> Any:
    from beluga_voice.voice_backend import VoiceBackend

    start = VoiceBackend.start

    async def noted(self: VoiceBackend) -> None:
        made.append(self)
        await start(self)

    return noted


def test_us4_2_every_provider_is_listed_with_what_it_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """US4.2: embedded ones, registered ones and those of other packages, broken ones with the reason."""

    def entry_points(*, group: str) -> list[EntryPoint]:
        found = [
            EntryPoint("theirs", "support.fake_backend:FakePhoneProvider", "beluga_voice.backend"),
            EntryPoint("broken", "no_such_module_at_all:X", "beluga_voice.backend"),
        ]
        return [point for point in found if point.group == group]

    monkeypatch.setattr(registry_module, "entry_points", entry_points)
    registry = BackendRegistry()
    registry.register("mine", FakePhoneProvider())
    listed = {each.name: each for each in registry.describe_providers()}
    assert sorted(listed) == registry.list_providers() == ["broken", "livekit", "local", "mine", "theirs"]
    for name in ("livekit", "local", "mine", "theirs"):
        assert (listed[name].problem, listed[name].config_schema is not None) == ("", True)
    assert listed["theirs"].capabilities == listed["mine"].capabilities
    assert listed["mine"].capabilities.max_concurrent_sessions == 30  # type: ignore[union-attr]
    assert listed["livekit"].capabilities.supported_codecs == ("opus",)  # type: ignore[union-attr]
    assert "api_secret" in {field.name for field in listed["livekit"].config_schema or ()}
    assert (listed["broken"].capabilities, listed["broken"].problem) == (None, "pip install 'no_such_module_at_all'")
    assert json.loads(json.dumps([each.to_dict() for each in listed.values()]))


class Refusing(FakePhoneProvider):
    def create_backend(self, config: BackendConfig) -> Any:
        raise OSError(f"line 3 is dead, key {config.provider_config.get('api_key')}")


class Unmakable(FakePhoneProvider):
    def __init__(self) -> None:
        raise KeyError("PHONE_HOME")


@pytest.mark.parametrize(
    ("provider", "settings", "error", "told"),
    [
        (Refusing, {}, ProviderError, "backend 'theirs' failed in create_backend: OSError: line 3 is dead"),
        (Unmakable, {}, ProviderError, "backend 'theirs' failed in get_provider: KeyError: 'PHONE_HOME'"),
        ("json:NoSuchName", {}, ProviderError, "backend 'theirs' cannot be imported: AttributeError"),
        ("no_such_module:X", {}, MissingDependencyError, "pip install 'no_such_module'"),
        (
            "beluga_voice.providers.livekit.provider:LiveKitProvider",
            {"url": "nowhere"},
            ConfigError,
            "backend 'theirs': provider_config: url = 'nowhere': allowed: ws:// or wss:// and a host",
        ),
    ],
)
def test_us4_3_a_provider_that_cannot_be_initialised_is_named_with_the_reason(
    provider: Any, settings: dict[str, Any], error: type[BelugaVoiceError], told: str
) -> None:
    """US4.3."""
    registry = BackendRegistry()
    registry.register("theirs", provider)
    with pytest.raises(error) as failed:
        registry.create("theirs", {"provider_config": {"api_key": "canary-17", **settings}})
    assert told in str(failed.value)
    assert (failed.value.provider, bool(failed.value.operation)) == ("theirs", True)
    assert "canary-17" not in repr(failed.value)
    assert "canary-17" not in repr(failed.value.__cause__)


async def test_us4_3_a_provider_whose_server_cannot_be_reached_is_named_with_the_reason() -> None:
    """US4.3, where it shows only when it is started."""
    registry = BackendRegistry()
    trouble = TransportError("phone.example cannot be reached: no route", code="connection_failed")
    registry.register("phone", FakePhoneProvider(FakeServer(*[trouble] * 4)))
    backend = registry.create("phone")
    with pytest.raises(TransportError) as failed:
        await backend.start()
    assert (failed.value.provider, failed.value.operation) == ("phone", "start")
    assert "cannot be reached: no route" in str(failed.value)
    assert len(backend.server.asked_at) == 4
    await backend.aclose()
