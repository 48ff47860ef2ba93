"""What makes local backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.backend import ConfigField, ProviderCapabilities, config_fields
from beluga_voice.errors import ConfigError
from beluga_voice.validation import Options

if TYPE_CHECKING:
    from beluga_voice.config import BackendConfig
    from beluga_voice.providers.local.backend import LocalBackend

__all__ = ["LocalProvider"]


class LocalOptions(Options):
    """The local backend has no options of its own."""


class LocalProvider:
    """Makes local backends."""

    def get_name(self) -> str:
        """local"""
        return "local"

    def get_capabilities(self) -> ProviderCapabilities:
        """What local backends can do."""
        return ProviderCapabilities(
            s2s_support=True, multi_user_support=True, supported_codecs=("pcm", "opus", "pcmu", "pcma")
        )

    def create_backend(self, config: BackendConfig) -> LocalBackend:
        """A local backend."""
        from beluga_voice.providers.local.backend import LocalBackend

        return LocalBackend(config)

    def validate_config(self, config: BackendConfig) -> None:
        """Raises ConfigError for options: there are none."""
        if config.provider_config:
            names = ", ".join(sorted(config.provider_config))
            raise ConfigError(f"provider_config has {names}: allowed: nothing, the local backend has no options")

    def get_config_schema(self) -> tuple[ConfigField, ...]:
        """None."""
        return config_fields(LocalOptions)
