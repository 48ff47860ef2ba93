"""Every secret of a test run is a canary: it must turn up in no log record, no error of ours and no span.

A pytest plugin. What a test gives as a secret (pydantic's SecretStr, the token of `acting_as`) is remembered from then
on, and whatever is logged, raised or traced afterwards is searched for it. A run in which one is found has failed.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.hooks.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

# A shorter value is also a word that something else may say.
_SHORTEST = 12
_MOST_TOLD = 20


class Canaries(logging.Handler):
    """The secrets of a run so far, and where one of them was found."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()
        self.found: list[str] = []
        self.searched = 0
        self.test = ""

    def remember(self, value: object) -> None:
        """A secret."""
        if isinstance(value, str) and len(value) >= _SHORTEST:
            self.secrets.add(value)

    def search(self, text: str, where: str) -> None:
        """Notes it if a secret is in `text`."""
        self.searched += 1
        for secret in self.secrets:
            if secret in text:
                place = text.replace(secret, "<the secret>")[:200]
                self.found.append(f"{where} ({self.test}): {place}")

    def emit(self, record: logging.LogRecord) -> None:
        """A log record, with its traceback and what was attached to it."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "".join(traceback.format_exception(record.exc_info[1]))
        extra = {name: value for name, value in record.__dict__.items() if name not in _PLAIN_RECORD}
        self.search(f"{text} {extra!r}", f"log {record.name}")


_PLAIN_RECORD = {*logging.makeLogRecord({}).__dict__}

canaries = Canaries()


def _after(owner: type, method: str, then: Callable[..., None]) -> None:
    """Has `then` called after each call of that method, with its arguments."""
    original = getattr(owner, method)

    def watched(self: Any, *args: Any, **named: Any) -> Any:
        result = original(self, *args, **named)
        then(self, *args, **named)
        return result

    setattr(owner, method, watched)


def _search_error(error: BelugaVoiceError, *_: object, **__: object) -> None:
    canaries.search(f"{error} {error!r} {error.__dict__!r}", f"error {type(error).__name__}")


def _search_span(span: Any, *_: object, **__: object) -> None:
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    canaries.search(f"{span.name} {dict(span.attributes or {})!r} {events!r} {span.status.description}", "span")


def pytest_configure(config: pytest.Config) -> None:
    _after(SecretStr, "__init__", lambda secret, *_, **__: canaries.remember(secret.get_secret_value()))
    _after(Caller, "__init__", lambda caller, *_, **__: canaries.remember(caller.token))
    _after(BelugaVoiceError, "__init__", _search_error)
    logging.getLogger().addHandler(canaries)


def pytest_runtest_setup(item: pytest.Item) -> None:
    canaries.test = item.nodeid
    tracing = sys.modules.get("opentelemetry.sdk.trace")
    if tracing is not None and not hasattr(tracing.Span, "searched_for_canaries"):
        tracing.Span.searched_for_canaries = True  # type: ignore[attr-defined]
        _after(tracing.Span, "end", _search_span)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if canaries.found and not session.exitstatus:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if canaries.found:
        terminalreporter.section("secrets were found", red=True)
        for line in dict.fromkeys(canaries.found[:_MOST_TOLD]):
            terminalreporter.line(line)
    else:
        terminalreporter.line(f"{len(canaries.secrets)} secrets, searched for in {canaries.searched} places: not found")
