"""Whose call it is that code runs for, for log lines: a context variable that each call's tasks have."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["SessionMark", "current_session"]


@dataclass(slots=True)
class SessionMark:
    """What log lines say of a call. `trace_id` and `span_id`: of its span, in hexadecimal, where traces are made."""

    session_id: str
    trace_id: str = ""
    span_id: str = ""


current_session: ContextVar[SessionMark | None] = ContextVar("beluga_voice_session", default=None)
