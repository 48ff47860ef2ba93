"""One thing that the agent says, from its first word to what was heard of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice.clock import now
from beluga_voice.pipeline.sentences import SentenceSplitter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from beluga_voice.pipeline.mouth import CallMouth
    from beluga_voice.pipeline.spoken_words import SpokenWords

__all__ = ["Speech", "SpeechHandle"]

# A sentence counts as heard to its last word when no more than this of its sound was cut off, in seconds: the voice's
# own trailing silence.
_TAIL_S = 0.15
# How long a letter takes where no sentence of the speech was finished that would tell, in seconds: 150 words a minute.
_LETTER_S = 0.085


@dataclass(slots=True)
class _Segment:
    """A sentence and where its sound lies within the utterance, in seconds."""

    text: str
    start_s: float
    end_s: float | None = None
    """None as long as the voice is at it: it ends where its sound does."""
    complete: bool = False
    """All of its sound was made."""

    @property
    def letters(self) -> int:
        """How long it is to say."""
        return sum(len(word) for word in self.text.split())


@dataclass(slots=True, eq=False)
class Speech:
    """What the pipeline knows of one speech. Users hold its `SpeechHandle`."""

    id: str
    source: Literal["say", "reply"]
    allow_interruptions: bool
    turn_id: int | None = None
    caller_voiced_end_s: float | None = None
    """The last voiced sample of the turn that it answers."""
    created_at: float = field(default_factory=now)
    mouth: CallMouth = field(init=False)
    sentences: SentenceSplitter = field(default_factory=SentenceSplitter)
    """What was asked for and is no whole sentence yet."""
    part_of: object = None
    """Whatever holds the floor for it: itself, or the answer that it is part of."""
    task: asyncio.Task[None] | None = None
    """What says it, where that is no answer's task."""
    segments: list[_Segment] = field(default_factory=list[_Segment])
    first_text_at: float | None = None
    first_sentence_at: float | None = None
    started_at: float | None = None
    started_at_s: float | None = None
    stopped_at_s: float | None = None
    played_s: float = 0.0
    interrupted: bool = False
    words: SpokenWords | None = None
    """What tells its words as they are heard."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    """All that will be played of it was played."""

    @property
    def utterance(self) -> int | None:
        """Its number in the core, once it has sound."""
        return self.mouth.utterance

    def begin_segment(self, text: str) -> None:
        """The voice is given `text` now."""
        if self.first_sentence_at is None:
            self.first_sentence_at = now()
        self.mouth.begin_sentence(len(self.segments))
        self.segments.append(_Segment(text, self.mouth.written_s))

    def end_segment(self, *, complete: bool) -> None:
        """No more of the newest segment's sound will be written; `complete`: all of it was."""
        self.segments[-1].end_s = self.mouth.written_s
        self.segments[-1].complete = complete

    def add_text(self, text: str) -> None:
        """The words of the sound that is written from now on, from a model that speaks by itself."""
        last = self.segments[-1] if self.segments else None
        if last is not None and last.end_s is None and self.mouth.written_s <= last.start_s:
            last.text = f"{last.text.strip()} {text.strip()}"  # of the same sound, which has not come yet
            return
        if last is not None and last.end_s is None:
            self.end_segment(complete=True)
        self.mouth.begin_sentence(len(self.segments))
        # Words that come late belong to what was written before them.
        self.segments.append(_Segment(text, self.mouth.written_s if self.segments else 0.0))

    def end_text(self, *, complete: bool) -> None:
        """No more sound comes; `complete`: all that was to come did. Words that are left over are those of the last."""
        if not self.segments or self.segments[-1].end_s is not None:
            return
        if len(self.segments) > 1 and self.mouth.written_s <= self.segments[-1].start_s:
            left_over = self.segments.pop()
            self.segments[-1].text = f"{self.segments[-1].text.strip()} {left_over.text.strip()}"
        self.end_segment(complete=complete)

    @property
    def metrics(self) -> dict[str, float]:
        """Delays in seconds under livekit-agents' names; see `ConversationItemAdded`."""
        metrics: dict[str, float] = {}
        if self.first_text_at is not None:
            metrics["llm_node_ttft"] = self.first_text_at - self.created_at
        first_sound_at = self.mouth.first_sound_at
        if self.first_sentence_at is not None and first_sound_at is not None:
            metrics["tts_node_ttfb"] = first_sound_at - self.first_sentence_at
        if self.started_at is not None and first_sound_at is not None:
            # The tick's clock is read before the tick: a sound that came during it would seem to be early.
            metrics["playback_latency"] = max(0.0, self.started_at - first_sound_at)
        if self.started_at_s is not None and self.caller_voiced_end_s is not None:
            metrics["e2e_latency"] = self.started_at_s - self.caller_voiced_end_s
        return metrics

    @property
    def heard(self) -> str:
        """What was heard: whole sentences, and of the one that was cut off the words before the cut.

        Where in a sentence a word lies is estimated from its share of the letters: voices that give word times are
        rare. Text whose sound was never made counts as not heard.
        """
        said: list[str] = []
        for segment in self.segments:
            # The end of the call, or of what is heard, may come before the voice has noticed that it was cut off.
            end_s = segment.end_s if segment.end_s is not None else self.mouth.written_s
            length_s = end_s - segment.start_s
            if length_s <= 0 or self.played_s <= segment.start_s:
                continue
            if segment.complete and (not self.interrupted or self.played_s >= end_s - _TAIL_S):
                said.append(segment.text.strip())
                continue
            if not segment.complete:
                # The voice was stopped while it made this: how long it would have become can only be guessed.
                length_s = max(length_s, segment.letters * self._letter_s())
            heard_s = min(self.played_s, end_s) - segment.start_s
            said.append(_words_before(segment.text, heard_s / length_s))
        return " ".join(text for text in said if text)

    def word_begins_s(self, segment: int, word: int) -> float | None:
        """Where in the sound the nth word of a sentence begins, estimated as `heard` does. None: there is none."""
        if not 0 <= segment < len(self.segments):
            return None
        found = self.segments[segment]
        words = found.text.split()
        if word >= len(words):
            return None
        length_s = (found.end_s if found.end_s is not None else self.mouth.written_s) - found.start_s
        if not found.complete:
            length_s = max(length_s, found.letters * self._letter_s())
        return found.start_s + length_s * sum(map(len, words[:word])) / found.letters

    def _letter_s(self) -> float:
        """How long this voice takes for a letter."""
        whole = [segment for segment in self.segments if segment.complete]
        letters = sum(segment.letters for segment in whole)
        length_s = sum(segment.end_s - segment.start_s for segment in whole if segment.end_s is not None)
        return length_s / letters if letters else _LETTER_S


