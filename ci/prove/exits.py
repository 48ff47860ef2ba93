"""Processes that end in the middle of a call, 200 of them: no hang, no crash, and the room sees each take its leave.

`asyncio.run` that returns, `sys.exit` and SIGTERM (`loop.add_signal_handler`) in turn, in rooms that the core carries
and in rooms of the SDK; four at a time, each in a room of its own with an SDK caller who watches. The rows say how long
they took.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

from support.mid_call_end import ENDED_WITHIN_S, GONE_WITHIN_S, WAYS, MidCallEnd, end_in_mid_call
from support.room_session import MEDIA
from support.sdk_caller import SdkCaller

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.testing import LiveKitServer
from bench_result import QUICK, write_proof_rows  # what is in benches and tests is found as ci/prove.py has it

EXITS = 20 if QUICK else 200
AT_ONCE = 4


class Trials:
    """What is to be tried, and what came of it."""

    def __init__(self, server: LiveKitServer) -> None:
        self._server = server
        self._left = iter(list(itertools.islice(itertools.cycle(itertools.product(WAYS, MEDIA)), EXITS)))
        self._number = itertools.count(1)
        self.ends: defaultdict[tuple[str, str], list[MidCallEnd]] = defaultdict(list)
        self.wrong: list[str] = []

    async def lane(self, room: str) -> None:
        """One after another, until there are no more, in a room whose caller stays."""
        async with AsyncExitStack() as stack:
            caller = await stack.enter_async_context(SdkCaller(self._server, "ada"))
            await caller.join(room)
            await caller.publish()
            for way, media in self._left:
                number = next(self._number)
                await self._try(way, media, room, caller, number)
                if number % 20 == 0:
                    print(f"{number} of {EXITS} ended, {len(self.wrong)} wrong", flush=True)

    async def _try(self, way: str, media: str, room: str, caller: SdkCaller, number: int) -> None:
        try:
            end = await end_in_mid_call(way, self._server, room, media, caller, identity=f"agent-{number}")
        except (TimeoutError, BelugaVoiceError, AssertionError) as error:
            self._tell(f"{way}, {media}: {type(error).__name__}: {error}")
            return
        self.ends[way, media].append(end)
        if (end.status, end.out, end.err) != (WAYS[way], "", ""):
            self._tell(f"{way}, {media}: exit code {end.status}, wrote {end.out!r} {end.err!r}")
        if end.reason != "CLIENT_INITIATED" or end.gone_after_s > GONE_WITHIN_S:
            self._tell(f"{way}, {media}: gone after {end.gone_after_s:.1f} s, {end.reason}")
        if end.took_s > ENDED_WITHIN_S:
            self._tell(f"{way}, {media}: took {end.took_s:.1f} s to end")

    def _tell(self, problem: str) -> None:
        self.wrong.append(problem)
        print(problem, flush=True)

    def rows(self) -> list[dict[str, object]]:
        """One for each way of ending and each path; seconds."""
        return [
            {
                "way": way,
                "media": media,
                "exits": len(ends),
                "slowest_exit_s": round(max(end.took_s for end in ends), 2),
                "slowest_leave_s": round(max(end.gone_after_s for end in ends), 2),
            }
            for (way, media), ends in sorted(self.ends.items())
        ]


async def main() -> int:
    """The exit code."""
    with LiveKitServer() as server:
        trials = Trials(server)
        async with asyncio.TaskGroup() as lanes:
            for number in range(AT_ONCE):
                lanes.create_task(trials.lane(f"room-{number}"))
    rows = trials.rows()
    for row in rows:
        print(row)
    write_proof_rows([{"exits": EXITS, "wrong": len(trials.wrong)}, *rows])
    return 1 if trials.wrong else 0


if __name__ == "__main__":
    subprocess.run([sys.executable, str(Path(__file__).parents[1] / "prepare.py"), "livekit"], check=True)
    sys.exit(asyncio.run(main()))
