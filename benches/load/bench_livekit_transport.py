"""What a room costs the process that is in it: `make bench-livekit_transport`, benches/results/livekit_transport.json.

Real rooms on a real livekit-server, a caller in each, sound both ways; everything on this machine. The end that is
measured holds all rooms in one process and does no more than send speech and take what it hears, at 16 kHz. The callers
are light (`beluga_voice.testing.Caller`): they say a tape and decode nothing.

- `cpu_pct_per_room`: CPU of that process, all its threads, in percent of a core.
- `pss_mb_per_room`: what it grew by with each room after the first, which brings what all share and has been there for
  ten seconds by then; alone, with that.
- `frames_lost`: RTP packets that did not arrive, at either end; `frames_made_up`: of 10 ms, by the decoders of the end
  that is measured, for what was lost, or came later than a jitter buffer waits.
- `tick_late_ms_p99`: how late its frames were sent; `caller_late_ms_p99`: the callers'.
- `saturated`: either is over 20 ms, a shard is busy for over 90 % of the time or has taken to cheaper encoding, or the
  host took over 5 % of the time: the row proves nothing.

A machine that refuses so many sessions gives no row: what it said is printed.

`native` is the native participant as sessions have it, and the same with libwebrtc's settings of Opus (48 kHz,
complexity 9). `sdk` is the plain SDK as shipped, `sdk_quiet` the same without its log capture. The runs of a group
alternate.

    python benches/load/bench_livekit_transport.py --who native sdk_quiet --rooms 10 40 --add

measures a part; with `--add` what was measured before stays, so that a full run can be had in pieces.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from beluga_voice.simulation.remote import RemoteError
from bench_result import QUICK, RESULTS, print_table, write_result
from load.crowd import Crowd, LightCrowd, NativeCrowd, SdkCrowd
from load.transport_run import FILLED_S, SETTLED_S, Run, measure

WHO: dict[str, Callable[[int], Crowd]] = {
    "native": lambda rooms: NativeCrowd(rooms, codec_rate_hz=24_000, complexity=5, bitrate_bps=24_000),
    "native:libwebrtc": lambda rooms: NativeCrowd(rooms, codec_rate_hz=48_000, complexity=9, bitrate_bps=32_000),
    "sdk": lambda rooms: SdkCrowd(rooms, quiet=False),
    "sdk_quiet": lambda rooms: SdkCrowd(rooms, quiet=True),
}
SECONDS = 8.0 if QUICK else 20.0
REPEATS = 1 if QUICK else 3
ROOMS: dict[str, tuple[int, ...]] = (
    {"native": (1, 10, 40), "native:libwebrtc": (10, 40), "sdk": (1,), "sdk_quiet": (1, 10)}
    if QUICK
    else {
        "native": (1, 10, 40, 80, 100),
        "native:libwebrtc": (1, 5, 10, 40),
        "sdk": (1, 5, 10, 20),
        "sdk_quiet": (1, 5, 10, 20),
    }
)
# The rest is asked for once, at this number, of these.
ONCE_AT = 10
ONCE_OF = ("native",) if QUICK else ("native", "sdk_quiet")
ONCE = (
    ("receive", 40, "dtx"),
    ("send", 40, "none"),
    ("both", 0, "dtx"),
    ("both", 100, "dtx"),
    ("both", 40, "continuous"),
)
# A server, processes, and a room joined at both ends.
STARTED_S, JOINED_S = 6.0, 0.2
RAW = RESULTS / "livekit_transport.jsonl"


def runs(who: list[str], rooms: list[int] | None) -> list[Run]:
    """Each is measured `REPEATS` times where numbers of rooms are compared, once otherwise."""
    numbers = sorted({number for each in who for number in ROOMS[each] if rooms is None or number in rooms})
    compared = [Run(each, number, "both", 40, "dtx") for number in numbers for each in who if number in ROOMS[each]]
    once = [Run(each, ONCE_AT, *asked) for asked in ONCE for each in who if each in ONCE_OF]
    return compared * REPEATS + (once if rooms is None or ONCE_AT in rooms else [])


def estimate_s(planned: list[Run]) -> float:
    """How long they take."""
    return sum(STARTED_S + SETTLED_S + SECONDS + JOINED_S * run.rooms + FILLED_S * (run.rooms > 1) for run in planned)


def median_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the repeats of a run, the one in the middle by CPU; the unsaturated ones if there are any."""
    able = [row for row in rows if not row["saturated"]] or rows
    middle = statistics.median_low(row["cpu_pct_per_room"] for row in able)
    chosen = next(row for row in able if row["cpu_pct_per_room"] == middle)
    return {**chosen, "repeats": len(rows), "cpu_pct_min": min(row["cpu_pct_per_room"] for row in able),
            "cpu_pct_max": max(row["cpu_pct_per_room"] for row in able)}  # fmt: skip


def medians(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each run's repeats one, in the order in which they were first measured."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    asked = ("who", "codec_rate_hz", "rooms", "direction", "talk_share", "caller_silence")
    for row in rows:
        found.setdefault(tuple(row[key] for key in asked), []).append(row)
    return [median_row(repeats) for repeats in found.values()]


async def main() -> None:
    parser = argparse.ArgumentParser(description="What a room costs the process that is in it.")
    parser.add_argument("--who", nargs="+", choices=list(WHO), default=list(WHO))
    parser.add_argument(
        "--rooms", nargs="+", type=int, help="only these numbers; the rest of the rows is asked for at 10"
    )
    parser.add_argument("--add", action="store_true", help="to what was measured before")
    asked = parser.parse_args()
    planned = runs(asked.who, asked.rooms)
    print(f"{len(planned)} runs, about {estimate_s(planned) / 60:.0f} minutes", file=sys.stderr, flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    if not asked.add:
        RAW.unlink(missing_ok=True)
    for run in planned:
        try:
            row = await measure(run, WHO[run.who], LightCrowd, seconds=SECONDS)
        except RemoteError as error:
            if error.details.get("code") != "session_limit_exceeded":
                raise
            print(f"no row: {run} was refused: {error}", file=sys.stderr, flush=True)
            continue
        with RAW.open("a") as raw:
            raw.write(json.dumps(row) + "\n")
        print(json.dumps(row), file=sys.stderr, flush=True)
    rows = medians([json.loads(line) for line in RAW.read_text().splitlines()])
    write_result("livekit_transport", rows, versions={"livekit": rows[0]["sdk_version"]})
    print_table(rows)


if __name__ == "__main__":
    asyncio.run(main())
