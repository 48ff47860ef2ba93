from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import BaseModel

from beluga_voice._core import CoreError
from beluga_voice.backend import get_registry
from beluga_voice.config import (
    COMPONENT_FIELDS,
    BackendConfig,
    Endpointing,
    Interruption,
    SessionConfig,
    TurnHandling,
    VadOptions,
)
from beluga_voice.core_errors import translated
from beluga_voice.errors import AgentError, ComponentError, ConfigError, MissingDependencyError, ProviderNotFoundError
from beluga_voice.registry import components
from beluga_voice.testing import FakeSpeechToSpeech

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("clean_environment")


def agent(turn: object) -> str:
    return str(turn)


def test_defaults_are_livekits() -> None:
    turns = TurnHandling()
    assert turns.endpointing.min_delay == 0.5
    assert turns.interruption.model_dump() == {
        "enabled": True,
        "min_duration": 0.5,
        "min_words": 0,
        "resume_false_interruption": True,
        "false_interruption_timeout": 2.0,
        "discard_audio_if_uninterruptible": True,
        "duck_gain_db": None,
    }
    vad = VadOptions()
    assert (vad.min_speech_duration, vad.min_silence_duration, vad.prefix_padding_duration) == (0.05, 0.25, 0.5)
    assert (vad.activation_threshold, vad.deactivation_threshold) == (0.5, 0.35)


