"""Programs of `support.room_program`, run in processes of their own and watched as they end in the middle of a call."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beluga_voice.clock import now
from support.program import program

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

    from support.sdk_caller import SdkCaller, Server

# A program that takes longer for what is waited for has failed.
PATIENCE_S = 45.0
# The core takes 0.2 to 1.5 s to end, the SDK up to 4.8 s: what takes longer than this has hung for a while.
ENDED_WITHIN_S = 10.0
# Who goes without a word is missed by the server after some 15 s.
GONE_WITHIN_S = 2.0
# What livekit's own package writes where events come after the loop is closed and before the process has ended.
_SDK_REMARK = "error putting to queue: Event loop is closed\n"
# The ways to end, and the exit codes that belong to them.
WAYS = {"leave": 0, "exit_in_the_middle": 7, "terminated": 143}


@asynccontextmanager
async def running(name: str, server: Server, room: str, media: str, identity: str = "agent") -> AsyncGenerator[Process]:
    """A program that speaks in the room."""
    arguments = ("-m", "support.room_program", name, server.url, server.token(room, identity, kind="agent"), media)
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    async with program(*arguments, stderr=asyncio.subprocess.PIPE, PYTHONPATH=path) as process:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            said = await process.stdout.readline()
        assert said == b"speaking\n", await process.communicate()
        yield process


async def ended(process: Process) -> tuple[int | None, str, str]:
    """Exit code and what was written, once it has ended by itself."""
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@dataclass(frozen=True, slots=True)
class MidCallEnd:
    """How a program ended, and what became of it in the room."""

    status: int | None
    out: str
    err: str
    """Without what the SDK remarks on a loop that is closed."""
    took_s: float
    """From its being in the middle of a word, or from the signal, to the end of its process."""
    gone_after_s: float
    """From there until its caller was told that it has left; negative where it was told before."""
    reason: str | None
    """livekit's name for why: CLIENT_INITIATED of one who said goodbye."""


async def end_in_mid_call(
    name: str, server: Server, room: str, media: Any, caller: SdkCaller, *, identity: str = "agent"
) -> MidCallEnd:
    """Runs a program and waits for its end. Raises TimeoutError where it hangs, DeadlineError where it stays."""
    began_s = now()
    async with running(name, server, room, media, identity) as process:
        if name == "terminated":
            await caller.voice_from(identity, since=began_s, within=PATIENCE_S)
        told_s = now()
        if name == "terminated":
            process.send_signal(signal.SIGTERM)
        status, out, err = await ended(process)
        if media == "sdk":
            err = err.replace(_SDK_REMARK, "")
    over_s = now()
    left = await caller.event("participant_disconnected", identity=identity, since=began_s, within=PATIENCE_S)
    return MidCallEnd(status, out, err, over_s - told_s, left["at_s"] - over_s, left["reason"])
