"""What the dashboard and `beluga-voice top` show: the calls, how long each stage takes, what was counted.

Counted here from the events, so that it needs nobody else's metrics.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beluga_voice.clock import now
from beluga_voice.metrics import LLMMetrics, RealtimeModelMetrics, STTMetrics, TTSMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.events import (
        CloseEvent,
        ConversationItemAdded,
        ErrorEvent,
        MetricsCollected,
        SessionStateChanged,
        UserTurnEnded,
    )
    from beluga_voice.session import VoiceSession

__all__ = ["BoardEntry", "CallBoard"]

# What each stage's figures are taken of: the last so many.
_KEPT = 500
# Calls that are over and still shown. Policy: the oldest goes.
_OVER_SHOWN = 20

_STAGES = {
    "end_of_turn_delay": "end of turn",
    "transcription": "recogniser",
    "agent": "agent's first piece",
    "voice": "voice's first sound",
    "model": "model's first sound",
    "playback_latency": "playout",
    "e2e_latency": "caller to agent",
}


@dataclass(slots=True)
class _Row:
    session: VoiceSession
    provider: str
    counts: Counter[str] = field(default_factory=Counter[str])
    latency_s: float | None = None

    def shown(self) -> dict[str, Any]:
        """As JSON, without what was said and who said it."""
        usage = self.session.usage()
        return {
            "id": self.session.id,
            "provider": self.provider,
            "state": self.session.state,
            "agent_state": self.session.agent_state,
            "user_state": self.session.user_state,
            "duration_s": round(usage.call_seconds, 1),
            "turns": self.counts["turns"],
            "interruptions": self.counts["interruptions"],
            "errors": self.counts["errors"],
            "latency_s": None if self.latency_s is None else round(self.latency_s, 3),
            "tokens": sum(used.input_tokens + used.output_tokens for used in usage.tokens),
            "cost": None if usage.cost is None else round(usage.cost, 6),
            "currency": usage.currency,
        }


class CallBoard:
    """Belongs to no loop: what is shown is read whenever it is asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._over: deque[dict[str, Any]] = deque(maxlen=_OVER_SHOWN)
        self._stages: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in _STAGES}
        self._counters: Counter[str] = Counter()
        self._began_at = now()

    def shown(self) -> dict[str, Any]:
        """`calls`, `over` (the last ones), `stages` with their percentiles in seconds, `counters`, `up_s`."""
        return {
            "up_s": round(now() - self._began_at, 1),
            "calls": [row.shown() for row in tuple(self._rows.values())],
            "over": list(self._over),
            "stages": [
                {"stage": _STAGES[name], **_percentiles(sorted(values))}
                for name, values in self._stages.items()
                if values
            ],
            "counters": dict(sorted(self._counters.items())),
        }

    def add(self, session: VoiceSession, provider: str) -> BoardEntry:
        """A session to be shown until it is over."""
        row = self._rows[session.id] = _Row(session, provider)
        self._counters["sessions"] += 1
        return BoardEntry(self, row)

    def count(self, row: _Row, name: str) -> None:
        """Something happened in a call."""
        row.counts[name] += 1
        self._counters[name] += 1

    def took(self, stage: str, seconds: float) -> None:
        """A stage took so long."""
        self._stages[stage].append(seconds)

    def end(self, row: _Row, reason: str) -> None:
        """A call is over."""
        if self._rows.pop(row.session.id, None) is not None:
            self._over.appendleft({**row.shown(), "reason": reason})
            self._counters[f"closed: {reason}"] += 1


class BoardEntry:
    """One session's events. `handlers`: by the event's name, what to call."""

    def __init__(self, board: CallBoard, row: _Row) -> None:
        self._board = board
        self._row = row
        self.handlers: dict[str, Callable[[Any], None]] = {
            "session_state_changed": self._state,
            "user_turn_ended": self._turn_ended,
            "interruption": lambda _: board.count(row, "interruptions"),
            "agent_false_interruption": lambda _: board.count(row, "false interruptions"),
            "function_tools_executed": lambda _: board.count(row, "tools"),
            "conversation_item_added": self._item,
            "metrics_collected": self._measured,
            "error": self._failed,
            "close": self._closed,
        }

    def _state(self, event: SessionStateChanged) -> None:
        if event.new_state == "reconnecting":
            self._board.count(self._row, "reconnections")

    def _turn_ended(self, event: UserTurnEnded) -> None:
        self._board.count(self._row, "dropped turns" if event.discarded else "turns")

    def _item(self, event: ConversationItemAdded) -> None:
        for stage in ("end_of_turn_delay", "playback_latency", "e2e_latency"):
            if stage in event.metrics:
                self._board.took(stage, event.metrics[stage])
        self._row.latency_s = event.metrics.get("e2e_latency", self._row.latency_s)

    def _measured(self, event: MetricsCollected) -> None:
        match event.metrics:
            case STTMetrics(error=None) as stt:
                self._board.took("transcription", stt.duration)
            case LLMMetrics(ttft=float(first_s)):
                self._board.took("agent", first_s)
            case TTSMetrics(ttfb=float(first_s)):
                self._board.took("voice", first_s)
            case RealtimeModelMetrics(ttft=float(first_s)):
                self._board.took("model", first_s)
            case _:
                pass

    def _failed(self, event: ErrorEvent) -> None:
        self._board.count(self._row, "errors")
        self._board.count(self._row, f"error: {event.error.code}")

    def _closed(self, event: CloseEvent) -> None:
        self._board.end(self._row, event.reason)


def _percentiles(ordered: list[float]) -> dict[str, float | int]:
    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)

    return {"n": len(ordered), "p50_s": at(0.5), "p95_s": at(0.95), "max_s": round(ordered[-1], 4)}
