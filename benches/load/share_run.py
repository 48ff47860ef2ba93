"""Calls held for a while under load: what their turns took, what they cost, and whether the figures count."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal, cast

from beluga_voice._engine import engine
from load.feeder import Feeder
from load.process_use import MachineTime, pss_kb, shard_and_other_s, thread_cpu_s
from load.share_call import Script, ShareCall
from load.voiced_sound import saying

__all__ = ["ShareRun", "hold", "idle_pss_kb"]

# A caller later than this measures the caller.
LATEST_CALLER_MS = 20.0
# A host that takes more than this measures the host.
LARGEST_STEAL_PCT = 5.0
LARGEST_SHARD_PCT = 90.0
# Until everything that is imported or made at the first turn is there.
WARM_UP_PERIODS = 3
# Longer than the ear's ring, so that all of it was written.
IDLE_S = 18.0


@dataclass(frozen=True, slots=True)
class ShareRun:
    """What came out of one run. Milliseconds by stage; CPU in per cent of a core, of all calls together."""

    sessions: int
    script: Script
    samples: dict[str, list[float]]
    lost_turns: int
    tick_us: list[float]
    shard_pct: float
    python_pct: float
    callers_pct: float
    caller_late_ms_p99: float
    steal_pct: float

    @property
    def saturated(self) -> bool:
        """Whether the figures prove nothing."""
        return (
            self.caller_late_ms_p99 > LATEST_CALLER_MS
            or self.steal_pct > LARGEST_STEAL_PCT
            or self.shard_pct > LARGEST_SHARD_PCT
        )


class _Ticks:
    """Reads the shard's counters once a frame: where exactly one tick has passed, what it took is known."""

    def __init__(self) -> None:
        self.us: list[float] = []
        self._engine = engine()
        self._before = (0, 0)

    def look(self) -> None:
        (shard,) = cast("list[dict[str, int]]", self._engine.stats()["shards"])
        now = shard["ticks"], shard["busy_us"]
        if now[0] - self._before[0] == 1:
            self.us.append(now[1] - self._before[1])
        self._before = now


async def hold(
    sessions: int, script: Script, seconds: float, *, output_codec: Literal["pcm", "opus"] = "pcm"
) -> ShareRun:
    """Holds that many calls for that long, warm-up excluded."""
    sayings = tuple(
        # Voices begin at different places of a frame. The silence before them is longer than what the core looks back.
        saying(stretch, period_s=script.period_s, before_s=0.4 + 0.0037 * number, seed=number)
        for number, stretch in enumerate(script.stretches_s)
    )
    calls = [ShareCall(script, output_codec=output_codec) for _ in range(sessions)]
    for call in calls:
        await call.start()
    ticks = _Ticks()
    feeder = Feeder([call.begin(sayings, seed=seed) for seed, call in enumerate(calls)], each_frame=ticks.look)
    feeder.start()
    await asyncio.sleep(WARM_UP_PERIODS * script.period_s)
    since_s = time.monotonic()
    for call in calls:
        call.samples.clear()
    ticks.us.clear()
    late_from, fed_s = len(feeder.late_ms), feeder.cpu_s
    used, machine = thread_cpu_s(), MachineTime.now()
    await asyncio.sleep(seconds)
    after, steal_pct = thread_cpu_s(), MachineTime.now().steal_pct_since(machine)
    fed_s = feeder.cpu_s - fed_s
    late_ms = sorted(feeder.late_ms[late_from:])
    lost_turns = sum(call.lost_turns(since_s) for call in calls)
    feeder.stop()
    samples: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        for stage, values in call.samples.items():
            samples[stage] += values
    await asyncio.gather(*(call.close() for call in calls))
    shard_s, other_s = shard_and_other_s(used, after)
    return ShareRun(
        sessions=sessions,
        script=script,
        samples=samples,
        lost_turns=lost_turns,
        tick_us=ticks.us,
        shard_pct=100 * shard_s / seconds,
        python_pct=100 * (other_s - fed_s) / seconds,
        callers_pct=100 * fed_s / seconds,
        caller_late_ms_p99=late_ms[int(0.99 * (len(late_ms) - 1))],
        steal_pct=steal_pct,
    )


async def idle_pss_kb(sessions: int, script: Script) -> float:
    """Memory of an open session in which nobody talks, in kB: the ear's ring is full, nothing was ever said."""
    first = ShareCall(script)  # brings what is shared: engine, model, modules
    await first.start()
    await asyncio.sleep(1.0)
    gc.collect()
    before = pss_kb()
    calls: list[Any] = [ShareCall(script) for _ in range(sessions)]
    for call in calls:
        await call.start()
    await asyncio.sleep(IDLE_S)
    gc.collect()
    each = (pss_kb() - before) / sessions
    await asyncio.gather(*(call.close() for call in [first, *calls]))
    return each
