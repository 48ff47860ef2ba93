"""What `import beluga_voice` costs, as a ratio to `import asyncio`, each in fresh interpreters that take turns.

Passes while it costs less than asyncio does; what it loads is asserted by tests/unit/test_public_names.py.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

from bench_result import write_proof_rows

RUNS = 5 if os.environ.get("QUICK") == "1" else 31
CODE = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


def import_s(module: str) -> float:
    """Seconds of one import."""
    done = subprocess.run([sys.executable, "-c", CODE.format(module)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    pairs = [(import_s("beluga_voice"), import_s("asyncio")) for _ in range(RUNS)]
    row = {
        "runs": RUNS,
        "beluga_voice_ms": round(1e3 * statistics.median(ours for ours, _ in pairs), 2),
        "asyncio_ms": round(1e3 * statistics.median(theirs for _, theirs in pairs), 2),
        "ratio": round(statistics.median(ours / theirs for ours, theirs in pairs), 3),
    }
    print(json.dumps(row))
    write_proof_rows([row])
    if row["ratio"] >= 1:
        sys.exit(f"importing beluga_voice takes {row['ratio']} times as long as asyncio")


if __name__ == "__main__":
    main()
