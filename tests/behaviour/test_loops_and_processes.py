"""Any event loop will do, it is woken seldom, and a process ends when it wants to."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.call import on_call
from support.short_call import a_room, sessions_end

from beluga_voice import LocalCall, VoiceSession
from beluga_voice.call_link import CallLink
from beluga_voice.errors import TransportError
from beluga_voice.livekit.native.audio import bare_call
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from beluga_voice import Turn


async def agent(turn: Turn) -> str:
    return "gold hand"


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop that cannot poll a descriptor of ours."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError  # as asyncio's own loops do that have none (Windows' ProactorEventLoop)


async def converse() -> None:
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")


def fallback_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "beluga-voice-wakeup"]


def test_a_loop_that_polls_no_descriptors_is_woken_by_a_thread() -> None:
    with asyncio.Runner(loop_factory=WithoutReaders) as runner:
        runner.run(converse())
        runner.run(converse())
    for thread in fallback_threads():
        thread.join(5)
    assert not fallback_threads()
    assert sessions_end(60.0)


def test_loops_leave_no_descriptors() -> None:
    asyncio.run(converse())
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        asyncio.run(converse())
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_a_loop_is_woken_at_most_once_per_tick() -> None:
    async with on_call(agent) as one, on_call(agent) as other:
        await one.say("able")
        await other.say("able")
        await one.agent_heard("gold", "hand")
        await other.agent_heard("gold", "hand")
        link = one.session.link._loop_link
        assert link is other.session.link._loop_link
        wakes, ticks = link.wakes, one.session.stats()["ticks"]
    assert 0 < wakes <= ticks + 3, "one for each call's beginning and end, else one per tick"


async def test_a_call_in_which_nothing_happens_is_not_asked_when_another_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: Counter[CallLink] = Counter()
    drain = CallLink.drain

    def counted(link: CallLink) -> None:
        asked[link] += 1
        drain(link)

    monkeypatch.setattr(CallLink, "drain", counted)
    quiet = VoiceSession(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy")
    await quiet.start(LocalCall())
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        assert asked[tried.session.link] > 10
    assert asked[quiet.link] <= 4
    await quiet.aclose()


async def test_a_quiet_call_wakes_nobody() -> None:
    from beluga_voice import LocalCall, VoiceSession
    from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

    session = VoiceSession(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy")
    await session.start(LocalCall())
    link = session.link
    reader = link.ear_reader()
    await link.heard(reader, 16_000)
    wakes = link._loop_link.wakes
    link.release(reader)
    await session.aclose()
    assert wakes <= 4


def program(name: str) -> subprocess.CompletedProcess[str]:
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "support.short_call", name],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("name", "status"), [("leave", 0), ("exit_in_the_middle", 7)])
def test_the_interpreter_exits_in_the_middle_of_a_call(name: str, status: int) -> None:
    for _ in range(5):
        ended = program(name)
        assert (ended.returncode, ended.stderr) == (status, "")


@pytest.mark.parametrize("name", ["close_the_loop", "close_the_loop_and_keep_the_call"])
def test_a_loop_that_is_closed_under_a_call_ends_it(name: str) -> None:
    ended = program(name)
    assert (ended.returncode, ended.stdout) == (0, "let go\n"), ended.stderr


def test_a_call_whose_room_is_over_takes_no_place() -> None:
    async def main() -> None:
        room, _ = await a_room()
        room.leave("CLIENT_INITIATED")
        while not room.over:  # noqa: ASYNC110 - of the core
            await asyncio.sleep(0.01)
        with pytest.raises(TransportError, match="the room is over") as refused:
            bare_call(room, output_hz=8_000)
        assert refused.value.code == "disconnected"

    asyncio.run(main())
    assert sessions_end(60.0)


def test_a_forked_child_is_told_that_the_engine_is_not_its_own() -> None:
    ended = program("fork")
    assert (ended.returncode, ended.stdout) == (0, "invalid_state invalid_state\n"), ended.stderr


def test_a_forked_child_is_told_that_a_call_and_a_room_are_not_its_own() -> None:
    ended = program("fork_in_the_middle")
    assert ended.returncode == 0, ended.stderr
    assert Counter(ended.stdout.splitlines()) == {"invalid_state": 23}


@pytest.mark.parametrize("where", ["voice", "agent"])
def test_a_program_told_to_end_ends_though_a_component_is_at_work_in_that_moment(where: str) -> None:
    """Python calls a signal's handler in the middle of whatever its main thread does."""

    class Handler:
        def end(self, number: int, _: object) -> None:
            sys.exit(128 + number)

    def be_told() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    async def on_word(word: str) -> None:
        if where == "voice":
            be_told()

    async def answers(turn: Turn) -> str:
        if where == "agent":
            be_told()
        return "gold hand"

    async def converse() -> None:
        async with on_call(answers, tts=FakeTextToSpeech(before_word=on_word)) as tried:
            await tried.say("able")
            await tried.session.wait_closed()

    before = signal.signal(signal.SIGTERM, Handler().end)
    try:
        with pytest.raises(SystemExit) as told:
            asyncio.run(converse())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told.value.code == 128 + signal.SIGTERM
    assert sessions_end(60.0)


@pytest.mark.parametrize("turns", range(6))
def test_a_program_that_ends_while_a_session_is_ending_ends(turns: int) -> None:
    """The end of `asyncio.run` cancels the end of a session, wherever that has got to."""
    states: list[str] = []

    async def main() -> None:
        session = VoiceSession(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy")
        session.on("close", lambda _: states.append(session.state))
        await session.start(LocalCall())
        ending = asyncio.create_task(session.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        assert not ending.done()

    asyncio.run(main())
    assert states == ["ended"]
    assert sessions_end(60.0)
