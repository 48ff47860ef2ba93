"""One object in several sessions: only if asked for.

An object that a user built and hands over (a component, an object with `respond`) usually keeps the state of one call:
used in a second one it would carry words from caller to caller. So it belongs to the first session that takes it, and
`share(it)` is how its owner says that it may serve them all.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Generic, TypeVar

from beluga_voice.errors import ConfigError

T = TypeVar("T")

__all__ = ["Shared", "share"]


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """An object that several sessions may use at once; made by `share`."""

    value: T


def share(value: T) -> Shared[T]:
    """Says that `value` may serve several sessions, at the same time and one after another."""
    return Shared(value)


class Claims:
    """Which objects a session has taken already. Thread-safe; keeps none alive that can be referred to weakly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[int, object] = {}

    def take(self, value: object) -> bool:
        """True the first time that `value` is taken, False ever after."""
        key = id(value)
        with self._lock:
            if key in self._taken:
                return False
            try:
                self._taken[key] = weakref.ref(value, lambda _: self._taken.pop(key, None))
            except TypeError:
                # A class with __slots__ and no __weakref__. Held for good: its id must not be given to another.
                self._taken[key] = value
            return True

    def take_or_refuse(self, value: object, *, field: str, name: str) -> None:
        """Takes it for one session. Raises ConfigError, which names `field` and the object's `name`, ever after."""
        if not self.take(value):
            raise ConfigError(
                f"{field}: this {name} serves another session already: "
                f"allowed: the class, an instance for each session, or share(instance)"
            )


claims = Claims()
