"""What a light caller said and heard, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CallerReport", "CallerTurn", "HeardSound", "HeardVoice"]


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """What was said once; seconds on the machine's monotonic clock (`time.monotonic()`)."""

    first_s: float
    """Its first voice, as a microphone would have heard it."""
    last_s: float
    """The end of its last voice."""
    cut: bool
    """Whether it was cut short, by `hush` or by what was said next."""


@dataclass(frozen=True, slots=True)
class HeardVoice:
    """A voice without a pause of 0.2 s, by the arrival of its packets; seconds on the machine's monotonic clock."""

    first_s: float
    """When its first packet came. A phone plays it a jitter buffer later, 20 ms at best."""
    last_s: float
    """When its last packet came."""
    packets: int
    """Packets with sound in them: 20 ms each, as a rule."""
    gaps: int
    """How often somebody who plays 60 ms behind the first packet missed something."""


@dataclass(frozen=True, slots=True)
class HeardSound:
    """What somebody with a phone heard: the packets through a jitter buffer and a decoder."""

    pcm: bytes
    """int16, mono."""
    sample_rate: int
    start_s: float
    """When the first sample was heard, on the machine's monotonic clock."""
    concealed_frames: int
    """Of 10 ms, made up by the decoder."""
    dropped_packets: int
    """Too late, twice or broken."""


@dataclass(frozen=True, slots=True)
class CallerReport:
    """All of a call so far."""

    turns: tuple[CallerTurn, ...]
    voices: tuple[HeardVoice, ...]
    packets_said: int
    packets_heard: int
    packets_voiced: int
    """Of so many bytes that they may hold sound."""
    packets_lost: int
    """By their numbers, less those that came late."""
    frames_skipped: int
    """Of his own: this machine was too busy to say them in time, and what he measures is worth nothing."""
    news_dropped: int
    """Turns and voices that are missing here, since nobody's loop ran for minutes."""

    @property
    def answer_delays_s(self) -> tuple[float | None, ...]:
        """For each turn: from its end to the first packet of the next voice, before he spoke again; None: no answer."""
        nexts = [turn.first_s for turn in self.turns[1:]] + [float("inf")]
        return tuple(
            next((v.first_s - turn.last_s for v in self.voices if turn.last_s <= v.first_s < until), None)
            for turn, until in zip(self.turns, nexts, strict=True)
        )

    @property
    def silence_delays_s(self) -> tuple[float, ...]:
        """For each turn begun while a voice was heard: from its first voice to that one's last packet."""
        return tuple(
            voice.last_s - turn.first_s
            for turn in self.turns
            for voice in self.voices
            if voice.first_s < turn.first_s <= voice.last_s
        )
