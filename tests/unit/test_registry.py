from __future__ import annotations

import sys
import threading
import time
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel, Field, SecretStr

from beluga_voice import registry as registry_module
from beluga_voice.backend import BackendRegistry, ConfigField, ProviderCapabilities, config_fields, get_registry
from beluga_voice.components.vad.silero import Silero
from beluga_voice.config import BackendConfig, VadOptions
from beluga_voice.errors import ConfigError, MissingDependencyError, ProviderNotFoundError
from beluga_voice.registry import ComponentRegistry
from beluga_voice.sharing import share
from beluga_voice.speech_to_text import SpeechToText
from beluga_voice.validation import Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from beluga_voice.handles import Ear
    from beluga_voice.speech_to_text import Transcript


class FakeOptions(Options):
    model: str = Field("small", description="Which.")
    temperature: float = Field(0.0, ge=0.0, le=1.0, description="How wild.")
    api_key: SecretStr = Field(SecretStr(""), description="Who asks.")


class Fake(SpeechToText):
    Options: ClassVar[type[BaseModel] | None] = FakeOptions
    model_option = "model"
    made = 0

    def __init__(self, options: FakeOptions | None = None) -> None:
        self.options = options or FakeOptions()
        type(self).made += 1

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        async for _ in ear.utterances():
            raise NotImplementedError  # only looked up and made here, never listened with
            yield


class Plain(SpeechToText):
    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        async for _ in ear.utterances():
            raise NotImplementedError  # only looked up and made here, never listened with
            yield


@pytest.fixture
def registry() -> ComponentRegistry:
    result = ComponentRegistry()
    result.register("stt", "fake", Fake)
    return result


def test_a_name_gives_a_new_component_for_each_session(registry: ComponentRegistry) -> None:
    before = Fake.made
    factory = registry.resolve("stt", "fake")
    assert (factory.kind, factory.name, Fake.made) == ("stt", "fake", before)
    assert factory.create() is not factory.create()
    assert factory.options == FakeOptions()


def test_provider_and_model(registry: ComponentRegistry) -> None:
    assert registry.resolve("stt", "fake/large/v2").create().options.model == "large/v2"
    assert registry.resolve("stt", {"provider": "fake/large", "temperature": 0.5}).create().options.temperature == 0.5
    with pytest.raises(ConfigError, match="given twice"):
        registry.resolve("stt", {"provider": "fake/large", "model": "small"})
    with pytest.raises(ConfigError, match="allowed: a model after the slash"):
        registry.resolve("stt", "fake/")
    with pytest.raises(ConfigError, match=r"vad = 'silero/v5': allowed: 'silero' alone"):
        registry.resolve("vad", "silero/v5")


def test_an_option_reaches_its_component(registry: ComponentRegistry) -> None:
    component = registry.resolve("stt", {"provider": "fake", "temperature": 0.7, "api_key": "s"}).create()
    assert component.options.temperature == 0.7
    assert component.options.api_key.get_secret_value() == "s"


def test_an_unknown_option_names_field_value_and_what_is_allowed(registry: ComponentRegistry) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.resolve("stt", {"provider": "fake", "temprature": 0.7})
    assert str(caught.value) == (
        "stt.fake.temprature = 0.7: no such option, did you mean 'temperature'? allowed: api_key, model, temperature"
    )


def test_a_value_out_of_range_names_field_value_and_what_is_allowed(registry: ComponentRegistry) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.resolve("stt", {"provider": "fake", "temperature": 7})
    assert str(caught.value) == "stt.fake.temperature = 7: allowed: a number from 0.0 to 1.0"
    assert caught.value.details["errors"][0]["field"] == "stt.fake.temperature"


def test_a_secret_in_a_wrong_place_is_not_shown(registry: ComponentRegistry) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.resolve("stt", {"provider": "fake", "api_keey": "hush"})
    assert "hush" not in repr(caught.value)


def test_a_model_that_forgot_to_forbid_is_held_to_it_all_the_same(registry: ComponentRegistry) -> None:
    class Lax(Plain):
        Options = type("Lax", (BaseModel,), {"__annotations__": {"a": int}, "a": 1})

    registry.register("stt", "lax", Lax)
    with pytest.raises(ConfigError, match=r"stt\.lax\.b = 2: no such option; allowed: a"):
        registry.resolve("stt", {"provider": "lax", "b": 2})


