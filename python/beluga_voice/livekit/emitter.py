"""Callbacks by the name of an event, as livekit.rtc has them: synchronous, in the order in which they were added."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["EventEmitter"]

_log = logging.getLogger("beluga_voice.livekit")

T = TypeVar("T")


class EventEmitter(Generic[T]):
    """Calls back whoever asked for an event. A callback that takes fewer arguments gets the first ones.

    An exception in a callback is logged and counted, and harms neither the other callbacks nor the room.
    """

    def __init__(self) -> None:
        # Each callback with how many positional arguments it takes; None: any number.
        self._events: dict[T, dict[Callable[..., Any], int | None]] = {}
        self.callback_errors: int = 0
        """Exceptions that callbacks raised."""

    def emit(self, event: T, *args: Any) -> None:
        """Calls every callback of `event`."""
        for callback, takes in tuple(self._events.get(event, {}).items()):
            try:
                callback(*args[:takes])
            except Exception:
                self.callback_errors += 1
                _log.exception("a callback of %s raised", event)

    def on(self, event: T, callback: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Calls `callback` for each `event` from now on; without a callback a decorator.

        Raises ValueError for a coroutine function: start a task of your own in a function.
        """
        if callback is None:

            def decorator(callback: Callable[..., Any]) -> Callable[..., Any]:
                return self.on(event, callback)

            return decorator
        if inspect.iscoroutinefunction(callback):
            raise ValueError(
                "Cannot register an async callback with `.on()`. Use `asyncio.create_task` within your synchronous "
                "callback instead."
            )
        self._events.setdefault(event, {})[callback] = _positional(callback)
        return callback

    def once(self, event: T, callback: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """As `on`, for the next `event` alone."""
        if callback is None:

            def decorator(callback: Callable[..., Any]) -> Callable[..., Any]:
                self.once(event, callback)
                return callback

            return decorator
        takes = _positional(callback)

        def first(*args: Any) -> None:
            self.off(event, first)
            callback(*args[:takes])

        return self.on(event, first)

    def off(self, event: T, callback: Callable[..., Any]) -> None:
        """Takes back what `on` did; nothing if it did nothing."""
        self._events.get(event, {}).pop(callback, None)


def _positional(callback: Callable[..., Any]) -> int | None:
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):  # of some built-in functions nobody knows
        return None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)
