"""Whether an operation of a backend is let through: who asks, how often, and whether he may."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from beluga_voice.errors import AuthError, RateLimitError
from beluga_voice.hooks.auth import AuthResult
from beluga_voice.hooks.caller import Caller, current_caller
from beluga_voice.hooks.hook_calls import HookCalls, HookFailedError
from beluga_voice.hooks.redis_token_bucket import RedisTokenBucket
from beluga_voice.hooks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence

    from beluga_voice.hooks.auth import AuthHook
    from beluga_voice.hooks.rate_limiter import RateLimiter

T = TypeVar("T")

__all__ = ["Admission", "Admitted"]

DEFAULT_TIMEOUT_S = 5.0
_OURS = (TokenBucket, RedisTokenBucket)
# What is done for a user: without one who is known nothing of it is.
_NEED_A_USER = ("create_session", "answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Who was let through. `user_id` is "" where nobody's name was asked for."""

    user_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """An operation that was let through."""

    admission: Admission
    task: asyncio.Task[Any] | None
    admitted: Admitted


_under_way: contextvars.ContextVar[_UnderWay | None] = contextvars.ContextVar("beluga_voice_operation", default=None)


class Admission:
    """What a backend asks before each of its operations.

    First who it is (`auth`), then whether he asked too often (`limiters`, the provider's own first, the framework's
    after it), then whether he may. A user of whom nothing is known but his name is believed without an `auth`; what the
    program asks for itself, with no name, is not limited.

    - `provider`: the backend's name, for errors.
    - `timeout_s`: seconds that a hook may take.
    """

    def __init__(
        self,
        provider: str,
        *,
        auth: AuthHook | None = None,
        limiters: Sequence[RateLimiter] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._provider = provider
        self._auth = auth
        self._limiters = tuple(limiters)
        self._calls = HookCalls(timeout_s)
        self._refused: Counter[str] = Counter()

    def adopt(self, *, auth: AuthHook | None, limiters: Sequence[RateLimiter], timeout_s: float) -> None:
        """Asks others from now on. What was counted stays counted."""
        self._auth = auth
        self._limiters = tuple(limiters)
        self._calls.timeout_s = timeout_s

    def stats(self) -> dict[str, int]:
        """What was refused, by code, and hooks that did not end when they were told to."""
        refused = {f"refused_{code}": count for code, count in sorted(self._refused.items())}
        return {**refused, "hook_calls_abandoned": self._calls.abandoned}

    async def admit(
        self, operation: str, *, user_id: str = "", token: str = "", metadata: Mapping[str, Any] | None = None
    ) -> Admitted:
        """Lets `operation` through, or raises AuthError and RateLimitError.

        Who asks is said by the arguments, else by `acting_as`.
        """
        caller = current_caller()
        if user_id or token or metadata:
            caller = Caller(
                user_id=user_id or caller.user_id,
                token=token or caller.token,
                metadata={**caller.metadata, **(metadata or {})},
            )
        admitted = Admitted(user_id=caller.user_id)
        if self._auth is not None and (caller.token or caller.user_id or operation in _NEED_A_USER):
            admitted = await self._authenticate(self._auth, caller, operation)
        if admitted.user_id:
            for limiter in self._limiters:
                await self._limit(limiter, admitted.user_id, operation)
        if self._auth is not None:
            await self._authorize(self._auth, admitted.user_id, operation)
        return admitted

    @asynccontextmanager
    async def operation(
        self, name: str, *, user_id: str = "", token: str = "", metadata: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[Admitted]:
        """Around an operation; see `admit`. What it calls of the same backend in the same task is let through with it,
        except "create_session", which has to be allowed by its own name."""
        if self._auth is None and not self._limiters:
            yield Admitted(user_id=user_id)
            return
        outer, task = _under_way.get(), asyncio.current_task()
        # A task that an operation began is another matter: an agent's code runs in such a one.
        inner = outer is not None and outer.admission is self and outer.task is task
        if outer is None or not inner:
            admitted = await self.admit(name, user_id=user_id, token=token, metadata=metadata)
        else:
            admitted = outer.admitted
            if self._auth is not None and name == "create_session":
                await self._authorize(self._auth, admitted.user_id, name)
        reset = _under_way.set(_UnderWay(self, task, admitted))
        try:
            yield admitted
        finally:
            _under_way.reset(reset)

    async def _authenticate(self, auth: AuthHook, caller: Caller, operation: str) -> Admitted:
        code = "authentication_failed"
        result = await self._ask(
            auth,
            "authenticate",
            AuthResult,
            lambda: auth.authenticate(caller.token, dict(caller.metadata)),
            code=code,
            operation=operation,
        )
        if not result.authorized:
            raise self._refusal(code, "the token was refused", operation)
        if not result.user_id:
            raise self._refusal(code, f"{type(auth).__name__}.authenticate named no user", operation)
        if caller.user_id and caller.user_id != result.user_id:
            raise self._refusal(code, f"the token is not that of user_id = {caller.user_id!r}", operation)
        return Admitted(user_id=result.user_id, metadata=dict(result.metadata))

    async def _authorize(self, auth: AuthHook, user_id: str, operation: str) -> None:
        code = "authorization_failed"
        allowed = await self._ask(
            auth, "authorize", bool, lambda: auth.authorize(user_id, operation), code=code, operation=operation
        )
        if not allowed:
            who = f"user {user_id!r}" if user_id else "the program itself, for nobody (see acting_as),"
            raise self._refusal(code, f"{who} may not {operation}", operation)

    async def _limit(self, limiter: RateLimiter, user_id: str, operation: str) -> None:
        try:
            if isinstance(limiter, _OURS):  # which keep to a deadline of their own
                allowed = await limiter.allow(user_id)
            else:
                allowed = await self._calls.ask(limiter, "allow", bool, lambda: limiter.allow(user_id))
            if allowed:
                return
            retry_after_s = await self._calls.ask(
                limiter, "retry_after", float | int | None, lambda: limiter.retry_after(user_id)
            )
            message = f"user {user_id!r} asks too often"
        except HookFailedError as failed:
            retry_after_s, message = None, str(failed)
        self._refused["rate_limit_exceeded"] += 1
        when = f": allowed again in {retry_after_s:.3g} s" if retry_after_s is not None else ""
        raise RateLimitError(
            message + when, retry_after_s=retry_after_s, provider=self._provider, operation=operation
        ) from None

    async def _ask(
        self,
        hook: AuthHook,
        method: str,
        kind: Any,
        call: Callable[[], Coroutine[Any, Any, T]],
        *,
        code: str,
        operation: str,
    ) -> T:
        try:
            return await self._calls.ask(hook, method, kind, call)
        except HookFailedError as failed:
            raise self._refusal(code, str(failed), operation) from None

    def _refusal(self, code: str, message: str, operation: str) -> AuthError:
        self._refused[code] += 1
        return AuthError(message, code=code, provider=self._provider, operation=operation)
