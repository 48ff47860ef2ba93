"""A thousand calls drawn from seeds, on virtual time: no deadlock, no lost turn, states only by the table.

Every other one is with a model of speech; two of ten are carried out twice and must have the same events. The rows hold
how much faster than real time it went.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "tests")]

from support.random_call import events_of, random_call  # noqa: E402 - its place was only just named
from support.random_model_call import random_model_call  # noqa: E402

from bench_result import QUICK, write_proof_rows  # noqa: E402 - as ci/prove.py has it found

CALLS = 100 if QUICK else 1_000


def tried(seed: int) -> tuple[int, list[str], int, float, bool | None]:
    """Seed, what was wrong, events, seconds of the call, whether it was the same twice (two of ten)."""
    call = random_model_call if seed % 2 else random_call
    try:
        outcome = call(seed)
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"], 0, 0.0, None
    events = events_of(outcome)
    same = events == events_of(call(seed)) if seed % 5 == 0 else None
    return seed, outcome.problems, len(events), outcome.virtual_s, same


def main() -> None:
    began = time.monotonic()
    wrong: dict[int, list[str]] = {}
    events, virtual_s, twice, differing = 0, 0.0, 0, []
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, (seed, problems, told, call_s, same) in enumerate(pool.imap_unordered(tried, range(CALLS), 10), 1):
            events += told
            virtual_s += call_s
            if problems:
                wrong[seed] = problems
                print(f"seed {seed}: {'; '.join(problems)}", flush=True)
            if same is not None:
                twice += 1
                if not same:
                    differing.append(seed)
            if done % 100 == 0:
                print(f"{done} of {CALLS} calls, {len(wrong)} wrong", flush=True)
    real_s = time.monotonic() - began
    row = {
        "calls": CALLS,
        "wrong": len(wrong),
        "events": events,
        "call_seconds": round(virtual_s),
        "real_seconds": round(real_s, 1),
        "times_real_time": round(virtual_s / real_s),
        "processes": os.cpu_count(),
        "repeated": twice,
        "repeated_differently": len(differing),
    }
    print(json.dumps(row))
    write_proof_rows([row])
    sys.exit(f"wrong: {sorted(wrong)}; different the second time: {differing}" if wrong or differing else 0)


if __name__ == "__main__":
    main()
