"""Programs that a test runs in a process of their own: `python -m support.short_call NAME`."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from typing import TYPE_CHECKING

from beluga_voice import LocalCall, VoiceSession
from beluga_voice._core import CoreError
from beluga_voice._engine import engine
from beluga_voice.errors import BelugaVoiceError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from beluga_voice import Turn


async def agent(turn: Turn) -> str:
    return "gold hand iron jump kite lamp"


async def speaking() -> tuple[VoiceSession, LocalCall]:
    """A session in the middle of a word."""
    session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
    call = LocalCall()
    await session.start(call)
    await call.write(spoken("able", 16_000))
    session.say("gold hand iron jump kite lamp")
    await call.read(0.3)
    return session, call


async def leave() -> None:
    """`asyncio.run` returns, and the interpreter exits, in the middle of a call."""
    await speaking()


async def exit_in_the_middle() -> None:
    """`sys.exit` in the middle of a call."""
    await speaking()
    sys.exit(7)


def close_the_loop() -> None:
    """A loop that is closed without a word to anyone."""
    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(speaking())
    assert engine().stats()["sessions"] == 1
    loop.close()
    del loop, kept
    gc.collect()
    _show_whether_it_ends()


def close_the_loop_and_keep_the_call() -> None:
    """The same, by a program that still holds all of it."""
    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(speaking())
    loop.close()
    _show_whether_it_ends()
    del kept


def sessions_end(within_s: float) -> bool:
    """Whether none is left by then. A shard lets go of one in its next tick, whenever the machine lets it have one."""
    until = time.monotonic() + within_s
    while engine().stats()["sessions"]:
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def _show_whether_it_ends() -> None:
    print("let go" if sessions_end(5.0) else "still served")


def fork() -> None:
    """The child of a process with an engine tries to use it."""
    loop = asyncio.new_event_loop()
    session, _ = loop.run_until_complete(speaking())
    child = os.fork()
    if child == 0:
        try:
            _use_the_engine()
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.waitpid(child, 0)
    loop.run_until_complete(session.aclose())
    loop.close()


def _use_the_engine() -> None:
    try:
        engine().stats()
    except CoreError as error:
        print(error.args[0], end=" ")
    try:
        asyncio.run(
            VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy").start(LocalCall())
        )
    except BelugaVoiceError as error:
        print(error.code)


PROGRAMS = {
    each.__name__: each for each in (leave, exit_in_the_middle, close_the_loop, close_the_loop_and_keep_the_call, fork)
}

if __name__ == "__main__":
    chosen = PROGRAMS[sys.argv[1]]
    if asyncio.iscoroutinefunction(chosen):
        asyncio.run(chosen())
    else:
        chosen()
