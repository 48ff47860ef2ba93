"""A call's log as lines that people read, in the order in which things were said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from beluga_voice.simulation.call_log import CallLog, Speech, ToolUse

__all__ = ["Entry", "clock", "conversation", "tool_text"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `unfinished`: it may still change."""

    at_s: float
    who: Literal["caller", "agent", "tool", "error"]
    text: str
    unfinished: bool = False
    interrupted: bool = False


def conversation(log: CallLog) -> list[Entry]:
    """What was said so far, oldest first."""
    entries = [_spoken(speech) for speech in log.speeches]
    for turn in log.turns:
        text = turn.heard or turn.partial
        if text:
            entries.append(Entry(turn.start_s, "caller", text, unfinished=not turn.heard))
        # A tool has no sound: it stands between the question and its answer.
        at_s = turn.end_s if turn.end_s is not None else turn.start_s
        entries += [Entry(at_s, "tool", tool_text(tool)) for tool in turn.tools]
    entries += [Entry(error["at_s"], "error", f"{error['message']} ({error['code']})") for error in log.errors]
    return sorted(entries, key=lambda entry: entry.at_s)


def _spoken(speech: Speech) -> Entry:
    return Entry(
        speech.start_s or 0.0, "agent", speech.text, unfinished=speech.end_s is None, interrupted=speech.interrupted
    )


def tool_text(tool: ToolUse) -> str:
    """A tool's use in one line."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in tool.arguments.items())
    outcome = f"failed: {tool.error}" if tool.error is not None else f"{tool.result}"
    return f"{tool.name}({arguments}) → {outcome}"


def clock(seconds: float) -> str:
    """Minutes and seconds of a call, to a tenth."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
