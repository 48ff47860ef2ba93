"""How a backend is: as a whole, and part by part."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice.clock import now

if TYPE_CHECKING:
    from beluga_voice.events import ConversationItemAdded, ErrorEvent
    from beluga_voice.session import VoiceSession

__all__ = ["ComponentHealth", "Health", "HealthStatus", "SessionsWatch"]

Health = Literal["healthy", "degraded", "unhealthy"]

_ORDER: tuple[Health, ...] = ("healthy", "degraded", "unhealthy")
# How long a failure of a component is held against it, in seconds, from how many on it counts as sick, since a single
# one may be its caller's, and how many are kept for each kind.
_MEMORY_S = 60.0
_SICK_FROM = 3
_FAILURES_KEPT = 100
# Of how many turns the slow ones are counted, from how many on they say something, and the share that is too many.
_TURNS_KEPT = 100
_TURNS_NEEDED = 20
_SLOW_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """One part; `reason` says why it is not healthy."""

    status: Health = "healthy"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthStatus:
    """`status` is the worst of the parts'; `details` has each by its name; `last_check` is in UTC."""

    status: Health
    details: Mapping[str, ComponentHealth]
    last_check: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, parts: Mapping[str, ComponentHealth]) -> HealthStatus:
        """The whole of these parts."""
        statuses: list[Health] = [part.status for part in parts.values()]
        worst = max(statuses, key=_ORDER.index)
        return cls(status=worst, details=dict(parts))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it, for an answer to whoever probes."""
        return {
            "status": self.status,
            "details": {name: {"status": part.status, "reason": part.reason} for name, part in self.details.items()},
            "last_check": self.last_check.isoformat(),
        }


class SessionsWatch:
    """What the sessions of one backend lately met with: components that failed, turns that took long."""

    def __init__(self) -> None:
        self._failures: dict[str, deque[tuple[float, str]]] = {}
        self._turns_s: deque[float] = deque(maxlen=_TURNS_KEPT)

    def watch(self, session: VoiceSession) -> None:
        """From now on until it is over."""
        session.on("error", self._failed)
        session.on("conversation_item_added", self._answered)

    def parts(self, latency_target_s: float | None) -> dict[str, ComponentHealth]:
        """`stt`, `tts`, `s2s` and `agent`: degraded after three failures within a minute. `latency`, where there is a
        target: degraded when more than 5 % of the last 100 answers began later than that."""
        since = now() - _MEMORY_S
        parts: dict[str, ComponentHealth] = {}
        for source in ("stt", "tts", "s2s", "agent"):
            lately = [told for at, told in self._failures.get(source, ()) if at >= since]
            parts[source] = (
                ComponentHealth("degraded", f"failed {len(lately)} times in the last minute: {lately[-1]}")
                if len(lately) >= _SICK_FROM
                else ComponentHealth()
            )
        if latency_target_s is not None:
            parts["latency"] = self._latency(latency_target_s)
        return parts

    def _latency(self, target_s: float) -> ComponentHealth:
        turns = len(self._turns_s)
        slow = sum(each > target_s for each in self._turns_s)
        if turns < _TURNS_NEEDED or slow <= turns * _SLOW_SHARE:
            return ComponentHealth()
        return ComponentHealth("degraded", f"{slow} of the last {turns} answers began after over {target_s:g} s")

    def _failed(self, event: ErrorEvent) -> None:
        failures = self._failures.setdefault(event.source, deque(maxlen=_FAILURES_KEPT))
        failures.append((now(), f"{event.error.code}: {event.error.message}"))

    def _answered(self, event: ConversationItemAdded) -> None:
        latency_s = event.metrics.get("e2e_latency")
        if latency_s is not None:
            self._turns_s.append(latency_s)
