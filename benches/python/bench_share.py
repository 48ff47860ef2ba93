"""The framework's own share of a call on the local backend, stage by stage: design, section 7.

Callers are one thread that hands each call 10 ms of sound every 10 ms; recogniser, agent and voice answer in no time.
Two scripts: `BRISK` has a turn a second, for many turns in little time, and two answers of three are talked over;
`NATURAL` is a sentence and an answer of the same length every four seconds, for what a call costs.

Stage `room` is the same in rooms of a real livekit-server, `who` being our sessions on either media path, or an agent
on the plain SDK with nothing in it but levels (`rivals/raw_sdk.py`): rounds of the three alternate. `--rooms` measures
that alone, and what a call in a room costs by thread (`load/room_cost.py`); the other rows stay, with their commit.

What is loaded is out of the garbage collector's reach (`gc.freeze`), as README.md advises: a collection of it stops
callers and agents for as long. Rows `..., heap not frozen` show what that is worth.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_result import QUICK, RESULTS, print_table, write_result
from load.process_use import MachineTime
from load.room_cost import cost_in_rooms
from load.room_share import ROOM_AGENTS, answered_in_rooms
from load.share_call import OPUS_OUT, Script
from load.share_picture import draw
from load.share_run import ShareRun, hold, idle_pss_kb
from load.voiced_sound import SENTENCE_S, STRETCHES_S

Row = dict[str, Any]

BRISK = Script(stretches_s=STRETCHES_S, period_s=1.0, answer_ms=250, long_answer_ms=3_000)
NATURAL = Script(stretches_s=(SENTENCE_S,), period_s=4.4, answer_ms=1_750, long_answer_ms=1_750)
# sessions -> seconds: 200 turns for a p95, 1,000 for a p99 (one call would take a quarter of an hour for that).
BRISK_S = {1: 15, 10: 12, 50: 10, 100: 10} if QUICK else {1: 310, 10: 105, 50: 45, 100: 45}
NATURAL_S = {50: 9, 100: 9} if QUICK else {50: 35, 100: 35}
# By packets, and without a frozen heap: so many sessions, whose brisk turns are enough for a p99.
OPUS_SESSIONS, LOOSE_SESSIONS = 10, 100
LOOSE_STAGES = ("eou_to_agent", "mic_to_agent")
IDLE_SESSIONS = 100
ENOUGH = {"p95_ms": 200, "p99_ms": 1_000}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a stage may take, and at how many sessions that is judged."""

    limits_ms: dict[str, float]
    sessions: tuple[int, ...]


EVERY = tuple(BRISK_S)
BUDGETS = {
    "event": Budget({"p99_ms": 1.0}, (100,)),
    "tts_to_out": Budget({"p99_ms": 15.0}, EVERY),
    "eou_to_agent": Budget({"p99_ms": 20.0}, EVERY),
    "barge_in": Budget({"p95_ms": 30.0}, EVERY),
    "mic_to_agent": Budget({"p50_ms": 30.0, "p99_ms": 60.0}, (100,)),
    # From here on: what the others are made of.
    "frame_age_in": Budget({}, ()),
    "tick": Budget({}, ()),
}
# What only a run that is heard by packets has.
PACKET_BUDGETS = {OPUS_OUT: Budget({"p99_ms": 25.0}, EVERY)}
ALL_BUDGETS = BUDGETS | PACKET_BUDGETS
# Per cent of a core for one call at 40 % talk: the engine's part of the shard, and Python; in a room all of the shard.
CPU_BUDGET_PCT = {"shard_pct_per_call": 0.10, "python_pct_per_call": 0.20}
ROOM_CPU_BUDGET_PCT = {"shard_pct_per_call": 0.50, "python_pct_per_call": 0.20}
ROOM_CPU_CALLS, ROOM_CPU_TALK, ROOM_CPU_S = (10, 40, 10.0) if QUICK else (40, 40, 40.0)
ROOM_CPU_REPEATS = 1 if QUICK else 3
MEMORY_BUDGET_KB = 1_024
# Stage of section 7 -> the kernel that it is (benches/python/bench_kernels.py).
KERNEL_OF = {
    "packet_in": "jitter/push",
    "pull": "door/push_pull_pull",
    "resample": "resampler/48000_16000",
    "vad": "vad/silero_16",
}
# Rounds, rooms, and turns in each: enough for a p99 in all.
ROOM_ROUNDS, ROOMS, ROOM_TURNS = (1, 2, 10) if QUICK else (3, 4, 84)
# Behind the raw SDK agent of the same run.
ROOM_BUDGETS_MS = {"native": {"p50_ms": 0.0, "p99_ms": 40.0}, "sdk": {"p50_ms": 25.0, "p99_ms": 60.0}}


def percentiles(values: list[float]) -> dict[str, float | None]:
    """p50, p95 and p99; None where there is nothing."""
    ordered = sorted(values)
    return {
        f"p{share}_ms": round(ordered[round(share / 100 * (len(ordered) - 1))], 3) if ordered else None
        for share in (50, 95, 99)
    }


