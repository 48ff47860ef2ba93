"""One run of `bench-livekit_transport`: so many rooms, a caller in each, their other ends in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from beluga_voice.clock import now
from beluga_voice.testing import LiveKitServer
from load.crowd import Crowd, Manner, Seat
from load.process_use import MachineTime, cpu_s, pss_kb

__all__ = ["Run", "measure"]

# Later than this (p99) a sender proves nothing about who listens to it, nor does a shard that is busier.
LATE_MS, STEAL_PCT, BUSY_PCT = 20.0, 5.0, 90.0
# Joined, warm, the jitter buffers settled.
SETTLED_S = 6.0
# The first room's ring of what was heard, of 8 s, has been written to once; that of what is said may not have been.
FILLED_S = 10.0
FRAME_S = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """What is asked of a row.

    - `who`: a name of the bench's; what follows its colon is about its settings.
    - `direction`: receive, send or both, as the end that is measured has it.
    - `talk_share`: percent, of whoever talks.
    - `caller_silence`: none (callers publish nothing), dtx, continuous.
    """

    who: str
    rooms: int
    direction: str
    talk_share: int
    caller_silence: str


async def measure(
    run: Run, measured: Callable[[int], Crowd], callers: Callable[[int], Crowd], *, seconds: float
) -> dict[str, Any]:
    """A row."""
    hears, speaks = run.direction != "send", run.direction != "receive"
    with LiveKitServer(config={"logging": {"level": "warn"}}) as server:
        async with callers(run.rooms) as far, measured(run.rooms) as near:
            far_manner = Manner(speaks, run.talk_share if hears else None, run.caller_silence == "dtx", seed=1)
            await far.join(_seats(server, run.rooms, "caller"), far_manner)
            first, *others = _seats(server, run.rooms, "agent")
            share = run.talk_share if speaks else None
            base_kb = sum(map(pss_kb, near.pids))
            await near.join([first], Manner(hears, share, seed=1_001))
            if others:
                # Only then: what it grows by after it joined is not that of the others.
                await asyncio.sleep(FILLED_S)
                base_kb = sum(map(pss_kb, near.pids))
                await near.join(others, Manner(hears, share, seed=1_002))
            await asyncio.sleep(SETTLED_S)
            before = [await near.counters(), await far.counters()]
            machine, used_s, began_s = MachineTime.now(), sum(map(cpu_s, near.pids)), now()
            await asyncio.sleep(seconds)
            took_s, used_s = now() - began_s, sum(map(cpu_s, near.pids)) - used_s
            steal_pct = MachineTime.now().steal_pct_since(machine)
            grown_kb = (sum(map(pss_kb, near.pids)) - base_kb) / (len(others) or 1)
            of_near, of_far = await near.counters(), await far.counters()
    lost = of_near.packets_lost + of_far.packets_lost - sum(each.packets_lost for each in before)
    busy_pct = max(of_near.busy_pct, of_far.busy_pct)
    late_ms, caller_late_ms = _p99(of_near.late_ms), _p99(of_far.late_ms)
    saturated = (
        max(late_ms or 0.0, caller_late_ms or 0.0) > LATE_MS
        or steal_pct > STEAL_PCT
        or busy_pct > BUSY_PCT
        or of_near.overloaded
        or of_far.overloaded
    )
    for listens, now_heard, heard_before in ((hears, of_near, before[0]), (speaks, of_far, before[1])):
        heard_s = (now_heard.frames_heard - heard_before.frames_heard) * FRAME_S / run.rooms
        # In silence less is sent, or next to nothing; who is late loses what he should hear.
        assert not listens or saturated or heard_s >= seconds * run.talk_share / 200, (
            f"only {heard_s:.1f} s of {took_s:.1f} s were heard"
        )
    return {
        "who": run.who.partition(":")[0],
        "sdk_version": version("livekit"),
        "rooms": run.rooms,
        "direction": run.direction,
        "talk_share": run.talk_share,
        "codec_rate_hz": near.codec_rate_hz,
        "complexity": near.complexity,
        "caller_silence": run.caller_silence,
        "cpu_pct_per_room": round(100 * used_s / took_s / run.rooms, 3),
        "pss_mb_per_room": round(grown_kb / 1024, 2),
        "frames_lost": lost,
        "frames_made_up": of_near.frames_made_up - before[0].frames_made_up,
        "tick_late_ms_p99": late_ms,
        "caller_late_ms_p99": caller_late_ms,
        "steal_pct": round(steal_pct, 1),
        "shard_busy_pct": round(busy_pct, 1),
        "saturated": saturated,
    }


def _seats(server: LiveKitServer, rooms: int, identity: str) -> list[Seat]:
    kind = "agent" if identity == "agent" else "standard"
    return [Seat(server.url, server.token(f"room-{number}", identity, kind=kind)) for number in range(rooms)]


def _p99(values: list[float]) -> float | None:
    return round(float(np.percentile(values, 99)), 1) if values else None
