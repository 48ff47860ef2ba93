"""Programs with a call in a room, that a test runs in a process of their own and ends in the middle of a word.

`python -m support.room_program NAME URL TOKEN MEDIA` says "speaking" when the caller can hear it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from beluga_voice import VoiceSession, livekit
from beluga_voice.errors import BelugaVoiceError
from beluga_voice.events import PlayoutStarted
from beluga_voice.testing import FakeTextToSpeech
from support.call import turn_handling
from support.components import OneWordForAll
from support.program import forked

if TYPE_CHECKING:
    from beluga_voice import Turn

LONG = " ".join(["gold hand iron jump kite lamp milk nest open pink quiz rose salt tree unit vase wind yard"] * 6) + "."
# What a program may take for what it waits for, in seconds.
PATIENCE_S = 20.0


async def agent(turn: Turn) -> str:
    return "gold hand."


async def speaking(url: str, token: str, media: Any, text: str = LONG) -> tuple[livekit.Room, VoiceSession]:
    """A session in the middle of a word."""
    room = await livekit.connect(url, token, options=livekit.RoomOptions(media=media))
    session = VoiceSession(
        agent=agent,
        stt=OneWordForAll(),
        tts=FakeTextToSpeech(),
        vad="energy",
        turn_handling=turn_handling(min_delay=0.6),
    )
    began = asyncio.Event()

    @session.on("playout_started")
    def note(_: PlayoutStarted) -> None:
        began.set()

    await session.start(room)
    session.say(text, allow_interruptions=False)
    async with asyncio.timeout(PATIENCE_S):
        await began.wait()
    print("speaking", flush=True)
    return room, session


async def disconnect(*joining: Any) -> None:
    """The room is left in the middle of a word, and the session is told so."""
    room, session = await speaking(*joining)
    await room.disconnect()
    async with asyncio.timeout(PATIENCE_S):
        await session.wait_closed()
    print(session.state, flush=True)


async def leave(*joining: Any) -> None:
    """`asyncio.run` returns, and the interpreter exits, in the middle of a call."""
    await speaking(*joining)


async def exit_in_the_middle(*joining: Any) -> None:
    """`sys.exit` in the middle of a call."""
    await speaking(*joining)
    sys.exit(7)


async def terminated(*joining: Any) -> None:
    """SIGTERM in the middle of a call, in a program that ends by it as asyncio would have it.

    A handler of `signal.signal` raises wherever the main thread is, in the loop's own code too: what that was about to
    call is lost, and `asyncio.run` may wait for it for ever, with nothing of ours in the program.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sys.exit, 128 + signal.SIGTERM)
    kept = await speaking(*joining)
    await asyncio.Event().wait()
    del kept


async def fork(*joining: Any) -> None:
    """The child of a process in a call tries to join a room by itself, and ends; the call goes on."""
    room, session = await speaking(*joining, "gold")
    # asyncio forgets the running loop in a child: that is one of its own.
    child = forked(lambda: asyncio.run(_join_again(*joining)))
    await asyncio.to_thread(os.waitpid, child, 0)
    print("forked", flush=True)
    await session.wait_closed()
    await room.disconnect()


async def signalling_panics(*joining: Any) -> None:
    """The signalling thread panics in the middle of a word, in a process that test_a_panic.py has prepared."""
    kept = await speaking(*joining)
    ctypes.c_int.in_dll(ctypes.CDLL(None), "signalling_breaks").value = 1
    await asyncio.Event().wait()
    del kept


async def _join_again(url: str, token: str, media: Any) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await livekit.connect(url, token, options=livekit.RoomOptions(media=media))
    except BelugaVoiceError as error:
        print(error.code)


PROGRAMS = {
    each.__name__: each for each in (disconnect, leave, exit_in_the_middle, terminated, fork, signalling_panics)
}

if __name__ == "__main__":
    asyncio.run(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