def test_an_unknown_name_lists_the_known_ones(registry: ComponentRegistry) -> None:
    with pytest.raises(ProviderNotFoundError) as caught:
        registry.resolve("stt", "pocketsphynx")
    assert str(caught.value) == (
        "stt = 'pocketsphynx': no such provider, did you mean 'pocketsphinx'? known: fake, pocketsphinx"
    )


@pytest.mark.parametrize("spec", [None, 3, object(), "x y", {"provider": 3}, {}, {"temperature": 1}, int, [], ""])
def test_what_is_no_component_is_refused(registry: ComponentRegistry, spec: object) -> None:
    with pytest.raises((ConfigError, ProviderNotFoundError), match=r"allowed|known"):
        registry.resolve("stt", spec)


def test_a_component_of_another_kind_is_refused(registry: ComponentRegistry) -> None:
    registry.register("tts", "wrong", Fake)
    with pytest.raises(ConfigError, match="a subclass of TextToSpeech"):
        registry.resolve("tts", "wrong")


def test_a_class_is_made_anew_for_each_session(registry: ComponentRegistry) -> None:
    factory = registry.resolve("stt", Plain)
    assert factory.create() is not factory.create()


def test_an_object_serves_one_session_unless_it_is_shared(registry: ComponentRegistry) -> None:
    mine = Plain()
    assert registry.resolve("stt", mine).create() is mine
    with pytest.raises(ConfigError, match=r"share\(instance\)"):
        registry.resolve("stt", mine).create()
    ours = Plain()
    assert registry.resolve("stt", share(ours)).create() is registry.resolve("stt", share(ours)).create() is ours


