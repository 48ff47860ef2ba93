"""The telephony hook of one backend at work."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from beluga_voice.backend import get_registry
from beluga_voice.errors import DeadlineError, ProviderNotFoundError, SessionError
from beluga_voice.hooks.hook_calls import HookCalls, HookFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from beluga_voice.hooks.telephony import TelephonyHook

T = TypeVar("T")

__all__ = ["Switchboard"]

_log = logging.getLogger("beluga_voice.hooks")


class Switchboard:
    """Asks the hook about calls that come in at the backend `provider`. Without a hook they are answered there."""

    def __init__(self, hook: TelephonyHook | None, provider: str, *, timeout_s: float) -> None:
        self._hook = hook
        self._provider = provider
        self._calls = HookCalls(timeout_s)

    async def route(self, phone_number: str, metadata: Mapping[str, Any]) -> str:
        """The name of the backend that answers. Raises ProviderNotFoundError for one that nobody knows."""
        hook = self._hook
        if hook is None:
            return self._provider
        routed = await self._asked("route_call", str, lambda: hook.route_call(phone_number, dict(metadata)), default="")
        if routed and not get_registry().is_registered(routed):
            known = ", ".join(get_registry().list_providers())
            raise ProviderNotFoundError(
                f"{type(hook).__name__}.route_call returned {routed!r}: allowed: {known}", provider=routed
            )
        return routed or self._provider

    async def admit(self, phone_number: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """What the agent is told of a call that came in here.

        Raises SessionError context_error, with `details["provider"]`, for one that another backend is to answer.
        """
        routed = await self.route(phone_number, metadata)
        if routed != self._provider:
            raise SessionError(
                f"the call is to be answered by {routed!r} (telephony_hook.route_call)",
                code="context_error",
                details={"provider": routed, "call_id": metadata.get("call_id", "")},
            )
        hook, call_id = self._hook, str(metadata.get("call_id", ""))
        known: Mapping[str, Any] = {}
        if hook is not None and call_id:
            known = await self._asked(
                "get_call_metadata", dict, lambda: hook.get_call_metadata(call_id), default=dict[str, Any]()
            )
        return {**metadata, "phone_number": phone_number, **known}

    async def handle_sip(self, message: bytes, metadata: Mapping[str, Any]) -> bytes:
        """What the hook answers; b"" without one. Raises DeadlineError where it fails or is late."""
        hook = self._hook
        if hook is None:
            return b""
        try:
            return await self._calls.ask(hook, "handle_sip", bytes, lambda: hook.handle_sip(message, dict(metadata)))
        except HookFailedError as failed:
            raise DeadlineError(str(failed), operation="handle_sip") from None

    async def _asked(self, method: str, kind: Any, call: Callable[[], T | Awaitable[T]], *, default: T) -> T:
        try:
            return await self._calls.ask(self._hook, method, kind, call)
        except HookFailedError as failed:
            _log.warning("%s: the call is answered all the same", failed)
            return default
