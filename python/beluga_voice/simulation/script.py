"""What a simulated caller says and when: data, and the demo's own script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DEMO_SCRIPT", "CallerScript", "Line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that the caller says.

    - `text`: its words; each " | " in it is a pause of `pause_s`, short enough to be inside one turn.
    - `begin`: "after" the agent has fallen silent, or "over" the agent's voice; `wait_s` after that has ended or begun.
    """

    text: str
    begin: Literal["after", "over"] = "after"
    wait_s: float = 0.8
    pause_s: float = 0.35

    @property
    def parts(self) -> tuple[str, ...]:
        """What is said without a pause."""
        return tuple(part.strip() for part in self.text.split("|"))

    @property
    def words(self) -> str:
        """The text without its pauses."""
        return " ".join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerScript:
    """A caller.

    - `noise_dbfs`: the room he calls from, as RMS; `noise_seed` makes it the same room each time.
    - `voice_dbfs`: how loud he speaks, as RMS.
    - `patience_s`: how long he waits for an answer before he gives up.
    - `waits_for_greeting`: whether he lets the agent speak first.
    """

    lines: tuple[Line, ...]
    noise_dbfs: float = -58.0
    noise_seed: int = 7
    voice_dbfs: float = -21.0
    patience_s: float = 15.0
    waits_for_greeting: bool = False


# Sentences that PocketSphinx understands from Piper's voice over this noise; it is not given to every sentence.
DEMO_SCRIPT = CallerScript(
    waits_for_greeting=True,
    lines=(
        Line(text="Tell me about the museum, please."),
        Line(text="Are you open on Sunday?", begin="over", wait_s=1.0),
        Line(text="What time do you open | on Saturday?"),
        Line(text="How much is a ticket for two children?"),
        Line(text="Thank you very much, goodbye."),
    ),
)
