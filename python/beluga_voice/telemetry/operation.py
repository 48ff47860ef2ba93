"""One operation of a backend, measured and traced: `backend.<provider>.<operation>`."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from beluga_voice.clock import now
from beluga_voice.errors import BelugaVoiceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Tracer

    from beluga_voice.telemetry.instruments import Instruments

__all__ = ["measured", "traced"]


@contextmanager
def measured(instruments: Instruments, provider: str, operation: str) -> Generator[None]:
    """Counts the operation, those under way, how long they take and what they fail with."""
    instruments.count("backend.requests.total", provider=provider, operation=operation)
    instruments.shift("backend.concurrent.operations", 1, provider=provider)
    began = now()
    try:
        yield
    except BaseException as error:
        code = _code(error)
        instruments.count("backend.errors.total", provider=provider, operation=operation, error_code=code)
        raise
    finally:
        took_s = now() - began
        instruments.shift("backend.concurrent.operations", -1, provider=provider)
        instruments.record("backend.latency.seconds", took_s, {"provider": provider, "operation": operation})
        if operation == "create_session":
            instruments.record("backend.session.creation.time.seconds", took_s, {"provider": provider})


@contextmanager
def traced(tracer: Tracer, provider: str, operation: str) -> Generator[None]:
    """A span that is the current one meanwhile. An error's message stays out of it, for it may quote what was given."""
    from opentelemetry.trace import Status, StatusCode

    attributes = {"backend.provider": provider, "operation": operation}
    with tracer.start_as_current_span(
        f"backend.{provider}.{operation}", attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", _code(error))
            span.set_status(Status(StatusCode.ERROR, _code(error)))
            raise


def _code(error: BaseException) -> str:
    if isinstance(error, BelugaVoiceError):
        return error.code
    return "context_canceled" if isinstance(error, asyncio.CancelledError) else "internal_error"
