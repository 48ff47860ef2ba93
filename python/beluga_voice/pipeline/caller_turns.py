"""The caller's turns, and the words that somebody finds in them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from beluga_voice.clock import now
from beluga_voice.errors import ComponentError
from beluga_voice.events import UserInputTranscribed, UserTurnEnded, UserTurnStarted
from beluga_voice.pipeline.ear import EAR_HZ, CallEar, CallUtterance

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice import _core
    from beluga_voice.call_link import CallLink
    from beluga_voice.hooks.audio_processor import Stage
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.speech_to_text import Transcript
    from beluga_voice.usage import UsageMeter

__all__ = ["CallerTurn", "CallerTurns"]

# Guesses that are told in a second: what is told more often nobody can follow. Policy: the newest is skipped.
_GUESSES_PER_S = 50
# Nobody has spoken and been silent again for long enough within this time, in seconds.
_SHORTEST_S = 0.2


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
    """What was made of it last, before anybody was sure."""
    heard_again: bool = False
    """Who listened failed over it, and the next one is given it."""
    transcribed_at: float | None = None
    error: str | None = None
    """The code of what failed over it."""
    talked_over: bool = False
    """He went on before his words were understood: they wait for the rest."""

    @property
    def ended(self) -> bool:
        """Whether the core has found its end."""
        return self.decided_at > 0


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


class CallerTurns:
    """Keeps the turns that are being heard, and those that wait for their words.

    - `component`, `name`: who finds the words, for errors.
    - `timeout_s`: how long that may take for a turn's final text, from when the turn has ended.
    - `on_words`: called with each guess and each final text of a turn that is still to be answered.
    """

    def __init__(
        self,
        link: CallLink,
        *,
        component: Literal["stt", "s2s"],
        name: str,
        timeout_s: float,
        processing: Processing,
        stage: Stage,
        report: Reporter,
        usage: UsageMeter,
        on_words: Callable[[str], None],
    ) -> None:
        self.turns: dict[int, CallerTurn] = {}
        """Those that are being heard, and those that wait for their words."""
        self.ear = CallEar(link, processing, stage, self._given_up, usage.heard)
        self.guesses_skipped = 0
        """Guesses that were not told because too many came."""
        self._open: dict[int, CallerTurn] = {}
        """Those of which the core has not found the end."""
        self._component: Literal["stt", "s2s"] = component
        self._name = name
        self._timeout_s = timeout_s
        self._report = report
        self._on_words = on_words
        self._guesses_told = 0
        self._second_ends = 0.0

    @property
    def turns_given_up(self) -> int:
        """Turns that nobody heard because too many waited."""
        return self.ear.turns_given_up

    def close(self) -> None:
        """The call is over: who listens is told."""
        self.ear.close()

    # -- what the core reports ------------------------------------------------------------------------------------

    def turn_started(self, event: _core.Event) -> CallerTurn:
        """The caller has begun to speak."""
        turn_id, onset_s = cast("int", event.turn), cast("float", event.onset_s)
        utterance = self.ear.begin_turn(turn_id, cast("int", event.read_from))
        turn = self.turns[turn_id] = self._open[turn_id] = CallerTurn(turn_id, onset_s, utterance)
        self._report.event(UserTurnStarted(at_s=event.at_s, turn_id=turn_id, onset_s=onset_s))
        return turn

    def turn_ended(self, event: _core.Event) -> CallerTurn:
        """It is the agent's turn; returns what it is to answer."""
        turn = self._open.pop(cast("int", event.turn))
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
        turn = self._open.pop(cast("int", event.turn))
        self.turns.pop(turn.id, None)
        self._end_utterance(turn, event)
        self._report.event(UserTurnEnded(at_s=event.at_s, turn_id=turn.id, onset_s=turn.onset_s, discarded=True))

    def _end_utterance(self, turn: CallerTurn, event: _core.Event) -> None:
        turn.utterance.end(round(event.at_s * EAR_HZ))

    def newest_over(self) -> CallerTurn | None:
        """The newest turn that a model may have found the end of: one that has only just begun is none."""
        for turn in reversed(self.turns.values()):
            if turn.ended or self._report.at_s - turn.onset_s >= _SHORTEST_S:
                return turn
        return None

    # -- words ----------------------------------------------------------------------------------------------------

    async def words(self, turn: CallerTurn) -> Transcript | None:
        """What was understood of a turn that has ended; None if nobody will ever know. The turn is then settled."""
        try:
            # Not `wait_for`, which would cancel the future that others still look at.
            await asyncio.wait({turn.transcript}, timeout=self._timeout_s)
            if not turn.transcript.done():
                self._words_late(turn)
                self._settle(turn)
            return turn.transcript.result()
        finally:
            if self.turns.pop(turn.id, None) is not None:
                self._settled(turn)

    def _settled(self, turn: CallerTurn) -> None:
        """Nobody will say more of a turn."""

    def _words_late(self, turn: CallerTurn) -> None:
        """Whoever finds the words has not come to those of a turn in time."""
        self._fail("stream_timeout", f"no final transcript {self._timeout_s:g} s after the end of the turn", turn)

    def take_transcript(self, transcript: Transcript) -> CallerTurn | None:
        """Somebody has understood something; returns the turn that it belongs to, if that is still to be answered."""
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
            return None
        self._on_words(transcript.text)
        if not transcript.is_final:
            turn.guess = transcript
        elif not turn.transcript.done():
            turn.transcribed_at = now()
            turn.transcript.set_result(transcript)
        return turn

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
        # Who cuts the sound himself: his words belong to the oldest turn that waits for some.
        return next((turn for turn in self.turns.values() if not turn.transcript.done()), None)

    # -- failing --------------------------------------------------------------------------------------------------

    def hear_again(self, code: str) -> None:
        """Who listened failed with that code: what he was in the middle of is given to the next one, once."""
        for turn in reversed(list(self.turns.values())):
            if turn.transcript.done() or not self.ear.was_handed(turn.id):
                continue
            if turn.heard_again:
                turn.error = code
                self._settle(turn)
            else:
                turn.heard_again = True
                self.ear.hear_again(turn.utterance)

    def _given_up(self, turn_id: int) -> None:
        turn = self.turns.get(turn_id)
        if turn is not None and not turn.transcript.done():
            who = "recogniser" if self._component == "stt" else "model"
            self._fail("stream_timeout", f"the {who} is too many turns behind: this one is given up", turn)
            self._settle(turn)

    def _settle(self, turn: CallerTurn) -> None:
        """Nobody will say more of it: what was guessed last is what was understood."""
        if turn.guess is not None:
            self.take_transcript(replace(turn.guess, turn_id=turn.id, is_final=True))
        elif not turn.transcript.done():
            turn.transcript.set_result(None)

    def _fail(self, code: str, message: str, turn: CallerTurn) -> None:
        turn.error = code
        error = ComponentError(
            message, component=self._component, code=code, provider=self._name, details={"turn_id": turn.id}
        )
        self._report.error(error, self._component)
