"""Hashes of inputs: what decides whether something must be built again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from places import ROOT

# Written into the tree by builds and tools: never an input.
_MADE = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", "target"}


def files_below(*places: Path) -> list[Path]:
    """Every file at or below the places, sorted; a place that does not exist holds none."""
    found: set[Path] = set()
    for place in places:
        if place.is_file():
            found.add(place)
        elif place.is_dir():
            found.update(path for path in place.rglob("*") if path.is_file() and not _MADE & set(path.parts))
    return sorted(found)


def of_file(path: Path) -> str:
    """SHA-256 of one file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(paths: Iterable[Path], *facts: str) -> str:
    """One hash over names and contents of files and any further facts (tool versions, options)."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(ROOT)}\0{of_file(path)}\n".encode())
    for fact in facts:
        total.update(f"{fact}\n".encode())
    return total.hexdigest()
