"""What a light caller measures is what a caller on the SDK hears in the same room: `make prove-light-callers`.

Both listen to the same agent. The light one goes by the arrival of packets, the other by what his loudspeaker is given,
a jitter buffer later. An agent on the plain SDK (`rivals/raw_sdk.py`) answers turns with a tone:

- `answer`: p50 of the delay from the end of a turn to the answer, of the light caller's turns, at either's ear.
- `behind`: how much later the SDK caller hears the same answer, of each; a jitter buffer is 20 to 150 ms, and steady.
- `voice`: how long the answers are, in frames of 10 ms; they agree within a frame in twenty.

A session of ours answers in words, and every other answer is talked over:

- `silence`: p50 from the first voice of who talks over it to the last of the answer, at either's ear; `silence_behind`
  as `behind`.
- `word_errors` of the answers that were heard out, by what was decoded; they agree.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from support.sdk_caller import SdkCaller

from beluga_voice import VoiceSession, livekit
from beluga_voice.clock import now
from beluga_voice.testing import (
    Caller,
    CallerReport,
    CallerTurn,
    FakeSpeechToText,
    FakeTextToSpeech,
    HeardSound,
    LiveKitServer,
    Tape,
    tone_words,
    word_errors,
)
from bench_result import QUICK, write_proof_rows
from rivals.raw_sdk import RawSdkAgent

if TYPE_CHECKING:
    from support.heard import Heard

TURNS = 6 if QUICK else 30
TURN, HZ = "able bake", 16_000
SILENCE_S, ANSWER_S = 0.3, 1.0
# A packet holds so many frames of 10 ms.
FRAMES_PER_PACKET = 2
BEHIND_MS, SPREAD_MS = (0.0, 150.0), 80.0
VOICE_OFF_PCT = 5.0
ANSWER = "calm dark echo fish gold hand iron jump kite lamp"
TALKED_OVER_AFTER_S = 0.6
MIN_DELAY_S, MIN_DURATION_S = 0.5, 0.15
# The end of what is talked over comes before the answer to what is said, at the SDK caller's too.
ENDED_S = MIN_DELAY_S - 0.1


async def measured() -> dict[str, Any]:
    """Both callers' figures."""
    tape = Tape(tone_words.spoken(TURN, HZ), sample_rate=HZ)
    with LiveKitServer() as server:
        async with (
            RawSdkAgent(silence_s=SILENCE_S, answer_s=ANSWER_S) as agent,
            SdkCaller(server, "sdk") as bob,
            Caller(url=server.url, token=server.token("room", "light"), listens_to="agent", sampled_s=600.0) as ada,
        ):
            await bob.join("room")
            await agent.join(server.url, server.token("room", "agent", kind="agent"))
            await bob.event("track_subscribed", identity="agent")
            await agent.event("track_subscribed", identity="light")
            for _ in range(TURNS):
                turn = await ada.speak(tape)
                await ada.answered(timeout=10.0)
                await ada.silence()
                await bob.silence_from("agent", since=turn.last_s)
                await asyncio.sleep(0.3)
            heard, report = (await bob.heard("agent")).between(0.0, now()), ada.report()
    answers = [
        (first_s, last_s)
        for turn, end_s in until_the_next(report)
        if (first_s := heard.first_sound_s(turn.last_s)) is not None
        and (last_s := heard.between(turn.last_s, end_s).last_sound_s(first_s)) is not None
    ]
    voices = [voice for voice in report.voices if voice.first_s > report.turns[0].last_s]
    assert len(answers) == len(voices) == TURNS, f"{len(answers)} and {len(voices)} answers to {TURNS} turns"
    light_ms = [1e3 * delay_s for delay_s in report.answer_delays_s if delay_s is not None]
    sdk_ms = [1e3 * (first_s - turn.last_s) for turn, (first_s, _) in zip(report.turns, answers, strict=True)]
    behind_ms = [1e3 * (first_s - voice.first_s) for voice, (first_s, _) in zip(voices, answers, strict=True)]
    return {
        "turns": TURNS,
        "answer_ms_light_p50": round(float(np.median(light_ms)), 1),
        "answer_ms_sdk_p50": round(float(np.median(sdk_ms)), 1),
        **spread("behind", behind_ms),
        "voice_frames_light": FRAMES_PER_PACKET * sum(voice.packets for voice in voices),
        "voice_frames_sdk": round(100 * sum(last_s - first_s for first_s, last_s in answers)),
        "gaps_light": sum(voice.gaps for voice in voices),
        "packets_lost": report.packets_lost,
        "frames_skipped": report.frames_skipped,
    }


