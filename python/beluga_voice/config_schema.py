"""What a settings file may contain, as a JSON schema: with the options of every backend and component that is known."""

from __future__ import annotations

from typing import Any

from beluga_voice.backend import get_registry
from beluga_voice.config import COMPONENT_FIELDS, BackendConfig
from beluga_voice.errors import BelugaVoiceError
from beluga_voice.registry import Kind, components
from beluga_voice.validation import inline_schema

__all__ = ["config_schema"]


def config_schema() -> dict[str, Any]:
    """The schema of `BackendConfig` (JSON Schema, draft 2020-12).

    `provider_config` is described for each provider, a component's mapping for each component; those that cannot be
    imported here are left open.
    """
    schema = inline_schema(BackendConfig)
    providers = get_registry().describe_providers()
    properties = schema["properties"]
    properties["provider"]["enum"] = [provider.name for provider in providers]
    for kind in COMPONENT_FIELDS:
        properties[kind] = {**properties[kind], **_component(kind)}
    schema["allOf"] = [
        _where("provider", provider.name, {"provider_config": _options(
            {field.name: field.json_schema for field in provider.config_schema}
        )}, by_default=provider.name == BackendConfig.model_fields["provider"].default)
        for provider in providers
        if provider.config_schema is not None
    ]  # fmt: skip
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _component(kind: Kind) -> dict[str, Any]:
    names = components.names(kind)
    known: list[dict[str, Any]] = []
    for name in names:
        try:
            model = components.options_model(kind, name)
        except BelugaVoiceError:
            continue
        options: dict[str, Any] = inline_schema(model)["properties"] if model is not None else {}
        known.append({"if": _says("provider", name), "then": _options({"provider": {"const": name}, **options})})
    mapping = {
        "type": "object",
        "properties": {"provider": {"type": "string", "description": f"One of {', '.join(names)}; NAME/MODEL."}},
        "required": ["provider"],
        "allOf": known,
    }
    unset: list[dict[str, Any]] = [{"type": "null"}] if kind == "s2s" else []
    return {"anyOf": [{"type": "string", "examples": names}, mapping, *unset]}


def _options(properties: dict[str, Any]) -> dict[str, Any]:
    # What is missing may come from the environment, so that nothing is required of the file.
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _where(field: str, value: str, then: dict[str, Any], *, by_default: bool) -> dict[str, Any]:
    said = _says(field, value)
    return {"if": said if not by_default else {"properties": said["properties"]}, "then": {"properties": then}}


def _says(field: str, value: str) -> dict[str, Any]:
    return {"properties": {field: {"const": value}}, "required": [field]}
