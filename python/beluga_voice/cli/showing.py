"""What `demo` and `simulate` put on the terminal besides the call itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from beluga_voice.simulation.call_log import CallLog
    from beluga_voice.simulation.live_view import LiveView
    from beluga_voice.simulation.plain_view import PlainView

__all__ = ["console", "show_errors", "show_files", "show_latencies", "view_of"]

# What a table needs to stay one line a turn, where the output is no terminal and has no width of its own.
_PLAIN_WIDTH = 120


def console() -> Console:
    """Standard output, with colours where it is a terminal."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_PLAIN_WIDTH)


def view_of(terminal: Console, title: str) -> LiveView | PlainView:
    """What shows the call: a picture that changes on a terminal, lines elsewhere."""
    if terminal.is_terminal and not terminal.is_dumb_terminal:
        from beluga_voice.simulation.live_view import LiveView

        return LiveView(terminal, title)
    from beluga_voice.simulation.plain_view import PlainView

    return PlainView(sys.stdout)


def show_latencies(terminal: Console, log: CallLog) -> None:
    """The table of each turn's latency by stage."""
    from beluga_voice.simulation.latency_table import latency_table

    if log.turns:
        terminal.print()
        terminal.print(latency_table(log))


def show_errors(log: CallLog) -> None:
    """What failed in the call, on standard error."""
    for error in log.errors:
        typer.secho(f"failed: {error['source']}: {error['message']} ({error['code']})", fg=typer.colors.RED, err=True)


def show_files(terminal: Console, files: Sequence[Path]) -> None:
    """What was written, and what was not for want of matplotlib."""
    for file in files:
        terminal.print(f"wrote {file}", highlight=False, soft_wrap=True)
    if not any(file.suffix == ".png" for file in files):
        terminal.print("no timeline.png: pip install 'beluga-voice[plots]'", markup=False, highlight=False)
