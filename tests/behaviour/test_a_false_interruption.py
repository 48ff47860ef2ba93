"""The caller coughs: the agent stops, hears no words, and goes on where it was, to the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from support.call import OUT_HZ, TriedCall, on_call, turn_handling
from support.components import RampVoice

from beluga_voice import LocalCall
from beluga_voice.events import (
    AgentFalseInterruption,
    AgentStateChanged,
    Interruption,
    PlayoutFinished,
    PlayoutStarted,
    UserInputTranscribed,
)
from beluga_voice.testing import FakeSpeechToText
from beluga_voice.testing.tone_words import noise, silence

if TYPE_CHECKING:
    from beluga_voice import Turn

SECONDS = 3.0


async def agent(turn: Turn) -> str:
    return "a long story" if turn.text == "able" else ""


async def coughed(tried: TriedCall) -> None:
    """A question, its answer begun, and a noise over it; until the answer is over."""
    await tried.say("able")
    await tried.heard(PlayoutStarted)
    await tried.session_time(tried.now_s + 0.4)
    await tried.play(noise(0.45, 16_000))
    await tried.heard(PlayoutFinished)
    await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking", nth=2)


def nothing_lost_nothing_repeated(tried: TriedCall, voice: RampVoice) -> None:
    interruption = tried.all(Interruption)[0]
    resumed = tried.all(AgentFalseInterruption)[0]
    # The frame that faded out was sent in the tick of the interruption, the one that fades in after the resuming.
    frame = OUT_HZ // 100
    out_from = round(interruption.at_s * OUT_HZ) - frame
    sound = tried.agent_sound.astype(np.int32)
    begin = int(np.flatnonzero(sound)[0])
    in_from = out_from + frame + int(np.flatnonzero(sound[out_from + frame :])[0])
    in_from -= (in_from - begin) % frame
    assert not sound[out_from + frame : in_from].any(), "silence between the fades"
    assert in_from / OUT_HZ >= resumed.at_s - 0.011
    before, fading = sound[begin:out_from], sound[out_from : out_from + frame]
    # The fades are complementary: laid on one another they are the sound as it was written.
    middle = fading + sound[in_from : in_from + frame]
    after = sound[in_from + frame : in_from + frame + len(voice.sound) - len(before) - frame]
    whole = np.concatenate([before, middle, after])
    difference = np.abs(whole - voice.sound[: len(whole)])
    assert len(whole) == len(voice.sound)
    assert difference.max() <= 2, f"sample {int(difference.argmax())} of {len(whole)} differs by {difference.max()}"
    assert not sound[in_from + frame + len(after) :].any(), "something was played twice"
    finished = tried.all(PlayoutFinished)[0]
    assert not finished.interrupted
    assert round(finished.played_s * OUT_HZ) == len(voice.sound)


async def test_an_empty_transcript_resumes_without_losing_or_repeating_a_sample() -> None:
    voice = RampVoice(seconds=SECONDS, sample_rate=OUT_HZ)
    async with on_call(agent, tts=voice) as tried:
        await coughed(tried)

    nothing_lost_nothing_repeated(tried, voice)
    resumed = tried.all(AgentFalseInterruption)[0]
    empty = tried.all(UserInputTranscribed, lambda event: event.is_final and not event.transcript)[0]
    assert empty.at_s <= resumed.at_s <= empty.at_s + 0.05, "it is the transcript that tells, not the timeout"
    assert [(item.role, item.interrupted) for item in tried.session.history] == [("user", False), ("assistant", False)]


async def test_a_timeout_resumes_without_losing_or_repeating_a_sample() -> None:
    async def never(turn_id: int) -> None:
        if turn_id == 2:
            await tried.heard(AgentFalseInterruption)

    voice = RampVoice(seconds=SECONDS, sample_rate=OUT_HZ)
    handling = turn_handling(false_interruption_timeout=0.6)
    async with on_call(agent, stt=FakeSpeechToText(before_final=never), tts=voice, handling=handling) as tried:
        await coughed(tried)

    nothing_lost_nothing_repeated(tried, voice)
    resumed = tried.all(AgentFalseInterruption)[0]
    voiced_end_s = tried.caller_onsets_s[1] + 0.45
    assert abs(resumed.at_s - voiced_end_s - 0.6) < 0.06


async def test_words_after_the_timeout_still_stop_the_agent() -> None:
    async def late(turn_id: int) -> None:
        if turn_id == 2:
            await tried.heard(AgentFalseInterruption)

    async def answer(turn: Turn) -> str:
        return "gold hand iron jump kite lamp milk nest open pink quiz" if turn.text == "able" else "zero"

    handling = turn_handling(false_interruption_timeout=0.4)
    async with on_call(
        answer, stt=FakeSpeechToText(interim_results=False, before_final=late), handling=handling
    ) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.say("calm dark echo")
        await tried.agent_heard("zero")
        await tried.heard(PlayoutFinished, nth=2)

    assert tried.agent_words[-1] == "zero"
    assert "quiz" not in tried.agent_words
    assert [item.interrupted for item in tried.session.history] == [False, True, False, False]


async def test_two_coughs_are_two_pauses() -> None:
    voice = RampVoice(seconds=SECONDS, sample_rate=OUT_HZ)
    async with on_call(agent, tts=voice) as tried:
        await tried.say("able")
        await tried.heard(PlayoutStarted)
        await tried.session_time(tried.now_s + 0.3)
        await tried.play(noise(0.4, 16_000))
        await tried.heard(AgentFalseInterruption)
        await tried.play(silence(0.3, 16_000))
        await tried.play(noise(0.4, 16_000, seed=1))
        await tried.heard(AgentFalseInterruption, nth=2)
        finished = await tried.heard(PlayoutFinished)

    assert not finished.interrupted
    assert round(finished.played_s * OUT_HZ) == len(voice.sound)


async def test_resuming_keeps_a_rate_that_is_resampled_whole() -> None:
    """The voice's rate is not the line's: what is resumed is what the resampler gave."""
    voice = RampVoice(seconds=SECONDS, sample_rate=22_050)
    async with on_call(agent, tts=voice, call=LocalCall(sample_rate=16_000, output_sample_rate=48_000)) as tried:
        await coughed(tried)

    finished = tried.all(PlayoutFinished)[0]
    assert abs(finished.played_s - SECONDS) < 0.002
    assert not finished.interrupted


async def test_unless_it_may_not_resume() -> None:
    async def answer(turn: Turn) -> str:
        return "gold hand iron jump kite lamp milk nest" if turn.text == "able" else "zero"

    handling = turn_handling(resume_false_interruption=False)
    async with on_call(answer, handling=handling) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
        await tried.play(noise(0.45, 16_000))
        finished = await tried.heard(PlayoutFinished)
        await tried.heard(
            AgentStateChanged, lambda event: (event.old_state, event.new_state) == ("thinking", "listening")
        )

    assert finished.interrupted
    assert not tried.all(AgentFalseInterruption)
    assert "nest" not in tried.agent_words
    assert [(item.role, item.interrupted) for item in tried.session.history] == [("user", False), ("assistant", True)]
