"""The command `beluga-voice`. `--help` loads typer and nothing else that takes time."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command line of this process."""
    from beluga_voice.cli.app import app

    app()
