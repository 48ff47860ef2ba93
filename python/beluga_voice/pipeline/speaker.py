"""The agent's voice on one call: its words made sound, a sentence at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beluga_voice.clock import now
from beluga_voice.errors import ComponentError
from beluga_voice.events import MetricsCollected
from beluga_voice.foreign_calls import LateError
from beluga_voice.metrics import TTSMetrics
from beluga_voice.pipeline.component_fault import ComponentFailedError, component_fault
from beluga_voice.pipeline.plain_text import plain
from beluga_voice.pipeline.playout import Playout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.foreign_calls import ForeignCalls
    from beluga_voice.pipeline.mouth import CallMouth
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.pipeline.speech import Speech
    from beluga_voice.text_to_speech import TextToSpeech
    from beluga_voice.usage import UsageMeter

__all__ = ["Speaker"]

# Text that is cut into sentences at once.
_PORTION_CHARS = 500
# What an error shows of the sentence that it is about.
_SHOWN_CHARS = 80


class Speaker(Playout):
    """Speaks through the session's voice.

    `timeout_s` is how long the voice may give no sound while there is room for some; it then has failed.
    """

    def __init__(
        self,
        link: CallLink,
        *,
        tts: TextToSpeech,
        tts_name: str,
        timeout_s: float,
        processing: Processing,
        foreign: ForeignCalls,
        interruption: InterruptionRules,
        report: Reporter,
        usage: UsageMeter,
        on_played: Callable[[Speech], None],
    ) -> None:
        super().__init__(
            link,
            processing=processing,
            stage="post_tts",
            interruption=interruption,
            report=report,
            on_played=on_played,
        )
        self._usage = usage
        self._tts = tts
        self._tts_name = tts_name
        self._timeout_s = timeout_s
        self._foreign = foreign

    # -- saying ---------------------------------------------------------------------------------------------------

    async def speak(self, speech: Speech, text: str) -> None:
        """Has the voice write what `text` completes. Raises ComponentFailedError."""
        for start in range(0, len(text), _PORTION_CHARS):
            if start:  # to look through megabytes takes the loop's time
                await asyncio.sleep(0)
            await self._write(speech, speech.sentences.push(plain(text[start : start + _PORTION_CHARS])))

    async def settle(self, speech: Speech) -> None:
        """More is a while in coming: has the voice write what is a whole sentence already; see `speak`."""
        await self._write(speech, speech.sentences.settle())

    async def flush(self, speech: Speech) -> None:
        """No more is coming: has the voice write the rest. Raises ComponentFailedError."""
        await self._write(speech, speech.sentences.flush())

    async def _write(self, speech: Speech, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            # Not before: whoever still thinks keeps nobody from being heard.
            await self.take_floor(speech.part_of)
            speech.begin_segment(sentence)
            self._usage.spoken(len(sentence))
            began_at, written_s = now(), speech.mouth.written_s
            complete, code = False, None
            try:
                await self._synthesize(sentence, speech.mouth)
                complete = True
            except Exception as error:
                fault = component_fault(error, "tts", self._tts_name)
                code = fault.code
                raise ComponentFailedError(fault, "tts") from error
            finally:
                speech.end_segment(complete=complete)
                made_s = speech.mouth.written_s - written_s
                self._usage.sounded(made_s)
                sound_at = speech.mouth.sentence_sound_at
                metrics = TTSMetrics(
                    label=self._tts_name,
                    speech_id=speech.id,
                    turn_id=speech.turn_id,
                    characters_count=len(sentence),
                    audio_duration=made_s,
                    duration=now() - began_at,
                    ttfb=sound_at - began_at if sound_at is not None else None,
                    cancelled=not complete and code is None,
                    error=code,
                )
                self._report.event(MetricsCollected(at_s=self._report.at_s, metrics=metrics))

    async def _synthesize(self, sentence: str, mouth: CallMouth) -> None:
        asked_at = asyncio.get_running_loop().time()
        written_s = mouth.written_s

        def due() -> float:
            return max(asked_at, mouth.idle_since) + self._timeout_s

        try:
            await self._foreign.run(self._tts.synthesize(sentence, mouth), name="tts", due=due)
        except LateError:
            said_s = mouth.written_s - written_s
            raise self._fault(
                "stream_timeout", f"no sound for {self._timeout_s:g} s, {said_s:.2f} s into the sentence", sentence
            ) from None
        if mouth.written_s == written_s and any(character.isalnum() for character in sentence):
            # It is told, and the next sentence may yet be spoken.
            self._report.error(self._fault("empty_response", "the voice wrote no sound", sentence), "tts")

    def _fault(self, code: str, message: str, sentence: str) -> ComponentError:
        shown = sentence if len(sentence) <= _SHOWN_CHARS else sentence[:_SHOWN_CHARS] + "…"
        return ComponentError(
            f"{message}: {shown.strip()!r}", component="tts", code=code, provider=self._tts_name, operation="synthesize"
        )
