"""What the agent says on one call, as far as it is sound: what is played, what waits, and how it stops."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Literal, cast

from beluga_voice.core_errors import translated
from beluga_voice.events import AgentOutputTranscribed, PlayoutFinished, PlayoutMark, PlayoutStarted, SpeechCreated
from beluga_voice.pipeline.mouth import CallMouth
from beluga_voice.pipeline.speech import Speech
from beluga_voice.pipeline.spoken_words import SpokenWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice import _core
    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.hooks.audio_processor import Stage
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.reporter import Reporter

__all__ = ["Playout"]

# The tick in which the core reports something lasts this long, in seconds.
_TICK_S = 0.01


class Playout:
    """The speeches of one session, from when they are begun until they were played.

    `on_played` is called with each speech of which all was played that will be.
    """

    def __init__(
        self,
        link: CallLink,
        *,
        processing: Processing,
        stage: Stage,
        interruption: InterruptionRules,
        report: Reporter,
        on_played: Callable[[Speech], None],
    ) -> None:
        self._link = link
        self._processing = processing
        self._stage: Stage = stage
        self._interruption = interruption
        self._report = report
        self._on_played = on_played
        # Whoever holds it writes: one at a time, in the order in which they had something to say.
        self._floor = asyncio.Lock()
        self._floor_holder: object = None
        self._numbers = itertools.count(1)
        self._begun: dict[int, Speech] = {}
        """By their numbers in the core, until they were played."""
        self._unfinished: dict[str, Speech] = {}
        """Those, and what has no sound yet."""

    @property
    def begun(self) -> list[Speech]:
        """What has sound and was not yet played to its end, in the order in which it is played."""
        return list(self._begun.values())

    @property
    def unfinished(self) -> list[Speech]:
        """What is begun, and what waits to be said."""
        return list(self._unfinished.values())

    def speech_of(self, utterance: int | None) -> Speech | None:
        """The speech with that number in the core."""
        return self._begun.get(utterance) if utterance is not None else None

    def end_all(self) -> None:
        """The call is over: nothing more will be played."""
        for speech in self.unfinished:
            speech.interrupted = True
            self._finish(speech)

    def begin(
        self,
        source: Literal["say", "reply"],
        *,
        part_of: object = None,
        allow_interruptions: bool = True,
        turn_id: int | None = None,
        caller_voiced_end_s: float | None = None,
    ) -> Speech:
        """Something to be said, of which nothing is known yet but the turn that it answers.

        What is `part_of` the same is said with nothing in between, until that releases the floor.
        """
        speech = Speech(
            id=f"speech_{next(self._numbers)}",
            source=source,
            allow_interruptions=allow_interruptions and self._interruption.enabled,
            turn_id=turn_id,
            caller_voiced_end_s=caller_voiced_end_s,
        )
        speech.part_of = part_of if part_of is not None else speech
        speech.mouth = CallMouth(self._link, self._processing, self._stage, lambda: self._open_utterance(speech))
        speech.words = SpokenWords(speech, lambda words, is_final: self._tell_words(speech, words, is_final=is_final))
        self._unfinished[speech.id] = speech
        self._report.event(
            SpeechCreated(at_s=self._report.at_s, speech_id=speech.id, source=source, turn_id=speech.turn_id)
        )
        return speech

    def end(self, speech: Speech) -> None:
        """Nothing more will be written of it. Without any sound it is done."""
        speech.mouth.close()
        if speech.utterance is None:
            self._finish(speech)

    def release_floor(self, holder: object) -> None:
        """What `holder` had to say is written: it is the next one's turn."""
        if self._floor_holder is holder:
            self._floor_holder = None
            self._floor.release()

    async def take_floor(self, holder: object) -> None:
        """Until it is `holder`'s turn to write. Who has it already goes on."""
        if self._floor_holder is not holder:
            await self._floor.acquire()
            self._floor_holder = holder

    def _finish(self, speech: Speech) -> None:
        self._unfinished.pop(speech.id, None)
        if speech.words is not None:
            speech.words.stop()
            speech.words = None  # they hold each other
        speech.finished.set()

    def _tell_words(self, speech: Speech, words: str, *, is_final: bool) -> None:
        self._report.event(
            AgentOutputTranscribed(at_s=self._report.at_s, speech_id=speech.id, transcript=words, is_final=is_final)
        )

    def _open_utterance(self, speech: Speech) -> int:
        rules = self._interruption
        action = "await_words" if rules.min_words else "duck" if rules.duck_gain_db is not None else "pause"
        utterance = self._link.call.begin_utterance(
            allow_interruptions=speech.allow_interruptions,
            min_interruption_ms=round(rules.min_duration * 1000),
            interruption_action=action,
        )
        self._begun[utterance] = speech
        return utterance

    # -- stopping -------------------------------------------------------------------------------------------------

    def interrupt(self, speech: Speech) -> None:
        """Fades it out and gives up the rest, whether that is still to be played or still to be made."""
        if speech.finished.is_set():
            return
        speech.interrupted = True
        if speech.task is not None:
            speech.task.cancel()
        self.end(speech)
        if speech.utterance is not None:
            with translated():
                self._link.call.drop_utterance(speech.utterance)

    # -- what the core reports ------------------------------------------------------------------------------------

    def playout_started(self, event: _core.Event) -> None:
        """The first sample of an utterance is on its way."""
        speech = self._begun[cast("int", event.utterance)]
        speech.started_at = event.now_us / 1e6
        speech.started_at_s = event.at_s - _TICK_S
        self._report.event(PlayoutStarted(at_s=event.at_s, speech_id=speech.id))

    def playout_finished(self, event: _core.Event) -> None:
        """The last one is: it was played to its end, or was dropped."""
        speech = self._begun.pop(cast("int", event.utterance))
        speech.played_s = cast("float", event.played_s)
        speech.interrupted = speech.interrupted or bool(event.interrupted)
        speech.stopped_at_s = event.at_s
        self._report.event(
            PlayoutFinished(
                at_s=event.at_s, speech_id=speech.id, played_s=speech.played_s, interrupted=speech.interrupted
            )
        )
        if speech.words is not None:
            speech.words.end()
        self._on_played(speech)
        self._finish(speech)

    def mark_reached(self, event: _core.Event) -> None:
        """A voice's mark was heard, or a sentence begins to be."""
        speech = self._begun[cast("int", event.utterance)]
        mark = speech.mouth.mark_reached(cast("int", event.mark))
        played_s = cast("float", event.played_s)
        if isinstance(mark, str):
            self._report.event(PlayoutMark(at_s=event.at_s, speech_id=speech.id, name=mark, played_s=played_s))
        elif speech.words is not None:
            speech.words.sentence_begins(mark, played_s)

    def paused(self, speech: Speech) -> None:
        """What is heard of it fades out, and may go on."""
        if speech.words is not None:
            speech.words.pause()

    def resumed(self) -> None:
        """What was paused goes on."""
        for speech in self._begun.values():
            if speech.words is not None:
                speech.words.resume()
