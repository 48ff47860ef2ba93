"""A recogniser for tests: it understands tone words, as late and as badly as it is told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.testing.tone_words import understood

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.handles import Ear, Utterance

__all__ = ["FakeSpeechToText"]


class FakeSpeechToText(SpeechToText):
    """Understands the words of `beluga_voice.testing.tone_words`, turn by turn, from the sound itself.

    - `delay`: seconds from the end of a turn to its final transcript.
    - `interim_results`: whether guesses are told while the caller speaks.
    - `failures`: what is raised instead of a turn's final transcript, by the turn's number in this recogniser's life,
      from 0; the pipeline then opens a new stream.
    - `before_final(turn_id)`: awaited before a turn's final transcript: to wait there, or to raise.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        interim_results: bool = True,
        failures: Mapping[int, Exception] | None = None,
        before_final: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self.heard: dict[int, NDArray[np.int16]] = {}
        """The sound of each turn, by its id."""
        self.started = False
        self.closed = False
        self.streams = 0
        """How often `stream` was called: more than once after a failure."""
        self._delay = delay
        self._interim_results = interim_results
        self._failures = dict(failures or {})
        self._before_final = before_final
        self._turns = 0

    async def start(self) -> None:
        """Notes it."""
        self.started = True

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        """See `SpeechToText.stream`."""
        self.streams += 1
        async for utterance in ear.utterances():
            async for guess in self._listen(utterance):
                yield guess
            yield await self._final(utterance)

    async def aclose(self) -> None:
        """Notes it."""
        self.closed = True

    async def _listen(self, utterance: Utterance) -> AsyncIterator[Transcript]:
        import numpy as np

        sound = np.zeros(0, np.int16)
        guess: list[str] = []
        async for chunk in utterance:
            sound = np.concatenate([sound, chunk.samples])
            words = understood(sound, chunk.sample_rate, whole=False) if self._interim_results else guess
            if words != guess:
                guess = words
                yield Transcript(" ".join(words), is_final=False, turn_id=utterance.turn_id)
        self.heard[utterance.turn_id] = sound

    async def _final(self, utterance: Utterance) -> Transcript:
        number, self._turns = self._turns, self._turns + 1
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._before_final is not None:
            await self._before_final(utterance.turn_id)
        failure = self._failures.get(number)
        if failure is not None:
            raise failure
        text = " ".join(understood(self.heard[utterance.turn_id], 16_000))
        return Transcript(text, is_final=True, turn_id=utterance.turn_id, confidence=0.9, language="en-US")
