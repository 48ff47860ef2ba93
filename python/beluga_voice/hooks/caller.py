"""On whose behalf a backend is asked."""

from __future__ import annotations

import contextvars
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["NOBODY", "Caller", "acting_as", "current_caller"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as far as it was said. `token` is in no repr."""

    user_id: str = ""
    token: str = field(default="", repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


NOBODY = Caller()
"""The program itself."""

_current: contextvars.ContextVar[Caller] = contextvars.ContextVar("beluga_voice_caller", default=NOBODY)


def current_caller() -> Caller:
    """On whose behalf this task asks."""
    return _current.get()


@contextmanager
def acting_as(user_id: str = "", *, token: str = "", metadata: Mapping[str, Any] | None = None) -> Generator[None]:
    """What is asked of a backend within is asked on this user's behalf.

        with acting_as(token=request.headers["Authorization"]):
            await backend.close_session(session_id)

    Holds for this task, and for tasks that it starts within.
    """
    reset = _current.set(Caller(user_id=user_id, token=token, metadata=dict(metadata or {})))
    try:
        yield
    finally:
        _current.reset(reset)
