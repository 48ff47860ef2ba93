"""`beluga-voice config`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from beluga_voice.errors import masked

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check", "print_schema"]


def print_schema() -> None:
    """The JSON schema of a settings file."""
    from beluga_voice.config_schema import config_schema

    typer.echo(json.dumps(config_schema(), indent=2))


def check(file: Path, *, as_json: bool) -> None:
    """Raises what is wrong with the file; else says what was set. Secrets are not shown."""
    from beluga_voice.backend import get_registry
    from beluga_voice.config import BackendConfig

    config = BackendConfig.load(file)
    get_registry().check(config)
    said = {name: masked(getattr(config, name), name=name) for name in sorted(config.model_fields_set)}
    if as_json:
        typer.echo(json.dumps({"right": True, "provider": config.provider, "set": said}, indent=2))
        return
    typer.echo(f"{file}: right, for backend {config.provider!r}")
    for name, value in said.items():
        typer.echo(f"  {name} = {json.dumps(value)}")
