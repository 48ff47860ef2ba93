"""What a virtual clock charges for an answer that it waited for."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from pydantic import NonNegativeFloat, TypeAdapter, ValidationError

from beluga_voice.errors import ConfigError, InvalidStateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Charge", "FixedTimes", "MeasuredTimes", "RecordedTimes"]


_Log = TypeAdapter(dict[str, list[NonNegativeFloat]])


class Charge(Protocol):
    """Says how long an answer is to have taken, in seconds of virtual time."""

    def __call__(self, component: str, measured_s: float) -> float:
        """`measured_s` is what it took on this machine."""
        ...


class FixedTimes:
    """The same for every answer of a component: a run is then the same each time.

    - `by_component`: seconds, by the component's name ("stt", "tts", "agent"); `default`: of all others.
    """

    def __init__(self, by_component: Mapping[str, float] | None = None, *, default: float = 0.0) -> None:
        self._by_component = dict(by_component or {})
        self._default = default
        for name, seconds in {**self._by_component, "default": default}.items():
            if not 0 <= seconds < float("inf"):
                raise ValueError(f"{name} = {seconds}: allowed: seconds, 0 or more")

    def __call__(self, component: str, measured_s: float) -> float:
        """See `Charge`."""
        return self._by_component.get(component, self._default)


class MeasuredTimes:
    """What it took on this machine, and a log of it that `RecordedTimes` can play again."""

    def __init__(self) -> None:
        self.log: dict[str, list[float]] = defaultdict(list)
        """Seconds by component, in the order in which they were charged."""

    def __call__(self, component: str, measured_s: float) -> float:
        """See `Charge`."""
        self.log[component].append(measured_s)
        return measured_s

    def save(self, path: Path) -> None:
        """Writes the log as JSON."""
        path.write_text(json.dumps(self.log, indent=1) + "\n", encoding="utf-8")


class RecordedTimes:
    """What the answers of an earlier run took, in its order.

    - `log`: as `MeasuredTimes.log`; `load` reads it from a file.
    """

    def __init__(self, log: Mapping[str, Sequence[float]]) -> None:
        self._log = {component: list(times) for component, times in log.items()}
        self._next: dict[str, int] = defaultdict(int)

    @classmethod
    def load(cls, path: Path) -> RecordedTimes:
        """The log that `MeasuredTimes.save` wrote. Raises ConfigError for a file that is none."""
        try:
            log = _Log.validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds something else"
            raise ConfigError(f"{path}: allowed: a times.json of an earlier run, seconds by component; {why}") from None
        return cls(log)

    def __call__(self, component: str, measured_s: float) -> float:
        """See `Charge`. Raises InvalidStateError when more is asked than was recorded."""
        times, index = self._log.get(component, []), self._next[component]
        if index >= len(times):
            raise InvalidStateError(
                f"{component}: {len(times)} answers were recorded, this is one more: the run is not the same",
                operation="replay",
            )
        self._next[component] = index + 1
        return times[index]