def met(stage: str, sessions: int, figures: dict[str, float | None], n: int) -> bool | None:
    """Whether the stage's budget is kept; None where it has none here, or too few were measured to say."""
    budget = ALL_BUDGETS[stage]
    return kept(budget.limits_ms, figures, n) if budget.limits_ms and sessions in budget.sessions else None


def kept(limits_ms: dict[str, float], figures: dict[str, float | None], n: int) -> bool | None:
    """Whether all limits are kept; None where too few were measured to say so, and none is broken by enough of them."""
    verdicts: list[bool] = []
    for name, limit_ms in limits_ms.items():
        value = figures[name]
        if value is None or n < ENOUGH.get(name, 1):
            continue
        verdicts.append(value <= limit_ms)
    return all(verdicts) if len(verdicts) == len(limits_ms) or not all(verdicts) else None


def row(stage: str, run: ShareRun, values: list[float]) -> Row:
    """One stage of one run."""
    figures, limits_ms = percentiles(values), ALL_BUDGETS[stage].limits_ms
    return {
        "stage": stage,
        "sessions": run.sessions,
        "talk_share": run.script.talk_share,
        "n": len(values),
        **figures,
        "us_mean": round(1e3 * sum(values) / len(values), 1) if values else None,
        "budget": ", ".join(f"{name.removesuffix('_ms')} {ms:g}" for name, ms in limits_ms.items()),
        "met": met(stage, run.sessions, figures, len(values)),
        "lost_turns": run.lost_turns,
        "caller_late_ms_p99": round(run.caller_late_ms_p99, 2),
        "steal_pct": round(run.steal_pct, 2),
        "saturated": run.saturated,
        "waits_for": None,
    }


def run_rows(run: ShareRun) -> list[Row]:
    """Every stage of a run."""
    run.samples["tick"] = [us / 1e3 for us in run.tick_us]
    return [row(stage, run, run.samples[stage]) for stage in BUDGETS]


def blank(stage: str, **known: Any) -> Row:
    """A row of the same columns."""
    columns = ("sessions talk_share n p50_ms p95_ms p99_ms us_mean budget met lost_turns caller_late_ms_p99 steal_pct "
               "saturated waits_for")  # fmt: skip
    return {"stage": stage, **dict.fromkeys(columns.split()), **known}


def cpu_budget(limits_pct: dict[str, float]) -> str:
    """As a row tells it."""
    return ", ".join(f"{name.removesuffix('_per_call')} {pct:g}" for name, pct in limits_pct.items())


