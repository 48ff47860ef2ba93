from __future__ import annotations

import numpy as np
import pytest

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.errors import SessionError
from beluga_voice.simulation.caller_voice import CALLER_HZ, Utterance, voiced_part
from beluga_voice.simulation.script import CallerScript, Line
from beluga_voice.simulation.scripted_caller import ScriptedCaller

AGENT_HZ = 24_000
HUM_S = 1.2  # how long each line lasts


class FakeAgent:
    """Answers `delay_s` after each line with a tone of `answer_s`; falls silent 0.3 s after it is talked over."""

    def __init__(self, *, delay_s: float = 0.7, answer_s: float = 4.0, answers: int = 99, greets_at_s: float = -1.0):
        self.caller: ScriptedCaller | None = None
        self.heard = bytearray()
        self.tones: list[list[float]] = [[greets_at_s, greets_at_s + 1.0]] if greets_at_s >= 0 else []
        self.hangs_up_at_s = 60.0
        self._at = 0
        self._answered = 0
        self._delay_s, self._answer_s, self._answers = delay_s, answer_s, answers

    async def read(self, duration: float) -> AudioChunk | None:
        start_s = self._at / AGENT_HZ
        if start_s >= self.hangs_up_at_s:
            return None
        self._plan(start_s)
        times_s = (self._at + np.arange(round(duration * AGENT_HZ))) / AGENT_HZ
        sounding = np.zeros(len(times_s), dtype=bool)
        for begin_s, end_s in self.tones:
            sounding |= (times_s >= begin_s) & (times_s < end_s)
        self._at += len(times_s)
        samples = np.where(sounding, 6_000 * np.sin(2 * np.pi * 300 * times_s), 0).astype("<i2")
        return AudioChunk(samples.tobytes(), AGENT_HZ, start_s)

    async def write(self, pcm: bytes) -> None:
        if self._at / AGENT_HZ >= self.hangs_up_at_s:
            raise SessionError("the call is over", code="session_not_active")
        self.heard += pcm

    def _plan(self, now_s: float) -> None:
        assert self.caller is not None
        for line in self.caller.spoken:
            for tone in self.tones:
                if tone[0] < line.onset_s < tone[1] and now_s >= line.onset_s + 0.3:
                    tone[1] = min(tone[1], now_s)
        done = [line for line in self.caller.spoken if line.end_s + self._delay_s <= now_s]
        if len(done) > self._answered and self._answered < self._answers:
            self._answered = len(done)
            self.tones.append([now_s, now_s + self._answer_s])


def hum(line: Line) -> Utterance:
    times_s = np.arange(round(HUM_S * CALLER_HZ)) / CALLER_HZ
    return Utterance(line, (8_000 * np.cos(2 * np.pi * 200 * times_s)).astype(np.int16))


async def call(agent: FakeAgent, *lines: Line, **script: object) -> ScriptedCaller:
    whole = CallerScript(lines=lines, **script)  # pyright: ignore[reportArgumentType]
    agent.caller = ScriptedCaller(whole, [hum(line) for line in lines])
    await agent.caller.talk(agent)
    return agent.caller


async def test_it_speaks_after_the_agent_has_ended() -> None:
    agent = FakeAgent(answer_s=2.0)
    caller = await call(agent, Line(text="one"), Line(text="two", wait_s=1.1))
    assert caller.outcome == "done"
    first, second = caller.spoken
    assert first.onset_s == pytest.approx(0.8, abs=0.021)
    assert second.onset_s - agent.tones[0][1] == pytest.approx(1.1, abs=0.021)
    assert first.end_s - first.onset_s == pytest.approx(HUM_S)


async def test_it_talks_over_the_agent_a_second_after_its_first_sound() -> None:
    agent = FakeAgent()
    caller = await call(agent, Line(text="one"), Line(text="wait", begin="over", wait_s=1.0), Line(text="three"))
    begun_s, stopped_s = agent.tones[0]
    assert caller.spoken[1].onset_s - begun_s == pytest.approx(1.0, abs=0.021)
    assert stopped_s - begun_s < 1.5
    assert [line.over_agent for line in caller.spoken] == [False, True, False]
    assert caller.outcome == "done"


async def test_the_labels_are_where_the_voice_is_in_the_callers_sound() -> None:
    caller = await call(FakeAgent(answer_s=1.0), Line(text="one"), Line(text="two"))
    loud = np.abs(np.frombuffer(caller.sound, dtype="<i2").astype(int)) > 1_000
    for line in caller.spoken:
        onset, end = round(line.onset_s * CALLER_HZ), round(line.end_s * CALLER_HZ)
        assert not loud[onset - 1_600 : onset].any()
        assert loud[onset]
        assert loud[end - 80 : end].any()
        assert not loud[end : end + 1_600].any()


async def test_the_agent_hears_the_sound_that_the_caller_accounts_for() -> None:
    agent = FakeAgent(answer_s=1.0)
    caller = await call(agent, Line(text="one"))
    assert bytes(agent.heard) == caller.sound


async def test_it_waits_for_the_greeting() -> None:
    agent = FakeAgent(greets_at_s=2.0, answer_s=1.0)
    caller = await call(agent, Line(text="one"), waits_for_greeting=True)
    assert caller.spoken[0].onset_s == pytest.approx(3.8, abs=0.021)


async def test_it_gives_up_on_an_agent_that_says_nothing() -> None:
    caller = await call(FakeAgent(answers=1, answer_s=1.0), Line(text="one"), Line(text="two"), patience_s=3.0)
    assert caller.outcome == "unanswered"
    assert [line.text for line in caller.spoken] == ["one", "two"]


async def test_an_agent_that_hangs_up_early_is_told_from_one_that_says_goodbye() -> None:
    agent = FakeAgent(answer_s=1.0)
    agent.hangs_up_at_s = 3.0
    assert (await call(agent, Line(text="one"), Line(text="two"))).outcome == "hung_up_on"
    agent = FakeAgent(answer_s=1.0)
    agent.hangs_up_at_s = 3.0
    assert (await call(agent, Line(text="one"))).outcome == "done"


async def test_the_room_is_the_same_for_the_same_seed_and_as_loud_as_asked() -> None:
    rooms = [(await call(FakeAgent(answer_s=1.0), Line(text="one"), noise_seed=seed)).sound for seed in (1, 1, 2)]
    assert rooms[0] == rooms[1]
    assert rooms[0] != rooms[2]
    quiet = np.frombuffer(rooms[0], dtype="<i2")[: round(0.7 * CALLER_HZ)] / 32_768
    assert 20 * np.log10(np.sqrt(np.mean(quiet**2))) == pytest.approx(-58.0, abs=0.5)


def test_a_pause_is_marked_in_the_text() -> None:
    line = Line(text="What time do you open | on Saturday?")
    assert line.parts == ("What time do you open", "on Saturday?")
    assert line.words == "What time do you open on Saturday?"


def test_the_breath_around_the_words_is_cut_off() -> None:
    sound = np.concatenate([np.full(1_000, 3.0), np.full(4_000, 5_000.0), np.full(3_000, 3.0)])
    voiced = voiced_part(sound)
    assert 4_000 <= len(voiced) <= 4_000 + 2 * 160
    assert abs(int(np.argmax(voiced > 100))) <= 160
