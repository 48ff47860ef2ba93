"""The framework's own rate limiter, in this process's memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from beluga_voice.clock import now
from beluga_voice.errors import ConfigError, RateLimitError
from beluga_voice.hooks.rate_limiter import RateLimiter, short_key

__all__ = ["TokenBucket", "check_rate", "too_long"]


class TokenBucket(RateLimiter):
    """A bucket of tokens for each key: asking takes one, `requests_per_second` come back, at most `burst` are in it.

    - `max_keys`: buckets at the same time. One that is full again is forgotten; past the limit the one that was asked
      longest ago is, which gives its key a full one. Counted as `forgotten`.
    - `max_wait`: seconds that `wait` waits at most.

    Kept of a key is one time, that at which its bucket will be full (the generic cell rate algorithm, ITU-T I.371).
    Belongs to one event loop, whose clock it goes by.
    """

    def __init__(
        self,
        *,
        requests_per_second: float = 100.0,
        burst: int = 10,
        max_keys: int = 10_000,
        max_wait: float = 60.0,
    ) -> None:
        check_rate(requests_per_second, burst, max_wait)
        if max_keys < 1:
            raise ConfigError(f"max_keys = {max_keys}: allowed: 1 or more")
        self._interval_s = 1.0 / requests_per_second
        self._burst = burst
        self._max_keys = max_keys
        self._max_wait_s = max_wait
        # By the key, in the order in which they were asked last.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self.forgotten = 0
        """Buckets that were not full and forgotten for want of room."""

    @property
    def keys(self) -> int:
        """How many buckets are kept."""
        return len(self._full_at)

    async def allow(self, key: str) -> bool:
        """See `RateLimiter`."""
        if self._missing_s(key) > 0.0:
            return False
        self._take(key)
        return True

    async def wait(self, key: str) -> None:
        """See `RateLimiter`. Who came first goes first."""
        missing_s = self._missing_s(key)
        if missing_s > self._max_wait_s:
            raise too_long(missing_s, self._max_wait_s)
        # Its token is taken at once, though it has yet to come: whoever asks after it waits for the next.
        self._take(key)
        try:
            await asyncio.sleep(missing_s)
        except asyncio.CancelledError:
            self._give_back(key)
            raise

    async def retry_after(self, key: str) -> float | None:
        """See `RateLimiter`."""
        return self._missing_s(key)

    def _missing_s(self, key: str) -> float:
        """How long until there is a token, in seconds."""
        at = now()
        full_at = max(self._full_at.get(short_key(key), at), at)
        missing_s = full_at + self._interval_s - self._burst * self._interval_s - at
        # A token that is a rounding error away is there.
        return missing_s if missing_s > 1e-9 * self._interval_s + 1e-9 else 0.0

    def _take(self, key: str) -> None:
        at, key = now(), short_key(key)
        self._full_at[key] = max(self._full_at.get(key, at), at) + self._interval_s
        self._full_at.move_to_end(key)
        while self._full_at:
            oldest, full_at = next(iter(self._full_at.items()))
            if full_at > at and len(self._full_at) <= self._max_keys:
                break
            del self._full_at[oldest]
            self.forgotten += full_at > at

    def _give_back(self, key: str) -> None:
        key = short_key(key)
        if key in self._full_at:
            self._full_at[key] -= self._interval_s


def check_rate(requests_per_second: float, burst: int, max_wait: float) -> None:
    """Raises ConfigError for a rate, a burst or a wait that is none."""
    if not 0.0 < requests_per_second <= 1e6:
        raise ConfigError(f"requests_per_second = {requests_per_second}: allowed: above 0, to 1000000")
    if not 1 <= burst <= 1_000_000:
        raise ConfigError(f"burst = {burst}: allowed: 1 to 1000000")
    if not 0.0 <= max_wait <= 3600.0:
        raise ConfigError(f"max_wait = {max_wait}: allowed: 0 to 3600")


def too_long(missing_s: float, max_wait_s: float) -> RateLimitError:
    """What `wait` raises instead of waiting."""
    return RateLimitError(
        f"the next request is allowed in {missing_s:.3g} s, and at most {max_wait_s:g} s are waited (max_wait)",
        retry_after_s=missing_s,
    )
