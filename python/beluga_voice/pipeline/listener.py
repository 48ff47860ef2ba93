"""What the caller says: his turns, and the words that the recogniser finds in them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from beluga_voice.clock import now
from beluga_voice.errors import ComponentError
from beluga_voice.events import MetricsCollected
from beluga_voice.metrics import STTMetrics
from beluga_voice.pipeline.caller_turns import CallerTurns
from beluga_voice.pipeline.component_fault import component_fault
from beluga_voice.pipeline.restarts import Restarts, let_go
from beluga_voice.pipeline.transcript_check import checked_transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from beluga_voice.call_link import CallLink
    from beluga_voice.pipeline.caller_turns import CallerTurn
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.speech_to_text import SpeechToText
    from beluga_voice.tasks import Tasks
    from beluga_voice.usage import UsageMeter

__all__ = ["Listener"]


class Listener(CallerTurns):
    """Listens through the session's recogniser, from `start` on."""

    def __init__(
        self,
        link: CallLink,
        *,
        stt: SpeechToText,
        stt_name: str,
        timeout_s: float,
        processing: Processing,
        tasks: Tasks,
        report: Reporter,
        usage: UsageMeter,
        on_words: Callable[[str], None],
    ) -> None:
        super().__init__(
            link,
            component="stt",
            name=stt_name,
            timeout_s=timeout_s,
            processing=processing,
            stage="pre_stt",
            report=report,
            usage=usage,
            on_words=on_words,
        )
        self._link = link
        self._stt = stt
        self._tasks = tasks

    def start(self) -> None:
        """Begins to listen."""
        self._listening = self._tasks.start(self._listen(), name="stt")

    def _words_late(self, turn: CallerTurn) -> None:
        super()._words_late(turn)
        # What the recogniser is stuck in must not cost the turns after this one.
        self._listening = self._tasks.start(self._listen_anew(self._listening), name="stt")

    def _settled(self, turn: CallerTurn) -> None:
        self._report.event(
            MetricsCollected(
                at_s=self._report.at_s,
                metrics=STTMetrics(
                    label=self._name,
                    turn_id=turn.id,
                    audio_duration=turn.utterance.duration_s,
                    duration=max(0.0, (turn.transcribed_at or now()) - turn.decided_at),
                    error=turn.error,
                ),
            )
        )

    async def _listen(self) -> None:
        restarts = Restarts()
        while True:
            transcripts: AsyncIterator[object] | None = None
            restarts.began()
            try:
                transcripts = self._stt.stream(self.ear)
                async for transcript in transcripts:
                    if asyncio.current_task() is not self._listening:
                        return  # it was given up, did not heed it, and has a successor
                    self.take_transcript(checked_transcript(transcript))
                    # One that waits for nothing between two transcripts would leave the loop to nobody else.
                    await asyncio.sleep(0)
                if self.ear.closed:
                    return
                raise ComponentError(
                    "the recogniser's stream ended, the call did not", component="stt", code="stream_closed"
                )
            except Exception as error:
                if self._link.call.closed or asyncio.current_task() is not self._listening:
                    return
                restarts.failed()
                fault = component_fault(error, "stt", self._name)
                self._report.error(fault, "stt")
                await _close(transcripts)
                self.hear_again(fault.code)
                await restarts.pause()

    async def _listen_anew(self, stuck: asyncio.Task[None]) -> None:
        await let_go(stuck)
        await self._listen()


async def _close(transcripts: AsyncIterator[object] | None) -> None:
    """Ends a stream of transcripts that is not read to its end."""
    close: Callable[[], Awaitable[object]] | None = getattr(transcripts, "aclose", None)
    if close is not None:
        with suppress(Exception):  # its failure was told already
            await close()
