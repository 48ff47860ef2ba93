"""Components that answer in no time, so that what is measured is the framework's own share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import numpy as np

from beluga_voice.handles import Ear, Mouth
from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.text_to_speech import TextToSpeech

__all__ = ["VOICE_HZ", "InstantEars", "InstantVoice"]

VOICE_HZ = 24_000


class InstantEars(SpeechToText):
    """Reads a turn as it is spoken, 100 ms at a time, and knows at its end what was said."""

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        async for utterance in ear.utterances():
            async for _ in utterance:
                pass
            yield Transcript("hello there", is_final=True, turn_id=utterance.turn_id)


class InstantVoice(TextToSpeech):
    """Says a number of milliseconds, which is the text, in a tone without a sample of zero.

    `on_sound` is called as its first sample is handed over.
    """

    def __init__(self, on_sound: Callable[[], None]) -> None:
        self._on_sound = on_sound

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        sound = _tone(int(text))
        self._on_sound()
        await mouth.write(sound, sample_rate=VOICE_HZ)


_tones: dict[int, bytes] = {}


def _tone(ms: int) -> bytes:
    if ms not in _tones:
        samples = np.arange(ms * VOICE_HZ // 1000)
        _tones[ms] = (6_000 + 2_000 * np.sin(2 * np.pi * 220 * samples / VOICE_HZ)).astype("<i2").tobytes()
    return _tones[ms]
