"""Where each turn's time went, as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from beluga_voice.simulation.call_log import STAGES

if TYPE_CHECKING:
    from beluga_voice.simulation.call_log import CallLog, TurnLog

__all__ = ["latency_table"]

_HEADINGS = {"end_of_turn": "end of turn", "stt": "STT", "agent": "agent", "tts": "TTS", "playout": "playout"}


def latency_table(log: CallLog) -> Table:
    """One row for each turn; milliseconds from the caller's last voiced sample to the agent's first sample."""
    table = Table(
        box=SIMPLE_HEAD, title="From the caller's last sound to the agent's first, in ms", title_justify="left",
        title_style="bold",
    )  # fmt: skip
    table.add_column("", justify="right", style="dim")
    table.add_column("heard", ratio=1, min_width=24)
    for stage in STAGES.values():
        table.add_column(_HEADINGS.get(stage, stage), justify="right", style="bold" if stage == "total" else "")
    for number, turn in enumerate(log.turns, start=1):
        figures = [_figure(turn.stages_ms.get(stage)) for stage in STAGES.values()]
        table.add_row(str(number), _heard(turn), *figures)
    return table


def _heard(turn: TurnLog) -> Text:
    text = Text(turn.heard or "(nothing understood)", style="" if turn.heard else "dim")
    if turn.interrupted:
        text.append("  ✕ answer interrupted", style="red")
    return text


def _figure(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.0f}"
