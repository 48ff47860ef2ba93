"""Nothing grows without bound: who is too fast waits, who is too slow misses the oldest and is told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.call import OUT_HZ, on_call
from support.components import RampVoice

from beluga_voice import session_events
from beluga_voice.events import ErrorEvent, Interruption, PlayoutFinished, PlayoutStarted
from beluga_voice.testing.tone_words import noise, spoken

if TYPE_CHECKING:
    import pytest

    from beluga_voice import Turn


async def agent(turn: Turn) -> str:
    return "a long story"


async def test_a_voice_that_writes_far_ahead_waits_and_is_heard_whole() -> None:
    voice = RampVoice(seconds=14.0, sample_rate=OUT_HZ)
    async with on_call(agent, tts=voice, tts_timeout=0.5) as tried:
        speech = tried.session.say("a long story")
        await tried.heard(PlayoutStarted)
        await tried.session_time(tried.now_s + 1.0)
        assert voice.written == 0, "fourteen seconds do not fit into a queue of ten"
        await speech
        await tried.session_time(tried.now_s + 0.1)

    begin = int(np.flatnonzero(tried.agent_sound)[0])
    heard = tried.agent_sound[begin : begin + len(voice.sound)].astype(int)
    assert np.abs(heard - voice.sound).max() <= 1
    assert tried.session.stats()["playout_gaps"] == 0
    assert tried.session.history[0].text == "a long story"
    assert not tried.all(ErrorEvent), "a voice that waits for room has not stalled"


async def test_a_caller_who_writes_ahead_waits() -> None:
    async def silent(turn: Turn) -> str:
        return ""

    async with on_call(silent) as tried:
        await tried.play(np.zeros(2 * 16_000, np.int16))
        assert tried.now_s >= 0.9


async def test_a_slow_listener_misses_the_oldest_and_knows_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_events, "_EVENTS_WAITING", 5)

    async def words(turn: Turn) -> str:
        return "gold hand"

    async with on_call(words) as tried:
        slow = tried.session.events()
        before = tried.session.events_dropped
        for number in range(1, 3):
            await tried.say("able")
            await tried.heard(PlayoutFinished, nth=number)
        await tried.session.aclose()
        seen = [event async for event in slow]
        dropped = tried.session.events_dropped - before

    assert len(seen) == 4, "five places, one of them taken by the end"
    assert seen == tried.events[-4:]
    assert dropped >= 5
    assert tried.session.stats()["session_events_dropped"] >= dropped


@pytest.mark.real_time
async def test_a_blocked_loop_neither_stops_the_sound_nor_keeps_the_caller_from_stopping_it() -> None:
    voice = RampVoice(seconds=4.0, sample_rate=OUT_HZ)
    async with on_call(agent, tts=voice, tts_timeout=0.5) as tried:
        speech = tried.session.say("a long story")
        await tried.heard(PlayoutStarted)
        await tried.until(lambda: voice.written == len(voice.sound))
        time.sleep(2.0)  # noqa: ASYNC251 - somebody's careless callback
        await speech
        await tried.session_time(tried.now_s + 0.1)

    begin = int(np.flatnonzero(tried.agent_sound)[0])
    off = np.abs(tried.agent_sound[begin : begin + len(voice.sound)].astype(int) - voice.sound)
    assert off.max() <= 1, f"{np.count_nonzero(off > 1)} samples from {np.argmax(off > 1)} on; {tried.session.stats()}"
    assert tried.session.stats()["playout_gaps"] == 0


@pytest.mark.real_time
async def test_barge_in_works_while_the_loop_is_blocked() -> None:
    voice = RampVoice(seconds=4.0, sample_rate=OUT_HZ)

    async def silent(turn: Turn) -> str:
        return ""

    async with on_call(silent, tts=voice) as tried:
        tried.session.say("a long story")
        await tried.heard(PlayoutStarted)
        await tried.until(lambda: voice.written == len(voice.sound))
        await tried.play(spoken("able bake calm dark", 16_000))
        blocked_from = tried.now_s
        time.sleep(1.5)  # noqa: ASYNC251
        blocked_until = tried.now_s
        await tried.heard(PlayoutFinished)

    interruption = tried.all(Interruption)[0]
    assert blocked_from < interruption.at_s < blocked_until
    assert interruption.created_at  # told late, decided in time
    silent_from = round(interruption.at_s * OUT_HZ)
    assert not tried.agent_sound[silent_from : round(blocked_until * OUT_HZ)].any()


async def test_two_writers_of_one_call_are_both_served() -> None:
    async def silent(turn: Turn) -> str:
        return ""

    async with on_call(silent) as tried:
        sound = noise(1.2, 16_000) // 100
        async with asyncio.timeout(15):
            await asyncio.gather(tried.play(sound), tried.play(sound))
