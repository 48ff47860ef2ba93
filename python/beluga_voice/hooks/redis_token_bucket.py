"""The framework's own rate limiter, shared by all processes that use one Redis."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import logging
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.clock import in_flight
from beluga_voice.errors import MissingDependencyError
from beluga_voice.hooks.rate_limiter import RateLimiter
from beluga_voice.hooks.token_bucket import TokenBucket, check_rate, too_long
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

__all__ = ["RedisTokenBucket"]

_log = logging.getLogger("beluga_voice.hooks")

# Takes a token if one is there within ARGV[3] microseconds: returns how many microseconds that is, and whether it was
# taken. The time is the server's, so that no process's clock matters. A full bucket is no key at all.
_TAKE = """
local interval = 1000000 / tonumber(ARGV[1])
local burst, patience = tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local missing = math.max(full_at + interval - burst * interval - now, 0)
if missing > patience then return {math.ceil(missing), 0} end
local full_then = full_at + interval
redis.call('SET', KEYS[1], string.format('%.0f', full_then), 'PX', math.ceil((full_then - now) / 1000) + 1)
return {math.ceil(missing), 1}
"""
# Gives one back that was taken and not used.
_GIVE_BACK = """
local full_at = tonumber(redis.call('GET', KEYS[1]))
if full_at then
    redis.call('SET', KEYS[1], string.format('%.0f', full_at - 1000000 / tonumber(ARGV[1])), 'KEEPTTL')
end
return 0
"""


class RedisTokenBucket(RateLimiter):
    """As `TokenBucket`, with the buckets in Redis (6 or newer): all processes of one `prefix` share them.

    - `url`: as `redis.asyncio.from_url` takes it, such as "redis://localhost:6379/0". It may hold a password.
    - `timeout`: seconds that Redis may take for an answer. Where it gives none, this process's own bucket of the same
      rate decides, which is logged once and counted as `unreachable`.

    What is kept of a key is a digest and a time, and that no longer than its bucket is not full.
    """

    def __init__(
        self,
        url: str | SecretStr,
        *,
        requests_per_second: float = 100.0,
        burst: int = 10,
        prefix: str = "beluga-voice:rate:",
        timeout: float = 0.5,
        max_wait: float = 60.0,
    ) -> None:
        check_rate(requests_per_second, burst, max_wait)
        if importlib.util.find_spec("redis") is None:
            raise MissingDependencyError("beluga-voice[redis]", operation="rate_limit")
        self._url = url
        self._rate = requests_per_second
        self._burst = burst
        self._prefix = prefix
        self._timeout_s = timeout
        self._max_wait_s = max_wait
        self._own = TokenBucket(requests_per_second=requests_per_second, burst=burst, max_wait=max_wait)
        self._tasks = Tasks(self._failed)
        self._client: Any = None
        self._take: Any = None
        self._give_back: Any = None
        self.unreachable = 0
        """Questions that Redis did not answer."""

    def __repr__(self) -> str:
        return f"RedisTokenBucket(requests_per_second={self._rate:g}, burst={self._burst}, prefix={self._prefix!r})"

    async def allow(self, key: str) -> bool:
        """See `RateLimiter`."""
        answer = await self._ask(lambda: self._take(keys=[self._name(key)], args=[self._rate, self._burst, 0]))
        if answer is None:
            return await self._own.allow(key)
        return bool(answer[1])

    async def wait(self, key: str) -> None:
        """See `RateLimiter`. Who came first goes first."""
        patience_us = round(self._max_wait_s * 1e6)
        name = self._name(key)
        answer: tuple[int, int] | None = None

        async def take() -> None:
            nonlocal answer
            answer = await self._ask(lambda: self._take(keys=[name], args=[self._rate, self._burst, patience_us]))

        async def give_back() -> None:
            await asyncio.wait({taking})
            if answer is not None and answer[1]:
                await self._ask(lambda: self._give_back(keys=[name], args=[self._rate]))

        taking = self._tasks.start(take(), name="take a token")
        try:
            # Asked to its end though who waits gives up meanwhile: the answer says whether one is to be given back.
            await asyncio.shield(taking)
            if answer is None:
                await self._own.wait(key)
            elif answer[1]:
                await asyncio.sleep(answer[0] / 1e6)
            else:
                raise too_long(answer[0] / 1e6, self._max_wait_s)
        except asyncio.CancelledError:
            await asyncio.shield(self._tasks.start(give_back(), name="give a token back"))
            raise

    async def retry_after(self, key: str) -> float | None:
        """See `RateLimiter`."""
        # A patience below zero is one that takes nothing.
        answer = await self._ask(lambda: self._take(keys=[self._name(key)], args=[self._rate, self._burst, -1]))
        return answer[0] / 1e6 if answer is not None else await self._own.retry_after(key)

    async def aclose(self) -> None:
        """Gives back what is to be given back, and closes the connections."""
        await self._tasks.settle(2 * self._timeout_s)
        await self._tasks.cancel()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _name(self, key: str) -> str:
        return self._prefix + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    async def _ask(self, ask: Callable[[], Awaitable[Any]]) -> tuple[int, int] | None:
        if self._client is None:
            self._connect()
        try:
            async with in_flight("redis"), asyncio.timeout(self._timeout_s):
                answer = await ask()
        except Exception as error:  # whatever the client raises: the caller is not to pay for it
            if not self.unreachable:
                _log.warning("Redis gave no answer (%s): this process limits by itself", type(error).__name__)
            self.unreachable += 1
            return None
        return cast("tuple[int, int]", answer)

    def _failed(self, error: BaseException) -> None:
        _log.error("a token could not be taken or given back", exc_info=error)

    def _connect(self) -> None:
        from redis.asyncio import Redis

        url = self._url if isinstance(self._url, str) else self._url.get_secret_value()
        redis: Any = Redis
        self._client = redis.from_url(url, socket_connect_timeout=self._timeout_s, socket_timeout=self._timeout_s)
        self._take = self._client.register_script(_TAKE)
        self._give_back = self._client.register_script(_GIVE_BACK)