@pytest.mark.parametrize("model", [VadOptions, Endpointing, Interruption, TurnHandling, SessionConfig, BackendConfig])
def test_every_key_is_described(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"turn_handling": {"endpointing": {"min_delay": 9}}},
            "turn_handling.endpointing.min_delay = 9: allowed: a number from 0.1 to 5.0",
        ),
        (
            {"turn_handling": {"endpointing": {"mode": "dynamic"}}},
            "turn_handling.endpointing.mode = 'dynamic': allowed: 'fixed'",
        ),
        (
            {"turn_handling": {"interruption": {"min_word": 1}}},
            "turn_handling.interruption.min_word = 1: no such option, did you mean 'min_words'?",
        ),
        (
            {"turn_handling": {"interruption": {"enabled": False, "duck_gain_db": -20}}},
            "duck_gain_db = -20.0: allowed: only with enabled = true",
        ),
        ({"turn_handling": 3}, "turn_handling = 3: allowed: a group of: endpointing, interruption, turn_detection"),
        ({"timeout": 0.5}, "timeout = 0.5: allowed: a number from 1.0 to 300.0"),
        ({"timeout": float("nan")}, "timeout = nan: allowed: a number from 1.0 to 300.0"),
        ({"stt_provider": "x"}, "stt_provider = 'x': no such option"),
        (
            {"turn_handling": {"endpointing": {"min_delay": 9}}, "timeout": "soon"},
            "timeout = 'soon': allowed: a number from 1.0 to 300.0",
        ),
    ],
)
def test_a_mistake_names_field_value_and_what_is_allowed(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(agent=agent, **values)
    assert message in str(caught.value)
    assert caught.value.code == "invalid_config"


WRONG: dict[str, list[object]] = {
    "stt": ["", "pocketsphnix", "pocketsphinx/", "pocketsphinx/en", 5, None, {}, {"provider": 3}, int],
    "tts": ["", "pipre", "piper/", 5, None, {}, {"provider": None}, int],
    "s2s": ["", "none", 5, {}, {"provider": 3}, int],
    "pipeline_type": ["both", 3],
    "vad": ["", "silro", "silero/16k", 5, None, {}, int, object],
    "turn_handling": [3, "vad", {"turns": 1}],
    "turn_handling.turn_detection": ["stt", 1, None],
    "turn_handling.endpointing": [3],
    "turn_handling.endpointing.mode": ["dynamic", 1, None],
    "turn_handling.endpointing.min_delay": [0.0, 0.09, 5.1, -1, "soon", None, float("nan"), float("inf"), [0.5]],
    "turn_handling.interruption": [3],
    "turn_handling.interruption.enabled": ["perhaps", 2, None],
    "turn_handling.interruption.min_duration": [0.0, 5.1, -1, "long", None, float("nan")],
    "turn_handling.interruption.min_words": [-1, 21, 1.5, "two", None],
    "turn_handling.interruption.resume_false_interruption": ["perhaps", 2, None],
    "turn_handling.interruption.false_interruption_timeout": [0.0, 31, "soon", float("inf")],
    "turn_handling.interruption.discard_audio_if_uninterruptible": ["perhaps", 2, None],
    "turn_handling.interruption.duck_gain_db": [0.0, 6, -61, "quiet", float("-inf")],
    "timeout": [0.5, 301, "soon", None, float("nan")],
    "transcript_timeout": [0.1, 61, "soon", None, float("nan")],
    "s2s_timeout": [0.1, 61, "soon", None, float("nan")],
    "tts_timeout": [0.1, 61, "soon", None, float("nan")],
    "start_timeout": [0.5, 601, "soon", None, float("nan")],
    "user_away_timeout": [0.5, 3601, "soon", float("nan")],
    "prices": [3, "cheap", {"price": 1}],
    "prices.currency": ["", "x" * 9, 3, None],
    "prices.call_minute": [-1, "cheap", None, float("nan"), float("inf")],
    "prices.stt_minute": [3, {"acme": -1}, {"acme": "cheap"}, None],
    "prices.tts_million_characters": [3, {"acme": -1}, {"acme": "cheap"}, None],
    "prices.input_million_tokens": [3, {"acme": -1}, {"acme": "cheap"}, None],
    "prices.input_cached_million_tokens": [3, {"acme": -1}, {"acme": "cheap"}, None],
    "prices.output_million_tokens": [3, {"acme": -1}, {"acme": "cheap"}, None],
    "telemetry": [3, "on", {"metric": True}],
    "telemetry.metrics": ["perhaps", 2, None],
    "telemetry.traces": ["perhaps", 2, None],
    "telemetry.logs": ["xml", 1, True],
    "telemetry.dashboard": [3, True, {"ports": 1}],
    "telemetry.dashboard.host": ["", "0.0.0.0", "example.org", 3, None],
    "telemetry.dashboard.port": [-1, 65_536, 1.5, "any", None],
    "telemetry.dashboard.token": ["short", 3],
    "metadata": [3, "a", [1]],
    "agent": [None, 3, "agent"],
    "audio_processors": [3, [3], ["nope"], [object], [{"processor": None}]],
    "audio_processor_timeout": [0.0, 0.2, "soon", None, float("nan")],
    "auth_token": [3],
    "auth_hook": [3, "nope", "no.such:Hook", object],
    "rate_limiter": [3, "nope", object, {"burst": 0}, {"rate": 1}],
    "telephony_hook": [3, "nope", object],
    "tool_hook": [3, "nope", object],
    "redaction": [3, "nope", object, {"entities": ["name"]}, {"patterns": {"a": "("}}, {"words": 1}],
    "data_retention_hook": [3, "nope", object],
    "hook_timeout": [0.0, 61, "soon", None, float("nan")],
    "provider": [3, None],
    "provider_config": [3, "a"],
    "connect_timeout": [0.5, 61, "soon", None, float("nan")],
    "max_retries": [-1, 11, 1.5, "many", None],
    "retry_delay": [0.05, 31, "soon", None, float("nan")],
    "drain_timeout": [-1, 86_401, "long", None, float("inf")],
    "session_store": [3, "memory", object],
    "latency_target": [0.05, 5.1, "quick", float("nan")],
    "user_id": ["", "x" * 257, 3],
    "max_concurrent_sessions": [-1, 100_001, 1.5, "many", None],
    "vad.silero.min_speech_duration": [0.0, 2.1, "long", None],
    "vad.silero.min_silence_duration": [0.0, 5.1, "long", None],
    "vad.silero.prefix_padding_duration": [-0.1, 2.1, "long", None],
    "vad.silero.activation_threshold": [0.0, 1.0, "high", None, float("nan")],
    "vad.silero.deactivation_threshold": [0.0, 1.0, "low", float("nan")],
    "stt.pocketsphinx.hmm": [3, "/none"],
    "stt.pocketsphinx.lm": [3, "/none"],
    "stt.pocketsphinx.dictionary": [3, "/none"],
    "stt.pocketsphinx.language": [3],
    "stt.pocketsphinx.interim_results": ["perhaps", 2, None],
    "stt.pocketsphinx.max_processes": [0, 257, 1.5, "many", None],
    "stt.pocketsphinx.response_timeout": [0.1, 61, "soon", None],
    "provider_config.url": ["", "nowhere", "ftp://a", 3],
    "provider_config.api_key": ["", 3],
    "provider_config.api_secret": ["", 3],
    "provider_config.token": [3],
    "provider_config.room": [3],
    "provider_config.identity": ["", "x" * 257, 3, None],
    "provider_config.name": ["x" * 257, 3, None],
    "provider_config.token_ttl": [59, 86_401, "long", None, float("nan")],
    "provider_config.media": ["webrtc", 1, None],
    "provider_config.publish_rate": [44_100, "high", None],
    "provider_config.audience": ["all", 1, None],
    "provider_config.participant_kinds": [(), ["robot"], "agents", 3, None],
    "provider_config.participant_timeout": [-1, 86_401, "long", float("nan")],
    "provider_config.rejoin_timeout": [-1, 3_601, "long", None],
    "provider_config.transcription": ["perhaps", 2, None],
    "provider_config.text_input": ["perhaps", 2, None],
    "provider_config.delete_room_on_close": ["perhaps", 2, None],
    "provider_config.token_source": ["a token", 3],
    "tts.piper.voice": [3, "/none.onnx"],
    "tts.piper.speaking_rate": [0.0, 4.1, "fast", None],
    "tts.piper.volume": [-0.1, 1.1, "loud", None],
    "tts.piper.intra_op_threads": [0, 3, 1.5, "many", None],
}


LIVEKIT = {"url": "wss://a.example", "api_key": "a-key", "api_secret": "canary"}


def _given(field: str, value: object) -> dict[str, object]:
    first, *rest = field.split(".")
    if first in ("stt", "tts", "vad") and rest:
        provider, option = rest
        return {first: {"provider": provider, option: value}}
    if first == "provider_config" and rest:
        return {"provider": "livekit", first: {**LIVEKIT, rest[0]: value}}
    for name in reversed(rest):
        value = {name: value}
    return {first: value}


def _configured(values: dict[str, object]) -> object:
    if set(values) <= set(SessionConfig.model_fields):
        return SessionConfig(**{"agent": agent, **values}).resolve()
    config = BackendConfig(**values)
    get_registry().check(config)
    return config


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_value_of_any_field_names_field_value_and_what_is_allowed(field: str, value: object) -> None:
    with pytest.raises((ConfigError, ProviderNotFoundError, AgentError)) as caught:
        _configured(_given(field, value))
    told = str(caught.value)
    assert field.split(".")[-1] in told, told
    assert "allowed: " in told or "known: " in told
    assert "canary" not in f"{told} {caught.value!r}"
    shown = value if isinstance(value, (str, int, float)) or value is None else type(value).__name__
    if isinstance(value, type):
        shown = value.__name__
    # What is called a token may be one, and is not shown.
    assert str(shown) in told or isinstance(value, (dict, list)) or "token" in field, told


def test_the_table_of_wrong_values_has_every_field() -> None:
    """Walks everything that can be set, components' and backends' options too: a new setting needs a row here."""

    def fields(model: type[BaseModel], where: str) -> set[str]:
        found: set[str] = set()
        for name, info in model.model_fields.items():
            found.add(f"{where}{name}")
            for kind in (info.annotation, *get_args(info.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    found |= fields(kind, f"{where}{name}.")
        return found

    every = fields(SessionConfig, "") | fields(BackendConfig, "")
    models: dict[type[BaseModel], str] = {}
    for kind in COMPONENT_FIELDS:
        # Silero's options are the energy detector's too: one row will do for both.
        for name in reversed(components.names(kind)):
            model = components.options_model(kind, name)
            if model is not None:
                models.setdefault(model, f"{kind}.{name}.")
    for model, where in models.items():
        every |= fields(model, where)
    for provider in get_registry().describe_providers():
        every |= {f"provider_config.{field.name}" for field in provider.config_schema or ()}
    assert set(WRONG) == every


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"vad": {"provider": "silero", "activation_threshold": 0.3, "deactivation_threshold": 0.4}},
            "deactivation_threshold = 0.4: allowed: at most activation_threshold (0.3)",
        ),
        (
            {"turn_handling": {"interruption": {"enabled": False, "min_words": 2}}},
            "min_words = 2: allowed: only with enabled = true",
        ),
        (
            {
                "turn_handling": {
                    "interruption": {"resume_false_interruption": False, "false_interruption_timeout": 1.0}
                }
            },
            "false_interruption_timeout = 1.0: allowed: only with resume_false_interruption = true",
        ),
        (
            {
                "stt": {"provider": "pocketsphinx", "interim_results": False},
                "turn_handling": {"interruption": {"min_words": 2}},
            },
            "turn_handling.interruption.min_words = 2: allowed: 0 with stt.pocketsphinx.interim_results = False",
        ),
        ({"vad": Endpointing}, "vad = Endpointing: allowed: silero or energy"),
    ],
)
def test_options_that_contradict_each_other_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(agent=agent, **values).resolve()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("stt", "PocketSphinx", "pocketsphinx"),
        ("stt", "pocket-sphinx", "pocketsphinx"),
        ("stt", "sphinx", "pocketsphinx"),
        ("tts", "pipr", "piper"),
        ("vad", "silero-vad", "silero"),
        ("vad", "enrgy", "energy"),
    ],
)
def test_an_unknown_component_is_told_the_nearest_name(kind: str, name: str, near: str) -> None:
    with pytest.raises(ProviderNotFoundError) as caught:
        SessionConfig(agent=agent, **{kind: name}).resolve()
    assert f"{kind} = {name!r}: no such provider, did you mean {near!r}? known: " in str(caught.value)


