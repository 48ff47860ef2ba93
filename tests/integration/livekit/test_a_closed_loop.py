"""A loop that is closed in the middle of a call: the room is left, and the process goes on quietly."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.mid_call_end import ENDED_WITHIN_S, GONE_WITHIN_S, PATIENCE_S
from support.room_session import MEDIA

from beluga_voice.clock import now

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

# Closes its loop without a word to anyone; then says how many sessions are in the engine when there are none left.
PROGRAM = """
import asyncio, gc, sys, time
from beluga_voice._engine import engine
from support.room_program import speaking

loop = asyncio.new_event_loop()
kept = loop.run_until_complete(speaking(*sys.argv[1:]))
loop.set_exception_handler(lambda *_: None)  # of tasks that nobody has ended before he closed their loop
loop.close()
print("closed", flush=True)
until = time.monotonic() + 10
while engine().stats()["sessions"] and time.monotonic() < until:
    time.sleep(0.01)
print(engine().stats()["sessions"], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("media", MEDIA)
async def test_a_loop_that_is_closed_in_the_middle_of_a_call_leaves_its_room(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: str
) -> None:
    began_s = now()
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        # Python warns of every coroutine that its program has left waiting: so did this one, on purpose.
        *("-W", "ignore::RuntimeWarning", "-c", PROGRAM),
        *(livekit_server.url, livekit_server.token(room_name, "agent", kind="agent"), media),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
    )
    try:
        assert program.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            told = [await program.stdout.readline() for _ in range(3)]
        assert told == [b"speaking\n", b"closed\n", b"0\n"], await program.communicate()
        closed_s = now()
        left = await ada.event("participant_disconnected", identity="agent", since=began_s)
        assert left["reason"] == "CLIENT_INITIATED"
        assert left["at_s"] < closed_s + GONE_WITHIN_S
        told_s = now()
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await program.communicate(b"")
        assert now() - told_s < ENDED_WITHIN_S
        assert program.returncode == 0
        # Python may have words for coroutines of the SDK's that lose their loop; nothing is told again and again, and
        # no coroutine of ours goes on.
        assert b"error putting to queue" not in errors
        assert b"ignored GeneratorExit" not in errors
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
