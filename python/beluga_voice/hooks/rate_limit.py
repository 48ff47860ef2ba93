"""The framework's own rate limiter as a configuration says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr

from beluga_voice.hooks.redis_token_bucket import RedisTokenBucket
from beluga_voice.hooks.token_bucket import TokenBucket
from beluga_voice.validation import Options

if TYPE_CHECKING:
    from beluga_voice.hooks.rate_limiter import RateLimiter

__all__ = ["RateLimit"]


class RateLimit(Options):
    """How often each user may ask."""

    requests_per_second: float = Field(100.0, gt=0.0, le=1e6, description="Operations of one user in a second.")
    burst: int = Field(10, ge=1, le=1_000_000, description="Operations that he may ask for at once.")
    redis_url: SecretStr | None = Field(
        None, description="Where processes share the limit, such as redis://localhost:6379/0; null: each its own."
    )

    def limiter(self) -> RateLimiter:
        """What enforces it. Raises MissingDependencyError."""
        if self.redis_url is not None:
            return RedisTokenBucket(self.redis_url, requests_per_second=self.requests_per_second, burst=self.burst)
        return TokenBucket(requests_per_second=self.requests_per_second, burst=self.burst)
