"""What the core raises, in this package's words."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from beluga_voice import _core
from beluga_voice.errors import (
    AudioFormatError,
    AuthError,
    BelugaVoiceError,
    CanceledError,
    ComponentError,
    ConfigError,
    DeadlineError,
    InternalError,
    InvalidStateError,
    RateLimitError,
    SessionError,
    TransportError,
)

__all__ = ["QueueFullError", "core_error", "translated"]


class QueueFullError(InternalError):
    """A queue of the core has no room now. Whoever writes waits and tries again."""


_KINDS = {
    code: kind
    for kind in (
        AudioFormatError,
        AuthError,
        CanceledError,
        ConfigError,
        DeadlineError,
        InvalidStateError,
        SessionError,
        TransportError,
    )
    for code in kind.codes
}


@contextmanager
def translated(*, provider: str | None = None, operation: str | None = None) -> Generator[None]:
    """Raises a CoreError as the error of this package that has its code."""
    try:
        yield
    except _core.CoreError as error:
        code, message, field = error.args
        raise core_error(str(code), str(message), str(field), provider=provider, operation=operation) from None


def core_error(
    code: str, message: str, field: str = "", *, provider: str | None = None, operation: str | None = None
) -> BelugaVoiceError:
    """The error of this package that has this code of the core's; `field`: the setting concerned."""
    details = {"field": field} if field else None
    if code == "invalid_input" and field:
        code = "invalid_config"
    kind = _KINDS.get(code)
    if kind is not None:
        return kind(message, code=code, provider=provider, operation=operation, details=details)
    match code:
        case "rate_limit_exceeded":
            return RateLimitError(message, provider=provider, operation=operation)
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
            return InternalError(message, provider=provider, operation=operation)
