"""A call as plain lines, for logs and pipes: each thing once, when it is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TextIO

from beluga_voice.events import (
    AgentFalseInterruption,
    ConversationItemAdded,
    ErrorEvent,
    FunctionToolsExecuted,
    Interruption,
    SessionEvent,
    UserInputTranscribed,
)
from beluga_voice.simulation.call_log import ToolUse
from beluga_voice.simulation.conversation import clock, tool_text

if TYPE_CHECKING:
    from beluga_voice.simulation.call_log import CallLog

__all__ = ["PlainView"]


class PlainView:
    """Writes to `out`. A context manager like `LiveView`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def take(self, event: SessionEvent, log: CallLog) -> None:
        """Writes a line, if the event is worth one."""
        line = _line(event)
        if line is not None:
            # With the time at which it happened: what was said is known only when it was said.
            print(f"{clock(_happened_s(event, log)):>7}  {line}", file=self._out, flush=True)


def _line(event: SessionEvent) -> str | None:
    match event:
        case UserInputTranscribed() if event.is_final:
            return f"caller  {event.transcript or '(nothing understood)'}"
        case ConversationItemAdded() if event.item.role == "assistant":
            return f"agent   {event.item.text}{'  [interrupted]' if event.item.interrupted else ''}"
        case FunctionToolsExecuted():
            return f"tool    {tool_text(ToolUse(event.name, event.arguments, event.result, event.error))}"
        case Interruption():
            return "        the caller talks over the agent"
        case AgentFalseInterruption():
            return "        no words: the agent goes on"
        case ErrorEvent():
            return f"error   {event.source}: {event.error} ({event.error.code})"
        case _:
            return None


def _happened_s(event: SessionEvent, log: CallLog) -> float:
    if isinstance(event, UserInputTranscribed):
        turn = log.turn(event.turn_id)
        return turn.start_s if turn is not None else event.at_s
    if isinstance(event, ConversationItemAdded) and event.started_speaking_at_s is not None:
        return event.started_speaking_at_s
    return event.at_s
