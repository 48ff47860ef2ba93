"""The operations of requirements.md section 7: sound handed over and taken, the agent swapped, what is asked of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.answering import codes
from support.call import on_call, refuses_after_close

from beluga_voice import AudioFormat, LocalCall, VoiceSession
from beluga_voice.errors import AgentError, AudioFormatError, ConfigError, SessionError
from beluga_voice.events import ErrorEvent, PlayoutFinished
from beluga_voice.testing import (
    Answered,
    FakeAgent,
    FakeSpeechToSpeech,
    FakeSpeechToText,
    FakeTextToSpeech,
    Say,
    ScriptedCaller,
)
from beluga_voice.testing.tone_words import spoken, understood

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn


async def agent(turn: Turn) -> str:
    return "zero yard"


async def test_the_callers_sound_can_be_handed_to_the_session() -> None:
    async with on_call(agent) as tried:
        await tried.session.process_audio(spoken("able bake", 44_100).tobytes(), sample_rate=44_100)
        await tried.session.process_audio(np.zeros((8_000, 2), np.float32), sample_rate=8_000)
        await tried.agent_heard("zero", "yard")
        assert tried.session.history[0].text == "able bake"
        with pytest.raises(AudioFormatError, match="sample_rate = None: allowed: a whole number"):
            await tried.session.process_audio(bytes(2))
    with pytest.raises(SessionError) as over:
        await tried.session.process_audio(bytes(2), sample_rate=8_000)
    assert over.value.code == "session_not_active"
    await refuses_after_close(tried)


@pytest.mark.parametrize("options", [{}, {"s2s": FakeSpeechToSpeech}], ids=["cascade", "model of speech"])
async def test_sound_that_is_made_already_is_played_in_its_turn(options: dict[str, Any]) -> None:
    options = {name: made(["gold"]) for name, made in options.items()}

    async def music() -> AsyncIterator[bytes]:
        for word in ("kite", "lamp"):
            await asyncio.sleep(0.05)
            yield spoken(word, 22_050).tobytes()

    async with on_call(None if options else agent, **options) as tried:
        tried.session.send_audio(spoken("iron jump", 8_000), sample_rate=8_000)
        await tried.session.send_audio(music(), audio_format=AudioFormat(22_050))
        assert tried.agent_words == ["iron", "jump", "kite", "lamp"]
        assert not tried.session.history
        with pytest.raises(AudioFormatError, match="allowed: a buffer of int16 or float32"):
            tried.session.send_audio(np.zeros(3), sample_rate=8_000)
        with pytest.raises(AudioFormatError, match="sample_rate = 100: allowed:"):
            tried.session.send_audio(bytes(2), sample_rate=100)
    assert not codes(tried)


async def test_what_was_handed_over_in_another_form_may_be_used_again_at_once() -> None:
    async with on_call(agent) as tried:
        words = (spoken("iron jump", 8_000) / 32_768).astype(np.float32)
        playing = tried.session.send_audio(words, audio_format=AudioFormat(8_000, sample_format="float32"))
        words[:] = 0.0
        await playing
        assert tried.agent_words == ["iron", "jump"]


async def test_sound_that_is_played_is_talked_over_like_any_other() -> None:
    async with on_call(agent) as tried:
        playing = tried.session.send_audio(
            spoken("iron jump kite lamp milk nest open pink", 16_000), sample_rate=16_000
        )
        await tried.agent_heard("iron")
        await tried.say("able bake calm")
        await playing
        assert playing.interrupted
        await tried.agent_heard("zero", "yard")
    assert "pink" not in tried.agent_words


async def test_sound_that_fails_in_the_making_is_told_of_and_the_call_goes_on() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield spoken("kite", 16_000).tobytes()
        raise RuntimeError("no more")

    async with on_call(agent) as tried:
        await tried.session.send_audio(broken(), sample_rate=16_000)
        assert (await tried.heard(ErrorEvent)).error.code == "pipeline_error"
        await tried.say("able")
        await tried.agent_heard("kite", "zero", "yard")


@pytest.mark.parametrize("form", [None, AudioFormat(8_000, 1, "pcmu"), AudioFormat(48_000, 2, "float32")])
async def test_the_callers_sound_can_be_had_as_it_comes(form: AudioFormat | None) -> None:
    async with on_call(agent) as tried:
        chunks: list[Any] = []

        async def listen() -> None:
            chunks.extend([chunk async for chunk in tried.session.receive_audio(0.05, audio_format=form)])

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        await tried.say("able bake")
        await tried.heard(PlayoutFinished)
    await listening

    rate = form.sample_rate if form is not None else 16_000
    assert all(chunk.sample_rate == rate for chunk in chunks)
    for before, after in itertools.pairwise(chunks):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-6)
    if form is None:
        assert understood(np.concatenate([chunk.samples for chunk in chunks]), rate) == ["able", "bake"]
    assert tried.session.stats()["received_samples_lost"] == 0


async def test_a_reader_that_is_too_slow_misses_the_oldest_and_it_is_counted() -> None:
    async with on_call(agent) as tried:
        received = tried.session.receive_audio(0.1)
        first = await anext(received)
        await asyncio.sleep(60)
        late = await anext(received)
        lost = tried.session.stats()["received_samples_lost"]
        assert lost > 0
        assert late.start_s == pytest.approx(first.end_s + lost / 16_000)
        await received.aclose()  # type: ignore[attr-defined]


async def test_another_agent_takes_over_between_two_turns() -> None:
    first = FakeAgent(["gold"], delay=0.5)
    async with on_call(first) as tried:
        await tried.say("able")
        await tried.until(lambda: bool(first.turns))
        tried.session.set_agent_instance(FakeAgent(["hand"]))
        await tried.agent_heard("gold")  # what it had begun it finishes
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("bake")
        await tried.agent_heard("hand")
        tried.session.set_agent_callback(lambda text: "iron" if text == "calm" else "jump")
        assert tried.session.component_names["agent"].endswith("<lambda>")
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("calm")
        await tried.agent_heard("iron")
        with pytest.raises(AgentError, match="agent = 3"):
            tried.session.set_agent_instance(3)
    with pytest.raises(SessionError):
        tried.session.set_agent_instance(FakeAgent(["hand"]))


async def test_a_callback_may_be_asynchronous_and_be_set_before_the_call() -> None:
    async def callback(text: str) -> str:
        await asyncio.sleep(0.1)
        return "iron" if text == "able" else "jump"

    call = LocalCall()
    session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
    session.set_agent_callback(callback)
    assert session.component_names["agent"].endswith("callback")
    caller = ScriptedCaller([Say("able"), Answered()])
    async with session:
        await session.start(call)
        await caller.talk(call)
    assert caller.heard_words == ["iron"]


async def test_a_model_of_speech_can_be_given_an_agent_in_mid_call() -> None:
    async with on_call(None, s2s=FakeSpeechToSpeech(["gold"])) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        await tried.until(lambda: tried.session.agent_state == "listening")
        tried.session.set_agent_instance(FakeAgent(["zero"]))
        await tried.say("bake")
        await tried.agent_heard("zero")


async def test_metadata_is_laid_on_what_there_is() -> None:
    fake = FakeAgent(["gold", "hand"])
    async with on_call(fake, metadata={"a": 1, "b": 1}) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
        tried.session.update_metadata({"b": 2, "c": 3})
        with pytest.raises(ConfigError, match="metadata has the key 1: allowed: text"):
            tried.session.update_metadata({1: 1})  # type: ignore[dict-item]
        await tried.until(lambda: tried.session.agent_state == "listening")
        await tried.say("bake")
        await tried.agent_heard("hand")

    assert [turn.metadata for turn in fake.turns] == [{"a": 1, "b": 1}, {"a": 1, "b": 2, "c": 3}]
    assert tried.session.metadata == {"a": 1, "b": 2, "c": 3}


async def test_the_states_of_requirements_are_views_of_ours() -> None:
    session = VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
    assert (session.get_id(), session.get_state(), session.get_persistence_status()) == (session.id, "idle", "active")
    await session.aclose()
    async with on_call(FakeAgent(["gold"], delay=0.5)) as tried:
        seen = [tried.session.get_state()]
        tried.session.on("agent_state_changed", lambda _: seen.append(tried.session.get_state()))
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        await tried.until(lambda: tried.session.agent_state == "listening")
        assert seen[-4:] == ["listening", "processing", "speaking", "listening"]
        assert tried.session.get_persistence_status() == "active"
    assert (tried.session.get_state(), tried.session.get_persistence_status()) == ("idle", "completed")
