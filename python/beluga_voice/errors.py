"""What can go wrong, as one tree.

    BelugaVoiceError                 every error of this package; has a code, and may be retryable
     ├─ ConfigError                  invalid_config
     ├─ ProviderNotFoundError        provider_not_found
     ├─ ProviderError                provider_failed
     ├─ MissingDependencyError       missing_dependency (also an ImportError)
     ├─ TransportError               connection_failed, connection_timeout, not_connected, disconnected,
     │                               protocol_error, invalid_input, not_found
     ├─ AuthError                    authentication_failed, authorization_failed
     │   └─ ToolDeniedError          tool_denied
     ├─ RateLimitError               rate_limit_exceeded
     ├─ SessionError                 session_not_found, session_limit_exceeded, session_already_active,
     │   │                           session_not_active, session_expired, context_error, interruption_error
     │   └─ InvalidStateError        invalid_state
     ├─ AudioFormatError             invalid_format, conversion_failed
     ├─ PipelineError                pipeline_error
     ├─ ComponentError               what STT, TTS, S2S, VAD, turn detection and noise cancellation report:
     │                               network_error, timeout, stream_closed ... (COMPONENT_CODES)
     ├─ AgentError                   agent_error, agent_not_set, agent_invalid
     ├─ DeadlineError                timeout
     ├─ CanceledError                context_canceled
     └─ InternalError                internal_error

Catch by class, decide by `code`: the codes are part of the public contract and never change their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

__all__ = [
    "COMPONENT_CODES",
    "AgentError",
    "AudioFormatError",
    "AuthError",
    "BelugaVoiceError",
    "CanceledError",
    "ComponentError",
    "ConfigError",
    "DeadlineError",
    "InternalError",
    "InvalidStateError",
    "MissingDependencyError",
    "PipelineError",
    "ProviderError",
    "ProviderNotFoundError",
    "RateLimitError",
    "SessionError",
    "ToolDeniedError",
    "TransportError",
    "masked",
    "without_secrets",
]

MASK = "**********"

# Strings under such names are never shown, whatever their type: a misspelt option (`api_keey`) is reported with
# its value before any model could have said that it is a secret.
_SECRET_NAME = re.compile(r"k+e+y+|secret|token|passw|cred|authorization", re.IGNORECASE)

_VENDOR_CODES = frozenset(
    {
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
)
_DETECTOR_CODES = frozenset(
    {
        "model_load_failed",
        "model_not_found",
        "processing_error",
        "frame_size_error",
        "sample_rate_error",
        "internal_error",
        "invalid_input",
        "timeout",
    }
)

COMPONENT_CODES: Mapping[str, frozenset[str]] = {
    "stt": _VENDOR_CODES,
    "tts": _VENDOR_CODES | {"invalid_voice", "invalid_ssml"},
    "s2s": _VENDOR_CODES | {"invalid_audio_format", "invalid_audio_quality"},
    "vad": _DETECTOR_CODES,
    "turn_detection": _DETECTOR_CODES,
    "noise_cancellation": _DETECTOR_CODES,
}
"""Which codes a component of each kind may report."""


def masked(value: object, *, name: str = "") -> Any:
    """`value` as JSON can carry it, with every secret replaced by asterisks.

    A secret is an object with `get_secret_value` (pydantic's SecretStr and SecretBytes) or a string or bytes under
    a name such as `api_key`, `token` or `password`. Bytes are replaced by their length, anything else that JSON does
    not know by its type's name, since its repr could say more than is wanted.
    """
    if hasattr(value, "get_secret_value"):
        return MASK
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, bytes, bytearray)) and name and _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(key): masked(item, name=str(key)) for key, item in pairs}
    if isinstance(value, (Sequence, set, frozenset)):
        return [masked(item, name=name) for item in cast("Sequence[object]", value)]
    return f"<{type(value).__name__}>"


def without_secrets(text: str, settings: object) -> str:
    """`text`, which may be of anybody's making, with every secret in `settings` replaced by asterisks."""
    for secret in _secrets(settings):
        text = text.replace(secret, MASK)
    return text


def _secrets(value: object, name: str = "") -> Iterator[str]:
    reveal = getattr(value, "get_secret_value", None)
    if reveal is not None:
        yield from _secrets(reveal(), "secret")
    elif isinstance(value, str):
        if value and name and _SECRET_NAME.search(name):
            yield value
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            yield from _secrets(item, str(key))
    elif isinstance(value, (list, tuple)):
        for item in cast("Sequence[object]", value):
            yield from _secrets(item, name)


class BelugaVoiceError(Exception):
    """The root of the tree.

    - `code`: one of the class's `codes`; without it the class's first code.
    - `provider`: the backend or component concerned, such as "livekit" or "piper".
    - `operation`: what was being done, such as "create_session".
    - `details`: more facts, JSON-able; secrets in it are masked on the way in (see `masked`).
    """

    codes: ClassVar[tuple[str, ...]] = ("internal_error",)
    retryable_codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        provider: str | None = None,
        operation: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self._checked_code(code)
        self.provider = provider
        self.operation = operation
        self.details: dict[str, Any] = masked(details or {})

    def _checked_code(self, code: str | None) -> str:
        if code is None:
            return self.codes[0]
        if code not in self.codes:
            known = ", ".join(self.codes)
            raise ValueError(f"{type(self).__name__} has no code {code!r}; it has: {known}")
        return code

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed if made again later."""
        return self.code in self.retryable_codes

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON can carry it, for logs, reports and the wire."""
        return {
            "code": self.code,
            "message": self.message,
            "provider": self.provider,
            "operation": self.operation,
            "retryable": self.retryable,
            "details": self.details,
        }

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        parts = [repr(self.message), f"code={self.code!r}"]
        if self.provider is not None:
            parts.append(f"provider={self.provider!r}")
        if self.operation is not None:
            parts.append(f"operation={self.operation!r}")
        if self.details:
            parts.append(f"details={self.details!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by positional arguments alone, which would lose the code on the way between processes.
        return (_rebuilt, (type(self), self.message, dict(self.__dict__)))


def _rebuilt(kind: type[BelugaVoiceError], message: str, state: dict[str, Any]) -> BelugaVoiceError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigError(BelugaVoiceError):
    """A setting is unknown, out of range or contradicts another; the message names it and what is allowed."""

    codes = ("invalid_config",)


class ProviderNotFoundError(BelugaVoiceError):
    """No backend or component goes by that name; the message lists those that do."""

    codes = ("provider_not_found",)


class ProviderError(BelugaVoiceError):
    """A backend or component could not be imported or made: its own code failed. The message names it and says why."""

    codes = ("provider_failed",)


class MissingDependencyError(BelugaVoiceError, ImportError):
    """A package that is not installed is needed; the message is the line that installs it."""

    codes = ("missing_dependency",)

    def __init__(
        self,
        requirement: str,
        *,
        provider: str | None = None,
        operation: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """`requirement` as pip takes it, such as "beluga-voice[local]"."""
        super().__init__(f"pip install '{requirement}'", provider=provider, operation=operation, details=details)
        self.requirement = requirement


class TransportError(BelugaVoiceError):
    """The connection to the caller or to the vendor's servers failed, or what was asked of it cannot be done.

    `invalid_input`: what is to be sent is out of its limits; `not_found`: what it is about is not there.
    """

    codes = (
        "connection_failed",
        "connection_timeout",
        "not_connected",
        "disconnected",
        "protocol_error",
        "invalid_input",
        "not_found",
    )
    retryable_codes = frozenset({"connection_failed", "connection_timeout"})


class AuthError(BelugaVoiceError):
    """Who asks is unknown (authentication) or is not allowed to (authorization)."""

    codes = ("authentication_failed", "authorization_failed")


class ToolDeniedError(AuthError):
    """A tool of the agent may not be used: raised in the agent, where it said that it uses it."""

    codes = ("tool_denied",)


class RateLimitError(BelugaVoiceError):
    """Asked too often; `retry_after_s` says when to ask again, where that is known."""

    codes = ("rate_limit_exceeded",)
    retryable_codes = frozenset(codes)

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        provider: str | None = None,
        operation: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, provider=provider, operation=operation, details=details)
        self.retry_after_s = retry_after_s


class SessionError(BelugaVoiceError):
    """A session does not exist, cannot be opened, or is over. The code has to be given."""

    codes = (
        "session_not_found",
        "session_limit_exceeded",
        "session_already_active",
        "session_not_active",
        "session_expired",
        "context_error",
        "interruption_error",
    )

    def _checked_code(self, code: str | None) -> str:
        if code is None and len(self.codes) > 1:
            raise ValueError(f"{type(self).__name__} needs a code; it has: {', '.join(self.codes)}")
        return super()._checked_code(code)


class InvalidStateError(SessionError):
    """The call does not fit the state that the object is in, such as `say` after `aclose`."""

    codes = ("invalid_state",)


class AudioFormatError(BelugaVoiceError):
    """Sound in a form that cannot be taken (invalid_format) or brought into the one needed (conversion_failed)."""

    codes = ("invalid_format", "conversion_failed")


class PipelineError(BelugaVoiceError):
    """The chain of components failed as a whole, outside any one of them."""

    codes = ("pipeline_error",)


class ComponentError(BelugaVoiceError):
    """A component failed. `component` is its kind, `code` one of `COMPONENT_CODES[component]`."""

    retryable_codes = frozenset(
        {"network_error", "timeout", "rate_limit", "stream_error", "stream_timeout", "stream_closed"}
    )

    def __init__(
        self,
        message: str,
        *,
        component: str,
        code: str,
        provider: str | None = None,
        operation: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        if component not in COMPONENT_CODES:
            raise ValueError(f"no kind of component {component!r}; there are: {', '.join(COMPONENT_CODES)}")
        self.component = component
        super().__init__(message, code=code, provider=provider, operation=operation, details=details)

    def _checked_code(self, code: str | None) -> str:
        if code is None or code not in COMPONENT_CODES[self.component]:
            known = ", ".join(sorted(COMPONENT_CODES[self.component]))
            raise ValueError(f"{self.component} has no code {code!r}; it has: {known}")
        return code

    def to_dict(self) -> dict[str, Any]:
        """As `BelugaVoiceError.to_dict`, with the kind of component."""
        return {**super().to_dict(), "component": self.component}


class AgentError(BelugaVoiceError):
    """The user's agent raised, answered with something that is no answer, or is no agent at all."""

    codes = ("agent_error", "agent_not_set", "agent_invalid")


class DeadlineError(BelugaVoiceError):
    """Something did not answer within the time that it was given."""

    codes = ("timeout",)


class CanceledError(BelugaVoiceError):
    """The operation was given up because its session ended or its turn was interrupted."""

    codes = ("context_canceled",)


class InternalError(BelugaVoiceError):
    """A fault of this package: please report it."""

    codes = ("internal_error",)
