"""The README's programs, as somebody would copy them."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["README", "copied"]

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def copied(place: Path, under: str, language: str = "python") -> Path:
    """The first block below the heading `under`, as a file in `place`; beside it the agent that all of them import."""
    text = README.read_text()
    name = {"python": "program.py", "yaml": "voice.yaml"}[language]
    program, agent = place / name, place / "my_agent.py"
    agent.write_text(_blocks(text, "python")[0])
    program.write_text(_blocks(text[text.index(f"\n## {under}\n") :], language)[0])
    return program


def _blocks(text: str, language: str) -> list[str]:
    return [body for kind, body in _BLOCK.findall(text) if kind == language]
