"""The process behind `load.crowd.LightCrowd`: many callers that decode nothing, on one thread of the core."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

from beluga_voice._engine import engine
from beluga_voice.simulation.line_service import take_precedence
from beluga_voice.testing import Caller, Tape
from load.crowd_service import serve_crowd
from load.duty import AHEAD_S, PERIOD_S, speech
from load.tick_lateness import TickLateness

TAPE_HZ = 16_000
FRAMES_PER_PACKET = 2


class LightCrowdProcess:
    """Public methods are the commands."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._callers: list[Caller] = []
        self._lateness = TickLateness()

    async def ready(self) -> None:
        engine()

    async def join(
        self, seats: list[tuple[str, str]], *, listens: bool, talk_share: int | None, dtx: bool, seed: int
    ) -> None:
        # Whom nobody talks to hears nobody: there is nothing to be left out for them.
        del listens
        phases = random.Random(seed)
        tape = Tape(speech(talk_share, TAPE_HZ), sample_rate=TAPE_HZ) if talk_share else None
        for url, token in seats:
            caller = Caller(
                url=url,
                token=token,
                silence="dtx" if dtx else "continuous",
                publishes=talk_share is not None,
            )
            self._callers.append(await self._stack.enter_async_context(caller))
            if tape is not None:
                caller.play(tape, every=PERIOD_S, first_in=AHEAD_S + phases.random() * PERIOD_S)

    async def counters(self) -> dict[str, Any]:
        reports = [caller.report() for caller in self._callers]
        return {
            "frames_heard": FRAMES_PER_PACKET * sum(report.packets_heard for report in reports),
            "packets_lost": sum(report.packets_lost for report in reports),
            "frames_made_up": 0,  # nothing is decoded
            **self._lateness.counters(),
        }

    async def leave(self) -> None:
        await self._stack.aclose()


async def main() -> None:
    take_precedence()
    await serve_crowd(LightCrowdProcess())


if __name__ == "__main__":
    asyncio.run(main())