def test_a_voice_that_is_not_there_names_the_command_that_brings_it(tmp_path: Path) -> None:
    voice = tmp_path / "en_US-lessac-medium"
    with pytest.raises(ConfigError) as caught:
        SessionConfig(agent=agent, tts=f"piper/{voice}").resolve()
    told = str(caught.value)
    assert f"python -m piper.download_voices --download-dir {tmp_path} en_US-lessac-medium" in told
    assert f"then voice = '{voice}.onnx'" in told


def test_a_model_that_is_not_there_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ComponentError, match="pip install --force-reinstall beluga-voice") as caught, translated():
        raise CoreError("model_not_found", "no weights of Silero", "")
    assert (caught.value.component, caught.value.code) == ("vad", "model_not_found")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"^pip install 'beluga-voice\[local\]'$"):
        SessionConfig(agent=agent, tts="piper").resolve()


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(timeout=0, nonsense=1)
    assert {row["field"] for row in caught.value.details["errors"]} == {"timeout", "nonsense"}
    with pytest.raises(AgentError, match="agent = None"):
        SessionConfig().resolve()


def test_thresholds_stay_in_order() -> None:
    assert VadOptions(activation_threshold=0.1).release_threshold == pytest.approx(0.01)
    assert VadOptions(activation_threshold=0.4, deactivation_threshold=0.3).release_threshold == 0.3
    with pytest.raises(ConfigError, match=r"at most activation_threshold \(0.5\)"):
        VadOptions(deactivation_threshold=0.6)


