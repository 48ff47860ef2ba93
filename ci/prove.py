"""Runs proofs, each with its full counts, and writes benches/results/proof-NAME.json for each.

    python ci/prove.py --list | NAME... | --all

A proof is ci/prove/NAME.sh, ci/prove/NAME.py or benches/**/prove_NAME.py. It passes by exiting with 0. What it
measured it may write, as a JSON array of rows, to the file that the environment variable PROOF_ROWS names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from places import RESULTS, ROOT, VENV, bench_environment


def proofs() -> dict[str, Path]:
    """Name -> script."""
    found = {path.stem: path for path in (ROOT / "ci" / "prove").glob("*") if path.suffix in {".sh", ".py"}}
    found |= {path.stem.removeprefix("prove_"): path for path in (ROOT / "benches").rglob("prove_*.py")}
    return {name.replace("_", "-"): path for name, path in sorted(found.items())}


def prove(name: str, script: Path) -> bool:
    """Runs one proof and writes its result; True when it passed."""
    command = ["bash" if script.suffix == ".sh" else str(VENV / "bin" / "python"), str(script)]
    print(f"== prove {name}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        rows = Path(place) / "rows.json"
        environment = bench_environment() | {"PROOF_ROWS": str(rows)}
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        measured = json.loads(rows.read_text()) if rows.exists() else []
    seconds = round(time.monotonic() - started, 1)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {
        "name": f"proof-{name}",
        "commit": commit.stdout.strip() if commit.returncode == 0 else None,
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), "rustc": _rustc()},
        "command": f"make prove-{name}",
        "mode": "quick" if os.environ.get("QUICK") == "1" else "full",
        "rows": [{"passed": code == 0, "seconds": seconds}, *measured],
    }
    (RESULTS / f"proof-{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"== prove {name}: {seconds:.0f} s, {'holds' if code == 0 else f'FAILED ({code})'}", flush=True)
    return code == 0


def _rustc() -> str:
    return subprocess.run(["rustc", "-V"], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs proofs.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    known = proofs()
    if asked.list:
        print("\n".join(known))
        return
    names = list(known) if asked.all else asked.names
    if not names or set(names) - set(known):
        sys.exit(f"unknown proof: {', '.join(sorted(set(names) - set(known))) or '(none named)'}; "
                 f"there are: {', '.join(known)}")  # fmt: skip
    failed = [name for name in names if not prove(name, known[name])]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
