"""Log lines that say whose call they are about: `session_id`, and `trace_id` and `span_id` where traces are made.

    telemetry: {logs: json}                             this package's lines as JSON on standard error; or log_json()
    handler.addFilter(CallFilter())                     the ids as attributes of every record, for a format of yours
    structlog.configure(processors=[add_call_ids, ...]) the ids in structlog's events

A value under a name such as `api_key` or `token` is masked, and whatever looks like a token or a bearer's line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from beluga_voice.current_session import current_session
from beluga_voice.errors import MASK, BelugaVoiceError, masked

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["CallFilter", "JsonFormatter", "add_call_ids", "log_json"]

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_IDS = ("session_id", "trace_id", "span_id")
# JSON Web Tokens, and what follows "Bearer" or a name that says that it is secret.
_SECRETS = (
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.?[\w-]*"),
    re.compile(r"(?i)(?<=\bbearer )[\w.~+/=-]{8,}"),
    re.compile(
        r"(?i)(?<![\w])((?:api[_-]?key|api[_-]?secret|access_token|password|token)[\"']?\s*[=:]\s*[\"']?)[^\s\"',&]+"
    ),
)


def call_ids() -> dict[str, str]:
    """The ids of the call that this code runs for, as far as there are any."""
    mark = current_session.get()
    ids = {} if mark is None else {"session_id": mark.session_id}
    # Without traces OpenTelemetry was not imported, and is not for the sake of a log line.
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            trace_id, span_id = trace.format_trace_id(span.trace_id), trace.format_span_id(span.span_id)
            return {**ids, "trace_id": trace_id, "span_id": span_id}
    if mark is not None and mark.trace_id:
        return {**ids, "trace_id": mark.trace_id, "span_id": mark.span_id}
    return ids


class CallFilter(logging.Filter):
    """Puts `session_id`, `trace_id` and `span_id` on every record, empty where there are none. Drops nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See the class."""
        ids = call_ids()
        for name in _IDS:
            if not getattr(record, name, ""):
                setattr(record, name, ids.get(name, ""))
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `logger`, `message`, ids, what `extra=` gave, and the error."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _without_secrets(record.getMessage()),
            **{name: value for name, value in call_ids().items() if not getattr(record, name, "")},
        }
        for name, value in vars(record).items():
            if name not in _PLAIN and value != "":
                shown = masked(value, name=name)
                line[name] = _without_secrets(shown) if isinstance(shown, str) else shown
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__name__
            if isinstance(error, BelugaVoiceError):
                line["error_code"] = error.code
            line["traceback"] = _without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def add_call_ids(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor for structlog: adds the ids, and masks secrets by their names."""
    for name, value in call_ids().items():
        event.setdefault(name, value)
    for name, value in event.items():
        if isinstance(value, (str, bytes)):
            event[name] = masked(value, name=name)
    return event


def log_json(stream: TextIO | None = None, *, level: int = logging.INFO) -> logging.Handler:
    """This package's log lines as JSON, to standard error if nothing is said. Called again it changes the handler."""
    logger = logging.getLogger("beluga_voice")
    for handler in list(logger.handlers):
        if isinstance(handler.formatter, JsonFormatter):
            logger.removeHandler(handler)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return handler


def _without_secrets(text: str) -> str:
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: (found[1] if found.re.groups else "") + MASK, text)
    return text
