"""What of a speech is being heard, word by word: transcripts keep step with the sound and not with the text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.pipeline.speech import Speech

__all__ = ["SpokenWords"]


# What is less than a tick ahead is now, in seconds.
_TICK_S = 0.01


class SpokenWords:
    """Follows one speech and calls `tell(words, is_final)`.

    The core says when a sentence begins to be heard, to the sample; between two such moments the clock runs, and stands
    still while the speech is paused. A word is told when it begins.
    """

    def __init__(self, speech: Speech, tell: Callable[[str, bool], None]) -> None:
        self._speech = speech
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._segment = -1
        self._word = 0
        """Words of that segment which were told."""
        self._told: list[str] = []
        self._at_s = 0.0
        """How much of the speech was heard at `_at`."""
        self._at = 0.0
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None

    def sentence_begins(self, segment: int, played_s: float) -> None:
        """The nth sentence of the speech is heard from now on; what is before it was."""
        self._tell_rest()
        self._segment, self._word = segment, 0
        self._at_s, self._at = played_s, self._loop.time()
        self._tell_due()

    def pause(self) -> None:
        """The speech is being faded out; it may go on."""
        if not self._paused:
            self._at_s = self._now_s()
            self._paused = True
            self.stop()

    def resume(self) -> None:
        """It goes on."""
        if self._paused:
            self._paused = False
            self._at = self._loop.time()
            self._tell_due()

    def end(self) -> None:
        """All that will be heard of the speech was heard: the rest of that is told."""
        self.stop()
        heard = self._speech.heard.split()
        told = len(self._told)
        self._tell(" ".join(heard[told:]), True)

    def _now_s(self) -> float:
        return self._at_s if self._paused else self._at_s + self._loop.time() - self._at

    def _tell_due(self) -> None:
        self.stop()
        now_s = self._now_s()
        words: list[str] = []
        while (due_s := self._speech.word_begins_s(self._segment, self._word)) is not None and due_s < now_s + _TICK_S:
            words.append(self._speech.segments[self._segment].text.split()[self._word])
            self._word += 1
        self._tell_words(words)
        if due_s is not None and not self._paused:
            self._timer = self._loop.call_later(due_s - now_s, self._tell_due)

    def _tell_rest(self) -> None:
        """Of the sentence that is over."""
        self.stop()
        if self._segment >= 0:
            self._tell_words(self._speech.segments[self._segment].text.split()[self._word :])

    def _tell_words(self, words: list[str]) -> None:
        if words:
            self._told += words
            self._tell(" ".join(words), False)

    def stop(self) -> None:
        """Nothing more is told until it is asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
