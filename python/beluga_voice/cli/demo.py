"""`beluga-voice demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from beluga_voice.cli import event_loop, showing
from beluga_voice.cli.problems import FAILED
from beluga_voice.simulation.demo import run_demo

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["demo"]


def demo(out: Path) -> int:
    """Plays the demo's call, shows it, writes its files; 1 if something in it did not go as it should."""
    terminal = showing.console()
    with showing.view_of(terminal, "Harbour Museum") as view:
        played = event_loop.run(run_demo(view=view))
    files = played.save(out)
    showing.show_latencies(terminal, played.record.log)
    showing.show_files(terminal, files)
    shortcomings = played.shortcomings()
    for shortcoming in shortcomings:
        typer.secho(f"failed: {shortcoming}", fg=typer.colors.RED, err=True)
    if shortcomings and played.overloaded:
        typer.echo("    do: run it on a machine that is less busy: sound came too late to be heard whole", err=True)
    return FAILED if shortcomings else 0
