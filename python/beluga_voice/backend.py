"""Backends: what carries the calls, by name."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from beluga_voice.errors import BelugaVoiceError, ConfigError, MissingDependencyError, ProviderError, without_secrets
from beluga_voice.registry import Entry, NameTable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from beluga_voice.config import BackendConfig

__all__ = [
    "BackendProvider",
    "BackendRegistry",
    "ConfigField",
    "ProviderCapabilities",
    "ProviderInfo",
    "config_fields",
    "get_registry",
]

_EMBEDDED = {
    "livekit": Entry("beluga_voice.providers.livekit.provider:LiveKitProvider", "beluga-voice[livekit]"),
    "local": Entry("beluga_voice.providers.local.provider:LocalProvider"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCapabilities:
    """What a backend can do.

    - `max_concurrent_sessions`: 0 means without a limit of its own.
    - `min_latency_s`: the shortest way from caller to caller that was measured, in seconds; None if it never was.
    - `supported_codecs`: as named on the wire: "opus", "pcm", "pcmu".
    """

    s2s_support: bool = False
    multi_user_support: bool = False
    session_persistence: bool = False
    custom_auth: bool = False
    custom_rate_limiting: bool = False
    max_concurrent_sessions: int = 0
    min_latency_s: float | None = None
    supported_codecs: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {**asdict(self), "supported_codecs": list(self.supported_codecs)}


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One of a backend's own options, as shown to people; `json_schema` says the same to programs."""

    name: str
    type: str
    required: bool
    description: str
    default: Any = None
    json_schema: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)


def config_fields(model: type[BaseModel]) -> tuple[ConfigField, ...]:
    """The fields of a pydantic model, for `BackendProvider.get_config_schema`."""
    from beluga_voice.errors import masked
    from beluga_voice.validation import inline_schema, type_text

    properties = inline_schema(model)["properties"]
    return tuple(
        ConfigField(
            name=name,
            type=type_text(info.annotation),
            required=info.is_required(),
            description=info.description or "",
            default=None
            if info.is_required()
            else masked(info.get_default(call_default_factory=True, validated_data={}), name=name),
            json_schema=properties[info.alias or name],
        )
        for name, info in model.model_fields.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """A provider as `BackendRegistry.describe_providers` finds it.

    `capabilities` and `config_schema` are None where it cannot be had: `problem` says why.
    """

    name: str
    capabilities: ProviderCapabilities | None = None
    config_schema: tuple[ConfigField, ...] | None = None
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "name": self.name,
            "capabilities": self.capabilities.to_dict() if self.capabilities is not None else None,
            "config_schema": [asdict(each) for each in self.config_schema] if self.config_schema is not None else None,
            "problem": self.problem,
        }


@runtime_checkable
class BackendProvider(Protocol):
    """What makes backends of one kind. Stateless; one instance serves the process."""

    def get_name(self) -> str:
        """The name it is registered under."""
        ...

    def get_capabilities(self) -> ProviderCapabilities:
        """What its backends can do."""
        ...

    def create_backend(self, config: BackendConfig) -> Any:
        """A backend, not yet started. Called after `validate_config`."""
        ...

    def validate_config(self, config: BackendConfig) -> None:
        """Checks the whole of `config`, `provider_config` included; raises ConfigError. Opens nothing."""
        ...

    def get_config_schema(self) -> tuple[ConfigField, ...]:
        """Its own options: the keys of `provider_config`."""
        ...


class BackendRegistry:
    """Backends by name, the embedded ones and those of others. Thread-safe.

    Others add theirs with `register` or by an entry point in the group `beluga_voice.backend`.
    """

    def __init__(self) -> None:
        self._table = NameTable("backend", _EMBEDDED)
        self._lock = threading.RLock()
        self._providers: dict[str, BackendProvider] = {}

    def register(self, name: str, provider: BackendProvider | type | str, *, replace: bool = False) -> None:
        """Adds a backend: a provider, its class, or "module:Class"."""
        with self._lock:
            self._table.register(name, provider, replace=replace)
            self._providers.pop(name, None)

    def list_providers(self) -> list[str]:
        """Every known name, sorted. Imports none of them."""
        return self._table.names()

    def describe_providers(self) -> list[ProviderInfo]:
        """Every known provider, by name, with what it can do and which options it has. Imports all of them; one that
        cannot be had is listed with the reason."""
        return [self._described(name) for name in self.list_providers()]

    def _described(self, name: str) -> ProviderInfo:
        try:
            provider = self.get_provider(name)
            with _initialising(name, "describe", None):
                return ProviderInfo(
                    name=name, capabilities=provider.get_capabilities(), config_schema=provider.get_config_schema()
                )
        except BelugaVoiceError as error:
            return ProviderInfo(name=name, problem=error.message)

    def is_registered(self, name: str) -> bool:
        """Whether `name` is known. Does not import it."""
        return name in self._table

    def get_provider(self, name: str) -> BackendProvider:
        """The provider of that name, one for the process.

        Raises ProviderNotFoundError, MissingDependencyError, ProviderError (it cannot be imported or made).
        """
        with self._lock:
            known = self._providers.get(name)
            if known is not None:
                return known
            target = self._table.load(name)
            with _initialising(name, "get_provider", None):
                provider: object = target() if isinstance(target, type) else target
            if not isinstance(provider, BackendProvider):
                raise ConfigError(f"backend {name!r} is a {type(provider).__name__}: allowed: a BackendProvider")
            self._providers[name] = provider
            return provider

    def create(self, name: str, config: BackendConfig | Mapping[str, Any] | None = None) -> Any:
        """A backend of that name, a `VoiceBackend`, its whole config checked, not yet started.

        Raises ProviderNotFoundError (no such name), ConfigError (what is wrong with the config), what names of
        components raise that cannot be resolved, MissingDependencyError and ProviderError (the provider fails to make
        one). All of them name the provider.
        """
        from beluga_voice.config import BackendConfig

        provider = self.get_provider(name)
        whole = config if isinstance(config, BackendConfig) else BackendConfig(**{**(config or {}), "provider": name})
        if whole.provider != name:
            raise ConfigError(f"provider = {whole.provider!r}: allowed: {name!r}, the backend that is being created")
        self._check(provider, name, whole)
        with _initialising(name, "create_backend", whole.provider_config):
            return provider.create_backend(whole)

    def check(self, config: BackendConfig) -> None:
        """Checks all of `config` as `create` does, and makes nothing. Raises as `create`."""
        self._check(self.get_provider(config.provider), config.provider, config)

    def _check(self, provider: BackendProvider, name: str, config: BackendConfig) -> None:
        with _initialising(name, "validate_config", config.provider_config):
            provider.validate_config(config)
        config.check_components()


@contextmanager
def _initialising(name: str, operation: str, settings: Mapping[str, Any] | None) -> Generator[None]:
    """Whatever a provider raises says whose it is."""
    try:
        yield
    except BelugaVoiceError as error:
        error.provider = error.provider or name
        error.operation = error.operation or operation
        if name not in error.message and not isinstance(error, MissingDependencyError):
            error.message = f"backend {name!r}: {error.message}"
            error.args = (error.message,)
        raise
    except Exception as error:
        told = without_secrets(str(error), settings or {})
        raise ProviderError(
            f"backend {name!r} failed in {operation}: {type(error).__name__}: {told}",
            provider=name,
            operation=operation,
            # Its traceback would show the error's own words.
        ) from (error if told == str(error) else None)


_registry = BackendRegistry()


def get_registry() -> BackendRegistry:
    """The process's registry of backends."""
    return _registry