def test_delays_that_the_detector_cannot_keep_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"min_delay = 0.2: allowed: at least vad.min_silence_duration \(0.25\)"):
        SessionConfig(agent=agent, turn_handling={"endpointing": {"min_delay": 0.2}}).resolve()
    vad = {"provider": "silero", "min_silence_duration": 0.15}
    SessionConfig(agent=agent, vad=vad, turn_handling={"endpointing": {"min_delay": 0.2}}).resolve()
    with pytest.raises(ConfigError, match=r"interruption.min_duration = 0.1: allowed: at least vad.min_speech"):
        SessionConfig(
            agent=agent,
            vad={"provider": "silero", "min_speech_duration": 0.2},
            turn_handling={"interruption": {"min_duration": 0.1}},
        ).resolve()


def test_a_session_is_checked_whole_before_anything_is_made() -> None:
    parts = SessionConfig(agent=agent, metadata={"a": 1}).resolve()
    assert {kind: each.name for kind, each in parts.components.items()} == {"stt": "pocketsphinx", "tts": "piper"}
    assert parts.vad.name == "silero"
    assert parts.metadata == {"a": 1}
    with pytest.raises(ProviderNotFoundError):
        SessionConfig(agent=agent, tts="pipr").resolve()
    with pytest.raises(AgentError, match="allowed: a function of one argument"):
        SessionConfig(agent=3).resolve()