def _words_before(text: str, share: float) -> str:
    """The words of `text` that end before `share` of its letters."""
    words = text.split()
    letters = sum(len(word) for word in words)
    kept: list[str] = []
    spoken = 0
    for word in words:
        spoken += len(word)
        if spoken > share * letters:
            break
        kept.append(word)
    return " ".join(kept)


class SpeechHandle:
    """What `say` returns: await it, or `wait_for_playout`, until the caller has heard it or cut it short."""

    def __init__(self, speech: Speech, interrupt: Callable[[Speech], None]) -> None:
        self._speech = speech
        self._interrupt = interrupt

    @property
    def id(self) -> str:
        """Names the speech in events."""
        return self._speech.id

    @property
    def interrupted(self) -> bool:
        """Whether it was cut short."""
        return self._speech.interrupted

    @property
    def heard(self) -> str:
        """What of it was heard so far, once it is done: all of it."""
        return self._speech.heard

    def done(self) -> bool:
        """Whether all that will be played was played."""
        return self._speech.finished.is_set()

    def interrupt(self) -> None:
        """Fades it out and gives up the rest, whatever its policy."""
        self._interrupt(self._speech)

    async def wait_for_playout(self) -> None:
        """Until all that will be played was played."""
        await self._speech.finished.wait()

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait_for_playout().__await__()
