"""docs/requirements.md has every requirement once, and names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")

ASKED_FOR = [
    *(f"FR-{number:03}" for number in range(1, 29)),
    *(
        f"US{story}.{number}"
        for story, count in ((1, 4), (2, 3), (3, 3), (4, 3), (5, 3))
        for number in range(1, count + 1)
    ),
    *(f"EC-{number:03}" for number in range(1, 11)),
]
ROWS = re.findall(r"^\| ((?:FR|EC)-\d{3}|US\d\.\d) \| ([^|]+) \| ([^|]*) \|([^|]*)\|$", TABLES, flags=re.MULTILINE)
NAMED = sorted({name for _, _, shown, _ in ROWS for name in re.findall(r"`([^`]+)`", shown)})


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    }


def test_every_requirement_has_its_row() -> None:
    assert [name for name, *_ in ROWS] == ASKED_FOR


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests(row: tuple[str, str, str, str]) -> None:
    _, _, shown, _ = row
    assert re.findall(r"`tests/[^`]+`", shown)


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert (ROOT / path).is_file(), path
    found = names_in(path)
    assert test in found if test else found, f"{path} has no {test or 'tests'}"
