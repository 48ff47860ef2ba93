"""Trying again: only what may succeed later, and of which nothing was consumed yet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from beluga_voice.errors import BelugaVoiceError, RateLimitError

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["Backoff", "may_succeed_later", "retried"]

T = TypeVar("T")

# No pause is longer, in seconds, however many attempts went before it.
_LONGEST_S = 30.0


class Backoff:
    """How long to pause before the next attempt: `delay`, then twice as long each time, at most 30 s.

    Each pause is drawn between half of that and all of it, so that callers who failed together do not come back
    together. What a RateLimitError says (`retry_after_s`) is waited for if it is longer. `seed`: of the draws.
    """

    def __init__(self, delay: float, *, seed: int | None = None) -> None:
        self._delay = delay
        self._random = random.Random(seed)

    def pause(self, failures: int, error: BaseException | None = None) -> float:
        """Seconds after that many failures, the last of which was `error`."""
        longest = min(self._delay * 2.0 ** (failures - 1), _LONGEST_S)
        drawn = longest * self._random.uniform(0.5, 1.0)
        asked_for = error.retry_after_s if isinstance(error, RateLimitError) else None
        return max(drawn, asked_for or 0.0)

    def __call__(self, state: RetryCallState) -> float:
        """For tenacity."""
        error = state.outcome.exception() if state.outcome is not None else None
        return self.pause(state.attempt_number, error)


def may_succeed_later(error: BaseException) -> bool:
    """Whether an attempt that ended so is worth another one."""
    return isinstance(error, BelugaVoiceError) and error.retryable


async def retried(attempt: Callable[[], Awaitable[T]], *, max_retries: int, backoff: Backoff) -> T:
    """What `attempt` returns, tried up to `1 + max_retries` times.

    For attempts that leave nothing behind when they fail. Raises what the last one raised, at once if that cannot
    succeed later.
    """
    retrying = AsyncRetrying(
        sleep=asyncio.sleep,
        stop=stop_after_attempt(1 + max_retries),
        wait=backoff,
        retry=retry_if_exception(may_succeed_later),
        reraise=True,
    )
    return await retrying(attempt)
