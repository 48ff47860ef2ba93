"""How late the ticks of this process's shards began, and how busy the shards were, from the engine's counters."""

from __future__ import annotations

from typing import Any

from beluga_voice._engine import engine
from beluga_voice.clock import now

__all__ = ["TickLateness"]


class TickLateness:
    """Ticks between two looks. Each counts as late as its bucket's upper end says."""

    def __init__(self) -> None:
        self._before: list[list[int]] = []
        self._busy_us, self._looked_s = 0, now()

    def counters(self) -> dict[str, Any]:
        """Its part of `load.crowd.Counters`."""
        return {"late_ms": self.late_ms(), "busy_pct": self.busy_pct(), "overloaded": self.overloaded()}

    def late_ms(self) -> list[float]:
        """Since the last time."""
        shards: Any = engine().stats()["shards"]
        counts = [list(shard["late_us_counts"]) for shard in shards]
        before = self._before or [[0] * len(each) for each in counts]
        self._before = counts
        late_ms: list[float] = []
        for shard, now_counts, then_counts in zip(shards, counts, before, strict=True):
            bounds_ms = [bound / 1_000 for bound in shard["late_us_bounds"]]
            ends_ms = [*bounds_ms, max(shard["max_late_us"] / 1_000, bounds_ms[-1])]
            for end_ms, now_count, then_count in zip(ends_ms, now_counts, then_counts, strict=True):
                late_ms += [end_ms] * (now_count - then_count)
        return late_ms

    def overloaded(self) -> bool:
        """Whether a shard has ever encoded with less effort, or skipped: then a call costs less than it should."""
        shards: Any = engine().stats()["shards"]
        # The first step only refuses calls.
        return any(sum(shard["overload_steps_entered"][1:]) > 0 for shard in shards)

    def busy_pct(self) -> float:
        """Of a core, by the busiest shard since the last time."""
        shards: Any = engine().stats()["shards"]
        busy_us, looked_s = max(shard["busy_us"] for shard in shards), now()
        used_us, took_s = busy_us - self._busy_us, looked_s - self._looked_s
        self._busy_us, self._looked_s = busy_us, looked_s
        return 100 * used_us / 1e6 / took_s
