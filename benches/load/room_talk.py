"""A light caller who talks with whoever answers in his room: turn after turn, or over each answer."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import numpy as np

from beluga_voice.errors import DeadlineError
from beluga_voice.testing import Caller, CallerReport, Tape
from load.voiced_sound import CALLER_HZ, FRAME_S, STRETCHES_S, saying

__all__ = ["Talk", "Voice", "saying_tapes", "talk_in_turns", "talk_over"]

# An answer that has not come by then never will.
PATIENCE_S = 5.0
# Between an answer and the next turn.
BREATH_S = (0.4, 0.8)
# So long after an answer began it is talked over.
HEARD_S = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Voice:
    """What a caller says, its first sample voiced."""

    tape: Tape
    last_s: float
    """Its last voiced sample, in seconds from its first."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What came of it, in seconds. A turn without an answer is lost."""

    answers_s: list[float]
    """From the true end of each turn to the first packet of its answer."""
    over_s: list[tuple[float, float]]
    """For each turn that was said over an answer: its first voiced sample, and the answer's last packet (of all of the
    answer, if the turn did not stop it)."""
    lost: int
    report: CallerReport


def saying_tapes() -> list[Voice]:
    """A few, with their ends known by construction."""
    found: list[Voice] = []
    for number, (start_s, end_s) in enumerate(STRETCHES_S):
        frames = -(-(end_s - start_s) // FRAME_S)
        spoken = saying((start_s, end_s), period_s=frames * FRAME_S, before_s=0.0, seed=number)
        pcm = np.frombuffer(b"".join(spoken.frames), np.int16)
        found.append(Voice(Tape(pcm, sample_rate=CALLER_HZ), spoken.last_s))
    return found


async def talk_in_turns(caller: Caller, turns: int, *, seed: int) -> Talk:
    """So many turns, each after the answer to the one before."""
    return await _talk(caller, turns, seed=seed, over=False)


async def talk_over(caller: Caller, turns: int, *, seed: int) -> Talk:
    """So many turns, each but the first over the answer to the one before."""
    return await _talk(caller, turns + 1, seed=seed, over=True)


async def _talk(caller: Caller, turns: int, *, seed: int, over: bool) -> Talk:
    drawn, voices = random.Random(seed), saying_tapes()
    answers_s: list[float] = []
    over_s: list[tuple[float, float]] = []
    lost = 0
    for number in range(turns):
        voice = voices[number % len(voices)]
        turn = await caller.speak(voice.tape)
        try:
            answers_s.append(await caller.answered(timeout=PATIENCE_S) - turn.first_s - voice.last_s)
        except DeadlineError:
            lost += 1
        if over and number:
            # By now it has ended, of itself if nothing stopped it.
            heard = (one for one in caller.report().voices if one.first_s < turn.first_s < one.last_s)
            over_s += [(turn.first_s, one.last_s) for one in heard]
        if not over:
            await caller.silence()
        await asyncio.sleep(drawn.uniform(*(HEARD_S if over else BREATH_S)))
    return Talk(answers_s, over_s, lost, caller.report())
