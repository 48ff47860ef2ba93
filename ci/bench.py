"""Runs benchmarks: benches/*/bench_NAME.py, one or all of them.

    python ci/bench.py --list | NAME... | --all

Each prints its table and writes benches/results/NAME.json itself; QUICK=1 in the environment asks for few counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from places import ROOT, VENV, bench_environment


def benches() -> dict[str, Path]:
    """Name -> script."""
    found = sorted((ROOT / "benches").glob("*/bench_*.py"))
    return {path.stem.removeprefix("bench_").replace("_", "-"): path for path in found}


def run(script: Path) -> int:
    """Runs one benchmark and returns its exit code."""
    return subprocess.run([VENV / "bin" / "python", script], cwd=ROOT, env=bench_environment(), check=False).returncode


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs benchmarks.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    known = benches()
    if asked.list:
        print("\n".join(known))
        return
    names = list(known) if asked.all else [name.replace("_", "-") for name in asked.names]
    if not names or set(names) - set(known):
        sys.exit(f"unknown benchmark: {', '.join(sorted(set(names) - set(known))) or '(none named)'}; "
                 f"there are: {', '.join(known) or 'none'}")  # fmt: skip
    failed = [name for name in names if run(known[name])]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
