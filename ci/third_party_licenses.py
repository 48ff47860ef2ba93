"""Writes python/beluga_voice/THIRD-PARTY-LICENSES: the licences of everything that the wheel carries, in full.

The crates linked into the extension (from cargo's own resolution, texts from their sources), libopus (inside the
sources of opusic-sys), Rust's standard library, and the model weights (ci/fetch_models.py fetches their licences).
Fails where a crate has no text and its licence is not one whose text we have.
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from places import PACKAGE, ROOT

OUTPUT = PACKAGE / "THIRD-PARTY-LICENSES"
MODELS = PACKAGE / "_models"
TARGET = "x86_64-unknown-linux-gnu"
_LICENCE_FILE = re.compile(r"^(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)

# Crates whose published sources hold no text; theirs is the one of their repository, kept in ci/licences.
_KEPT = {"pbjson": "pbjson.txt", "pbjson-types": "pbjson.txt"}

# Sources that a crate carries from someone else, below its own directory.
_BUNDLED = {"opusic-sys": [("libopus", "BSD-3-Clause", "opus/COPYING")]}


def main() -> None:
    entries: list[tuple[str, str]] = []  # (what, licence expression)
    users: dict[str, list[str]] = defaultdict(list)  # text -> what it covers

    def add(what: str, expression: str, texts: list[str]) -> None:
        entries.append((what, expression))
        for text in dict.fromkeys(texts):
            users[text].append(what)

    apache = _text(ROOT / "LICENSE")
    add("Rust standard library", "MIT OR Apache-2.0", [apache])
    for crate in _linked_crates():
        place, what = Path(crate["manifest_path"]).parent, f"{crate['name']} {crate['version']}"
        texts = [_text(path) for path in sorted(place.iterdir()) if path.is_file() and _LICENCE_FILE.match(path.name)]
        if not texts and crate["name"] in _KEPT:
            texts = [_text(ROOT / "ci" / "licences" / _KEPT[crate["name"]])]
        if not texts and "Apache-2.0" not in (crate["license"] or ""):
            sys.exit(f"{what}: no licence text in its sources, and {crate['license']} is not one we have the text of")
        add(what, crate["license"], texts or [apache])
        for name, expression, file in _BUNDLED.get(crate["name"], []):
            add(f"{name} (in {what})", expression, [_text(place / file)])
    for model in runpy.run_path(str(PACKAGE / "_model_table.py"))["MODELS"]:
        what = f"{model.file} (weights, from {model.package})"
        add(what, model.licence, [_text(MODELS / model.licence_file)])

    parts = ["What beluga-voice's wheel carries from others, and on which terms.\n"]
    parts += [f"  {what}: {expression}" for what, expression in entries]
    for text, covered in users.items():
        parts += ["\n" + "=" * 100, f"For {', '.join(covered)}:\n", text]
    OUTPUT.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _linked_crates() -> list[dict[str, str]]:
    """Crates of others that the extension links: reached from it by normal dependencies, macros included."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", TARGET]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    waiting = [key for key, package in packages.items() if package["name"] == "beluga-pybind"]
    seen: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            waiting += [
                link["pkg"] for link in nodes[key]["deps"] if any(kind["kind"] is None for kind in link["dep_kinds"])
            ]
    linked = [packages[key] for key in seen if packages[key]["source"]]
    return sorted(linked, key=lambda package: (package["name"], package["version"]))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip()


if __name__ == "__main__":
    main()
