"""What the core raises, in this package's words."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from beluga_voice import _core
from beluga_voice.errors import (
    AudioFormatError,
    BelugaVoiceError,
    ComponentError,
    ConfigError,
    InternalError,
    InvalidStateError,
    SessionError,
)

__all__ = ["translated"]


@contextmanager
def translated() -> Generator[None]:
    """Raises a CoreError as the error of this package that has its code."""
    try:
        yield
    except _core.CoreError as error:
        code, message, field = error.args
        raise _error(str(code), str(message), str(field)) from None


def _error(code: str, message: str, field: str) -> BelugaVoiceError:
    details = {"field": field} if field else None
    match code:
        case "invalid_config":
            return ConfigError(message, details=details)
        case "invalid_format":
            return AudioFormatError(message, code="invalid_format")
        case "invalid_state":
            return InvalidStateError(message)
        case "session_limit_exceeded":
            return SessionError(message, code="session_limit_exceeded")
        case "model_load_failed":
            return ComponentError(message, component="vad", code="model_load_failed", provider="silero")
        case "model_not_found":
            return ComponentError(
                f"{message}; `beluga-voice models` says how to get them",
                component="vad",
                code="model_not_found",
                provider="silero",
            )
        case _:
            return InternalError(message)
