"""`beluga-voice models`."""

from __future__ import annotations

import json

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from beluga_voice.cli.model_check import FoundModel, embedded_models, packaged_models
from beluga_voice.cli.problems import FAILED
from beluga_voice.cli.showing import console

__all__ = ["models"]

_MARKS = {
    "verified": "[green]✓ verified[/green]",
    "installed": "[green]✓ installed[/green]",
    "damaged": "[red]✕ damaged[/red]",
    "missing": "[red]✕ missing[/red]",
    "not_installed": "[yellow]- not installed[/yellow]",
}


def models(*, as_json: bool) -> int:
    """Verifies and lists the models; 1 if one of the wheel's own is missing or damaged."""
    embedded, packaged = embedded_models(), packaged_models()
    if as_json:
        typer.echo(
            json.dumps({"models": [model.to_dict() for model in [*embedded, *packaged]], "downloads": []}, indent=2)
        )
    else:
        _show([*embedded, *packaged])
    return 0 if all(model.usable for model in embedded) else FAILED


def _show(found: list[FoundModel]) -> None:
    terminal = console()
    table = Table(box=SIMPLE_HEAD)
    for heading in ("model", "for", "state", "source", "licence"):
        table.add_column(heading, overflow="fold")
    for model in found:
        table.add_row(model.name, model.purpose, _MARKS[model.state], model.source, model.licence)
    terminal.print(table)
    for model in found:
        if model.sha256 is not None:
            terminal.print(f"{model.name}: sha256 {model.sha256}", style="dim", highlight=False, soft_wrap=True)
    for model in found:
        if model.remedy:
            terminal.print(f"{model.name}: {model.remedy}", markup=False, highlight=False, soft_wrap=True)
    terminal.print("Nothing to download: no engine of this version fetches a model of its own.")
