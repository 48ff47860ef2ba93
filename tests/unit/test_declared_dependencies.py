"""What pyproject.toml asks pip for is what the package imports: nothing missing, nothing idle."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "beluga_voice"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> tuple[set[str], set[str]]:
    """Distributions that are always installed, and those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(lines: list[str]) -> set[str]:
        return {canonical(re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0]) for line in lines}

    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return names(project["dependencies"]), names(extras)


def imported_roots() -> dict[str, set[str]]:
    """Top-level module -> files that import it when they run; imports for the type checker alone do not count."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing_only = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            if node in typing_only:
                continue
            roots: list[str] = []
            if isinstance(node, ast.Import):
                roots = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots = [node.module.partition(".")[0]]
            for root in roots:
                if root not in sys.stdlib_module_names and root != "beluga_voice":
                    found.setdefault(root, set()).add(path.relative_to(ROOT).as_posix())
    return found


def distributions_of(module: str) -> set[str]:
    return {canonical(name) for name in packages_distributions().get(module, [module])}


def test_every_import_is_declared() -> None:
    always, extras = declared()
    undeclared = {
        module: files for module, files in imported_roots().items() if not distributions_of(module) & (always | extras)
    }
    assert undeclared == {}


def test_every_hard_dependency_is_imported() -> None:
    always, _ = declared()
    used = {name for module in imported_roots() for name in distributions_of(module)}
    assert always - used == set()


def test_nothing_under_the_gpl_is_a_hard_dependency() -> None:
    always, _ = declared()
    assert "piper-tts" not in always
