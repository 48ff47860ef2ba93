"""What the caller says: his turns, and the words that the recogniser finds in them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.clock import now
from beluga_voice.errors import ComponentError
from beluga_voice.events import MetricsCollected, UserInputTranscribed, UserTurnEnded, UserTurnStarted
from beluga_voice.metrics import STTMetrics
from beluga_voice.pipeline.component_fault import component_fault
from beluga_voice.pipeline.ear import EAR_HZ, CallEar, CallUtterance
from beluga_voice.pipeline.transcript_check import checked_transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from beluga_voice import _core
    from beluga_voice.call_link import CallLink
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.speech_to_text import SpeechToText, Transcript
    from beluga_voice.tasks import Tasks
    from beluga_voice.usage import UsageMeter

__all__ = ["CallerTurn", "Listener"]

# Guesses that are told in a second: what is told more often nobody can follow. Policy: the newest is skipped.
_GUESSES_PER_S = 50
# How long a recogniser that is given up may take to let go, in seconds.
_GRACE_S = 1.0
# Between attempts to start a failed recogniser again, in seconds.
_RETRY_DELAYS_S = (0.0, 0.2, 1.0, 3.0)
# A recogniser that worked this long before it failed had recovered from the failure before, in seconds.
_RECOVERED_S = 5.0


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
    guess: Transcript | None = None
    """What the recogniser made of it last, before it was sure."""
    heard_again: bool = False
    """A recogniser failed over it, and another one is given it."""
    transcribed_at: float | None = None
    error: str | None = None
    """The code of what its recogniser failed with."""
    talked_over: bool = False
    """He went on before his words were understood: they wait for the rest."""


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


class Listener:
    """Listens through the session's recogniser, from `start` on.

    `timeout_s` is how long the recogniser may take for a turn's final text from when the turn has ended.
    `on_words` is called with each guess and each final text of a turn that is still to be answered.
    """

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
        self.turns: dict[int, CallerTurn] = {}
        """Those that are being heard, and those that wait for their words."""
        self._link = link
        self._stt = stt
        self._stt_name = stt_name
        self._timeout_s = timeout_s
        self._tasks = tasks
        self._report = report
        self._on_words = on_words
        self._ear = CallEar(link, processing, self._given_up, usage.heard)
        self.guesses_skipped = 0
        """Guesses that were not told because too many came."""
        self._guesses_told = 0
        self._second_ends = 0.0

    @property
    def turns_given_up(self) -> int:
        """Turns that nobody recognised because too many waited."""
        return self._ear.turns_given_up

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
            # Not `wait_for`, which would cancel the future that others still look at.
            await asyncio.wait({turn.transcript}, timeout=self._timeout_s)
            if not turn.transcript.done():
                self._fail(
                    "stream_timeout", f"no final transcript {self._timeout_s:g} s after the end of the turn", turn
                )
                self._settle(turn)
                # What it is stuck in must not cost the turns after this one.
                self._listening = self._tasks.start(self._listen_anew(self._listening), name="stt")
            return turn.transcript.result()
        finally:
            if self.turns.pop(turn.id, None) is not None:
                self._tell_metrics(turn)

    def _tell_metrics(self, turn: CallerTurn) -> None:
        self._report.event(
            MetricsCollected(
                at_s=self._report.at_s,
                metrics=STTMetrics(
                    label=self._stt_name,
                    turn_id=turn.id,
                    audio_duration=turn.utterance.duration_s,
                    duration=max(0.0, (turn.transcribed_at or now()) - turn.decided_at),
                    error=turn.error,
                ),
            )
        )

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            transcripts: AsyncIterator[object] | None = None
            began = loop.time()
            try:
                transcripts = self._stt.stream(self._ear)
                async for transcript in transcripts:
                    if asyncio.current_task() is not self._listening:
                        return  # it was given up, did not heed it, and has a successor
                    self._on_transcript(checked_transcript(transcript))
                    # One that waits for nothing between two transcripts would leave the loop to nobody else.
                    await asyncio.sleep(0)
                if self._ear.closed:
                    return
                raise ComponentError(
                    "the recogniser's stream ended, the call did not", component="stt", code="stream_closed"
                )
            except Exception as error:
                if self._link.call.closed or asyncio.current_task() is not self._listening:
                    return
                failures = 0 if loop.time() - began > _RECOVERED_S else failures
                fault = component_fault(error, "stt", self._stt_name)
                self._report.error(fault, "stt")
                await _close(transcripts)
                self._hear_again(fault.code)
                await asyncio.sleep(_RETRY_DELAYS_S[min(failures, len(_RETRY_DELAYS_S) - 1)])
                failures += 1

    async def _listen_anew(self, stuck: asyncio.Task[None]) -> None:
        stuck.cancel()
        await asyncio.wait({stuck}, timeout=_GRACE_S)
        await self._listen()

    def _on_transcript(self, transcript: Transcript) -> None:
        turn = self._turn_of(transcript.turn_id)
        if transcript.is_final or self._may_tell_guess():
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
        if not transcript.is_final:
            turn.guess = transcript
        elif not turn.transcript.done():
            turn.transcribed_at = now()
            turn.transcript.set_result(transcript)

    def _may_tell_guess(self) -> bool:
        at = asyncio.get_running_loop().time()
        if at >= self._second_ends:
            self._second_ends, self._guesses_told = at + 1.0, 0
        if self._guesses_told >= _GUESSES_PER_S:
            self.guesses_skipped += 1
            return False
        self._guesses_told += 1
        return True

    def _turn_of(self, turn_id: int | None) -> CallerTurn | None:
        if turn_id is not None:
            return self.turns.get(turn_id)
        # A recogniser that cuts the sound itself: its words belong to the oldest turn that waits for some.
        return next((turn for turn in self.turns.values() if not turn.transcript.done()), None)

    # -- failing --------------------------------------------------------------------------------------------------

    def _hear_again(self, code: str) -> None:
        """A recogniser failed: what it was in the middle of is given to the next one, once."""
        for turn in reversed(list(self.turns.values())):
            if turn.transcript.done() or not self._ear.was_handed(turn.id):
                continue
            if turn.heard_again:
                turn.error = code
                self._settle(turn)
            else:
                turn.heard_again = True
                self._ear.hear_again(turn.utterance)

    def _given_up(self, turn_id: int) -> None:
        turn = self.turns.get(turn_id)
        if turn is not None and not turn.transcript.done():
            self._fail("stream_timeout", "the recogniser is too many turns behind: this one is given up", turn)
            self._settle(turn)

    def _settle(self, turn: CallerTurn) -> None:
        """Nobody will say more of it: what was guessed last is what was understood."""
        if turn.guess is not None:
            self._on_transcript(replace(turn.guess, turn_id=turn.id, is_final=True))
        else:
            turn.transcript.set_result(None)

    def _fail(self, code: str, message: str, turn: CallerTurn) -> None:
        turn.error = code
        error = ComponentError(
            message, component="stt", code=code, provider=self._stt_name, details={"turn_id": turn.id}
        )
        self._report.error(error, "stt")


async def _close(transcripts: AsyncIterator[object] | None) -> None:
    """Ends a stream of transcripts that is not read to its end."""
    close: Callable[[], Awaitable[object]] | None = getattr(transcripts, "aclose", None)
    if close is not None:
        with suppress(Exception):  # its failure was told already
            await close()
