"""What a room costs the process that is in it: `make bench-livekit_transport`, benches/results/livekit_transport.json.

Real rooms on a real livekit-server, a caller in each, sound both ways; everything on this machine. The end that is
measured holds all rooms in one process and does no more than send speech and take what it hears, at 16 kHz.

- `cpu_pct_per_room`: CPU of that process, all its threads, in percent of a core. `pss_mb_per_room`: what it grew by.
- `frames_lost`: RTP packets that did not arrive, at both ends.
- `tick_late_ms_p99`: how late its frames were sent; `caller_late_ms_p99`: the callers'.
- `saturated`: either is over 20 ms, or the host took over 5 % of the time: the row proves nothing.

`sdk` is the plain SDK as shipped, `sdk_quiet` the same without its log capture. The runs of a group alternate.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from bench_result import QUICK, print_table, write_result
from load.crowd import Crowd, SdkCrowd
from load.transport_run import Run, measure

WHO: dict[str, Callable[[int], Crowd]] = {
    "sdk": lambda rooms: SdkCrowd(rooms, quiet=False),
    "sdk_quiet": lambda rooms: SdkCrowd(rooms, quiet=True),
}
SECONDS = 8.0 if QUICK else 20.0
REPEATS = 1 if QUICK else 3
ROOMS = (1, 3) if QUICK else (1, 5, 10, 20)
# The rest is asked for once, at this number.
ONCE_AT = 3 if QUICK else 10


def callers(rooms: int) -> Crowd:
    """Few to a process: with the SDK each costs the more, the more there are in one."""
    return SdkCrowd(rooms, quiet=True, per_process=3)


def runs() -> list[Run]:
    """Each is measured `REPEATS` times for those who are compared by it, once otherwise."""
    compared = [Run(who, rooms, "both", 40, "continuous") for rooms in ROOMS for who in WHO]
    once = [
        Run("sdk_quiet", ONCE_AT, direction, talk_share, silence)
        for direction, talk_share, silence in (
            ("receive", 40, "continuous"),
            ("send", 40, "none"),
            ("both", 0, "continuous"),
            ("both", 100, "continuous"),
            ("both", 40, "dtx"),
        )
    ]
    return compared * REPEATS + once


def median_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the repeats of a run, the one in the middle by CPU; the unsaturated ones if there are any."""
    able = [row for row in rows if not row["saturated"]] or rows
    middle = statistics.median_low(row["cpu_pct_per_room"] for row in able)
    chosen = next(row for row in able if row["cpu_pct_per_room"] == middle)
    return {**chosen, "repeats": len(rows), "cpu_pct_min": min(row["cpu_pct_per_room"] for row in able),
            "cpu_pct_max": max(row["cpu_pct_per_room"] for row in able)}  # fmt: skip


async def main() -> None:
    found: dict[Run, list[dict[str, Any]]] = {}
    for run in runs():
        row = await measure(run, WHO[run.who], callers, seconds=SECONDS)
        found.setdefault(run, []).append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    rows = [median_row(repeats) for repeats in found.values()]
    write_result("livekit_transport", rows, versions={"livekit": rows[0]["sdk_version"]})
    print_table(rows)


if __name__ == "__main__":
    asyncio.run(main())
