"""A failure costs what it touches, is told by its code, and the call goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.call import on_call
from support.components import ToneEars, ToneVoice
from support.tone_words import spoken

from beluga_voice.errors import ComponentError
from beluga_voice.events import AgentStateChanged, ErrorEvent, PlayoutFinished
from beluga_voice.pipeline import listener
from beluga_voice.speech_to_text import Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from beluga_voice import Turn
    from beluga_voice.handles import Ear, Mouth


async def fails_then_answers(agent: Any, *, code: str, heard_before: list[str], **options: Any) -> None:
    async with on_call(agent, **options) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        await tried.heard(AgentStateChanged, lambda event: event.new_state == "listening", nth=2)
        assert (failed.error.code, failed.source, failed.recoverable) == (code, "agent", True)
        before = list(tried.agent_words)
        await tried.say("bake")
        await tried.agent_heard("zero")
        assert tried.session.state == "active"

    assert before == heard_before
    assert tried.session.history[-2].text == "bake"
    assert len(tried.all(ErrorEvent)) == 1


async def test_an_agent_that_raises() -> None:
    async def agent(turn: Turn) -> str:
        if turn.text == "able":
            raise KeyError("no such thing")
        return "zero"

    await fails_then_answers(agent, code="agent_error", heard_before=[])


async def test_an_agent_that_raises_after_its_first_sentence() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        if turn.text == "able":
            yield "Gold hand. "
            yield "Iron"
            raise KeyError("no such thing")
        yield "zero"

    await fails_then_answers(agent, code="agent_error", heard_before=["gold", "hand"])


async def test_an_agent_that_yields_what_is_neither_text_nor_command() -> None:
    async def agent(turn: Turn) -> AsyncIterator[Any]:
        yield 7 if turn.text == "able" else "zero"

    await fails_then_answers(agent, code="agent_error", heard_before=[])


async def test_an_agent_that_hangs() -> None:
    async def agent(turn: Turn) -> str:
        if turn.text == "able":
            await asyncio.Event().wait()
        return "zero"

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


async def test_an_agent_that_has_nothing_to_say() -> None:
    async def agent(turn: Turn) -> str:
        return "" if turn.text == "able" else "zero"

    async with on_call(agent) as tried:
        await tried.say("able")
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert not tried.all(ErrorEvent)


async def test_a_recogniser_that_raises_in_the_middle_of_a_turn() -> None:
    class Stumbling(ToneEars):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            if self.streams == 0:
                self.streams += 1
                async for utterance in ear.utterances():
                    async for _ in utterance:
                        raise ConnectionResetError("gone")
            async for transcript in super().stream(ear):
                yield transcript

    async def agent(turn: Turn) -> str:
        return "zero" if turn.text == "bake" else "acid"

    async with on_call(agent, stt=Stumbling()) as tried:
        await tried.say("able calm dark")
        failed = await tried.heard(ErrorEvent)
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert (failed.source, failed.error.code, failed.error.provider) == ("stt", "internal_error", "Stumbling")
    assert "gone" in failed.error.message
    assert tried.stt.streams == 2
    assert [item.text for item in tried.session.history] == ["bake", "zero"]


async def test_a_recogniser_that_cannot_connect_at_first_loses_no_turn() -> None:
    failed_once = asyncio.Event()

    class Late(ToneEars):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            if not failed_once.is_set():
                await began.wait()
                failed_once.set()
                raise ComponentError("busy", component="stt", code="network_error")
            async for transcript in super().stream(ear):
                yield transcript

    async def agent(turn: Turn) -> str:
        return "zero"

    began = asyncio.Event()
    async with on_call(agent, stt=Late()) as tried:
        await tried.say("able bake")
        began.set()
        failed = await tried.heard(ErrorEvent)
        await tried.agent_heard("zero")

    assert (failed.error.code, failed.error.provider) == ("network_error", "Late")
    assert tried.session.history[0].text == "able bake"


async def test_a_recogniser_whose_stream_ends_is_started_again() -> None:
    class Short(ToneEars):
        async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
            async for transcript in super().stream(ear):
                yield transcript
                if transcript.is_final and self.streams == 1:
                    return

    async def agent(turn: Turn) -> str:
        return "gold" if turn.text == "able" else "zero"

    async with on_call(agent, stt=Short()) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert [event.error.code for event in tried.all(ErrorEvent)] == ["stream_closed"]


async def test_a_recogniser_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_TRANSCRIPT_TIMEOUT_S", 0.5)

    async def on_turn(turn_id: int) -> None:
        if turn_id == 1:
            await asyncio.Event().wait()

    async def agent(turn: Turn) -> str:
        return "zero"

    async with on_call(agent, stt=ToneEars(before_final=on_turn)) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert (failed.source, failed.error.code, failed.error.provider) == ("stt", "stream_timeout", "FakeSpeechToText")
    assert failed.error.details == {"turn_id": 1}
    assert tried.session.history[0].text == "bake"


async def test_a_recogniser_that_says_nonsense() -> None:
    class Confused(ToneEars):
        async def stream(self, ear: Ear) -> AsyncIterator[Any]:
            async for transcript in super().stream(ear):
                yield "words" if self.streams == 1 else transcript

    async def agent(turn: Turn) -> str:
        return "zero"

    async with on_call(agent, stt=Confused()) as tried:
        await tried.say("able")
        await tried.heard(ErrorEvent)
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )
        await tried.say("bake")
        await tried.agent_heard("zero")


@pytest.mark.parametrize("code", ["internal_error", "quota_exceeded"])
async def test_a_voice_that_raises_in_the_middle_of_an_answer(code: str) -> None:
    async def on_word(word: str) -> None:
        if word == "iron":
            if code == "internal_error":
                raise OSError("no sound today")
            raise ComponentError("no sound today", component="tts", code=code)

    async def agent(turn: Turn) -> str:
        return "Gold hand. Iron jump. Kite." if turn.text == "able" else "zero"

    async with on_call(agent, tts=ToneVoice(before_word=on_word)) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        finished = await tried.heard(PlayoutFinished)
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")
        await tried.say("bake")
        await tried.agent_heard("zero")

    assert (failed.source, failed.error.code, failed.error.provider) == ("tts", code, "FakeTextToSpeech")
    assert not finished.interrupted
    assert tried.agent_words == ["gold", "hand", "zero"]
    assert [item.text for item in tried.session.history] == ["able", "Gold hand.", "bake", "zero"]


async def test_a_voice_that_writes_nonsense() -> None:
    class Wrong(ToneVoice):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            if text == "gold":
                await mouth.write(spoken(text, 16_000).astype("float32"), sample_rate=16_000)
            elif text == "hand":
                await mouth.write(spoken(text, 16_000), sample_rate=3)
            else:
                await super().synthesize(text, mouth)

    async def agent(turn: Turn) -> str:
        return {"able": "gold", "bake": "hand"}.get(turn.text, "zero")

    async with on_call(agent, tts=Wrong()) as tried:
        for number, word in enumerate(("able", "bake"), 1):
            await tried.say(word)
            await tried.heard(ErrorEvent, nth=number)
            await tried.heard(AgentStateChanged, lambda event: event.old_state == "thinking", nth=number)
        await tried.say("calm")
        await tried.agent_heard("zero")

    assert [(event.source, event.error.code) for event in tried.all(ErrorEvent)] == [
        ("tts", "invalid_format"),
        ("tts", "invalid_config"),
    ]


async def test_what_a_voice_writes_behind_its_own_end_is_not_heard_in_the_next_speech() -> None:
    class Trailing(ToneVoice):
        late: asyncio.Task[None] | None = None

        async def synthesize(self, text: str, mouth: Mouth) -> None:
            if text != "gold":
                await super().synthesize(text, mouth)
                return

            async def trail() -> None:
                await tried.heard(PlayoutFinished)
                await mouth.write(spoken("nest", 16_000), sample_rate=16_000)

            await super().synthesize(text, mouth)
            self.late = asyncio.create_task(trail())

    async def agent(turn: Turn) -> str:
        return ""

    async with on_call(agent, tts=Trailing()) as tried:
        await tried.session.say("gold")
        with pytest.raises(Exception, match="over"):
            await tried.tts.late
        await tried.session.say("zero")
        await tried.agent_heard("zero")

    assert tried.agent_words == ["gold", "zero"]
