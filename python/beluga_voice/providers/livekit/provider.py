"""What makes LiveKit backends."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from beluga_voice.backend import ConfigField, ProviderCapabilities, config_fields
from beluga_voice.errors import MissingDependencyError
from beluga_voice.providers.livekit.options import LiveKitOptions

if TYPE_CHECKING:
    from beluga_voice.config import BackendConfig
    from beluga_voice.providers.livekit.backend import LiveKitBackend

__all__ = ["LiveKitProvider"]


class LiveKitProvider:
    """See `LiveKitBackend`."""

    def get_name(self) -> str:
        """livekit"""
        return "livekit"

    def get_capabilities(self) -> ProviderCapabilities:
        """What LiveKit backends can do."""
        return ProviderCapabilities(s2s_support=True, multi_user_support=True, supported_codecs=("opus",))

    def create_backend(self, config: BackendConfig) -> LiveKitBackend:
        """A LiveKit backend; it opens nothing by itself."""
        options = LiveKitOptions.of(config)
        if importlib.util.find_spec("livekit") is None or importlib.util.find_spec("livekit.api") is None:
            raise MissingDependencyError("beluga-voice[livekit]", provider="livekit", operation="create_backend")
        from beluga_voice.providers.livekit.backend import LiveKitBackend

        return LiveKitBackend(config, options)

    def validate_config(self, config: BackendConfig) -> None:
        """Raises ConfigError."""
        LiveKitOptions.of(config)

    def get_config_schema(self) -> tuple[ConfigField, ...]:
        """The fields of `LiveKitOptions`."""
        return config_fields(LiveKitOptions)
