"""A component's failure, in this package's words."""

from __future__ import annotations

from typing import Literal, cast

from beluga_voice.errors import BelugaVoiceError, ComponentError

__all__ = ["ComponentFailedError", "component_fault"]


class ComponentFailedError(Exception):
    """A component's failure on its way to where it is told: `error` is what to tell, `component` whose it is."""

    def __init__(self, error: BelugaVoiceError, component: Literal["tts", "s2s"]) -> None:
        super().__init__(error)
        self.error = error
        self.component: Literal["tts", "s2s"] = component


def component_fault(error: Exception, component: Literal["stt", "tts", "s2s"], provider: str) -> BelugaVoiceError:
    """What is told of `error`, which came out of that component."""
    while isinstance(error, ExceptionGroup):  # of its tasks: the first one's is what it began with
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    if isinstance(error, BelugaVoiceError):
        error.provider = error.provider or provider
        return error
    wrapped = ComponentError(
        f"{type(error).__name__}: {error}", component=component, code="internal_error", provider=provider
    )
    wrapped.__cause__ = error
    return wrapped
