from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from beluga_voice.config import BackendConfig, Endpointing, Interruption, SessionConfig, TurnHandling, VadOptions
from beluga_voice.errors import AgentError, ConfigError, ProviderNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BELUGA_VOICE_"):
            monkeypatch.delenv(name)


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


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(timeout=0, nonsense=1)
    assert {row["field"] for row in caught.value.details["errors"]} == {"timeout", "nonsense", "agent"}


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
    assert (parts.stt.name, parts.tts.name, parts.vad.name) == ("pocketsphinx", "piper", "silero")
    assert parts.metadata == {"a": 1}
    with pytest.raises(ProviderNotFoundError):
        SessionConfig(agent=agent, tts="pipr").resolve()
    with pytest.raises(AgentError, match="allowed: a function of one argument"):
        SessionConfig(agent=3).resolve()


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
