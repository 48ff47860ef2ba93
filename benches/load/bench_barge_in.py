"""From a caller's first voice over an answer to silence, in rooms of a real livekit-server: `make bench-barge_in`.

Light callers talk over answers of three seconds, after 0.5 to 1 s of each; the sessions are in another process. What
interrupts is set to 0.15 s of voice: it is in every figure, since a caller waits for it too.

- `where` pacer: the last sample that is not zero where sound leaves the engine, its fade included.
- `where` caller: the arrival of the last packet with sound; a phone's jitter buffer comes on top.
- `over_min_ms_p95`: the p95 less what is set. The budget of 30 ms at the pacer (design, section 7) is of sound that is
  there at once (`make bench-share`): here the caller's packets, the server and 20 ms of jitter buffer come before it.
- `n`: interruptions; `missed`: turns that stopped no answer within half a second.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Literal

import numpy as np

from beluga_voice.testing import LiveKitServer
from bench_result import QUICK, print_table, write_result
from load.process_use import MachineTime
from load.room_agent import RoomAgent
from load.room_callers import callers_in_rooms
from load.room_talk import Talk, talk_over
from load.share_call import MIN_INTERRUPTION_S

WHO: tuple[Literal["native", "sdk"], ...] = ("native", "sdk")
ROOMS = {"native": 4, "sdk": 2}
# Of each caller.
INTERRUPTIONS = {"native": 8, "sdk": 15} if QUICK else {"native": 30, "sdk": 60}
ANSWER_MS = 3_000
# Longer than any interruption takes, shorter than from one to the next.
TOGETHER_S = 0.5


async def interruptions(media: Literal["native", "sdk"]) -> list[dict[str, Any]]:
    """Rows of one path."""
    silent: list[tuple[int, float]] = []

    def take(event: dict[str, Any]) -> None:
        if event["event"] == "interrupted":
            silent.append((event["room"], event["silent_s"]))

    rooms = ROOMS[media]
    machine = MachineTime.now()
    with LiveKitServer(config={"logging": {"level": "warn"}}) as server:
        async with AsyncExitStack() as stack:
            callers = await callers_in_rooms(server, rooms, stack)
            agent = await stack.enter_async_context(RoomAgent(media, answer_ms=ANSWER_MS, on_event=take))
            for number in range(rooms):
                await agent.join(server.url, server.token(f"room-{number}", "agent", kind="agent"))
            asked = [talk_over(caller, INTERRUPTIONS[media], seed=seed) for seed, caller in enumerate(callers)]
            talks = await asyncio.gather(*asked)
    steal_pct = MachineTime.now().steal_pct_since(machine)
    over_s = [silent_s - first_s for talk in talks for first_s, silent_s in talk.over_s]
    at_caller = [1e3 * each_s for each_s in over_s if each_s < TOGETHER_S]
    at_pacer = [ms for number, talk in enumerate(talks) for ms in pacer_ms(talk, silent, number)]
    missed = rooms * INTERRUPTIONS[media] - len(at_caller)
    return [
        {
            "who": media,
            "where": where,
            "n": len(values),
            "p50_ms": round(float(np.percentile(values, 50)), 1),
            "p95_ms": round(float(np.percentile(values, 95)), 1),
            "max_ms": round(max(values), 1),
            "over_min_ms_p95": round(float(np.percentile(values, 95)) - 1e3 * MIN_INTERRUPTION_S, 1),
            "missed": missed,
            "frames_skipped": sum(talk.report.frames_skipped for talk in talks),
            "steal_pct": round(steal_pct, 1),
        }
        for where, values in (("pacer", at_pacer), ("caller", at_caller))
    ]


def pacer_ms(talk: Talk, silent: list[tuple[int, float]], room: int) -> list[float]:
    """For each turn over an answer, when the pacer of that room fell silent after its first voice."""
    ends = [silent_s for number, silent_s in silent if number == room]
    found = (next((e for e in ends if first_s < e < first_s + TOGETHER_S), None) for first_s, _ in talk.over_s)
    return [
        1e3 * (end_s - first_s) for end_s, (first_s, _) in zip(found, talk.over_s, strict=True) if end_s is not None
    ]


async def main() -> None:
    rows = [row for media in WHO for row in await interruptions(media)]
    print(write_result("barge_in", rows))
    print_table(rows)


if __name__ == "__main__":
    asyncio.run(main())
