"""`beluga-voice simulate`."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from beluga_voice import virtual_time
from beluga_voice.cli import event_loop, showing
from beluga_voice.cli.agent_loading import load_agent
from beluga_voice.cli.problems import FAILED
from beluga_voice.simulation.simulate import simulate as run_simulation

__all__ = ["simulate"]


def simulate(
    file: Path, agent: str, out: Path, *, stt: str, tts: str, vad: str, patience_s: float, times: str | None
) -> int:
    """Plays `file` to the agent, shows the call, writes its files; 1 if the call had errors or did not end.

    `times`: what answers are charged on virtual time ("measured", "none", a file of recorded ones); None: real time.
    """
    loaded = load_agent(agent)
    charge = _charge(times) if times is not None else None
    terminal = showing.console()
    began = time.monotonic()
    with showing.view_of(terminal, file.name) as view:
        simulation = run_simulation(file, loaded, view=view, patience_s=patience_s, stt=stt, tts=tts, vad=vad)
        played = event_loop.run(simulation) if charge is None else virtual_time.run(simulation, charge=charge)
    took_s = time.monotonic() - began
    files = played.save(out)
    if isinstance(charge, virtual_time.MeasuredTimes):
        files.append(out / "times.json")
        charge.save(files[-1])
    log = played.record.log
    showing.show_latencies(terminal, log)
    if not log.turns:
        terminal.print("no speech was found in the file")
    if charge is not None:
        pace = played.record.duration_s / took_s
        terminal.print(f"{played.record.duration_s:.1f} s of call in {took_s:.1f} s: {pace:.1f} times real time")
    showing.show_files(terminal, files)
    showing.show_errors(log)
    if played.caller.outcome == "unfinished":
        typer.secho(f"failed: the agent was still busy {patience_s:g} s after the file's end", err=True)
    return FAILED if log.errors or played.caller.outcome == "unfinished" else 0


def _charge(times: str) -> virtual_time.Charge:
    """Raises ConfigError for a file that holds no times."""
    if times == "measured":
        return virtual_time.MeasuredTimes()
    if times == "none":
        return virtual_time.FixedTimes()
    return virtual_time.RecordedTimes.load(Path(times))
