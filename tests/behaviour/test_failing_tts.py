"""A voice that fails costs an answer at most, is told by a code, and the call goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.answering import back_to_listening, codes, fails_and_goes_on, still_answers, talk_over
from support.call import on_call

from beluga_voice import foreign_calls
from beluga_voice.errors import ComponentError
from beluga_voice.events import AgentStateChanged, ErrorEvent, PlayoutFinished
from beluga_voice.testing import FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.call import TriedCall

    from beluga_voice import Turn
    from beluga_voice.handles import Mouth

HZ = 16_000

# How long what heeds no cancellation goes on if its test fails, in seconds.
UNHEEDING_S = 20.0


def texts(tried: TriedCall) -> list[str]:
    return [item.text for item in tried.session.history]


async def agent(turn: Turn) -> str:
    return "Gold hand. Iron jump. Kite." if turn.text == "able" else "zero"


@pytest.mark.parametrize("code", ["internal_error", "quota_exceeded", "network_error", "invalid_voice"])
async def test_a_voice_that_raises_in_the_middle_of_an_answer(code: str) -> None:
    async def on_word(word: str) -> None:
        if word == "iron":
            if code == "internal_error":
                raise OSError("no sound today")
            raise ComponentError("no sound today", component="tts", code=code)

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word)) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        finished = await tried.heard(PlayoutFinished)
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")
        await still_answers(tried)

    assert codes(tried) == [("tts", code)]
    assert failed.error.provider == "FakeTextToSpeech"
    assert not finished.interrupted
    assert tried.agent_words == ["gold", "hand", "zero"]
    assert texts(tried) == ["able", "Gold hand.", "bake", "zero"]


@pytest.mark.parametrize("error", [SystemExit(3), TimeoutError(), asyncio.CancelledError()], ids=repr)
async def test_a_voice_that_raises_what_has_a_meaning_elsewhere(error: BaseException) -> None:
    async def on_word(word: str) -> None:
        if word == "gold":
            raise error

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word)) as tried:
        await tried.say("able")
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("tts", "internal_error")]


@pytest.mark.parametrize(("at", "heard"), [("gold", ""), ("iron", "gold hand"), ("jump", "gold hand iron")])
async def test_a_voice_that_stalls(at: str, heard: str) -> None:
    """Before its first sound, between two sentences, within one."""

    async def on_word(word: str) -> None:
        if word == at:
            await asyncio.Event().wait()

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word), tts_timeout=0.5) as tried:
        failed = await fails_and_goes_on(tried)

    assert codes(tried) == [("tts", "stream_timeout")]
    assert failed.error.message.startswith("no sound for 0.5 s")
    assert tried.agent_words == [*heard.split(), "zero"]
    remembered = [text.lower().replace(".", "") for text in texts(tried)]
    assert remembered == ["able", *([heard] if heard else []), "bake", "zero"]


async def test_a_voice_that_stalls_at_what_the_owner_says() -> None:
    async def on_word(word: str) -> None:
        if word == "nest":
            await asyncio.Event().wait()

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word), tts_timeout=0.5) as tried:
        stuck, after = tried.session.say("nest"), tried.session.say("gold")
        await stuck
        await after
        await still_answers(tried)

    assert codes(tried) == [("tts", "stream_timeout")]
    assert tried.agent_words == ["gold", "zero"]


async def test_a_voice_that_trickles() -> None:
    class Trickling(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            while text == "Iron jump. ":
                await mouth.write(b"\1\0", sample_rate=HZ)
                await asyncio.sleep(0.05)
            await super().synthesize(text, mouth)

    async with on_call(agent, tts=Trickling(), tts_timeout=0.5) as tried:
        await tried.say("able")
        await tried.heard(ErrorEvent)
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("tts", "stream_timeout")]
    assert tried.agent_words == ["gold", "hand", "zero"]


async def test_a_voice_that_writes_one_sample_at_a_time() -> None:
    class Single(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            for word in text.lower().strip(". ").split():
                sound = spoken(word, HZ).tobytes()
                for start in range(0, len(sound), 2):
                    await mouth.write(sound[start : start + 2], sample_rate=HZ)

    async with on_call(agent, tts=Single()) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand", "iron", "jump", "kite")
        await back_to_listening(tried)
        await still_answers(tried)

    assert not codes(tried)


async def test_a_voice_that_sends_ten_megabytes_in_mid_turn() -> None:
    class Flooding(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            if text.startswith("Gold"):
                word = spoken("gold", HZ)
                await mouth.write(np.tile(word, 5_000_000 // len(word)), sample_rate=HZ)
            await super().synthesize(text, mouth)

    async with on_call(agent, tts=Flooding(), tts_timeout=0.5) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "gold", "gold")
        await talk_over(tried)
        await still_answers(tried)

    assert not codes(tried), "it waits for room, which is no stall"
    assert texts(tried) == ["able", "calm dark echo", "zero", "bake", "zero"], "a second of five minutes is no word"


async def test_a_voice_that_writes_no_sound() -> None:
    class Mute(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            await mouth.write(b"", sample_rate=HZ)
            if not text.startswith("Iron"):
                await super().synthesize(text, mouth)

    async with on_call(agent, tts=Mute()) as tried:
        await tried.say("able")
        failed = await tried.heard(ErrorEvent)
        await tried.agent_heard("gold", "hand", "kite")
        await back_to_listening(tried)
        await still_answers(tried)

    assert codes(tried) == [("tts", "empty_response")]
    assert "'Iron jump.'" in failed.error.message
    assert texts(tried) == ["able", "Gold hand. Kite.", "bake", "zero"]


GOLD = spoken("gold", HZ)
WRONG_SOUND: list[Any] = [
    GOLD / 32_768,
    np.full(100, np.nan),
    GOLD.astype(">i2"),
    GOLD.astype(np.uint16),
    GOLD.astype(np.int32),
    GOLD[: len(GOLD) // 3 * 3].reshape(-1, 3),
    np.int16(5),
    GOLD.tobytes()[:-1],
    "gold",
    None,
    [1, 2, 3],
]


@pytest.mark.parametrize("wrong", WRONG_SOUND, ids=lambda each: f"{type(each).__name__} {getattr(each, 'dtype', '')}")
async def test_a_voice_that_writes_what_is_no_sound(wrong: Any) -> None:
    class Wrong(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            if text.startswith("Iron"):
                await mouth.write(wrong, sample_rate=HZ)
            await super().synthesize(text, mouth)

    async with on_call(agent, tts=Wrong()) as tried:
        failed = await fails_and_goes_on(tried)

    assert codes(tried) == [("tts", "invalid_format")]
    assert "int16" in failed.error.message
    assert failed.error.provider == "Wrong"
    assert texts(tried) == ["able", "Gold hand.", "bake", "zero"]


@pytest.mark.parametrize("rate", [3, 0, -1, 7_999, 192_001, 2**40, 16_000.5, None, "16000"], ids=repr)
async def test_a_voice_that_writes_at_no_rate(rate: Any) -> None:
    class Wrong(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            if text.startswith("Gold"):
                await mouth.write(GOLD, sample_rate=rate)
            await super().synthesize(text, mouth)

    async with on_call(agent, tts=Wrong()) as tried:
        failed = await fails_and_goes_on(tried)

    assert codes(tried) == [("tts", "invalid_format")]
    assert f"sample_rate = {rate!r}: allowed: a whole number from 8000 to 192000 Hz" in failed.error.message


async def test_any_buffer_of_int16_is_sound() -> None:
    import array

    class Odd(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            for sound in (
                GOLD,
                GOLD.tobytes(),
                bytearray(GOLD.tobytes()),
                memoryview(GOLD.tobytes()),
                array.array("h", GOLD.tolist()),
                np.repeat(GOLD, 2)[::2],
            ):
                await mouth.write(sound, sample_rate=np.int32(HZ))  # type: ignore[arg-type] - as good as an int

    async with on_call(agent, tts=Odd()) as tried:
        await tried.session.say("gold")

    assert tried.agent_words == ["gold"] * 6


async def test_a_voice_that_changes_its_rate_with_every_write() -> None:
    """Each change takes one of the queue's 512 places for controls: it waits for one."""

    class Fickle(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            for number in range(700):
                await mouth.write(bytes(2 * 80), sample_rate=(8_000, 16_000)[number % 2])
            await super().synthesize(text, mouth)

    async with on_call(agent, tts=Fickle()) as tried:
        await tried.session.say("gold")
        assert not codes(tried)

    assert tried.agent_words == ["gold"]


async def test_a_voice_that_heeds_no_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_calls, "_GRACE_S", 0.1)
    release = asyncio.Event()

    async def on_word(word: str) -> None:
        while word == "iron" and not release.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(release.wait(), UNHEEDING_S)
                return

    async with on_call(agent, tts=FakeTextToSpeech(before_word=on_word)) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await talk_over(tried)
        await still_answers(tried)
        assert tried.session.stats()["component_calls_abandoned"] == 1
        release.set()
        await asyncio.sleep(0.1)

    assert not codes(tried)
    assert "jump" not in tried.agent_words, "what it writes from then on is not heard"


async def test_what_a_voice_writes_behind_its_own_end_is_not_heard_in_the_next_speech() -> None:
    class Trailing(FakeTextToSpeech):
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

    async def silent(turn: Turn) -> str:
        return ""

    async with on_call(silent, tts=Trailing()) as tried:
        await tried.session.say("gold")
        with pytest.raises(Exception, match="over"):
            await tried.tts.late
        await tried.session.say("zero")
        await tried.agent_heard("zero")

    assert tried.agent_words == ["gold", "zero"]


async def test_two_hundred_short_speeches_are_all_heard() -> None:
    """Their beginnings and ends are more than the core's queue of controls holds."""

    class Clicking(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            await mouth.write(np.full(80, 3_000, np.int16), sample_rate=HZ)

    async def clicking(turn: Turn) -> AsyncIterator[str]:
        yield "zero"

    async with on_call(clicking, tts=Clicking()) as tried:
        said = [tried.session.say("gold") for _ in range(200)]
        for each in said:
            await each
        assert not codes(tried)
        assert len(tried.all(PlayoutFinished)) == 200
