"""The options of the LiveKit backend: `provider_config` in a `BackendConfig`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from beluga_voice.validation import Options, checked

if TYPE_CHECKING:
    from beluga_voice.config import BackendConfig

__all__ = ["LiveKitOptions"]


def _environment(name: str) -> str:
    return os.environ.get(name, "")


def _secret_from_environment() -> SecretStr:
    return SecretStr(_environment("LIVEKIT_API_SECRET"))


class LiveKitOptions(Options):
    """How to reach the server, as whom rooms are joined, and whom sessions serve in them."""

    url: str = Field(
        default_factory=lambda: _environment("LIVEKIT_URL"),
        description="The server: ws:// or wss://, host, port. Without it the environment's LIVEKIT_URL.",
    )
    api_key: str = Field(
        default_factory=lambda: _environment("LIVEKIT_API_KEY"),
        description="Its API key. Without it the environment's LIVEKIT_API_KEY.",
    )
    api_secret: SecretStr = Field(
        default_factory=_secret_from_environment,
        description="The key's secret. Without it the environment's LIVEKIT_API_SECRET.",
    )
    token: SecretStr | None = Field(
        None, description="A token to join the one room that it is for, where there is no key and no secret."
    )
    room: str | None = Field(None, description="The room that is joined where none is named.")
    identity: str = Field("agent", min_length=1, max_length=256, description="As whom rooms are joined.")
    name: str = Field("", max_length=256, description="The same, as shown to people.")
    token_ttl: float = Field(
        3_600.0, ge=60.0, le=86_400.0, description="Seconds for which a token that is minted here is good for joining."
    )
    media: Literal["native", "sdk"] = Field(
        "native", description="Who carries rooms: the Rust core, or the `livekit` package."
    )
    publish_rate: Literal[8_000, 12_000, 16_000, 24_000, 48_000] = Field(
        24_000, description="Hz of the agent's voice. Where it is not given, callers at telephones get 16000."
    )
    audience: Literal["caller", "room"] = Field(
        "caller", description="Who hears the agent and reads the transcripts: its own caller alone, or everybody."
    )
    participant_kinds: tuple[Literal["standard", "sip", "connector", "ingress", "egress", "agent"], ...] = Field(
        ("standard", "sip", "connector"),
        min_length=1,
        description="Who may be a caller where no identity is named: users, telephones, connectors.",
    )
    participant_timeout: float | None = Field(
        None, ge=0.0, le=86_400.0, description="Seconds to wait for a caller; null: until there is one."
    )
    rejoin_timeout: float = Field(
        30.0, ge=0.0, le=3_600.0, description="Seconds that a caller whose connection broke may take to come back."
    )
    transcription: bool = Field(True, description="Whether what is said is written as text streams.")
    text_input: bool = Field(True, description="Whether what the caller writes (lk.chat) is a turn of his.")
    delete_room_on_close: bool = Field(
        False, description="Whether a room is deleted when the last session in it has ended."
    )
    token_source: Any = Field(
        None,
        description="A function that gives a token, sync or async, called when a room has to be joined anew and the "
        "last token is too old; not needed with a key and a secret.",
    )

    @classmethod
    def of(cls, config: BackendConfig) -> Self:
        """Those of a backend's configuration. Raises ConfigError, which names what is wrong of `provider_config`."""
        return checked(cls, lambda: cls.model_validate(config.provider_config), where="provider_config")

    @model_validator(mode="after")
    def _can_connect(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
            raise ValueError(
                f"url = {_without_secrets(self.url)!r}: allowed: ws:// or wss:// and a host, or LIVEKIT_URL in the "
                "environment"
            )
        if not self.has_key and self.token is None:
            raise ValueError(
                "api_key, api_secret: missing; allowed: both (or LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the "
                "environment), or a token"
            )
        if self.token_source is not None and not callable(self.token_source):
            raise ValueError(f"token_source is a {type(self.token_source).__name__}: allowed: a function")
        return self

    @property
    def has_key(self) -> bool:
        """Whether tokens can be minted and rooms managed."""
        return bool(self.api_key) and bool(self.api_secret.get_secret_value())


def _without_secrets(url: str) -> str:
    return url.partition("?")[0].rpartition("@")[2]
