"""Ten thousand sessions opened and closed, a hundred at a time, leave nothing behind.

Each meets one of six fates: a turn is answered, the caller talks over the agent, the session is closed in the agent's
word, the caller hangs up in his own, the task that holds it is cancelled, and so is its start. Between rounds nobody is
on the line: memory, objects, threads and descriptors are compared there, after a warm-up, and may not grow.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import random
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from beluga_voice import LocalCall, Turn, VoiceSession
from beluga_voice._engine import engine
from bench_result import QUICK, write_proof_rows
from load.instant_components import VOICE_HZ, InstantEars, InstantVoice
from load.process_use import descriptors, pss_kb, threads
from load.voiced_sound import CALLER_HZ, STRETCHES_S, saying

SESSIONS = 1_000 if QUICK else 10_000
ROUNDS = 20
AT_ONCE = 100
# Until the allocator has seen every size and every module is imported.
WARM_UP_ROUNDS = 5
PATIENCE_S = 20.0
# In all, from there on. What the allocator cannot give back goes up and down in steps of 4 to 9 MB.
MOST_GROWN_KB = 10_000
MOST_GROWN_OBJECTS = 100

# A voice of 0.4 s, and the silence that ends the turn: less than the second that may be written ahead.
SPOKEN = b"".join(saying(STRETCHES_S[0], period_s=0.9, before_s=0.1, seed=1).frames)
HALF_A_WORD = SPOKEN[: 2 * round(0.3 * CALLER_HZ)]

Row = dict[str, Any]


async def answer(_: Turn) -> str:
    """200 ms of voice."""
    return "200"


class Visit:
    """One session and its fate."""

    def __init__(self, opened: weakref.WeakSet[VoiceSession]) -> None:
        self.call = LocalCall(sample_rate=CALLER_HZ, output_sample_rate=VOICE_HZ)
        self.session = VoiceSession(
            agent=answer,
            stt=InstantEars(),
            tts=InstantVoice(lambda: None),
            vad={"provider": "silero", "min_silence_duration": 0.2},
            turn_handling={"endpointing": {"min_delay": 0.2}, "interruption": {"min_duration": 0.15}},
        )
        opened.add(self.session)

    async def told(self, name: str) -> None:
        """Until the session tells of that event."""
        heard = asyncio.Event()
        self.session.on(name, lambda _: heard.set())
        await asyncio.wait_for(heard.wait(), PATIENCE_S)

    async def answered(self) -> None:
        """A turn, its answer, and a proper end."""
        async with self.session:
            await self.session.start(self.call)
            await self.call.write(SPOKEN)
            await self.told("playout_finished")

    async def talked_over(self) -> None:
        """The caller interrupts the agent; the session ends with the turn half understood."""
        async with self.session:
            await self.session.start(self.call)
            self.session.say("5000")
            await self.told("playout_started")
            await self.call.write(SPOKEN)
            await self.told("interruption")

    async def closed_in_mid_word(self) -> None:
        """The agent speaks, and writes more than there is room for."""
        await self.session.start(self.call)
        self.session.say("15000")
        await self.told("playout_started")
        await self.session.aclose()

    async def hung_up_in_mid_word(self) -> None:
        """The caller leaves while he speaks."""
        await self.session.start(self.call)
        await self.call.write(HALF_A_WORD)
        await self.call.hang_up()
        await self.session.wait_closed()

    async def cancelled(self) -> None:
        """The task that holds the session is cancelled while the agent speaks."""

        async def hold() -> None:
            async with self.session:
                await self.session.start(self.call)
                self.session.say("5000")
                await self.told("playout_started")
                speaking.set()
                await self.session.wait_closed()

        speaking = asyncio.Event()
        holder = asyncio.create_task(hold())
        await asyncio.wait_for(speaking.wait(), PATIENCE_S)
        holder.cancel()
        await asyncio.wait({holder})
        assert holder.cancelled()

    async def start_cancelled(self) -> None:
        """Nobody waits for the answer of a call that is just being opened."""
        starting = asyncio.create_task(self.session.start(self.call))
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        await self.session.aclose()


FATES: tuple[Callable[[Visit], Coroutine[Any, Any, None]], ...] = (
    Visit.answered,
    Visit.talked_over,
    Visit.closed_in_mid_word,
    Visit.hung_up_in_mid_word,
    Visit.cancelled,
    Visit.start_cancelled,
)


async def round_of(count: int, opened: weakref.WeakSet[VoiceSession], fates: Counter[str]) -> int:
    """Opens and closes `count` sessions; returns how many, open or over, were in memory at most."""
    left = iter(range(count))
    held = [0]

    async def visit() -> None:
        for number in left:
            fate = FATES[number % len(FATES)]
            visitor = Visit(opened)
            held[0] = max(held[0], len(opened))
            await fate(visitor)
            assert visitor.session.is_over, fate.__name__
            fates[fate.__name__] += 1

    async with asyncio.TaskGroup() as visitors:
        for _ in range(AT_ONCE):
            visitors.create_task(visit())
    return held[0]


async def nobody_is_left(opened: weakref.WeakSet[VoiceSession]) -> None:
    """Waits until the core has let go of every call and Python of every session."""
    async with asyncio.timeout(PATIENCE_S):
        # Asking also frees the sessions that are over; the core tells nobody when the last of them is gone.
        while engine().stats()["sessions"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    gc.collect()
    if opened:
        raise AssertionError(f"{len(opened)} sessions are over and still held: {_holders(next(iter(opened)))}")


def _holders(session: VoiceSession) -> list[str]:
    return [f"{type(holder).__name__} {str(holder)[:200]}" for holder in gc.get_referrers(session)][:5]


async def measure() -> list[Row]:
    """What is left after each round."""
    opened: weakref.WeakSet[VoiceSession] = weakref.WeakSet()
    fates: Counter[str] = Counter()
    rows: list[Row] = []
    began = time.monotonic()
    for number in range(1, ROUNDS + 1):
        held = await round_of(SESSIONS // ROUNDS, opened, fates)
        await nobody_is_left(opened)
        rows.append(
            {
                "sessions": number * SESSIONS // ROUNDS,
                "seconds": round(time.monotonic() - began, 1),
                "held_at_most": held,
                "pss_kb_with_free": pss_kb(),
                "pss_kb": _trimmed_pss_kb(),
                "objects": len(gc.get_objects()),
                "threads": threads(),
                "descriptors": descriptors(),
                "tasks": len(asyncio.all_tasks()),
            }
        )
        print(rows[-1], flush=True)
    print(dict(fates), flush=True)
    return rows


def _trimmed_pss_kb() -> int:
    """Without what glibc keeps free for the next call: how much that is depends on luck, tens of MB either way."""
    ctypes.CDLL(None).malloc_trim(0)
    return pss_kb()


def slope(rows: list[Row], key: str) -> float:
    """Growth for each session: the median over all pairs of rounds (Theil and Sen), which one odd round cannot bend."""
    x = np.array([row["sessions"] for row in rows], float)
    y = np.array([row[key] for row in rows], float)
    later, earlier = np.triu_indices(len(rows), 1)[::-1]
    return float(np.median((y[later] - y[earlier]) / (x[later] - x[earlier])))


def verdicts(rows: list[Row]) -> tuple[Row, list[str]]:
    """The figures, and what grew."""
    settled = rows[WARM_UP_ROUNDS:]
    figures: Row = {
        "opened": rows[-1]["sessions"],
        "held_at_most": max(row["held_at_most"] for row in rows),
        "pss_kb_per_session": round(slope(settled, "pss_kb"), 3),
        "objects_per_session": round(slope(settled, "objects"), 4),
    }
    sessions = settled[-1]["sessions"] - settled[0]["sessions"]
    grown = [
        f"{each} {name}, times {sessions} sessions: allowed: {most}"
        for name, most in (("pss_kb_per_session", MOST_GROWN_KB), ("objects_per_session", MOST_GROWN_OBJECTS))
        if (each := figures[name]) * sessions > most
    ]
    for key in ("threads", "descriptors", "tasks"):
        seen = sorted({row[key] for row in settled})
        figures[key] = seen[-1]
        if len(seen) > 1:
            grown.append(f"{key}: {seen}")
    return figures, grown


def main() -> None:
    rows = asyncio.run(measure())
    figures, grown = verdicts(rows)
    print(json.dumps(figures))
    write_proof_rows([figures, *rows])
    if grown:
        sys.exit("; ".join(grown))


if __name__ == "__main__":
    main()
