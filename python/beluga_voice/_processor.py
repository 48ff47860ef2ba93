"""What the processor can do, by the levels of the psABI of x86-64.

https://gitlab.com/x86-psABIs/x86-64-ABI, "Micro-Architecture Levels"; features are called as Linux calls them.
"""

from __future__ import annotations

__all__ = ["levels"]

_V3 = "cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
_LEVELS = {"x86-64-v3": frozenset(_V3.split())}
_CPUINFO = "/proc/cpuinfo"
# Of one processor: on a machine with hundreds the kernel takes its time for all of them.
_CPUINFO_BYTES = 8_192


def levels() -> list[str]:
    """Those above the first that this machine reaches and a core is made for, the highest first."""
    features = _features()
    return [level for level, needed in _LEVELS.items() if needed <= features]


def _features() -> frozenset[str]:
    """What the kernel lets programs use of the first processor; empty where it does not say."""
    try:
        with open(_CPUINFO, "rb") as file:  # noqa: PTH123 - see the package: pathlib would be most of its import
            text = file.read(_CPUINFO_BYTES).decode("ascii", "replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()
