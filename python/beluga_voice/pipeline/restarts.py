"""Lives of a component that listens to the whole call: what failed is started again, what is stuck is let go of."""

from __future__ import annotations

import asyncio

__all__ = ["Restarts", "let_go"]

# Between a failure and the next life, by how many failures in a row came before, in seconds.
_DELAYS_S = (0.0, 0.2, 1.0, 3.0)
# What worked this long before it failed had recovered from the failure before, in seconds.
_RECOVERED_S = 5.0
# How long what is given up may take to let go, in seconds.
_GRACE_S = 1.0


class Restarts:
    """Says when the next life may begin."""

    def __init__(self) -> None:
        self._began = 0.0
        self._failures = 0

    def began(self) -> None:
        """A life begins."""
        self._began = asyncio.get_running_loop().time()

    def failed(self) -> None:
        """It has failed, just now."""
        if asyncio.get_running_loop().time() - self._began > _RECOVERED_S:
            self._failures = 0

    async def pause(self) -> None:
        """Until the next one may begin."""
        await asyncio.sleep(_DELAYS_S[min(self._failures, len(_DELAYS_S) - 1)])
        self._failures += 1


async def let_go(stuck: asyncio.Task[None]) -> None:
    """Cancels a life, and waits until it has ended, or for a second."""
    stuck.cancel()
    await asyncio.wait({stuck}, timeout=_GRACE_S)
