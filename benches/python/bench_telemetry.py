"""What telling of calls costs: the same calls with nothing told, metrics, metrics and traces, the dashboard.

Calls run on the virtual clock, with components that answer at once and an agent that uses a tool: the CPU time of the
process per second of a call, all threads. Ways take turns, a second of CPU time or less each, and a ratio is taken
within its round, for the speed of a machine drifts. Metrics are collected every 15 seconds of the calls; spans go
through OpenTelemetry's batch processor into nothing. `ratio` is the call's whole cost to that with nothing told, and
`added_us_per_call_s` what is added: medians over `n` rounds; `ratio_low` and `ratio_high` are the quartiles.
"""

from __future__ import annotations

import gc
import statistics
from importlib.metadata import version
from typing import Any

from telemetry_calls import WAYS, calls

from beluga_voice.virtual_time import run
from bench_result import QUICK, print_table, write_result

CALLS = 10
CALL_S = 16
ROUNDS = 4 if QUICK else 40
# What is imported, compiled and cached at first use is not the calls'.
WARM_UP_ROUNDS = 2


def main() -> None:
    ways = {name: make() for name, make in WAYS.items()}
    rounds: list[dict[str, float]] = []
    for number in range(WARM_UP_ROUNDS + ROUNDS):
        names = [*ways]
        turn = number % len(names)
        took: dict[str, float] = {}
        for name in names[turn:] + names[:turn]:
            watch, collect = ways[name]
            gc.collect()
            took[name] = 1e6 * run(calls(watch, collect, CALLS, CALL_S)) / (CALLS * CALL_S)
        if number >= WARM_UP_ROUNDS:
            rounds.append(took)
    rows: list[dict[str, Any]] = []
    for name in ways:
        ratios = [each[name] / each["off"] for each in rounds]
        low, middle, high = statistics.quantiles(ratios, n=4)
        rows.append(
            {
                "way": name,
                "calls": CALLS,
                "call_s": CALL_S,
                "n": ROUNDS,
                "cpu_us_per_call_s": round(statistics.median(each[name] for each in rounds), 1),
                "added_us_per_call_s": round(statistics.median(each[name] - each["off"] for each in rounds), 1),
                "ratio": round(middle, 3),
                "ratio_low": round(low, 3),
                "ratio_high": round(high, 3),
            }
        )
    print_table(rows)
    write_result("telemetry", rows, versions={"opentelemetry-sdk": version("opentelemetry-sdk")})


if __name__ == "__main__":
    main()
