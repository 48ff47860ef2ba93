"""How often somebody may ask."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod

__all__ = ["RateLimiter", "short_key"]

_LONGEST_KEY = 128


class RateLimiter(ABC):
    """Says how often each key, such as a user's id, may ask."""

    @abstractmethod
    async def allow(self, key: str) -> bool:
        """Whether the key may ask now; True counts as having asked."""

    @abstractmethod
    async def wait(self, key: str) -> None:
        """Until the key may ask; then it has asked. Raises RateLimitError where that would take too long."""

    async def retry_after(self, key: str) -> float | None:
        """Seconds until the key may ask again; None where that is not known."""
        return None

    async def aclose(self) -> None:  # noqa: B027 - an empty hook
        """Lets go of connections. Called at the end of the backend that was given it."""


def short_key(key: str) -> str:
    """The key, or of one that is long its digest: what users send does not decide how much is kept."""
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