async def talked_over() -> dict[str, Any]:
    """Both callers' figures of answers that one of them hears out and talks over in turn."""
    tape = Tape(tone_words.spoken(TURN, HZ), sample_rate=HZ)
    with LiveKitServer() as server:
        token = server.token("room", "agent", kind="agent")
        async with (
            SdkCaller(server, "sdk") as bob,
            Caller(url=server.url, token=server.token("room", "light"), listens_to="agent", sampled_s=600.0) as ada,
            await livekit.connect(server.url, token) as room,
        ):
            await bob.join("room")
            session = VoiceSession(
                agent=lambda _: ANSWER,
                stt=FakeSpeechToText(),
                tts=FakeTextToSpeech(sample_rate=24_000),
                vad="energy",
                turn_handling={
                    "endpointing": {"min_delay": MIN_DELAY_S},
                    "interruption": {"min_duration": MIN_DURATION_S},
                },
            )
            await session.start(livekit.RoomCall(room, participant_identity="light", audience="room"))
            await bob.event("track_subscribed", identity="agent")
            for number in range(2 * TURNS):
                await ada.speak(tape)
                await ada.answered(timeout=10.0)
                if number % 2:
                    await ada.silence()
                    await asyncio.sleep(0.3)
                else:
                    await asyncio.sleep(TALKED_OVER_AFTER_S)
            heard, report, sound = (await bob.heard("agent")).between(0.0, now()), ada.report(), ada.sound()
            await session.aclose()
    light_ms, sdk_ms = silences_ms(report, heard)
    assert len(light_ms) == len(sdk_ms) == TURNS, f"{len(light_ms)} and {len(sdk_ms)} of {TURNS} answers fell silent"
    whole = until_the_next(report)[1::2]
    said = ANSWER.split()
    return {
        "answers": 2 * TURNS,
        "silence_ms_light_p50": round(float(np.median(light_ms)), 1),
        "silence_ms_sdk_p50": round(float(np.median(sdk_ms)), 1),
        **spread("silence_behind", [sdk - light for sdk, light in zip(sdk_ms, light_ms, strict=True)]),
        "words": len(said) * len(whole),
        "word_errors_light": sum(word_errors(said, words_of(sound, turn, end_s)) for turn, end_s in whole),
        "word_errors_sdk": sum(word_errors(said, heard.between(turn.last_s, end_s).words) for turn, end_s in whole),
    }


def spread(name: str, values_ms: list[float]) -> dict[str, float]:
    """How they lie."""
    return {f"{name}_ms_p{share}": round(float(np.percentile(values_ms, share)), 1) for share in (5, 50, 95)}


def until_the_next(report: CallerReport) -> list[tuple[CallerTurn, float]]:
    """Each turn, and when the next one began."""
    ends_s = [turn.first_s for turn in report.turns[1:]] + [now()]
    return list(zip(report.turns, ends_s, strict=True))


def silences_ms(report: CallerReport, heard: Heard) -> tuple[list[float], list[float]]:
    """Of each turn that was said over an answer, at the light caller's ear and at the other's."""
    over = [turn for _, turn in list(pairwise(report.turns))[::2]]
    last_s = [heard.between(turn.first_s, turn.last_s + ENDED_S).last_sound_s(turn.first_s) for turn in over]
    sdk_ms = [1e3 * (at_s - turn.first_s) for turn, at_s in zip(over, last_s, strict=True) if at_s is not None]
    return [1e3 * delay_s for delay_s in report.silence_delays_s], sdk_ms


def words_of(sound: HeardSound, turn: CallerTurn, end_s: float) -> list[str]:
    """What a light caller understood from the end of that turn on."""
    first, last = (round((at_s - sound.start_s) * sound.sample_rate) for at_s in (turn.last_s, end_s))
    return tone_words.understood(np.frombuffer(sound.pcm, np.int16)[first:last], sound.sample_rate)


def main() -> None:
    row, over = asyncio.run(measured()), asyncio.run(talked_over())
    print(row, over, sep="\n")
    write_proof_rows([row, over])
    assert BEHIND_MS[0] <= row["behind_ms_p50"] <= BEHIND_MS[1], "the SDK caller hears it at another time"
    assert row["behind_ms_p95"] - row["behind_ms_p5"] <= SPREAD_MS, "now sooner and now later than the SDK caller"
    off_pct = 100 * abs(row["voice_frames_light"] / row["voice_frames_sdk"] - 1)
    assert off_pct <= VOICE_OFF_PCT, f"the answers' lengths differ by {off_pct:.1f} %"
    assert BEHIND_MS[0] <= over["silence_behind_ms_p50"] <= BEHIND_MS[1], "the SDK caller hears another end"
    assert over["silence_behind_ms_p95"] - over["silence_behind_ms_p5"] <= SPREAD_MS, "now sooner and now later"
    assert over["word_errors_light"] == over["word_errors_sdk"], "they do not hear the same words"


if __name__ == "__main__":
    main()