def test_names_are_imported_when_used(
    registry: ComponentRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_recogniser.py").write_text("from tests_marker_fake import Fake\n")
    (tmp_path / "tests_marker_fake.py").write_text(
        "from beluga_voice.speech_to_text import SpeechToText\n"
        "class Fake(SpeechToText):\n    def stream(self, ear): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.register("stt", "theirs", "their_recogniser:Fake")
    assert "theirs" in registry.names("stt")
    assert "their_recogniser" not in sys.modules
    assert registry.resolve("stt", "theirs").name == "theirs"
    assert "their_recogniser" in sys.modules


def test_third_parties_come_by_entry_point(registry: ComponentRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        found = [
            EntryPoint("theirs", f"{__name__}:Plain", "beluga_voice.stt"),
            EntryPoint("broken", "no_such_module_at_all:X", "beluga_voice.stt"),
        ]
        return [point for point in found if point.group == group]

    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(registry_module, "entry_points", entry_points)
    assert registry.names("stt") == ["broken", "fake", "pocketsphinx", "theirs"]
    assert type(registry.resolve("stt", "theirs").create()).__name__ == "Plain"
    with pytest.raises(MissingDependencyError, match="pip install 'no_such_module_at_all'"):
        registry.resolve("stt", "broken")


@pytest.mark.parametrize(
    ("kind", "name", "module"), [("stt", "pocketsphinx", "pocketsphinx"), ("tts", "piper", "piper")]
)
def test_what_is_missing_is_said_as_the_line_that_mends_it(
    kind: Any, name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted, *rest: None if wanted == module else real(wanted, *rest)
    )
    with pytest.raises(MissingDependencyError) as caught:
        ComponentRegistry().resolve(kind, name)
    assert str(caught.value) == "pip install 'beluga-voice[local]'"


def test_a_name_is_not_taken_twice_by_accident(registry: ComponentRegistry) -> None:
    with pytest.raises(ConfigError, match="replace=True"):
        registry.register("stt", "fake", Plain)
    registry.register("stt", "fake", Plain, replace=True)
    assert registry.resolve("stt", "fake").create().__class__ is Plain


def test_threads_that_resolve_at_once_get_the_same_class(registry: ComponentRegistry) -> None:
    gate = threading.Barrier(8)
    found: list[object] = []

    def work() -> None:
        gate.wait()
        for number in range(50):
            registry.register("stt", f"{threading.get_ident()}-{number}", Plain)
            found.append(registry.resolve("stt", "fake").create().__class__)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.names("stt")) == 2 + 8 * 50
    assert set(found) == {Fake}


def test_silero_takes_the_vad_options() -> None:
    vad = ComponentRegistry().resolve("vad", {"provider": "silero", "activation_threshold": 0.7}).create()
    assert isinstance(vad, Silero)
    assert vad.options == VadOptions(activation_threshold=0.7)


class FakeProvider:
    def __init__(self) -> None:
        self.created: list[BackendConfig] = []

    def get_name(self) -> str:
        return "fake"

    def get_capabilities(self) -> ProviderCapabilities:
        return ProviderCapabilities(supported_codecs=("pcm",))

    def create_backend(self, config: BackendConfig) -> object:
        self.created.append(config)
        return ("backend", config)

    def validate_config(self, config: BackendConfig) -> None:
        if config.provider_config:
            raise ConfigError("provider_config: allowed: nothing")

    def get_config_schema(self) -> tuple[ConfigField, ...]:
        return config_fields(FakeOptions)


def test_a_backend_is_made_by_name() -> None:
    registry = BackendRegistry()
    registry.register("fake", FakeProvider)
    assert registry.list_providers() == ["fake", "livekit", "local"]
    assert registry.is_registered("local")
    assert not registry.is_registered("moon")
    _, config = registry.create("fake", {"max_concurrent_sessions": 3})
    assert (config.provider, config.max_concurrent_sessions) == ("fake", 3)
    assert registry.get_provider("fake") is registry.get_provider("fake")


def test_a_backend_with_a_wrong_config_is_not_made() -> None:
    registry = BackendRegistry()
    provider = FakeProvider()
    registry.register("fake", provider)
    with pytest.raises(ConfigError):
        registry.create("fake", {"provider_config": {"a": 1}})
    with pytest.raises(ConfigError, match="max_concurrent_sessions = -1"):
        registry.create("fake", {"max_concurrent_sessions": -1})
    with pytest.raises(ConfigError, match="provider = 'local': allowed: 'fake'"):
        registry.create("fake", BackendConfig())
    assert provider.created == []


def test_threads_that_ask_for_a_backend_at_once_get_the_same_provider() -> None:
    registry = BackendRegistry()
    made: list[FakeProvider] = []

    class Counted(FakeProvider):
        def __init__(self) -> None:
            super().__init__()
            time.sleep(0.01)  # long enough for the other threads to come too
            made.append(self)

    registry.register("fake", Counted)
    gate = threading.Barrier(16)
    found: list[object] = []
    failures: list[BaseException] = []

    def work() -> None:
        gate.wait()
        try:
            for number in range(10):
                mine = f"{threading.get_ident()}-{number}"
                registry.register(mine, FakeProvider)
                found.append(registry.get_provider("fake"))
                assert registry.get_provider(mine) is registry.get_provider(mine)
                assert mine in registry.list_providers()
                registry.create("fake", {"max_concurrent_sessions": number})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (len(made), set(found)) == (1, {made[0]})
    assert len(made[0].created) == 16 * 10
    assert len(registry.list_providers()) == 3 + 16 * 10


def test_a_backend_that_was_replaced_is_made_by_the_new_provider_alone() -> None:
    registry = BackendRegistry()
    old, new = FakeProvider(), FakeProvider()
    registry.register("fake", old)
    assert registry.get_provider("fake") is old
    registry.register("fake", new, replace=True)
    assert registry.get_provider("fake") is new


def test_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(ProviderNotFoundError, match=r"backend = 'loca': no such provider, did you mean 'local'"):
        BackendRegistry().create("loca")
    assert get_registry() is get_registry()


def test_a_schema_says_what_people_must_know() -> None:
    fields = {field.name: field for field in config_fields(FakeOptions)}
    assert fields["temperature"] == ConfigField("temperature", "a number", False, "How wild.", 0.0)
    assert fields["api_key"].default == "**********"
