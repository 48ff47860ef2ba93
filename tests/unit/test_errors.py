from __future__ import annotations

import inspect
import json
import pickle

import pytest
from pydantic import SecretStr

from beluga_voice import errors
from beluga_voice.errors import (
    COMPONENT_CODES,
    AgentError,
    BelugaVoiceError,
    ComponentError,
    ConfigError,
    MissingDependencyError,
    RateLimitError,
    SessionError,
    TransportError,
)

CONTRACT = {
    "invalid_config",
    "provider_not_found",
    "connection_failed",
    "connection_timeout",
    "session_not_found",
    "session_limit_exceeded",
    "rate_limit_exceeded",
    "authentication_failed",
    "authorization_failed",
    "pipeline_error",
    "agent_error",
    "timeout",
    "context_canceled",
    "invalid_format",
    "conversion_failed",
    "session_already_active",
    "session_not_active",
    "not_connected",
    "disconnected",
    "protocol_error",
    "invalid_state",
    "session_expired",
    "agent_not_set",
    "agent_invalid",
    "context_error",
    "interruption_error",
}
COMPONENT_CONTRACT = {
    "network_error",
    "timeout",
    "rate_limit",
    "quota_exceeded",
    "authentication_error",
    "authorization_error",
    "not_found",
    "internal_error",
    "invalid_input",
    "unsupported_provider",
    "invalid_model",
    "model_not_available",
    "invalid_request",
    "invalid_response",
    "empty_response",
    "malformed_response",
    "stream_error",
    "stream_timeout",
    "stream_closed",
    "context_canceled",
    "context_timeout",
}


def classes() -> list[type[BelugaVoiceError]]:
    return [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, BelugaVoiceError)]


def test_every_code_of_the_contract_belongs_to_one_class() -> None:
    owners = {code: [cls for cls in classes() if code in cls.__dict__.get("codes", ())] for code in CONTRACT}
    assert {code: len(found) for code, found in owners.items()} == dict.fromkeys(CONTRACT, 1)


def test_every_component_code_of_the_contract_can_be_reported() -> None:
    for kind in ("stt", "tts", "s2s"):
        assert COMPONENT_CODES[kind] >= COMPONENT_CONTRACT
    for kind in ("vad", "turn_detection", "noise_cancellation"):
        wanted = {"model_load_failed", "model_not_found", "processing_error", "frame_size_error", "sample_rate_error"}
        assert COMPONENT_CODES[kind] >= wanted
    assert {"invalid_voice", "invalid_ssml"} <= COMPONENT_CODES["tts"]


def test_the_tree_at_the_top_names_every_class() -> None:
    missing = [cls.__name__ for cls in classes() if cls.__name__ not in (errors.__doc__ or "")]
    assert missing == []


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (TransportError("x", code="connection_timeout"), True),
        (TransportError("x", code="connection_failed"), True),
        (TransportError("x", code="protocol_error"), False),
        (RateLimitError("x", retry_after_s=2.0), True),
        (ComponentError("x", component="stt", code="stream_closed"), True),
        (ComponentError("x", component="stt", code="invalid_model"), False),
        (AgentError("x"), False),
    ],
)
def test_what_may_be_tried_again(error: BelugaVoiceError, retryable: bool) -> None:
    assert error.retryable is retryable
    assert error.to_dict()["retryable"] is retryable


def test_a_code_of_another_family_is_refused() -> None:
    with pytest.raises(ValueError, match="it has: invalid_config"):
        ConfigError("x", code="timeout")
    with pytest.raises(ValueError, match="vad has no code 'network_error'"):
        ComponentError("x", component="vad", code="network_error")
    with pytest.raises(ValueError, match="needs a code"):
        SessionError("x")


def test_secrets_are_never_shown() -> None:
    error = ConfigError(
        "x",
        details={
            "url": "wss://a",
            "credential": SecretStr("hush-1"),
            "nested": {"api_key": "hush-2", "list": [SecretStr("hush-3")], "token": b"hush-4"},
            "api_keey": "hush-5",
            "object": object(),
            "pcm": b"\0\0",
        },
    )
    for text in (repr(error), str(error), json.dumps(error.to_dict())):
        assert "hush" not in text
    assert error.details["url"] == "wss://a"
    assert error.details["credential"] == "**********"
    assert error.details["pcm"] == "<2 bytes>"
    assert error.details["object"] == "<object>"


@pytest.mark.parametrize(
    "error",
    [
        ComponentError("m", component="tts", code="invalid_voice", provider="piper", details={"a": [1, None, 0.5]}),
        RateLimitError("m", retry_after_s=1.5),
        MissingDependencyError("beluga-voice[local]"),
        SessionError("m", code="session_not_found", operation="get_session"),
    ],
)
def test_errors_cross_processes_whole(error: BelugaVoiceError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert repr(copy) == repr(error)
    assert copy.to_dict() == error.to_dict()
    assert copy.__dict__ == error.__dict__


def test_a_missing_dependency_says_the_line_that_mends_it() -> None:
    error = MissingDependencyError("beluga-voice[local]", provider="piper")
    assert str(error) == "pip install 'beluga-voice[local]'"
    assert isinstance(error, ImportError)
