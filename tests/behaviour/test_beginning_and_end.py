"""However a session begins and ends, nothing of it is left."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.call import PATIENCE_S, on_call, refuses_after_close

from beluga_voice import LocalCall, VoiceSession, call_link, session_components
from beluga_voice._engine import engine
from beluga_voice.errors import ComponentError, SessionError
from beluga_voice.events import CloseEvent, ErrorEvent, SessionEvent, UserTurnStarted
from beluga_voice.testing import FakeSpeechToSpeech, FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn

LONG = "gold hand iron jump kite lamp milk nest open pink quiz rose salt tree unit vase"


async def agent(turn: Turn) -> str:
    return LONG


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def sessions_in_the_engine() -> object:
    return engine().stats()["sessions"]


async def test_closing_in_the_middle_of_a_word() -> None:
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        waiting = tried.session.say("zero")
        await tried.session.aclose()
        await asyncio.wait_for(waiting.wait_for_playout(), PATIENCE_S)
        assert waiting.interrupted
        assert tried.session.is_over
        with pytest.raises(SessionError, match="ended"):
            tried.session.say("zero")
        await refuses_after_close(tried)

    assert tried.all(CloseEvent)[0].reason == "user_initiated"
    assert not tried.all(ErrorEvent), "being cut off by the end is no failure"
    heard = tried.session.history[-1]
    assert heard.interrupted
    assert heard.text.split() == tried.agent_words[: len(heard.text.split())]
    assert tried.stt.closed
    assert tried.tts.closed


async def test_the_caller_hangs_up() -> None:
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.call.hang_up()
        await asyncio.wait_for(tried.session.wait_closed(), PATIENCE_S)
        closed = await tried.heard(CloseEvent)

    assert closed.reason == "participant_disconnected"
    assert (tried.session.state, tried.session.agent_state) == ("ended", "idle")


async def test_closing_twice_at_once_and_again() -> None:
    async with on_call(agent) as tried:
        await asyncio.gather(tried.session.aclose(), tried.session.aclose())
        await tried.session.aclose()
    assert len(tried.all(CloseEvent)) == 1


async def test_who_gives_up_waiting_for_the_end_does_not_stop_it() -> None:
    class Slow(FakeTextToSpeech):
        async def aclose(self) -> None:
            entered.set()
            await release.wait()
            await super().aclose()

    entered, release = asyncio.Event(), asyncio.Event()
    async with on_call(agent, tts=Slow()) as tried:
        impatient = asyncio.create_task(tried.session.aclose())
        await entered.wait()
        impatient.cancel()
        await asyncio.wait({impatient})
        release.set()
        await tried.session.aclose()
    assert tried.tts.closed


async def test_an_agent_that_closes_its_own_session() -> None:
    async def suicidal(turn: Turn) -> str:
        await tried.session.aclose()
        return "never"

    async with on_call(suicidal) as tried:
        await tried.say("able")
        await asyncio.wait_for(tried.session.wait_closed(), PATIENCE_S)


async def test_starting_twice() -> None:
    async with on_call(agent) as tried:
        with pytest.raises(SessionError) as refused:
            await tried.session.start(LocalCall())
        assert refused.value.code == "session_already_active"


async def test_starting_after_the_end() -> None:
    session = VoiceSession(agent=agent, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy")
    await session.aclose()
    with pytest.raises(SessionError):
        await session.start(LocalCall())
    assert session.state == "ended"


async def test_a_component_that_cannot_start_lets_go_of_the_other_one() -> None:
    class Broken(FakeTextToSpeech):
        async def start(self) -> None:
            await asyncio.sleep(0)
            raise OSError("no model")

    stt, tts = FakeSpeechToText(), Broken()
    session = VoiceSession(agent=agent, stt=stt, tts=tts, vad="energy")
    told: list[SessionEvent] = []
    events = session.events()
    with pytest.raises(OSError, match="no model"):
        await session.start(LocalCall())
    async with asyncio.timeout(PATIENCE_S):
        told = [event async for event in events]
    assert stt.closed
    assert tts.closed
    assert (session.state, session.is_over) == ("error", True)
    assert [event.type for event in told] == ["session_state_changed", "close"]
    await session.aclose()


@pytest.mark.parametrize("kind", ["stt", "tts"])
async def test_a_component_that_does_not_get_ready(kind: str) -> None:
    class SlowEars(FakeSpeechToText):
        async def start(self) -> None:
            await asyncio.Event().wait()

    class SlowVoice(FakeTextToSpeech):
        async def start(self) -> None:
            await asyncio.Event().wait()

    stt = SlowEars() if kind == "stt" else FakeSpeechToText()
    tts = SlowVoice() if kind == "tts" else FakeTextToSpeech()
    session = VoiceSession(agent=agent, stt=stt, tts=tts, vad="energy", start_timeout=1.0)
    with pytest.raises(ComponentError, match=r"not ready after 1 s \(start_timeout\)") as late:
        await session.start(LocalCall())
    assert (late.value.component, late.value.code) == (kind, "timeout")
    assert late.value.provider in ("SlowEars", "SlowVoice")
    assert stt.closed
    assert tts.closed
    assert session.state == "error"


@pytest.mark.parametrize("how", ["hangs", "raises", "exits"])
async def test_a_component_that_does_not_let_go(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_components, "_CLOSE_TIMEOUT_S", 0.2)

    class Clinging(FakeSpeechToText):
        async def aclose(self) -> None:
            if how == "hangs":
                await asyncio.Event().wait()
            raise SystemExit(3) if how == "exits" else OSError("still busy")

    async with on_call(agent, stt=Clinging()) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")

    failed = tried.all(ErrorEvent)[0]
    assert (failed.source, failed.error.code) == ("stt", "timeout" if how == "hangs" else "internal_error")
    assert failed.error.provider == "Clinging"
    assert tried.tts.closed, "what one does keeps no other from being let go of"
    assert tried.session.state == "ended"


async def test_a_core_that_does_not_tell_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_link, "_END_TIMEOUT_S", 0.2)
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        told, tried.session.link.on_event = tried.session.link.on_event, lambda _: None
        with monkeypatch.context() as deaf:
            deaf.setattr(tried.session.link, "_end", lambda: None)
            closing = asyncio.create_task(tried.session.aclose())
            await asyncio.sleep(0.1)
        await closing
        tried.session.link.on_event = told

    over = tried.all(CloseEvent)[0]
    assert over.error is not None
    assert over.error.code == "internal_error"
    assert "did not end the call within 0.2 s" in over.error.message
    assert tried.session.state == "error"
    assert tried.stt.closed
    assert tried.session.history[-1].text, "what was heard before is on record"


async def test_closing_while_it_starts() -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    class Slow(FakeSpeechToText):
        async def start(self) -> None:
            begun.set()
            await never.wait()

    stt = Slow()
    session = VoiceSession(agent=agent, stt=stt, tts=FakeTextToSpeech, vad="energy")
    starting = asyncio.create_task(session.start(LocalCall()))
    await begun.wait()
    await asyncio.wait_for(session.aclose(), PATIENCE_S)
    with pytest.raises(SessionError) as told:
        await starting
    assert told.value.code == "session_not_active"
    assert stt.closed
    assert session.state == "ended"


async def test_a_start_that_is_cancelled() -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    class Slow(FakeSpeechToText):
        async def start(self) -> None:
            begun.set()
            await never.wait()

    stt = Slow()
    session = VoiceSession(agent=agent, stt=stt, tts=FakeTextToSpeech, vad="energy")
    starting = asyncio.create_task(session.start(LocalCall()))
    await begun.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert stt.closed
    assert session.is_over


async def test_no_task_reader_or_descriptor_is_left() -> None:
    class Rude(FakeSpeechToText):
        """Leaves each turn after its first piece."""

        async def stream(self, ear: object) -> AsyncIterator[object]:  # type: ignore[override]
            async for utterance in ear.utterances():  # type: ignore[attr-defined]
                async for _ in utterance:
                    break
                yield None or await self._final(utterance.turn_id)

        async def _final(self, turn_id: int) -> object:
            from beluga_voice.speech_to_text import Transcript

            return Transcript("able", is_final=True, turn_id=turn_id)

    async def short(turn: Turn) -> str:
        return ""

    async def one() -> None:
        async with on_call(short, stt=Rude()) as tried:
            for number in range(1, 4):
                await tried.say("able")
                await tried.heard(UserTurnStarted, nth=number)
                await tried.session_time(tried.now_s + 0.6)
            link = tried.session.link
            free = [link.ear_reader() for _ in range(7)]  # one is the test's own
            for reader in free:
                link.release(reader)

    await one()
    before = descriptors()
    for _ in range(2):
        await one()
    assert descriptors() <= before
    assert sessions_in_the_engine() == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_loop_that_ends_in_the_middle_of_a_call_ends_the_call() -> None:
    ended: list[VoiceSession] = []

    async def leave() -> None:
        session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
        call = LocalCall()
        await session.start(call)
        session.say(LONG)
        assert (await call.read(0.1)) is not None
        ended.append(session)

    asyncio.run(leave())
    assert ended[0].state == "ended"
    assert sessions_in_the_engine() == 0


@pytest.mark.parametrize("with_model", [False, True], ids=["cascade", "model of speech"])
async def test_a_call_that_is_over_goes_with_its_last_user(*, with_model: bool) -> None:
    """It holds a megabyte of sound: to wait until Python next looks for cycles costs hundreds of calls' worth of it."""
    parts: dict[str, Any] = {"s2s": FakeSpeechToSpeech(["gold"])} if with_model else {"tts": FakeTextToSpeech()}
    if not with_model:
        parts["stt"] = FakeSpeechToText()
    session, call = VoiceSession(agent=agent, vad="energy", **parts), LocalCall()
    del parts
    await session.start(call)
    await call.write(spoken("able bake", call.sample_rate))
    core_call = session.link.call
    link, held = weakref.ref(session.link), weakref.ref(session)
    gc.collect()
    gc.disable()
    try:
        await call.hang_up()
        await session.wait_closed()
        assert session.history == ()
        del session, call
        await asyncio.sleep(0.05)  # what was just woken ends
        assert held() is None
        assert link() is None
    finally:
        gc.enable()
    assert core_call.closed
