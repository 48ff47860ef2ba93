"""Tells a SystemExit that a signal's handler raised from one that is a component's own."""

from __future__ import annotations

import signal
from typing import Any

__all__ = ["is_of_a_signal"]


def is_of_a_signal(error: SystemExit) -> bool:
    """Whether a signal's handler raised it, in whatever code the signal happened to come.

    Python calls handlers between two instructions of its main thread: a program may be told to end in the middle of a
    component. Then the handler is one of the frames that the exception came through.
    """
    handlers = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code in handlers:
            return True
        frame = frame.tb_next
    return False


def _code(handler: Any) -> Any:
    """A handler's code; None where it has none, as those have that are not written in Python."""
    return getattr(getattr(handler, "__func__", handler), "__code__", None)
