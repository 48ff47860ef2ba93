"""An agent that fails costs its answer, is told by a code, and the call goes on."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.answering import back_to_listening, codes, still_answers, talk_over
from support.call import on_call, turn_handling

from beluga_voice import LocalCall, VoiceSession, foreign_calls
from beluga_voice.events import AgentStateChanged, ErrorEvent, PlayoutStarted
from beluga_voice.testing import Answered, FakeSpeechToText, FakeTextToSpeech, Say, ScriptedCaller, TalkOver, tone_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from beluga_voice import Turn
    from beluga_voice.handles import Mouth

# How long an agent that does not stop is listened to before the caller talks over it, in seconds.
PATIENCE_S = 3.0


async def fails_then_answers(agent: Any, *, code: str, heard_before: list[str], **options: Any) -> ErrorEvent:
    async with on_call(agent, **options) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        await back_to_listening(tried)
        before = list(tried.agent_words)
        remembered = [item.text.lower().strip(".") for item in tried.session.history]
        await still_answers(tried)

    assert codes(tried) == [("agent", code)]
    assert failed.recoverable
    assert before == heard_before
    assert remembered == ["able", *([" ".join(heard_before)] if heard_before else [])]
    return failed


async def is_talked_over_then_answers(agent: Any) -> list[str]:
    """What was heard of an endless answer before the caller had enough of it."""
    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(PlayoutStarted)
        await tried.session_time(tried.now_s + PATIENCE_S)
        await talk_over(tried)
        before = list(tried.agent_words)
        await still_answers(tried)

    assert not codes(tried)
    cut_short = next(item for item in tried.session.history if item.role == "assistant")
    assert cut_short.interrupted
    # Of the last word the fade may have left too little to be understood.
    certain = cut_short.text.lower().replace(".", "").split()[:-1]
    assert certain == before[: len(certain)]
    # Fifteen seconds at 16 kHz wait in the queue, 71 words: nothing is made further ahead.
    assert sum(len(text.split()) for text in tried.tts.asked) < 180
    return before


async def test_an_agent_that_raises() -> None:
    async def agent(turn: Turn) -> str:
        if turn.text == "able":
            raise KeyError("no such thing")
        return "zero"

    failed = await fails_then_answers(agent, code="agent_error", heard_before=[])
    assert "raised KeyError: 'no such thing'" in failed.error.message


async def test_an_agent_that_raises_after_its_first_sentence() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text == "able":
            yield "Gold hand. "
            yield "Iron"
            raise KeyError("no such thing")
        yield "zero"

    await fails_then_answers(agent, code="agent_error", heard_before=["gold", "hand"])


async def test_an_agent_that_exits() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text == "able":
            raise SystemExit(3)
        yield "zero"

    await fails_then_answers(agent, code="agent_error", heard_before=[])


@pytest.mark.parametrize("rubbish", [7, None, b"gold", ["gold"], {"text": "gold"}, object()], ids=lambda v: repr(v)[:9])
async def test_an_agent_that_answers_rubbish(rubbish: object) -> None:
    async def agent(turn: Turn) -> Any:
        return rubbish if turn.text == "able" else "zero"

    failed = await fails_then_answers(agent, code="agent_error", heard_before=[])
    assert f"answered with {type(rubbish).__name__}: allowed: text or" in failed.error.message


@pytest.mark.parametrize("rubbish", [7, None, b"iron"])
async def test_an_agent_that_yields_rubbish_after_its_first_sentence(rubbish: object) -> None:
    async def agent(turn: Turn) -> AsyncIterator[Any]:
        if turn.text == "able":
            yield "Gold hand. "
            yield "Jump"
            yield rubbish
        yield "zero"

    failed = await fails_then_answers(agent, code="agent_error", heard_before=["gold", "hand"])
    assert f"yielded {type(rubbish).__name__}: allowed: text or" in failed.error.message


async def test_an_agent_that_hangs() -> None:
    async def agent(turn: Turn) -> str:
        if turn.text == "able":
            await asyncio.Event().wait()
        return "zero"

    await fails_then_answers(agent, code="timeout", heard_before=[], timeout=1.0)


async def test_an_agent_that_hangs_after_its_first_sentence() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text == "able":
            yield "Gold hand. "
            yield "Iron "
            await asyncio.Event().wait()
        yield "zero"

    await fails_then_answers(agent, code="timeout", heard_before=["gold", "hand"], timeout=1.0)


async def test_an_agent_that_hangs_and_heeds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_calls, "_GRACE_S", 0.1)
    release = asyncio.Event()

    async def agent(turn: Turn) -> str:
        while turn.text == "able" and not release.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(release.wait(), 20.0)
                break
        return "zero"

    async with on_call(agent, timeout=1.0) as tried:
        await tried.say("able")
        await back_to_listening(tried)
        await still_answers(tried)
        assert tried.session.stats()["agent_calls_abandoned"] == 1
        release.set()
        await asyncio.sleep(0.1)

    assert codes(tried) == [("agent", "timeout")]


async def test_an_agent_that_yields_nothing_for_ever() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        while turn.text == "able":
            yield ""
        yield "zero"

    await fails_then_answers(agent, code="timeout", heard_before=[], timeout=1.0)


@pytest.mark.real_time
async def test_a_sync_agent_that_blocks_stops_nobody() -> None:
    release = threading.Event()

    def agent(turn: Turn) -> Iterator[str]:
        if turn.text == "able":
            release.wait(20)
        yield "zero"

    try:
        await fails_then_answers(agent, code="timeout", heard_before=[], timeout=1.0)
    finally:
        release.set()


@pytest.mark.parametrize("nothing", ["", " \n", "...", "\x00", "🙂"])
async def test_an_agent_that_has_nothing_to_say(nothing: str) -> None:
    async def agent(turn: Turn) -> str:
        return nothing if turn.text == "able" else "zero"

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )
        await still_answers(tried)

    assert not codes(tried)
    assert [item.text for item in tried.session.history] == ["able", "bake", "zero"]


async def test_an_agent_that_answers_for_ten_minutes() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        while turn.text == "able":
            yield "Gold hand. "
        yield "zero"

    voice = FakeTextToSpeech()
    session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=voice, vad="energy", turn_handling=turn_handling())
    caller = ScriptedCaller([Say("able"), TalkOver("bake calm dark", after=600.0, timeout=700.0), Answered()])
    async with session:
        call = LocalCall()
        await session.start(call)
        await caller.talk(call)

    question, endless, interruption, answer = session.history
    assert (question.text, interruption.text, answer.text) == ("able", "bake calm dark", "zero")
    assert endless.interrupted
    heard = caller.heard_words
    assert len(heard) > 600 / tone_words.WORD_S
    assert heard[-1] == "zero"
    assert heard[:1_000] == ["gold", "hand"] * 500
    noted = len(endless.text.split())
    assert abs(noted - len(heard)) <= 3, "what was heard is in the history, and nothing else"
    # Fifteen seconds at 16 kHz wait in the queue, 71 words: nothing is made further ahead.
    assert sum(len(text.split()) for text in voice.asked) < noted + 90


@pytest.mark.parametrize("piece", ["g", "gold hand. "])
async def test_an_agent_that_yields_ten_megabytes_at_once(piece: str) -> None:
    """One endless word, and a million sentences."""

    class Patient(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            self.asked.append(text)
            await super().synthesize("gold" if "ggg" in text else text, mouth)

    async def agent(turn: Turn) -> AsyncIterator[str]:
        yield "Jump.\n" + piece * (10_000_000 // len(piece)) if turn.text == "able" else "zero"

    async with on_call(agent, tts=Patient()) as tried:
        await tried.say("able")
        await tried.agent_heard("jump")
        tried.session.interrupt()
        await back_to_listening(tried)
        await still_answers(tried)

    assert not codes(tried)
    assert max(len(text) for text in tried.tts.asked) <= 221


async def test_an_agent_that_yields_endless_tiny_pieces() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        while turn.text == "able":
            for letter in "gold hand ":
                yield letter
        yield "zero"

    before = await is_talked_over_then_answers(agent)
    assert before[:4] == ["gold", "hand", "gold", "hand"]


async def test_an_agent_that_yields_control_characters_and_half_characters() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text == "able":
            yield "gold\x0bha\x00nd\x1b"
            yield "\x85 iro\ud800"[:-1] + "n\x7f. "
            yield "\ud83d jump."
        else:
            yield "zero"

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "iron", "jump")
        await back_to_listening(tried)
        await still_answers(tried)

    assert not codes(tried)
    texts = [item.text for item in tried.session.history]
    assert texts[1].split() == ["gold", "hand", "iron.", "\ufffd", "jump."]
    json.dumps(texts, ensure_ascii=False).encode()
