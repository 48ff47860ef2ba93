"""Components and agents for tests: they do what a test tells them, and note what was done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.text_to_speech import TextToSpeech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice.handles import Ear, Mouth

EAR_HZ = 16_000


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


class OneWordForAll(SpeechToText):
    """Understands "able", whatever is said: for tests of which the caller's words are no part."""

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        async for utterance in ear.utterances():
            async for _ in utterance:
                pass
            yield Transcript("able", is_final=True, turn_id=utterance.turn_id)
