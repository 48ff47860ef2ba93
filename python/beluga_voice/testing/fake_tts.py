"""A voice for tests: it speaks tone words, as late and as badly as it is told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beluga_voice.testing.tone_words import spoken, words_of
from beluga_voice.text_to_speech import TextToSpeech

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from beluga_voice.handles import Mouth

__all__ = ["FakeTextToSpeech"]


class FakeTextToSpeech(TextToSpeech):
    """Speaks the words of `beluga_voice.testing.tone_words`, a word at a time.

    - `delay`: seconds from a sentence to its first sound; `word_delay`: seconds before each further word.
    - `failures`: what is raised instead of a sentence's sound, by the sentence's number in this voice's life, from 0.
    - `before_word(word)`: awaited before each word: to wait there, or to raise.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        delay: float = 0.0,
        word_delay: float = 0.0,
        failures: Mapping[int, Exception] | None = None,
        before_word: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.asked: list[str] = []
        """The sentences that it was given."""
        self.cancelled: list[str] = []
        """Those that it was stopped in."""
        self.started = False
        self.closed = False
        self._sample_rate = sample_rate
        self._delay = delay
        self._word_delay = word_delay
        self._failures = dict(failures or {})
        self._before_word = before_word

    async def start(self) -> None:
        """Notes it."""
        self.started = True

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        """See `TextToSpeech.synthesize`."""
        number = len(self.asked)
        self.asked.append(text)
        try:
            for index, word in enumerate(words_of(text)):
                wait_s = self._word_delay if index else self._delay
                if wait_s:
                    await asyncio.sleep(wait_s)
                if self._before_word is not None:
                    await self._before_word(word)
                failure = self._failures.get(number)
                if failure is not None:
                    raise failure
                await mouth.write(spoken(word, self._sample_rate).tobytes(), sample_rate=self._sample_rate)
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise

    async def aclose(self) -> None:
        """Notes it."""
        self.closed = True
