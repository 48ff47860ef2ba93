"""The demo's agent: a museum's telephone line. Plain Python, no model behind it, one table as its tool.

The recogniser of the demo mishears: words are matched by likeness, and a question that fits nothing is answered too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from beluga_voice.commands import Command, EndCall, ToolFinished, ToolStarted

if TYPE_CHECKING:
    from beluga_voice.turn import Turn

__all__ = ["MuseumLine"]

_HOURS: dict[str, tuple[str, str] | None] = {
    "monday": None,
    "tuesday": ("ten", "six"),
    "wednesday": ("ten", "six"),
    "thursday": ("ten", "eight"),
    "friday": ("ten", "six"),
    "saturday": ("nine", "seven"),
    "sunday": ("eleven", "five"),
}
_PRICES = {"adult": 12, "child": 4}
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}

_ABOUT = (
    "Gladly!",
    "The Harbour Museum tells the story of the sea, from the first wooden boats to the great ships of today.",
    "On the ground floor you can walk through the engine room of a real steamer, and ring its bell.",
    "Upstairs there are maps, storms and lighthouses, and a window over the whole harbour.",
)


def opening_hours(day: str) -> dict[str, Any]:
    """A tool: when the museum is open."""
    hours = _HOURS[day]
    return {"day": day, "open": False} if hours is None else {"day": day, "from": hours[0], "to": hours[1]}


def ticket_price(visitor: str, count: int) -> dict[str, Any]:
    """A tool: what tickets cost, in euros."""
    return {"visitor": visitor, "count": count, "euros": _PRICES[visitor] * count}


class MuseumLine:
    """One caller's conversation; remembers which tool call it is at."""

    def __init__(self) -> None:
        self._calls = 0

    def respond(self, turn: Turn) -> Iterator[str | Command]:
        """The answer to a turn."""
        words = re.findall(r"[a-z]+", turn.text.lower())
        day = _alike(words, *_HOURS)
        if _alike(words, "goodbye", "thank", "thanks"):
            yield "You are welcome. Goodbye!"
            yield EndCall("the caller said goodbye")
        elif day is not None:
            yield from self._hours(day, words)
        elif _alike(words, "ticket", "tickets", "much", "price", "cost"):
            yield from self._price(words)
        elif _alike(words, "museum", "about"):
            yield from (f"{sentence} " for sentence in _ABOUT)
        else:
            yield "I can tell you about the museum, its opening hours and its tickets."

    def _hours(self, day: str, words: list[str]) -> Iterator[str | Command]:
        call_id = self._next_call()
        yield ToolStarted("opening_hours", {"day": day}, call_id)
        hours = opening_hours(day)
        yield ToolFinished("opening_hours", hours, call_id=call_id)
        if "from" not in hours:
            yield f"On {day.title()} we are closed."
        elif _alike(words, "close", "closing"):
            yield f"On {day.title()} we close at {hours['to']}."
        elif "time" in words:
            yield f"On {day.title()} we open at {hours['from']}."
        else:
            yield f"On {day.title()} we are open from {hours['from']} to {hours['to']}."

    def _price(self, words: list[str]) -> Iterator[str | Command]:
        visitor = "child" if _alike(words, "child", "children", "kids") else "adult"
        count = max((_NUMBERS[word] for word in words if word in _NUMBERS), default=1)
        call_id = self._next_call()
        yield ToolStarted("ticket_price", {"visitor": visitor, "count": count}, call_id)
        price = ticket_price(visitor, count)
        yield ToolFinished("ticket_price", price, call_id=call_id)
        who = visitor if count == 1 else {"child": "children", "adult": "adults"}[visitor]
        yield f"For {_word(count)} {who} that is {_word(price['euros'])} euros."

    def _next_call(self) -> str:
        self._calls += 1
        return f"call_{self._calls}"


def _alike(words: list[str], *wanted: str) -> str | None:
    """The first of `wanted` that one of `words` is, or nearly is: recognisers mistake endings."""
    for word in words:
        match = difflib.get_close_matches(word, wanted, n=1, cutoff=0.8)
        if match:
            return match[0]
    return None


def _word(number: int) -> str:
    small = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight", 12: "twelve"}
    return small.get(number, str(number))