async def room_cpu_row() -> Row:
    """What a call costs in a room, where the shard decodes, encodes and does the transport too: of the repeats the one
    in the middle.
    """
    costs = [
        await cost_in_rooms(ROOM_CPU_CALLS, talk_share=ROOM_CPU_TALK, seconds=ROOM_CPU_S)
        for _ in range(ROOM_CPU_REPEATS)
    ]
    costs.sort(key=lambda cost: cost.shard_pct)
    cost = costs[len(costs) // 2]
    each = {"shard_pct_per_call": round(cost.shard_pct, 4), "python_pct_per_call": round(cost.python_pct, 4)}
    return blank(
        "cpu (codec and transport)",
        sessions=ROOM_CPU_CALLS,
        talk_share=ROOM_CPU_TALK,
        budget=cpu_budget(ROOM_CPU_BUDGET_PCT),
        met=all(each[name] <= limit for name, limit in ROOM_CPU_BUDGET_PCT.items()),
        caller_late_ms_p99=round(cost.caller_late_ms_p99, 2),
        steal_pct=round(cost.steal_pct, 2),
        saturated=cost.saturated,
    ) | each | {
        "shard_pct_min": round(costs[0].shard_pct, 4),
        "shard_pct_max": round(costs[-1].shard_pct, 4),
        "answered_share": round(cost.answered_share, 3),
    }  # fmt: skip


def cpu_row(run: ShareRun) -> Row:
    """What a call costs. Here the shard does everything but codec and transport."""
    each = {
        "shard_pct_per_call": round(run.shard_pct / run.sessions, 4),
        "python_pct_per_call": round(run.python_pct / run.sessions, 4),
    }
    met = {name: each[name] <= limit for name, limit in CPU_BUDGET_PCT.items()}
    return blank(
        "cpu",
        sessions=run.sessions,
        talk_share=run.script.talk_share,
        n=len(run.samples["eou_to_agent"]),
        us_mean=round(sum(run.tick_us) / len(run.tick_us), 1),
        budget=cpu_budget(CPU_BUDGET_PCT),
        met=all(met.values()),
        waits_for=None if met["shard_pct_per_call"] else "SIMD Silero",
        lost_turns=run.lost_turns,
        caller_late_ms_p99=round(run.caller_late_ms_p99, 2),
        steal_pct=round(run.steal_pct, 2),
        saturated=run.saturated,
    ) | each | {"callers_pct_per_call": round(run.callers_pct / run.sessions, 4)}  # fmt: skip


def kernel_rows() -> list[Row]:
    """Stages that are a kernel each, from the newest kernels.json."""
    path: Path = RESULTS / "kernels.json"
    found = {
        each["kernel"]: each
        for each in (json.loads(path.read_text())["rows"] if path.exists() else [])
        if each["kind"] == "kernel"
    }
    rows: list[Row] = []
    for stage, kernel in KERNEL_OF.items():
        if kernel not in found:
            rows.append(blank(stage, waits_for="make bench-kernels"))
            continue
        each = found[kernel]
        budget = f"{each['budget_us']:g} us"
        rows.append(blank(stage, us_mean=each["us_mean"], budget=budget, met=each["met"], waits_for=each["waits_for"]))
    return rows


async def room_rows() -> list[Row]:
    """How soon callers in rooms are answered, by each kind of agent."""
    answers: dict[str, list[float]] = {who: [] for who in ROOM_AGENTS}
    lost = dict.fromkeys(ROOM_AGENTS, 0)
    machine = MachineTime.now()
    for number in range(ROOM_ROUNDS):
        for who in ROOM_AGENTS:
            values, talks = await answered_in_rooms(who, rooms=ROOMS, turns=ROOM_TURNS, seed=100 * number)
            answers[who] += values
            lost[who] += sum(talk.lost for talk in talks)
    steal_pct = round(MachineTime.now().steal_pct_since(machine), 2)
    figures = {who: percentiles(values) for who, values in answers.items()}
    raw = figures["raw_sdk"]
    rows: list[Row] = []
    for who, values in answers.items():
        above_ms = ROOM_BUDGETS_MS.get(who, {})
        limits_ms = {name: (raw[name] or 0.0) + above for name, above in above_ms.items()}
        rows.append(
            blank(
                "room",
                sessions=ROOMS,
                n=len(values),
                **figures[who],
                us_mean=round(1e3 * sum(values) / len(values), 1),
                budget=", ".join(f"{name.removesuffix('_ms')} {ms:.0f}" for name, ms in limits_ms.items()),
                met=kept(limits_ms, figures[who], len(values)) and not lost[who] if limits_ms else None,
                lost_turns=lost[who],
                steal_pct=steal_pct,
            )
            | {"who": who}
        )
    return rows


async def measure() -> tuple[list[Row], list[ShareRun]]:
    """Rows, and the brisk runs for the picture."""
    kb = await idle_pss_kb(IDLE_SESSIONS, NATURAL)
    memory = blank(
        "memory",
        sessions=IDLE_SESSIONS,
        talk_share=0,
        n=IDLE_SESSIONS,
        budget=f"{MEMORY_BUDGET_KB} kB",
        met=kb <= MEMORY_BUDGET_KB,
    ) | {"pss_kb_per_session": round(kb)}
    brisk: list[ShareRun] = []
    for sessions, seconds in BRISK_S.items():
        brisk.append(await hold(sessions, BRISK, seconds))
        print_table(run_rows(brisk[-1]))
    by_packets = await hold(OPUS_SESSIONS, BRISK, BRISK_S[OPUS_SESSIONS], output_codec="opus")
    packets = [row(OPUS_OUT, by_packets, by_packets.samples[OPUS_OUT])]
    print_table(packets)
    gc.unfreeze()
    loose = await hold(LOOSE_SESSIONS, BRISK, BRISK_S[LOOSE_SESSIONS])
    gc.freeze()
    unfrozen = [
        row(stage, loose, loose.samples[stage]) | {"stage": f"{stage}, heap not frozen"} for stage in LOOSE_STAGES
    ]
    print_table(unfrozen)
    natural = [await hold(sessions, NATURAL, seconds) for sessions, seconds in NATURAL_S.items()]
    stages = [row for run in brisk for row in run_rows(run)] + packets + unfrozen
    rooms = await measure_rooms()
    return stages + [cpu_row(run) for run in natural] + [memory] + rooms + kernel_rows(), brisk


def other_rows(rooms: list[Row]) -> list[Row]:
    """What was measured before of other stages than these."""
    path: Path = RESULTS / "share.json"
    before = json.loads(path.read_text()) if path.exists() else {"commit": None, "rows": []}
    stages = {row["stage"] for row in rooms}
    return [{"commit": before["commit"]} | row for row in before["rows"] if row["stage"] not in stages]


async def measure_rooms() -> list[Row]:
    """Rows of calls in rooms."""
    return [*await room_rows(), await room_cpu_row()]


def main() -> None:
    gc.collect()
    gc.freeze()
    if "--rooms" in sys.argv[1:]:
        rooms = asyncio.run(measure_rooms())
        print_table(rooms)
        print(write_result("share", other_rows(rooms) + rooms))
        return
    rows, brisk = asyncio.run(measure())
    print_table([row for row in rows if row["stage"] not in ALL_BUDGETS])
    print(write_result("share", rows))
    limits = {stage: max(budget.limits_ms.values(), default=None) for stage, budget in BUDGETS.items()}
    print(draw(brisk, limits, RESULTS / "share.png"))


if __name__ == "__main__":
    main()
