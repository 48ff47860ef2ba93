"""Remote procedure calls between participants: what a handler is given, what a caller gets when one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar

__all__ = [
    "RpcCallInfo",
    "RpcError",
    "RpcHandler",
    "RpcInterceptor",
    "RpcInvocationData",
    "incoming_chain",
    "outgoing_chain",
]


class RpcError(Exception):
    """A call that failed. Raised in a handler it reaches the caller as it is; codes 1001 to 1999 are LiveKit's own."""

    class ErrorCode(IntEnum):
        """LiveKit's own codes."""

        APPLICATION_ERROR = 1500
        CONNECTION_TIMEOUT = 1501
        RESPONSE_TIMEOUT = 1502
        RECIPIENT_DISCONNECTED = 1503
        RESPONSE_PAYLOAD_TOO_LARGE = 1504
        SEND_FAILED = 1505
        UNSUPPORTED_METHOD = 1400
        RECIPIENT_NOT_FOUND = 1401
        REQUEST_PAYLOAD_TOO_LARGE = 1402
        UNSUPPORTED_SERVER = 1403
        UNSUPPORTED_VERSION = 1404

    ErrorMessage: ClassVar[Mapping[ErrorCode, str]] = MappingProxyType(
        {
            ErrorCode.APPLICATION_ERROR: "Application error in method handler",
            ErrorCode.CONNECTION_TIMEOUT: "Connection timeout",
            ErrorCode.RESPONSE_TIMEOUT: "Response timeout",
            ErrorCode.RECIPIENT_DISCONNECTED: "Recipient disconnected",
            ErrorCode.RESPONSE_PAYLOAD_TOO_LARGE: "Response payload too large",
            ErrorCode.SEND_FAILED: "Failed to send",
            ErrorCode.UNSUPPORTED_METHOD: "Method not supported at destination",
            ErrorCode.RECIPIENT_NOT_FOUND: "Recipient not found",
            ErrorCode.REQUEST_PAYLOAD_TOO_LARGE: "Request payload too large",
            ErrorCode.UNSUPPORTED_SERVER: "RPC not supported by server",
            ErrorCode.UNSUPPORTED_VERSION: "Unsupported RPC version",
        }
    )

    def __init__(self, code: int | RpcError.ErrorCode, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self._code = code
        self._message = message
        self._data = data

    @property
    def code(self) -> int:
        """What went wrong."""
        return self._code

    @property
    def message(self) -> str:
        """The same in words; at most 256 bytes reach the other side."""
        return self._message

    @property
    def data(self) -> str | None:
        """More about it, JSON by custom; at most 15 KB."""
        return self._data

    @classmethod
    def built_in(cls, code: RpcError.ErrorCode, data: str | None = None) -> RpcError:
        """One of LiveKit's own, in LiveKit's words."""
        return cls(code, cls.ErrorMessage[code], data)


@dataclass
class RpcInvocationData:
    """What a handler is given. `response_timeout`: seconds that the caller waits."""

    request_id: str
    caller_identity: str
    payload: str
    response_timeout: float
    method: str = ""
    cancel_reason: RpcError.ErrorCode | None = None
    """Why the handler is being cancelled: the deadline has passed, or the room is left."""


@dataclass
class RpcCallInfo:
    """A call of ours, on its way through the interceptors."""

    destination_identity: str
    method: str
    payload: str
    response_timeout: float | None = None
    max_round_trip_latency: float | None = None


RpcHandler = Callable[[RpcInvocationData], Awaitable[str | None] | str | None]
Outgoing = Callable[[RpcCallInfo], Awaitable[str]]
Incoming = Callable[[RpcInvocationData], Awaitable[str | None]]


class RpcInterceptor:
    """Wraps the calls that a participant makes and handles; the first one added is the outermost."""

    async def intercept_outgoing(self, call: RpcCallInfo, next: Outgoing) -> str:  # noqa: A002 - the SDK's name
        """Around a call of ours."""
        return await next(call)

    async def intercept_incoming(self, invocation: RpcInvocationData, next: Incoming) -> str | None:  # noqa: A002
        """Around the handler of a call to us."""
        return await next(invocation)


def outgoing_chain(interceptors: Sequence[RpcInterceptor], perform: Outgoing) -> Outgoing:
    """`perform` with the interceptors around it."""
    for interceptor in reversed(interceptors):
        perform = _around_outgoing(interceptor, perform)
    return perform


def incoming_chain(interceptors: Sequence[RpcInterceptor], handle: Incoming) -> Incoming:
    """`handle` with the interceptors around it."""
    for interceptor in reversed(interceptors):
        handle = _around_incoming(interceptor, handle)
    return handle


def _around_outgoing(interceptor: RpcInterceptor, perform: Outgoing) -> Outgoing:
    async def intercepted(call: RpcCallInfo) -> str:
        return await interceptor.intercept_outgoing(call, perform)

    return intercepted


def _around_incoming(interceptor: RpcInterceptor, handle: Incoming) -> Incoming:
    async def intercepted(invocation: RpcInvocationData) -> str | None:
        return await interceptor.intercept_incoming(invocation, handle)

    return intercepted
