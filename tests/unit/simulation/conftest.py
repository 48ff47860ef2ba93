from __future__ import annotations

from collections.abc import Callable

import pytest

from beluga_voice.simulation.call_log import CallLog, Speech, ToolUse, TurnLog

METRICS = {"llm_node_ttft": 0.004, "tts_node_ttfb": 0.2, "playback_latency": 0.003, "e2e_latency": 0.8}

CallOf = Callable[..., CallLog]


@pytest.fixture
def call_of() -> CallOf:
    """Makes the log of a call: (heard, said) for each turn; the answer to turn `interrupted` (from 1) is cut short."""

    def make(*turns: tuple[str, str], interrupted: int | None = None, every_s: float = 6.0) -> CallLog:
        log = CallLog()
        for number, (heard, said) in enumerate(turns, start=1):
            start_s = every_s * number - 3.0
            speech = Speech(f"s{number}", number, said, start_s + 2.3, start_s + 4.3, metrics=METRICS)
            if number == interrupted:
                speech.interrupted = True
                speech.onset_s, speech.stopped_at_s = start_s + 3.3, start_s + 3.8
            turn = TurnLog(number, start_s, start_s + 1.5, heard, speeches=[speech])
            turn.metrics = {"end_of_turn_delay": 0.5, "transcription_delay": 0.1}
            turn.tools = [ToolUse("hours", {"day": "sunday"}, "ten")] if number == 2 else []
            log.turns.append(turn)
        return log

    return make
