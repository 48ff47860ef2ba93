"""One thing that `doctor` looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

__all__ = ["Finding", "State", "distribution"]

# "fail": the embedded defaults cannot run; "missing": something optional is not there; "info": good to know.
State = Literal["ok", "missing", "fail", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy`: what to do about it, where something is to be done."""

    group: str
    name: str
    state: State
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def distribution(group: str, name: str, otherwise: State, remedy: str) -> Finding:
    """An installed package's version; `otherwise`: what it is that there is none."""
    try:
        return Finding(group, name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(group, name, otherwise, "not installed", remedy)
