"""Components and agents for tests: they do what a test tells them, and note what was done to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.text_to_speech import TextToSpeech
from support.tone_words import spoken, understood

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from numpy.typing import NDArray

    from beluga_voice.handles import Ear, Mouth

EAR_HZ = 16_000


class ToneEars(SpeechToText):
    """Understands tone words, turn by turn, with guesses on the way.

    `on_turn(turn_id)` is awaited before a turn's final transcript: to wait there, or to raise.
    """

    def __init__(self, *, guesses: bool = True, on_turn: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.heard: dict[int, NDArray[np.int16]] = {}
        self.started = False
        self.closed = False
        self.streams = 0
        self._guesses = guesses
        self._on_turn = on_turn

    async def start(self) -> None:
        self.started = True

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        self.streams += 1
        async for utterance in ear.utterances():
            sound = np.zeros(0, np.int16)
            guess: list[str] = []
            async for chunk in utterance:
                sound = np.concatenate([sound, chunk.samples])
                words = understood(sound, EAR_HZ, whole=False)
                if self._guesses and words != guess:
                    guess = words
                    yield Transcript(" ".join(words), is_final=False, turn_id=utterance.turn_id)
            self.heard[utterance.turn_id] = sound
            if self._on_turn is not None:
                await self._on_turn(utterance.turn_id)
            text = " ".join(understood(sound, EAR_HZ))
            yield Transcript(text, is_final=True, turn_id=utterance.turn_id, confidence=0.9, language="en-US")

    async def aclose(self) -> None:
        self.closed = True


class ToneVoice(TextToSpeech):
    """Speaks tone words, a word at a time. `on_word(word)` is awaited before each: to wait there, or to raise."""

    def __init__(self, *, sample_rate: int = 16_000, on_word: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.started = False
        self.closed = False
        self._sample_rate = sample_rate
        self._on_word = on_word

    async def start(self) -> None:
        self.started = True

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        self.asked.append(text)
        try:
            for word in text.replace(".", " ").replace(",", " ").replace("!", " ").replace("?", " ").split():
                if self._on_word is not None:
                    await self._on_word(word.lower())
                await mouth.write(spoken(word, self._sample_rate), sample_rate=self._sample_rate)
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise

    async def aclose(self) -> None:
        self.closed = True


RAMP_STEP = 5


class RampVoice(TextToSpeech):
    """A sound in which every sample tells its own place: a slow sawtooth, right on the samples.

    At the transport's own rate nothing is resampled, so that what was written can be compared sample by sample.
    """

    def __init__(self, *, seconds: float, sample_rate: int, piece_s: float | None = None) -> None:
        n = round(seconds * sample_rate)
        self.sound = (np.arange(n) * RAMP_STEP % 20_000 + 6_000).astype(np.int16)
        self._sample_rate = sample_rate
        self._piece = n if piece_s is None else round(piece_s * sample_rate)
        self.written = 0

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        for start in range(0, len(self.sound), self._piece):
            piece = self.sound[start : start + self._piece]
            await mouth.write(piece, sample_rate=self._sample_rate)
            self.written += len(piece)
