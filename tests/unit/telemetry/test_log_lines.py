"""Log lines say whose call they are about, and no secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from support.call import on_call
from support.told import Told

from beluga_voice.errors import SessionError
from beluga_voice.events import ConversationItemAdded
from beluga_voice.telemetry import CallFilter, JsonFormatter, add_call_ids, log_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beluga_voice import Turn

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJrZXkifQ.c2lnbmF0dXJl"


@pytest.fixture
def lines() -> Iterator[Any]:
    """What the package's loggers wrote so far, each line as JSON told it."""
    logger = logging.getLogger("beluga_voice")
    before = (list(logger.handlers), logger.level, logger.propagate)
    stream = io.StringIO()
    log_json(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.handlers[:], logger.level, logger.propagate = before


async def test_lines_of_two_calls_at_once_name_their_own_call_and_span(lines: Any) -> None:
    told = Told()
    log = logging.getLogger("beluga_voice.my_agent")

    async def agent(turn: Turn) -> str:
        log.info("asked", extra={"of": turn.session_id})
        await asyncio.sleep(0.1)
        log.info("answers", extra={"of": turn.session_id})
        return "Gold."

    async with on_call(agent, telemetry=told.telemetry) as one, on_call(agent, telemetry=told.telemetry) as other:
        await asyncio.gather(one.say("able"), other.say("able"))
        await one.heard(ConversationItemAdded, nth=2)
        await other.heard(ConversationItemAdded, nth=2)
    asked = [line for line in lines() if line["logger"] == "beluga_voice.my_agent"]
    assert len(asked) == 4
    assert {line["of"] for line in asked} == {one.session.id, other.session.id}
    spans = {f"{span.context.span_id:016x}": span for span in told.spans("invoke_agent") if span.context}
    for line in asked:
        assert line["session_id"] == line["of"]
        assert dict(spans[line["span_id"]].attributes or {})["gen_ai.conversation.id"] == line["of"]
        context = spans[line["span_id"]].context
        assert context is not None
        assert line["trace_id"] == f"{context.trace_id:032x}"


async def test_without_traces_lines_name_the_session_alone(lines: Any) -> None:
    def agent(turn: Turn) -> str:
        logging.getLogger("beluga_voice.my_agent").info("asked on a thread")
        return "Gold."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(ConversationItemAdded, nth=2)
    (line,) = [each for each in lines() if each["message"] == "asked on a thread"]
    assert line["session_id"] == tried.session.id
    assert "trace_id" not in line
    assert line["level"] == "info"
    assert line["time"].endswith("+00:00")


def test_an_error_is_told_with_its_code(lines: Any) -> None:
    try:
        raise SessionError("full", code="session_limit_exceeded")
    except SessionError:
        logging.getLogger("beluga_voice.x").exception("it failed")
    (line,) = lines()
    assert (line["error"], line["error_code"]) == ("SessionError", "session_limit_exceeded")
    assert "Traceback" in line["traceback"]


@pytest.mark.parametrize(
    "message",
    [
        f"joined with {TOKEN}",
        "authorization: Bearer s3cr3t-s3cr3t",
        "api_key=s3cr3t-s3cr3t",
        "{'api_secret': 's3cr3t-s3cr3t'}",
        "wss://host/rtc?access_token=s3cr3t-s3cr3t&x=1",
    ],
)
def test_no_secret_reaches_a_line(lines: Any, message: str) -> None:
    logging.getLogger("beluga_voice.x").warning("%s", message, extra={"api_key": "s3cr3t-s3cr3t", "about": message})
    (line,) = lines()
    text = json.dumps(line)
    assert "s3cr3t" not in text
    assert TOKEN not in text
    assert "*****" in line["message"]


async def test_other_formats_and_structlog_get_the_ids_too() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(CallFilter())
    handler.setFormatter(logging.Formatter("%(session_id)s|%(trace_id)s|%(message)s"))
    log = logging.getLogger("somebody.elses")
    log.addHandler(handler)
    log.propagate = False
    captured = structlog.testing.CapturingLogger()
    struct = structlog.wrap_logger(captured, processors=[add_call_ids, structlog.processors.JSONRenderer()])

    async def agent(turn: Turn) -> str:
        log.warning("here")
        struct.info("there", api_key="s3cr3t")
        return "Gold."

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(ConversationItemAdded, nth=2)
    log.removeHandler(handler)
    assert stream.getvalue() == f"{tried.session.id}||here\n"
    (call,) = captured.calls
    told = json.loads(call.args[0])
    assert told["session_id"] == tried.session.id
    assert told["api_key"] != "s3cr3t"


def test_a_line_outside_of_calls_has_no_ids() -> None:
    line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "hello", "name": "x"})))
    assert set(line) == {"time", "level", "logger", "message"}
