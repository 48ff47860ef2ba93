"""`beluga-voice simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from beluga_voice.cli import event_loop, showing
from beluga_voice.cli.agent_loading import load_agent
from beluga_voice.cli.problems import FAILED
from beluga_voice.simulation.simulate import simulate as run_simulation

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["simulate"]


def simulate(file: Path, agent: str, out: Path, *, stt: str, tts: str, vad: str, patience_s: float) -> int:
    """Plays `file` to the agent, shows the call, writes its files; 1 if the call had errors or did not end."""
    loaded = load_agent(agent)
    terminal = showing.console()
    with showing.view_of(terminal, file.name) as view:
        played = event_loop.run(
            run_simulation(file, loaded, view=view, patience_s=patience_s, stt=stt, tts=tts, vad=vad)
        )
    files = played.save(out)
    log = played.record.log
    showing.show_latencies(terminal, log)
    if not log.turns:
        terminal.print("no speech was found in the file")
    showing.show_files(terminal, files)
    for error in log.errors:
        typer.secho(f"failed: {error['source']}: {error['message']} ({error['code']})", fg=typer.colors.RED, err=True)
    if played.caller.outcome == "unfinished":
        typer.secho(f"failed: the agent was still busy {patience_s:g} s after the file's end", err=True)
    return FAILED if log.errors or played.caller.outcome == "unfinished" else 0
