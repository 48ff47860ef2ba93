"""What the caller says: his turns, and the words that the recogniser finds in them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.clock import now
from beluga_voice.errors import BelugaVoiceError, ComponentError
from beluga_voice.events import UserInputTranscribed, UserTurnEnded, UserTurnStarted
from beluga_voice.pipeline.component_fault import component_fault
from beluga_voice.pipeline.ear import EAR_HZ, CallEar, CallUtterance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from beluga_voice import _core
    from beluga_voice.call_link import CallLink
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.speech_to_text import SpeechToText, Transcript
    from beluga_voice.tasks import Tasks

__all__ = ["CallerTurn", "Listener"]

# A recogniser that has not come to an end by then never will, in seconds.
_TRANSCRIPT_TIMEOUT_S = 10.0
# How long a recogniser that is given up may take to let go, in seconds.
_GRACE_S = 1.0
# Between attempts to start a failed recogniser again, in seconds.
_RETRY_DELAYS_S = (0.0, 0.2, 1.0, 3.0)


@dataclass(slots=True)
class CallerTurn:
    """One turn of the caller, as far as it is known."""

    id: int
    onset_s: float
    utterance: CallUtterance
    voiced_end_s: float = 0.0
    decided_at_s: float = 0.0
    decided_at: float = 0.0
    transcript: asyncio.Future[Transcript | None] = field(default_factory=lambda: _future())
    transcribed_at: float | None = None
    talked_over: bool = False
    """He went on before his words were understood: they wait for the rest."""


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


class Listener:
    """Listens through the session's recogniser, from `start` on.

    `on_words` is called with each guess and each final text of a turn that is still to be answered.
    """

    def __init__(
        self,
        link: CallLink,
        *,
        stt: SpeechToText,
        stt_name: str,
        tasks: Tasks,
        report: Reporter,
        on_words: Callable[[str], None],
    ) -> None:
        self.turns: dict[int, CallerTurn] = {}
        """Those that are being heard, and those that wait for their words."""
        self._link = link
        self._stt = stt
        self._stt_name = stt_name
        self._tasks = tasks
        self._report = report
        self._on_words = on_words
        self._ear = CallEar(link)

    def start(self) -> None:
        """Begins to listen."""
        self._listening = self._tasks.start(self._listen(), name="stt")

    def close(self) -> None:
        """The call is over: the recogniser is told."""
        self._ear.close()

    # -- what the core reports ------------------------------------------------------------------------------------

    def turn_started(self, event: _core.Event) -> None:
        """The caller has begun to speak."""
        turn_id, onset_s = cast("int", event.turn), cast("float", event.onset_s)
        utterance = self._ear.begin_turn(turn_id, cast("int", event.read_from))
        self.turns[turn_id] = CallerTurn(turn_id, onset_s, utterance)
        self._report.event(UserTurnStarted(at_s=event.at_s, turn_id=turn_id, onset_s=onset_s))

    def turn_ended(self, event: _core.Event) -> CallerTurn:
        """It is the agent's turn; returns what it is to answer."""
        turn = self.turns[cast("int", event.turn)]
        turn.voiced_end_s = cast("float", event.voiced_end_s)
        turn.decided_at_s = event.at_s
        turn.decided_at = event.now_us / 1e6
        self._end_utterance(turn, event)
        self._report.event(
            UserTurnEnded(at_s=event.at_s, turn_id=turn.id, onset_s=turn.onset_s, voiced_end_s=turn.voiced_end_s)
        )
        return turn

    def turn_dropped(self, event: _core.Event) -> None:
        """What was heard is not to be answered."""
        turn = self.turns.pop(cast("int", event.turn))
        self._end_utterance(turn, event)
        self._report.event(UserTurnEnded(at_s=event.at_s, turn_id=turn.id, onset_s=turn.onset_s, discarded=True))

    def _end_utterance(self, turn: CallerTurn, event: _core.Event) -> None:
        turn.utterance.end(round(event.at_s * EAR_HZ))

    # -- words ----------------------------------------------------------------------------------------------------

    async def words(self, turn: CallerTurn) -> Transcript | None:
        """What was understood of a turn that has ended; None if nobody will ever know. The turn is then settled."""
        try:
            async with asyncio.timeout(_TRANSCRIPT_TIMEOUT_S):
                return await turn.transcript
        except TimeoutError:
            error = ComponentError(
                f"no final transcript {_TRANSCRIPT_TIMEOUT_S:g} s after the end of the turn",
                component="stt",
                code="stream_timeout",
                provider=self._stt_name,
                details={"turn_id": turn.id},
            )
            self._report.error(error, "stt")
            # What it is stuck in must not cost the turns after this one.
            self._listening = self._tasks.start(self._listen_anew(self._listening), name="stt")
            return None
        finally:
            self.turns.pop(turn.id, None)

    async def _listen(self) -> None:
        failures = 0
        while True:
            transcripts: AsyncIterator[Transcript] | None = None
            try:
                transcripts = self._stt.stream(self._ear)
                async for transcript in transcripts:
                    failures = 0
                    self._on_transcript(transcript)
                if self._ear.closed:
                    return
                raise ComponentError(
                    "the recogniser's stream ended, the call did not", component="stt", code="stream_closed"
                )
            except Exception as error:
                if self._link.call.closed:
                    return
                self._report.error(component_fault(error, "stt", self._stt_name), "stt")
                self._lose_transcript(error)
                await _close(transcripts)
                await asyncio.sleep(_RETRY_DELAYS_S[min(failures, len(_RETRY_DELAYS_S) - 1)])
                failures += 1

    async def _listen_anew(self, stuck: asyncio.Task[None]) -> None:
        stuck.cancel()
        await asyncio.wait({stuck}, timeout=_GRACE_S)
        await self._listen()

    def _on_transcript(self, transcript: Transcript) -> None:
        turn = self._turn_of(transcript.turn_id)
        self._report.event(
            UserInputTranscribed(
                at_s=self._report.at_s,
                transcript=transcript.text,
                is_final=transcript.is_final,
                turn_id=turn.id if turn is not None else transcript.turn_id,
                language=transcript.language,
            )
        )
        if turn is None:  # a dropped turn's: heard, not answered
            return
        self._on_words(transcript.text)
        if transcript.is_final and not turn.transcript.done():
            turn.transcribed_at = now()
            turn.transcript.set_result(transcript)

    def _turn_of(self, turn_id: int | None) -> CallerTurn | None:
        if turn_id is not None:
            return self.turns.get(turn_id)
        # A recogniser that cuts the sound itself: its words belong to the oldest turn that waits for some.
        return next((turn for turn in self.turns.values() if not turn.transcript.done()), None)

    def _lose_transcript(self, error: Exception) -> None:
        details = error.details if isinstance(error, BelugaVoiceError) else {}
        turn = self._turn_of(details.get("turn_id"))
        if turn is not None and not turn.transcript.done() and self._ear.was_handed(turn.id):
            turn.transcript.set_result(None)


async def _close(transcripts: AsyncIterator[Transcript] | None) -> None:
    """Ends a stream of transcripts that is not read to its end."""
    close: Callable[[], Awaitable[object]] | None = getattr(transcripts, "aclose", None)
    if close is not None:
        with suppress(Exception):  # its failure was told already
            await close()
