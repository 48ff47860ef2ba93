"""What a process and its threads have used, and what the machine was kept from: read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["MachineTime", "cpu_s", "descriptors", "pss_kb", "shard_and_other_s", "thread_cpu_s", "threads"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def thread_cpu_s(pid: int | None = None) -> dict[str, float]:
    """CPU seconds so far, by the name of the thread; threads of one name are summed. Without `pid` this process's."""
    used: dict[str, float] = {}
    for task in Path(f"/proc/{pid or 'self'}/task").iterdir():
        try:
            stat = (task / "stat").read_text()
        except FileNotFoundError:  # it has just ended
            continue
        # The name is in brackets and may hold anything; after it come state (3), ..., utime (14), stime (15).
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        fields = stat[stat.rindex(")") + 2 :].split()
        used[name] = used.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return used


def shard_and_other_s(before: dict[str, float], after: dict[str, float]) -> tuple[float, float]:
    """What the core's shards and all other threads have used between two answers of `thread_cpu_s`."""
    spent = {name: used_s - before.get(name, 0.0) for name, used_s in after.items()}
    shard_s = sum(used_s for name, used_s in spent.items() if name.startswith("beluga-shard"))
    return shard_s, sum(spent.values()) - shard_s


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its threads so far."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def pss_kb(pid: int | None = None) -> int:
    """A process's share of the memory that it uses; without `pid` this one's."""
    lines = Path(f"/proc/{pid or 'self'}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def threads() -> int:
    """Threads of this process."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 (a count, thousands of times)


def descriptors() -> int:
    """Open descriptors, less the one that counts them."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208


@dataclass(frozen=True, slots=True)
class MachineTime:
    """Ticks of all cores since the machine started."""

    total: int
    stolen: int

    @classmethod
    def now(cls) -> Self:
        """user, nice, system, idle, iowait, irq, softirq and steal; guests' time is part of user and nice."""
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return cls(sum(fields), fields[7])

    def steal_pct_since(self, before: MachineTime) -> float:
        """What the host took, of all the time that passed."""
        return 100 * (self.stolen - before.stolen) / max(1, self.total - before.total)
