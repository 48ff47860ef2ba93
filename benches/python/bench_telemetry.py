"""What telling of calls costs: the same calls with nothing told, metrics, metrics and traces, the dashboard.

Calls run on the virtual clock, with components that answer at once and an agent that uses a tool: the CPU time of the
process per second of a call, all threads. Ways alternate, and a ratio is taken within its round, for the machine's
speed drifts. Metrics are collected every 15 seconds of the calls; spans go through OpenTelemetry's batch processor into
nothing. `ratio` is the call's whole cost to that with nothing told; `added_us_per_call_s` what is added.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from importlib.metadata import version
from typing import Any

from bench_result import QUICK, ROOT, print_table, write_result

CALLS = 10 if QUICK else 50
CALL_S = 20 if QUICK else 40
ROUNDS = 1 if QUICK else 5
WAYS = ("off", "metrics", "metrics+traces", "dashboard")


def cpu_us_per_call_s(way: str) -> float:
    """One process, all of its calls."""
    command = [sys.executable, "-m", "telemetry_calls", way, str(CALLS), str(CALL_S)]
    place = ROOT / "benches"
    environment = {"PYTHONPATH": f"{place / 'python'}:{place}"}
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
    return 1e6 * float(json.loads(done.stdout)["cpu_s"]) / (CALLS * CALL_S)


def main() -> None:
    rounds = [{way: cpu_us_per_call_s(way) for way in WAYS} for _ in range(ROUNDS)]
    rows: list[dict[str, Any]] = []
    for way in WAYS:
        ratios = [each[way] / each["off"] for each in rounds]
        rows.append(
            {
                "way": way,
                "calls": CALLS,
                "call_s": CALL_S,
                "n": ROUNDS,
                "cpu_us_per_call_s": round(statistics.median(each[way] for each in rounds), 1),
                "added_us_per_call_s": round(statistics.median(each[way] - each["off"] for each in rounds), 1),
                "ratio": round(statistics.median(ratios), 3),
                "ratio_low": round(min(ratios), 3),
                "ratio_high": round(max(ratios), 3),
            }
        )
    print_table(rows)
    write_result("telemetry", rows, versions={"opentelemetry-sdk": version("opentelemetry-sdk")})


if __name__ == "__main__":
    main()
