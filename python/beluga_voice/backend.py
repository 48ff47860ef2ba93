"""Backends: what carries the calls, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from beluga_voice.errors import ConfigError
from beluga_voice.registry import Entry, NameTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from beluga_voice.config import BackendConfig

__all__ = [
    "BackendProvider",
    "BackendRegistry",
    "ConfigField",
    "ProviderCapabilities",
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
    """One of a backend's own options, as shown to people."""

    name: str
    type: str
    required: bool
    description: str
    default: Any = None


def config_fields(model: type[BaseModel]) -> tuple[ConfigField, ...]:
    """The fields of a pydantic model, for `BackendProvider.get_config_schema`."""
    from beluga_voice.errors import masked
    from beluga_voice.validation import type_text

    return tuple(
        ConfigField(
            name=name,
            type=type_text(field.annotation),
            required=field.is_required(),
            description=field.description or "",
            default=None
            if field.is_required()
            else masked(field.get_default(call_default_factory=True, validated_data={}), name=name),
        )
        for name, field in model.model_fields.items()
    )


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
        self._providers: dict[str, BackendProvider] = {}

    def register(self, name: str, provider: BackendProvider | type | str, *, replace: bool = False) -> None:
        """Adds a backend: a provider, its class, or "module:Class"."""
        self._table.register(name, provider, replace=replace)
        self._providers.pop(name, None)

    def list_providers(self) -> list[str]:
        """Every known name, sorted. Imports none of them."""
        return self._table.names()

    def is_registered(self, name: str) -> bool:
        """Whether `name` is known. Does not import it."""
        return name in self._table

    def get_provider(self, name: str) -> BackendProvider:
        """The provider of that name. Raises ProviderNotFoundError, MissingDependencyError."""
        known = self._providers.get(name)
        if known is not None:
            return known
        target = self._table.load(name)
        provider: object = target() if isinstance(target, type) else target
        if not isinstance(provider, BackendProvider):
            raise ConfigError(f"backend {name!r} is a {type(provider).__name__}: allowed: a BackendProvider")
        # Of two threads that come here at once, the first one's provider is everybody's.
        return self._providers.setdefault(name, provider)

    def create(self, name: str, config: BackendConfig | Mapping[str, Any] | None = None) -> Any:
        """A backend of that name, its whole config checked, not yet started.

        Raises ProviderNotFoundError (no such name), ConfigError (what is wrong with the config).
        """
        from beluga_voice.config import BackendConfig

        provider = self.get_provider(name)
        whole = config if isinstance(config, BackendConfig) else BackendConfig(**{**(config or {}), "provider": name})
        if whole.provider != name:
            raise ConfigError(f"provider = {whole.provider!r}: allowed: {name!r}, the backend that is being created")
        provider.validate_config(whole)
        return provider.create_backend(whole)


_registry = BackendRegistry()


def get_registry() -> BackendRegistry:
    """The process's registry of backends."""
    return _registry
