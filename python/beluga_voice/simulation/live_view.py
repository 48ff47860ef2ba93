"""A call on a terminal while it happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from beluga_voice.simulation.conversation import Entry, clock, conversation

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from beluga_voice.events import SessionEvent
    from beluga_voice.simulation.call_log import CallLog

__all__ = ["LiveView"]

_STYLES = {"caller": "cyan", "agent": "yellow", "tool": "green", "error": "bold red"}
_MARKS = {"tool": "⚙", "error": "!"}
_DOTS = {"speaking": "●", "thinking": "◐", "listening": "○", "idle": "○", "initializing": "·", "away": "·"}

# Events come in bursts, and a terminal that is drawn more often than this flickers.
_REDRAW_S = 0.1

# Rows of the panel besides the conversation: borders, states, a blank line.
_FRAME_ROWS = 5


class LiveView:
    """Who speaks, what is being understood, what was said. A context manager around the call."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._log: CallLog | None = None
        self._at_s = 0.0
        self._at = time.monotonic()
        self._drawn_at = 0.0
        # Four times a second by itself, for the clock; at once, within bounds, for what happens.
        self._live = Live(self, console=console, refresh_per_second=4, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, event: SessionEvent, log: CallLog) -> None:
        """Shows the call as it is after `event`."""
        self._log, self._at_s, self._at = log, max(self._at_s, event.at_s), time.monotonic()
        if self._at - self._drawn_at >= _REDRAW_S:
            self._drawn_at = self._at
            self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The panel, as tall as the screen allows: the newest lines stay in sight."""
        room = max(4, (options.max_height or console.height) - _FRAME_ROWS)
        yield Panel(
            Group(self._states(), Text(), _lines(conversation(self._log) if self._log else [], room)),
            title=f"[bold]{self._title}[/bold] · {self._clock()}",
            title_align="left",
            border_style="dim",
            padding=(0, 1),
        )

    def _clock(self) -> str:
        if self._log is None:
            return "starting"
        if self._log.close_reason is not None:
            return f"{clock(self._at_s)} · over"
        return clock(self._at_s + time.monotonic() - self._at)

    def _states(self) -> Table:
        grid = Table.grid(padding=(0, 4))
        log = self._log
        agent, user = (log.agent_state, log.user_state) if log is not None else ("initializing", "listening")
        grid.add_row(_state("caller", user), _state("agent", agent))
        return grid


def _state(who: str, state: str) -> Text:
    style = _STYLES[who] if state in ("speaking", "thinking") else "dim"
    return Text.assemble((f"{_DOTS.get(state, '·')} ", style), (who, "bold" if style != "dim" else "dim"), f" {state}")


def _lines(entries: list[Entry], room: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for entry in entries[-room:]:
        style = _STYLES[entry.who]
        text = Text(entry.text or "…", style="dim italic" if entry.unfinished else "")
        if entry.interrupted:
            text.append("  ✕ interrupted", style="red")
        table.add_row(clock(entry.at_s), Text(_MARKS.get(entry.who, entry.who), style=style), text)
    return table
