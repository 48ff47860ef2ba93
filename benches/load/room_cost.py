"""What a call in a LiveKit room costs, by thread, codec and transport included: stage `cpu` of design, section 7.

The agents are sessions of ours in one process, natively, with components of no time and Opus at 16 kHz. Each caller is
a light one that talks for his share of ten seconds and is answered for as long.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from beluga_voice.testing import LiveKitServer
from load.crowd import LightCrowd, Manner, Seat
from load.duty import PERIOD_S
from load.process_use import MachineTime, shard_and_other_s, thread_cpu_s
from load.room_agent import RoomAgent
from load.share_run import LARGEST_STEAL_PCT, LATEST_CALLER_MS

__all__ = ["RoomCost", "cost_in_rooms"]

CODEC_HZ = 16_000
# Two periods: everyone has talked and been answered.
SETTLED_S = 2 * PERIOD_S


@dataclass(frozen=True, slots=True)
class RoomCost:
    """Per cent of a core for one call: the shard, and all else of the process; and whether that proves anything."""

    shard_pct: float
    python_pct: float
    answered_share: float
    """Of the time, what the callers heard packets for: what is said, and three more behind each answer."""
    caller_late_ms_p99: float
    steal_pct: float

    @property
    def saturated(self) -> bool:
        """Whether the figures prove nothing."""
        return self.caller_late_ms_p99 > LATEST_CALLER_MS or self.steal_pct > LARGEST_STEAL_PCT


async def cost_in_rooms(rooms: int, *, talk_share: int, seconds: float) -> RoomCost:
    """Of so many calls, all of which began before. Both sides talk for `talk_share` per cent of the time."""
    answer_ms = round(10 * talk_share * PERIOD_S)
    with LiveKitServer(config={"logging": {"level": "warn"}}) as server:
        async with (
            LightCrowd(rooms) as callers,
            RoomAgent("native", answer_ms=answer_ms, sample_rate=CODEC_HZ) as agent,
        ):
            names = [f"room-{number}" for number in range(rooms)]
            seats = [Seat(server.url, server.token(name, "caller")) for name in names]
            await callers.join(seats, Manner(listens=True, talk_share=talk_share, dtx=True))
            for name in names:
                await agent.join(server.url, server.token(name, "agent", kind="agent"))
            await asyncio.sleep(SETTLED_S)
            heard, used, machine = await callers.counters(), thread_cpu_s(agent.pid), MachineTime.now()
            await asyncio.sleep(seconds)
            after, steal_pct = thread_cpu_s(agent.pid), MachineTime.now().steal_pct_since(machine)
            told = await callers.counters()
    shard_s, other_s = shard_and_other_s(used, after)
    call_s = rooms * seconds
    return RoomCost(
        shard_pct=100 * shard_s / call_s,
        python_pct=100 * other_s / call_s,
        answered_share=(told.frames_heard - heard.frames_heard) / 100 / call_s,
        caller_late_ms_p99=float(np.percentile(told.late_ms, 99)),
        steal_pct=steal_pct,
    )
