"""No secret of a configuration is in anything that is shown: one test for each field that holds one."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import traceback
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr
from support.canary import Canaries

import beluga_voice
from beluga_voice import BackendConfig, SessionConfig, get_registry
from beluga_voice.errors import AuthError, BelugaVoiceError, ConfigError
from beluga_voice.events import ErrorEvent
from beluga_voice.validation import Options

CANARY = "canary-8c1f2b7d94e6"


def every_model(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in root.__subclasses__():
        yield model
        yield from every_model(model)


def secret_fields() -> list[tuple[type[BaseModel], str]]:
    for module in pkgutil.walk_packages(beluga_voice.__path__, "beluga_voice."):
        if module.name.rsplit(".", 1)[-1] not in ("__main__", "_core"):
            try:
                importlib.import_module(module.name)
            except ImportError:  # what needs an extra that is not installed
                continue
    return [
        (model, name)
        for model in dict.fromkeys([BackendConfig, SessionConfig, *every_model(Options)])
        if model.__module__.startswith("beluga_voice.")
        for name, field in model.model_fields.items()
        if {SecretStr, SecretBytes} & {field.annotation, *get_args(field.annotation)}
    ]


FIELDS = secret_fields()
OTHERS: dict[str, dict[str, Any]] = {
    "LiveKitOptions": {"url": "ws://localhost:7880", "api_key": "key", "api_secret": "s" * 32},
    "SessionConfig": {"agent": lambda turn: ""},
}


def test_the_fields_that_hold_secrets_are_found() -> None:
    names = {f"{model.__name__}.{name}" for model, name in FIELDS}
    assert {
        "LiveKitOptions.api_secret",
        "LiveKitOptions.token",
        "SessionConfig.auth_token",
        "RateLimit.redis_url",
    } <= names


def shown(value: object) -> str:
    return f"{value!r} {value!s} {[value]!r}"


@pytest.mark.parametrize(("model", "field"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_a_secret_is_in_nothing_that_is_shown(model: type[BaseModel], field: str) -> None:
    others = {name: value for name, value in OTHERS.get(model.__name__, {}).items() if name != field}
    if (model.__name__, field) == ("LiveKitOptions", "token"):
        others = {"url": "ws://localhost:7880"}
    made = model(**others, **{field: CANARY})
    texts = [shown(made), shown(made.model_dump()), shown(made.__dict__)]
    texts.append(made.model_dump_json(exclude={"agent"}))
    # What is wrong about another field, or about this one, is told without it.
    for wrong in ({**others, field: CANARY, "no_such_option": 1}, {**others, field: [CANARY]}):
        with pytest.raises((ConfigError, ValueError)) as refused:
            model(**wrong)
        texts += [shown(refused.value), "".join(traceback.format_exception(refused.value))]
        if isinstance(refused.value, BelugaVoiceError):
            texts.append(json.dumps(refused.value.to_dict()))
            texts.append(shown(ErrorEvent(at_s=0.0, error=refused.value, source="session", recoverable=True)))
    assert [text for text in texts if CANARY in text] == []


def test_errors_mask_what_they_are_given_as_a_secret() -> None:
    error = AuthError("refused", details={"api_secret": CANARY, "deep": [{"token": CANARY}], "made": SecretStr(CANARY)})
    assert CANARY not in shown(error) + json.dumps(error.to_dict())


async def test_no_secret_of_a_backend_is_in_its_repr_or_in_what_it_counts() -> None:
    options = {"url": "ws://localhost:1", "api_key": "key", "api_secret": CANARY + "s" * 32}
    config = BackendConfig(
        provider="livekit", provider_config=options, rate_limiter={"redis_url": f"redis://:{CANARY}@h"}
    )
    backend = get_registry().create("livekit", config)
    session = await _made(backend)
    texts = [shown(config), shown(backend), shown(backend.get_config()), shown(backend.stats())]
    texts += [shown(session), shown(session.belongings()), shown(backend.__dict__), shown(backend.server)]
    assert [text for text in texts if CANARY in text] == []
    await backend.aclose()


async def _made(backend: Any) -> Any:
    from beluga_voice import VoiceSession
    from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

    config = SessionConfig(agent=lambda turn: "", stt=FakeSpeechToText, tts=FakeTextToSpeech, auth_token=CANARY)
    return VoiceSession.from_config(config, backend.get_config())


def test_a_canary_that_sings_is_heard() -> None:
    """The plugin that watches the whole run finds what it is to find."""
    birds = Canaries()
    birds.remember("short")
    birds.remember(CANARY)
    logger = logging.Logger("aviary")
    logger.addHandler(birds)
    logger.warning("a short word")
    assert birds.found == []
    logger.warning("connecting with %s", CANARY)
    logger.warning("connecting", extra={"token": CANARY})
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception("it failed")
    birds.search(f"error {CANARY}", "error")
    assert len(birds.found) == 4
    assert all(CANARY not in line for line in birds.found)
