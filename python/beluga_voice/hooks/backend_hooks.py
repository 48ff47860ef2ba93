"""The hooks of one backend, as its configuration has them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from beluga_voice.hooks.admission import Admission
from beluga_voice.hooks.rate_limit import RateLimit
from beluga_voice.hooks.redis_token_bucket import RedisTokenBucket
from beluga_voice.hooks.retention import Retention
from beluga_voice.hooks.switchboard import Switchboard
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from beluga_voice.config import BackendConfig, SessionConfig
    from beluga_voice.hooks.admission import Admitted
    from beluga_voice.hooks.data_retention import DataRetentionHook
    from beluga_voice.hooks.rate_limiter import RateLimiter
    from beluga_voice.session import VoiceSession

__all__ = ["BackendHooks"]

_log = logging.getLogger("beluga_voice.hooks")


class BackendHooks:
    """What a backend asks its owner. `own_limiter`: the provider's, which is asked before the configured one;
    `own_retention`: the provider's, which is asked where none is configured.

    Raises MissingDependencyError.
    """

    def __init__(
        self,
        config: BackendConfig,
        provider: str,
        *,
        own_limiter: RateLimiter | None = None,
        own_retention: DataRetentionHook | None = None,
    ) -> None:
        self._provider = provider
        self._own_retention = own_retention
        self._own_limiter = own_limiter
        self._limiter_as_said: object = None
        self._limiter: RateLimiter | None = None
        self._limiters_unreachable = 0
        """Questions that Redis did not answer to limiters which were replaced."""
        self._tasks = Tasks(self._failed)
        self.retention = Retention(self._retention_of(config), timeout_s=config.hook_timeout)
        self._admission = Admission(provider)
        self._admit_by(config)
        self._timeout_s = config.hook_timeout
        self.switchboard = self._switchboard_of(config)

    def adopt(self, config: BackendConfig) -> None:
        """Goes by another configuration. Buckets of an unchanged rate limiter stay as full as they are."""
        self._admit_by(config)
        self._timeout_s = config.hook_timeout
        self.switchboard = self._switchboard_of(config)
        self.retention.adopt(self._retention_of(config), timeout_s=config.hook_timeout)

    def stats(self) -> dict[str, int]:
        """What hooks refused, by code, and what they did not do in time.

        `refused_...`: operations; `hook_calls_abandoned`: hooks that did not end when they were late;
        `rate_limiter_unreachable`: questions that Redis did not answer; `sessions_forgotten_early`: those that were
        not kept for as long as was said, there being too many.
        """
        return {
            **self._admission.stats(),
            "rate_limiter_unreachable": self._limiters_unreachable + _unreachable(self._limiter),
            "sessions_forgotten_early": self.retention.forgotten_early,
        }

    def operation(self, name: str, config: SessionConfig | None) -> AbstractAsyncContextManager[Admitted]:
        """Around each operation of the backend: see `Admission.operation`. Raises AuthError, RateLimitError."""
        if config is None:
            return self._admission.operation(name)
        token = config.auth_token.get_secret_value() if config.auth_token is not None else ""
        return self._admission.operation(name, user_id=config.user_id or "", token=token, metadata=config.metadata)

    def watch(self, session: VoiceSession) -> None:
        """Has what is kept of the session decided when it is over."""

        def over(_: object) -> None:
            if self.retention.asks or session.has_recordings:
                self._tasks.start(self.retention.take(session.belongings()), name="retention")

        session.on("close", over)

    async def aclose(self) -> None:
        """Waits until it is decided what is kept of each session, and lets go of connections."""
        await self._tasks.settle(6 * (self._timeout_s + 1.0))  # two questions about each of three
        await self._tasks.cancel()
        limiter = self._limiter_of_ours
        if limiter is not None:
            await limiter.aclose()

    @property
    def _limiter_of_ours(self) -> RateLimiter | None:
        """The configured one, where it was made here of its rate: nobody else closes it."""
        return self._limiter if isinstance(self._limiter_as_said, RateLimit) else None

    def _admit_by(self, config: BackendConfig) -> None:
        said = config.rate_limiter
        if said != self._limiter_as_said:
            replaced = self._limiter_of_ours
            self._limiter = said.limiter() if isinstance(said, RateLimit) else said
            self._limiter_as_said = said
            if replaced is not None:
                self._limiters_unreachable += _unreachable(replaced)
                self._tasks.start(replaced.aclose(), name="close a rate limiter")
        self._admission.adopt(
            auth=config.auth_hook,
            limiters=[each for each in (self._own_limiter, self._limiter) if each is not None],
            timeout_s=config.hook_timeout,
        )

    def _retention_of(self, config: BackendConfig) -> DataRetentionHook | None:
        configured: DataRetentionHook | None = config.data_retention_hook
        return configured if configured is not None else self._own_retention

    def _switchboard_of(self, config: BackendConfig) -> Switchboard:
        return Switchboard(config.telephony_hook, self._provider, timeout_s=config.hook_timeout)

    def _failed(self, error: BaseException) -> None:
        _log.error("what a backend's hooks were about failed", exc_info=error)


def _unreachable(limiter: RateLimiter | None) -> int:
    return limiter.unreachable if isinstance(limiter, RedisTokenBucket) else 0