def test_a_model_of_speech_stands_in_for_recogniser_and_voice() -> None:
    parts = SessionConfig(s2s=FakeSpeechToSpeech(["gold"])).resolve()
    assert list(parts.components) == ["s2s"]
    assert parts.agent is None
    # Where both are there, one is chosen; what is not used need not even exist.
    both = {"s2s": FakeSpeechToSpeech(["gold"]), "stt": "pocketsphinx"}
    assert list(SessionConfig(**both, pipeline_type="s2s", tts="none").resolve().components) == ["s2s"]
    assert list(SessionConfig(agent=agent, **both, pipeline_type="stt_tts").resolve().components) == ["stt", "tts"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pipeline_type": "s2s"}, "s2s = None: allowed: a model of speech with pipeline_type = 's2s'"),
        (
            {"s2s": FakeSpeechToSpeech(["gold"]), "tts": "piper"},
            "pipeline_type = None: allowed: 'stt_tts' or 's2s' where both tts and s2s are given",
        ),
        (
            {"turn_handling": {"turn_detection": "realtime_llm"}},
            "turn_handling.turn_detection = 'realtime_llm': allowed: 'vad' without s2s",
        ),
        (
            {"s2s": FakeSpeechToSpeech(["gold"]), "turn_handling": {"turn_detection": "realtime_llm"}},
            "turn_handling.turn_detection = 'realtime_llm': allowed: 'vad' with s2s.FakeSpeechToSpeech",
        ),
        (
            {
                "s2s": FakeSpeechToSpeech(["gold"], transcribes=False),
                "turn_handling": {"interruption": {"min_words": 1}},
            },
            "turn_handling.interruption.min_words = 1: allowed: 0 with s2s.FakeSpeechToSpeech",
        ),
    ],
)
def test_pipelines_that_contradict_themselves_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(agent=agent, **values).resolve()
    assert message in str(caught.value)
    assert caught.value.details["field"] == message.split(" = ")[0]


def test_of_a_backend_and_its_session_the_session_says_which_pipeline() -> None:
    def chosen(session: SessionConfig, backend: BackendConfig) -> list[str]:
        return list(session.over(backend).resolve().components)

    model = FakeSpeechToSpeech(["gold"])
    with_model = BackendConfig(s2s=model)
    assert chosen(SessionConfig(agent=agent), with_model) == ["s2s"]
    assert chosen(SessionConfig(agent=agent, stt="pocketsphinx"), with_model) == ["stt", "tts"]
    assert chosen(SessionConfig(agent=agent, pipeline_type="stt_tts"), with_model) == ["stt", "tts"]
    assert chosen(SessionConfig(agent=agent), BackendConfig()) == ["stt", "tts"]
    assert chosen(SessionConfig(s2s=model), BackendConfig(stt="pocketsphinx")) == ["s2s"]
    with pytest.raises(ConfigError, match="s2s = None"):
        BackendConfig(pipeline_type="s2s")


def test_the_environment_sets_what_a_call_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELUGA_VOICE_TURN_HANDLING__ENDPOINTING__MIN_DELAY", "0.4")
    monkeypatch.setenv("BELUGA_VOICE_MAX_CONCURRENT_SESSIONS", "7")
    config = BackendConfig(max_concurrent_sessions=9)
    assert config.turn_handling.endpointing.min_delay == 0.4
    assert config.max_concurrent_sessions == 9
    monkeypatch.setenv("BELUGA_VOICE_TURN_HANDLING__ENDPOINTING__MIN_DELAY", "long")
    with pytest.raises(ConfigError, match=r"turn_handling\.endpointing\.min_delay = 'long'"):
        BackendConfig()


def test_a_file_lies_under_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "beluga.yaml"
    path.write_text(
        "stt: {provider: pocketsphinx, interim_results: false}\n"
        "turn_handling:\n  endpointing: {min_delay: 0.7}\n  interruption: {min_duration: 0.3}\n"
    )
    monkeypatch.setenv("BELUGA_VOICE_TURN_HANDLING__ENDPOINTING__MIN_DELAY", "0.4")
    config = BackendConfig.load(path, timeout=5)
    assert config.turn_handling.endpointing.min_delay == 0.4
    assert config.turn_handling.interruption.min_duration == 0.3
    assert config.stt == {"provider": "pocketsphinx", "interim_results": False}
    assert config.timeout == 5
    assert SessionConfig(agent=agent, **config.session_defaults()).resolve().timeout == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n", "its root is a list"), ("a: [", "cannot be read as YAML"), ("turns: 1\n", "turns = 1: no such option")],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "beluga.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        BackendConfig.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        BackendConfig.load(tmp_path / "none.yaml")


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELUGA_VOICE_TIMEOT", "3")
    with pytest.raises(ConfigError, match="BELUGA_VOICE_TIMEOT: no such setting, did you mean 'timeout'"):
        BackendConfig.load()


def test_settings_do_not_change_once_made() -> None:
    with pytest.raises(Exception, match="frozen"):
        TurnHandling().endpointing.min_delay = 1.0  # type: ignore[misc]
