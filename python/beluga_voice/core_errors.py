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

__all__ = ["QueueFullError", "translated"]


class QueueFullError(InternalError):
    """A queue of the core has no room now. Whoever writes waits and tries again."""


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
        case "buffer_full":
            return QueueFullError(message)
        case "model_load_failed":
            return ComponentError(
                f"{message}; to mend them: pip install --force-reinstall beluga-voice (in a checkout: make setup)",
                component="vad",
                code="model_load_failed",
                provider="silero",
            )
        case "model_not_found":
            return ComponentError(
                f"{message}; to bring them: pip install --force-reinstall beluga-voice (in a checkout: make setup)",
                component="vad",
                code="model_not_found",
                provider="silero",
            )
        case _:
            return InternalError(message)
