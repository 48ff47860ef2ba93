"""A component's failure, in this package's words."""

from __future__ import annotations

from typing import Literal

from beluga_voice.errors import BelugaVoiceError, ComponentError

__all__ = ["component_fault"]


def component_fault(error: Exception, component: Literal["stt", "tts"], provider: str) -> BelugaVoiceError:
    """What is told of `error`, which came out of that component."""
    if isinstance(error, BelugaVoiceError):
        error.provider = error.provider or provider
        return error
    wrapped = ComponentError(
        f"{type(error).__name__}: {error}", component=component, code="internal_error", provider=provider
    )
    wrapped.__cause__ = error
    return wrapped
