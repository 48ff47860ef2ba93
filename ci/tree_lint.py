"""Checks what git tracks, or would: no path of one machine, no registry's host, nothing big, no weights.

    python ci/tree_lint.py

Prints each breach and exits with 1 when there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from places import ROOT

LARGEST_BYTES = 1_000_000
WEIGHTS = {".bin", ".gguf", ".h5", ".npy", ".npz", ".onnx", ".pb", ".pt", ".pth", ".safetensors", ".tflite"}
BUILT = {".a", ".dll", ".dylib", ".o", ".pyc", ".pyd", ".rlib", ".so", ".whl"}

# A directory that exists on somebody's machine only. Not one inside a URL or a longer path.
MACHINE_PATH = re.compile(r"(?<![\w.:/~$}])/(?:home|root|work|Users)/[\w.-]+")
REGISTRY_HOST = re.compile(
    r"pypi\.org|pythonhosted\.org|(?:static|index)\.crates\.io|//crates\.io|registry\.npmjs\.org|proxy\.golang\.org"
    r"|sum\.golang\.org|repo1?\.maven\.(?:apache\.)?org|deb\.debian\.org|static\.rust-lang\.org"
)


def breaches(path: Path) -> list[str]:
    """What is wrong with one file, each as `name[:line]: what`."""
    name = path.relative_to(ROOT)
    found: list[str] = []
    if path.stat().st_size > LARGEST_BYTES:
        found.append(f"{name}: {path.stat().st_size} bytes, more than {LARGEST_BYTES}")
    if path.suffix in WEIGHTS | BUILT:
        found.append(f"{name}: weights and built files are fetched or made, not kept in git")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return found
    for number, line in enumerate(text.splitlines(), start=1):
        if match := MACHINE_PATH.search(line):
            found.append(f"{name}:{number}: a path of one machine: {match[0]}")
        if match := REGISTRY_HOST.search(line):
            found.append(f"{name}:{number}: a registry's host: {match[0]}")
    return found


def main() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    paths = [ROOT / name for name in sorted(set(listed.split("\0"))) if name]
    found = [line for path in paths if path.is_file() and not path.is_symlink() for line in breaches(path)]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
