"""US5: what users put into the path of a call."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from support.call import on_call

from beluga_voice import share
from beluga_voice.errors import ConfigError
from beluga_voice.events import UserInputTranscribed
from beluga_voice.hooks import AudioProcessor
from beluga_voice.testing import FakeSpeechToSpeech, run
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from collections.abc import Collection

    from beluga_voice import AudioChunk, Turn
    from beluga_voice.hooks import Stage


async def gold(turn: Turn) -> str:
    return "gold"


class SaysInstead(AudioProcessor):
    """Puts another word in the place of what is said."""

    def __init__(self, word: str, *stages: Stage) -> None:
        self.word = word
        self.stages: Collection[Stage] = stages  # type: ignore[misc]
        self.began_at: dict[Stage, float] = {}
        self.chunks: list[AudioChunk] = []
        self.closed = False

    def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
        self.chunks.append(chunk)
        began_at = self.began_at.setdefault(stage, chunk.start_s)
        first = round((chunk.start_s - began_at) * chunk.sample_rate)
        said = spoken(self.word, chunk.sample_rate)[first : first + len(chunk)]
        return chunk.with_samples(np.concatenate([said, np.zeros(len(chunk) - len(said), np.int16)]))

    def close(self) -> None:
        self.closed = True


async def test_us5_1_sound_passes_through_a_processor_before_the_recogniser_hears_it() -> None:
    asked: list[str] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        return "gold"

    changes = SaysInstead("hand", "pre_stt")
    async with on_call(agent, audio_processors=[changes]) as tried:
        await tried.say("able")
        heard = await tried.heard(UserInputTranscribed, lambda event: event.is_final)
        await tried.agent_heard("gold")
    assert (heard.transcript, asked) == ("hand", ["hand"])
    assert all(chunk.sample_rate == 16_000 and 0 < len(chunk) <= 1_600 for chunk in changes.chunks)
    assert tried.session.stats()["audio_batches_processed"] == len(changes.chunks)
    assert changes.closed


async def test_us5_1_and_what_the_voice_says_before_the_caller_hears_it() -> None:
    changes = SaysInstead("hand", "post_tts")
    async with on_call(gold, audio_processors=[changes]) as tried:
        await tried.say("able")
        await tried.agent_heard("hand")
        assert tried.agent_words == ["hand"]
    assert changes.chunks[0].sample_rate == 16_000
    assert all(len(chunk) <= 1_600 for chunk in changes.chunks)


async def test_us5_1_and_what_a_model_of_speech_hears_and_says() -> None:
    model = FakeSpeechToSpeech(["gold"])
    before, after = SaysInstead("hand", "pre_stt", "pre_s2s"), SaysInstead("iron", "post_tts", "post_s2s")
    processors = [{"processor": before, "name": "before"}, {"processor": after, "name": "after"}]
    async with on_call(None, s2s=model, audio_processors=processors) as tried:
        await tried.say("able")
        await tried.agent_heard("iron")
        assert tried.agent_words == ["iron"]
    assert model.heard == [["hand"]]
    assert (before.began_at.keys(), after.began_at.keys()) == ({"pre_s2s"}, {"post_s2s"})


async def test_us5_3_processors_run_in_their_order_lower_numbers_first() -> None:
    ran: list[tuple[str, int]] = []

    class Notes(AudioProcessor):
        stages = ("post_tts",)

        def __init__(self, value: int) -> None:
            self.value = value

        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            ran.append((self.name, int(chunk.samples[0])))
            return chunk.with_samples(np.full(len(chunk), self.value, np.int16))

    def named(name: str, value: int) -> Notes:
        notes = Notes(value)
        notes.name = name
        return notes

    processors = [
        {"processor": named("third", 3), "order": 20},
        {"processor": named("first", 1), "order": 5},
        {"processor": named("off", 9), "order": 6, "enabled": False},
        {"processor": named("second", 2), "order": 10},
    ]
    async with on_call(gold, audio_processors=processors) as tried:
        await tried.session.say("gold")
    assert {name for name, _ in ran} == {"first", "second", "third"}
    assert ran[1:3] == [("second", 1), ("third", 2)], "each is given what the one before it made"
    assert [name for name, _ in ran[:6]] == ["first", "second", "third"] * 2


async def test_a_processor_that_fails_is_passed_by_and_counted() -> None:
    class Raises(AudioProcessor):
        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            raise ValueError("no such filter")

    class Longer(AudioProcessor):
        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            return chunk.with_samples(np.concatenate([chunk.samples, chunk.samples]))

    async with on_call(gold, audio_processors=[Raises, Longer]) as tried:
        await tried.say("able")
        await tried.agent_heard("gold")
    assert tried.session.history[0].text == "able"
    stats = tried.session.stats()
    assert stats["audio_processor_Raises_failed"] == stats["audio_processor_Longer_failed"] > 0
    assert stats["audio_batches_failed"] == 2 * stats["audio_batches_processed"]


@pytest.mark.real_time
def test_a_processor_that_hangs_delays_one_chunk_by_its_deadline_and_nothing_else() -> None:
    released = threading.Event()
    asked: list[Stage] = []

    class Hangs(AudioProcessor):
        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            asked.append(stage)
            released.wait(30)
            return chunk.with_samples(np.zeros(len(chunk), np.int16))

    async def call() -> dict[str, int]:
        async with on_call(gold, audio_processors=[Hangs]) as tried:
            await tried.say("able")
            await tried.agent_heard("gold")
            assert tried.session.history[0].text == "able"
        return tried.session.stats()

    try:
        # The virtual clock waits for a thread a tenth of a second, and then lets deadlines do their work.
        stats = run(call(), patience_s=0.1)
    finally:
        released.set()
    assert asked == ["pre_stt"], "as long as it is at work it is given nothing more"
    assert (stats["audio_batches_late"], stats["audio_processor_Hangs_late"]) == (1, 1)
    assert stats["audio_batches_passed"] > 3
    assert stats["audio_batches_processed"] == 0


@pytest.mark.real_time
def test_what_those_before_a_late_one_made_is_kept() -> None:
    released = threading.Event()

    class Hangs(AudioProcessor):
        order = 2
        stages = ("post_tts",)

        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            released.wait(30)
            return chunk

    class Silent(AudioProcessor):
        order = 1
        stages = ("post_tts",)
        ran: ClassVar[list[float]] = []

        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            self.ran.append(time.monotonic())
            return chunk.with_samples(np.zeros(len(chunk), np.int16))

    async def call() -> int:
        async with on_call(gold, audio_processors=[Hangs, Silent]) as tried:
            await tried.session.say("gold")
            sound = tried.agent_sound
        return int(np.flatnonzero(sound)[0])

    try:
        first = run(call(), patience_s=0.1)
    finally:
        released.set()
    assert len(Silent.ran) == 1
    # The first tenth of a second was silenced, and what follows passes as it is.
    assert first >= 2_300


def test_wrong_processors_are_named_before_anything_is_opened() -> None:
    from beluga_voice import VoiceSession

    class Good(AudioProcessor):
        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            return chunk

    class Elsewhere(Good):
        stages = ("post_everything",)  # type: ignore[assignment]

    def refused(*processors: object) -> str:
        with pytest.raises(ConfigError) as error:
            VoiceSession(agent=gold, stt="pocketsphinx", tts="piper", audio_processors=processors)
        return error.value.message

    assert "audio_processors.0 = int: allowed: an AudioProcessor" in refused(3)
    assert "audio_processors.0 = 'no.such:Thing'" in refused("no.such:Thing")
    assert "audio_processors.1.name = 'Good': allowed: a name that no other has" in refused(Good, Good)
    assert "audio_processors.0.order = -1" in refused({"processor": Good, "order": -1})
    assert "audio_processors.0.enabled = 'no'" in refused({"processor": Good, "enabled": "no"})
    assert "audio_processors.0.priority: no such option" in refused({"processor": Good, "priority": 1})
    assert "audio_processors.0.stages = ('post_everything',)" in refused(Elsewhere)


async def test_an_instance_serves_one_session_unless_it_is_shared() -> None:
    class Good(AudioProcessor):
        def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
            return chunk

    one = Good()
    async with on_call(gold, audio_processors=[one]):
        pass
    with pytest.raises(ConfigError, match="serves another session already"):
        async with on_call(gold, audio_processors=[one]):
            pass
    shared = share(Good())
    for _ in range(2):
        async with on_call(gold, audio_processors=[shared]) as tried:
            await tried.session.say("gold")
