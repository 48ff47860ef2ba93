"""The agent's voice on one call: what is being said, what waits to be said, and how it stops."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Literal, cast

from beluga_voice.core_errors import translated
from beluga_voice.events import PlayoutFinished, PlayoutMark, PlayoutStarted, SpeechCreated
from beluga_voice.pipeline.component_fault import component_fault
from beluga_voice.pipeline.mouth import CallMouth
from beluga_voice.pipeline.sentences import SentenceSplitter
from beluga_voice.pipeline.speech import Speech, SpeechHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beluga_voice import _core
    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.errors import BelugaVoiceError
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.tasks import Tasks
    from beluga_voice.text_to_speech import TextToSpeech

__all__ = ["Speaker", "VoiceFailedError"]

# The tick in which the core reports something lasts this long, in seconds.
_TICK_S = 0.01


class VoiceFailedError(Exception):
    """The voice's failure on its way to where it is told: `error` is what to tell."""

    def __init__(self, error: BelugaVoiceError) -> None:
        super().__init__(error)
        self.error = error


class Speaker:
    """Speaks through the session's voice.

    `on_played` is called with each speech of which all was played that will be.
    """

    def __init__(
        self,
        link: CallLink,
        *,
        tts: TextToSpeech,
        tts_name: str,
        interruption: InterruptionRules,
        tasks: Tasks,
        report: Reporter,
        on_played: Callable[[Speech], None],
    ) -> None:
        self.floor = asyncio.Lock()
        """Whoever holds it writes: one at a time, in the order in which they were asked for."""
        self._link = link
        self._tts = tts
        self._tts_name = tts_name
        self._interruption = interruption
        self._tasks = tasks
        self._report = report
        self._on_played = on_played
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

    # -- saying ---------------------------------------------------------------------------------------------------

    def say(self, text: str, *, allow_interruptions: bool) -> SpeechHandle:
        """Speaks `text` as soon as what was asked for before it is written."""
        speech = self.begin("say", allow_interruptions=allow_interruptions)
        speech.task = self._tasks.start(self._say(speech, text), name=f"say {speech.id}")
        return SpeechHandle(speech, self.interrupt)

    async def _say(self, speech: Speech, text: str) -> None:
        splitter = SentenceSplitter()
        try:
            async with self.floor:
                await self.speak(speech, splitter.push(text) + splitter.flush())
        except VoiceFailedError as failed:
            self._report.error(failed.error, "tts")
        finally:
            self.end(speech)

    def begin(
        self,
        source: Literal["say", "reply"],
        *,
        allow_interruptions: bool = True,
        turn_id: int | None = None,
        caller_voiced_end_s: float | None = None,
    ) -> Speech:
        """Something to be said, of which nothing is known yet but the turn that it answers."""
        speech = Speech(
            id=f"speech_{next(self._numbers)}",
            source=source,
            allow_interruptions=allow_interruptions and self._interruption.enabled,
            turn_id=turn_id,
            caller_voiced_end_s=caller_voiced_end_s,
        )
        speech.mouth = CallMouth(self._link, lambda: self._open_utterance(speech))
        self._unfinished[speech.id] = speech
        self._report.event(
            SpeechCreated(at_s=self._report.at_s, speech_id=speech.id, source=source, turn_id=speech.turn_id)
        )
        return speech

    async def speak(self, speech: Speech, sentences: Iterable[str]) -> None:
        """Has the voice write `sentences`. Whoever calls this holds the floor. Raises VoiceFailedError."""
        for sentence in sentences:
            speech.begin_segment(sentence)
            complete = False
            try:
                await self._tts.synthesize(sentence, speech.mouth)
                complete = True
            except Exception as error:
                raise VoiceFailedError(component_fault(error, "tts", self._tts_name)) from error
            finally:
                speech.end_segment(complete=complete)

    def end(self, speech: Speech) -> None:
        """Nothing more will be written of it. Without any sound it is done."""
        speech.mouth.close()
        if speech.utterance is None:
            self._finish(speech)

    def _finish(self, speech: Speech) -> None:
        self._unfinished.pop(speech.id, None)
        speech.finished.set()

    def _open_utterance(self, speech: Speech) -> int:
        rules = self._interruption
        action = "await_words" if rules.min_words else "duck" if rules.duck_gain_db is not None else "pause"
        with translated():
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
        self._on_played(speech)
        self._finish(speech)

    def mark_reached(self, event: _core.Event) -> None:
        """A voice's mark was heard."""
        speech = self._begun[cast("int", event.utterance)]
        name = speech.mouth.mark_reached(cast("int", event.mark))
        played_s = cast("float", event.played_s)
        self._report.event(PlayoutMark(at_s=event.at_s, speech_id=speech.id, name=name, played_s=played_s))
