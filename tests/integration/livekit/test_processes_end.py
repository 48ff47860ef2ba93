"""A process that ends in the middle of a call, in whatever way, leaves its room as one who takes his leave."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.room_session import MEDIA

from beluga_voice.clock import now

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

# A program that takes longer for what is waited for has failed.
PATIENCE_S = 45.0
# Who goes without a word is missed by the server after some 15 s.
GONE_WITHIN_S = 2.0
# How often each way of ending is tried.
TIMES = 2


@pytest.fixture
async def ada(livekit_server: LiveKitServer, call_in: Any, room_name: str) -> SdkCaller:
    caller = await call_in(livekit_server, "ada")
    await caller.join(room_name)
    await caller.publish()
    return caller


@asynccontextmanager
async def running(name: str, server: LiveKitServer, room: str, media: str) -> AsyncGenerator[Process]:
    """A program of `support.room_program` that speaks in the room."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "support.room_program", name, server.url, server.token(room, "agent", kind="agent"), media),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
    )
    try:
        assert program.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            said = await program.stdout.readline()
        assert said == b"speaking\n", await program.communicate()
        yield program
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def ended(program: Process) -> tuple[int | None, str, str]:
    """Exit code and what was written, once it has ended by itself."""
    async with asyncio.timeout(PATIENCE_S):
        out, err = await program.communicate()
    return program.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("name", "media", "status", "told"),
    [
        *(("disconnect", media, 0, "ended\n") for media in MEDIA),
        *(("leave", media, 0, "") for media in MEDIA),
        *(("exit_in_the_middle", media, 7, "") for media in MEDIA),
        *(("terminated", media, 143, "") for media in MEDIA),
    ],
)
async def test_the_room_sees_the_agent_leave_when_its_process_ends(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any, name: str, status: int, told: str
) -> None:
    for _ in range(TIMES):
        began_s = now()
        async with running(name, livekit_server, room_name, media) as program:
            if name == "terminated":
                await ada.voice_from("agent", since=began_s)
                program.send_signal(signal.SIGTERM)
            assert await ended(program) == (status, told, "")
        over_s = now()
        left = await ada.event("participant_disconnected", identity="agent", since=began_s)
        assert left["at_s"] < over_s + GONE_WITHIN_S


async def test_a_forked_child_is_refused_and_the_call_goes_on(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str
) -> None:
    async with running("fork", livekit_server, room_name, "native") as program:
        assert program.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            told = [await program.stdout.readline() for _ in range(2)]
        assert told == [b"invalid_state\n", b"forked\n"]
        asked = await ada.say_words("able bake calm dark able bake calm dark")
        began_s = await ada.voice_from("agent", since=asked.last_s)
        await ada.silence_from("agent", since=began_s)
        assert (await ada.heard("agent")).between(asked.last_s, now()).words == ["gold", "hand"]
        await ada.leave()
        status, _, errors = await ended(program)
        assert (status, errors) == (0, "")
