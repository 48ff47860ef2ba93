"""Whether a backend reaches what it stands for, and how it may get from one answer to the next.

disconnected ─► connecting ─► connected ─► disconnected
                    │  ▲          │
                    ▼  │          ▼
                   error ◄──► reconnecting ─► connected
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from beluga_voice.errors import InternalError

__all__ = ["TRANSITIONS", "Connection", "ConnectionState"]

ConnectionState = Literal["disconnected", "connecting", "connected", "reconnecting", "error"]

TRANSITIONS: Mapping[ConnectionState, frozenset[ConnectionState]] = {
    "disconnected": frozenset({"connecting"}),
    "connecting": frozenset({"connected", "error", "disconnected"}),
    "connected": frozenset({"error", "disconnected"}),
    "reconnecting": frozenset({"connected", "error", "disconnected"}),
    "error": frozenset({"connecting", "reconnecting", "disconnected"}),
}
"""From each state to which others."""

_log = logging.getLogger("beluga_voice.backend")


class Connection:
    """The state of one backend's connection, told by what becomes of its attempts. `name`: the backend's, for logs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state: ConnectionState = "disconnected"
        self._was_connected = False

    @property
    def state(self) -> ConnectionState:
        """As of the last attempt."""
        return self._state

    def trying(self) -> None:
        """An attempt begins."""
        if self._state == "disconnected":
            self._become("connecting")
        elif self._state == "error":
            self._become("reconnecting" if self._was_connected else "connecting")

    def reached(self) -> None:
        """It succeeded."""
        if self._state == "disconnected":  # closed meanwhile
            return
        self.trying()
        self._was_connected = True
        self._become("connected")

    def failed(self) -> None:
        """It failed."""
        if self._state != "disconnected":
            self._become("error")

    def closed(self) -> None:
        """The backend has let go of it."""
        self._was_connected = False
        self._become("disconnected")

    def _become(self, state: ConnectionState) -> None:
        old, self._state = self._state, state
        if old == state:
            return
        if state not in TRANSITIONS[old]:
            raise InternalError(f"a connection that is {old} cannot become {state}", provider=self._name)
        _log.info("%s: %s, was %s", self._name, state, old)
