"""Answers the calls of others: their handlers are tasks of the room's, with the caller's deadline."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING

from beluga_voice.livekit.rpc import RpcError, RpcInvocationData, incoming_chain
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from beluga_voice.livekit.room_driver import RoomDriver
    from beluga_voice.livekit.room_events import RpcRequested
    from beluga_voice.livekit.rpc import RpcHandler, RpcInterceptor

__all__ = ["RpcService"]

_log = logging.getLogger("beluga_voice.livekit")

AT_ONCE = 64
"""Calls that a room answers at the same time. Policy: one more is refused with code 1500, and counted."""

# How long a handler that is cancelled may take to clean up before it is left alone, in seconds.
_GRACE_S = 2.0


class RpcService:
    """Runs handlers, and answers for them when they fail, are late or are too many."""

    def __init__(self, driver: RoomDriver) -> None:
        self._driver = driver
        self.handlers: dict[str, RpcHandler] = {}
        self.interceptors: list[RpcInterceptor] = []
        self._tasks = Tasks(self._failed)
        self._running = 0
        self.refused = 0
        """Calls that were one too many."""
        self.abandoned = 0
        """Handlers that went on after they were cancelled."""

    def take(self, request: RpcRequested) -> None:
        """Begins to answer a call."""
        if self._running >= AT_ONCE:
            self.refused += 1
            busy = RpcError.built_in(RpcError.ErrorCode.APPLICATION_ERROR, f"{AT_ONCE} calls are being answered")
            self._driver.respond_rpc(request.invocation_id, None, busy)
            return
        self._running += 1
        self._tasks.start(self._answer(request), name=f"rpc {request.method}")

    async def aclose(self) -> None:
        """The room is left: handlers are cancelled, their callers told."""
        await self._tasks.cancel()

    async def _answer(self, request: RpcRequested) -> None:
        payload: str | None = None
        error: RpcError | None = None
        try:
            payload = await self._handled(request)
        except RpcError as raised:
            error = raised
        except asyncio.CancelledError:
            error = RpcError.built_in(RpcError.ErrorCode.RECIPIENT_DISCONNECTED)
            raise
        except Exception:
            _log.exception("the handler of RPC method %s raised: its caller gets 1500", request.method)
            error = RpcError.built_in(RpcError.ErrorCode.APPLICATION_ERROR)
        finally:
            self._running -= 1
            self._driver.respond_rpc(request.invocation_id, payload, error)

    async def _handled(self, request: RpcRequested) -> str | None:
        invocation = RpcInvocationData(
            request.request_id,
            request.caller_identity,
            request.payload,
            request.response_timeout_s,
            method=request.method,
        )
        handle = incoming_chain(tuple(self.interceptors), self._call)
        work = asyncio.ensure_future(handle(invocation))
        try:
            await asyncio.wait({work}, timeout=request.response_timeout_s)
        except asyncio.CancelledError:
            invocation.cancel_reason = RpcError.ErrorCode.RECIPIENT_DISCONNECTED
            await self._give_up(work)
            raise
        if not work.done():
            invocation.cancel_reason = RpcError.ErrorCode.RESPONSE_TIMEOUT
            await self._give_up(work)
            raise RpcError.built_in(RpcError.ErrorCode.RESPONSE_TIMEOUT)
        if work.cancelled():
            raise RuntimeError("it cancelled itself")
        return work.result()

    async def _call(self, invocation: RpcInvocationData) -> str | None:
        handler = self.handlers.get(invocation.method)
        if handler is None:
            raise RpcError.built_in(RpcError.ErrorCode.UNSUPPORTED_METHOD)
        result = handler(invocation)
        return await result if inspect.isawaitable(result) else result

    async def _give_up(self, work: asyncio.Future[str | None]) -> None:
        work.cancel()
        try:
            await asyncio.wait({work}, timeout=_GRACE_S)
        finally:
            if not work.done():
                self.abandoned += 1
            # What it raises after it was given up is nobody's concern.
            work.add_done_callback(_looked_at)

    def _failed(self, error: BaseException) -> None:
        _log.error("an RPC call could not be answered", exc_info=error)


def _looked_at(work: asyncio.Future[str | None]) -> None:
    if not work.cancelled():
        work.exception()
