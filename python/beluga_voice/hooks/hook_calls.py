"""Calls of hooks: each has a deadline, and none can take the call or the loop with it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from beluga_voice.foreign_calls import ForeignCalls, LateError

T = TypeVar("T")

__all__ = ["HookCalls", "HookFailedError"]


class HookFailedError(Exception):
    """A hook gave no answer. Its text says why in words of ours: what the hook raised may hold a secret."""


class HookCalls:
    """Asks hooks. `timeout_s`: how long one may take for its answer."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._foreign = ForeignCalls()

    @property
    def abandoned(self) -> int:
        """Hooks that went on after they were late: what they do from then on is not heeded."""
        return self._foreign.abandoned

    async def ask(self, hook: object, method: str, kind: Any, call: Callable[[], T | Awaitable[T]]) -> T:
        """What `call`, a method of `hook`, returns: a `kind`. Raises HookFailedError."""
        name = f"{type(hook).__name__}.{method}"

        async def asked() -> T:
            answer = call()
            return await cast("Awaitable[T]", answer) if inspect.isawaitable(answer) else cast("T", answer)

        late_at = asyncio.get_running_loop().time() + self.timeout_s
        answer, failed = None, ""
        try:
            answer = await self._foreign.run(asked(), name=f"hook {name}", due=lambda: late_at)
        except LateError:
            failed = f"{name} gave no answer within {self.timeout_s:g} s (hook_timeout)"
        except Exception as error:
            failed = f"{name} raised {type(error).__name__}"
        # Not within `except`, whose exception would stay with this one as its context.
        if not failed and not isinstance(answer, kind):
            failed = f"{name} returned {type(answer).__name__}: allowed: {getattr(kind, '__name__', kind)}"
        if failed:
            raise HookFailedError(failed)
        return cast("T", answer)
