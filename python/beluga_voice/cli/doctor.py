"""`beluga-voice doctor`."""

from __future__ import annotations

import json
from itertools import groupby

import typer
from rich.table import Table
from rich.text import Text

from beluga_voice.cli.checks import examine
from beluga_voice.cli.finding import Finding
from beluga_voice.cli.problems import FAILED
from beluga_voice.cli.showing import console

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "missing": ("-", "yellow"), "fail": ("✕", "red"), "info": ("·", "dim")}


def doctor(*, as_json: bool) -> int:
    """Looks at everything and says what to do; 1 if the embedded defaults cannot run."""
    findings = examine()
    ready = not any(finding.state == "fail" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ready": ready, "findings": [finding.to_dict() for finding in findings]}, indent=2))
    else:
        _show(findings, ready=ready)
    return 0 if ready else FAILED


def _show(findings: list[Finding], *, ready: bool) -> None:
    terminal = console()
    for group, members in groupby(findings, key=lambda finding: finding.group):
        terminal.print(Text(group, style="bold"))
        table = Table.grid(padding=(0, 2))
        for finding in members:
            mark, style = _MARKS[finding.state]
            table.add_row(Text(f"  {mark}", style=style), finding.name, Text(finding.found, style="dim"))
        terminal.print(table)
    # One remedy often mends several things.
    todo = dict.fromkeys(finding.remedy for finding in findings if finding.remedy and finding.state != "ok")
    if todo:
        terminal.print(Text("\nto do", style="bold"))
        for remedy in todo:
            terminal.print(f"  {remedy}", markup=False, highlight=False, soft_wrap=True)
    verdict = "can run: try `beluga-voice demo`" if ready else "cannot run"
    terminal.print(Text(f"\nThe embedded defaults {verdict}.", style="green" if ready else "red"))
