"""`beluga-voice demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from beluga_voice.cli import event_loop, showing
from beluga_voice.cli.problems import FAILED
from beluga_voice.simulation.demo import run_demo

if TYPE_CHECKING:
    from pathlib import Path

    from beluga_voice.livekit.options import Media
    from beluga_voice.simulation.call_run import CallView
    from beluga_voice.simulation.demo import Demo

__all__ = ["demo"]


def demo(out: Path, *, room_media: Media | None) -> int:
    """Plays the demo's call, shows it, writes its files; 1 if something in it did not go as it should.

    `room_media`: what carries the agent's sound in a room of a livekit-server; None: the call is in this process.
    """
    terminal = showing.console()
    title = "Harbour Museum" if room_media is None else "Harbour Museum, in a LiveKit room"
    with showing.view_of(terminal, title) as view:
        played = event_loop.run(_play(view, room_media))
    files = played.save(out)
    showing.show_latencies(terminal, played.record.log)
    showing.show_files(terminal, files)
    shortcomings = played.shortcomings()
    for shortcoming in shortcomings:
        typer.secho(f"failed: {shortcoming}", fg=typer.colors.RED, err=True)
    if shortcomings and played.overloaded:
        typer.echo("    do: run it on a machine that is less busy: sound came too late to be heard whole", err=True)
    return FAILED if shortcomings else 0


async def _play(view: CallView, room_media: Media | None) -> Demo:
    if room_media is None:
        return await run_demo(view=view)
    from beluga_voice.simulation.room_demo import run_room_demo

    return await run_room_demo(media=room_media, view=view)
