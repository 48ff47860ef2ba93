"""The caller's turns where the model of speech finds their ends itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.pipeline.caller_turns import CallerTurns

if TYPE_CHECKING:
    from beluga_voice.pipeline.caller_turns import CallerTurn
    from beluga_voice.speech_to_text import Transcript

__all__ = ["ModelTurns"]


class ModelTurns(CallerTurns):
    """What are several turns to the core may be one to the model: its words are those of the last one."""

    def take_transcript(self, transcript: Transcript) -> CallerTurn | None:
        turn = super().take_transcript(transcript)
        if turn is not None and transcript.is_final:
            for earlier in self.turns.values():
                if earlier.id < turn.id and not earlier.transcript.done():
                    earlier.transcript.set_result(None)  # its words are in these
        return turn

    def _turn_of(self, turn_id: int | None) -> CallerTurn | None:
        if turn_id is not None:
            return super()._turn_of(turn_id)
        newest = self.newest_over()
        return newest if newest is not None and not newest.transcript.done() else None

    def _words_late(self, turn: CallerTurn) -> None:
        pass  # it was no turn to the model
