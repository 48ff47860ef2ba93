"""Renews ci/constraints.txt: the newest versions that pyproject.toml's ranges allow, all of them, exactly.

Run by `make lock`; the next `make` of anything rebuilds .venv with them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import prepare
from places import ROOT

HEAD = """\
# The versions that .venv gets on every machine (Linux, Python 3.11). Made by `make lock`: change pyproject.toml.
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        python = Path(place) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *prepare.requirements()]
        subprocess.run(command, check=True)
        frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    (ROOT / "ci" / "constraints.txt").write_text(HEAD + frozen)


if __name__ == "__main__":
    main()
