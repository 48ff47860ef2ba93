"""Programs that a test runs in a process of their own: `python -m support.short_call NAME`."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from typing import TYPE_CHECKING

from beluga_voice import LocalCall, VoiceSession
from beluga_voice._core import Call, Caller, CoreError, Room, Tape
from beluga_voice._engine import engine
from beluga_voice._loop import loop_link
from beluga_voice.errors import BelugaVoiceError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken
from support.program import forked

if TYPE_CHECKING:
    from collections.abc import Callable

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
    os.waitpid(forked(_use_the_engine), 0)
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


def fork_in_the_middle() -> None:
    """The child of a process with a call, a room and a caller in it tries to go on with them."""
    loop = asyncio.new_event_loop()
    session, _ = loop.run_until_complete(speaking())
    room, caller = loop.run_until_complete(a_room())

    def use_them() -> None:
        for use in uses_of_a_call(session.link.call) + uses_of_a_room(room) + uses_of_a_caller(caller):
            try:
                print(f"it was let: {use()}")
            except CoreError as error:
                print(error.args[0])

    os.waitpid(forked(use_them), 0)
    loop.run_until_complete(session.aclose())
    loop.close()


async def a_room() -> tuple[Room, Caller]:
    """One that is being joined, at a server that is not there."""
    bell = loop_link().bell()
    room = engine().join_room(
        bell,
        url="ws://127.0.0.1:9",
        token="-",
        auto_subscribe=False,
        connect_timeout_ms=1000,
        media_timeout_ms=1000,
        reconnect=False,
        renews_token=False,
        epoch_ms=0,
        seed=1,
        user_agent="",
    )
    quiet = Tape(bytes(2 * 4_800), sample_rate=48_000)
    return room, room.open_caller(bell, quiet=quiet, silence="dtx", kept_packets=0)


def uses_of_a_call(call: Call) -> list[Callable[[], object]]:
    return [
        call.drain,
        call.close,
        call.resume,
        call.stats,
        call.end_utterance,
        lambda: call.closed,
        lambda: call.ear_written,
        lambda: call.read_ear(0, 160),
        lambda: call.want_ear(0, 0),
        lambda: call.want_mouth(1),
        lambda: call.write_mouth(bytes(320), 16_000),
        lambda: call.write_input(bytes(320)),
        lambda: call.want_input(1),
        lambda: call.output_hz,
    ]


def uses_of_a_room(room: Room) -> list[Callable[[], object]]:
    return [
        room.drain,
        lambda: room.over,
        lambda: room.cancel(1),
        lambda: room.unpublish(1),
        lambda: room.publish(name="voice", source="MICROPHONE", stream="", muted=False),
    ]


def uses_of_a_caller(caller: Caller) -> list[Callable[[], object]]:
    return [caller.drain, caller.hush, caller.stats, caller.replay]


PROGRAMS = {
    each.__name__: each
    for each in (
        leave,
        exit_in_the_middle,
        close_the_loop,
        close_the_loop_and_keep_the_call,
        fork,
        fork_in_the_middle,
    )
}

if __name__ == "__main__":
    chosen = PROGRAMS[sys.argv[1]]
    if asyncio.iscoroutinefunction(chosen):
        asyncio.run(chosen())
    else:
        chosen()
