"""Calls of others: answered by handlers that may raise, be late, be too many, or not heed that they are cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from support.fake_room import FakeDriver, room_on

from beluga_voice.livekit import DisconnectReason, RpcError, RpcInterceptor, RpcInvocationData, room_events as told
from beluga_voice.livekit.rpc_service import AT_ONCE

if TYPE_CHECKING:
    import pytest


def call(number: int, method: str = "m", *, timeout: float = 5.0) -> told.RpcRequested:
    return told.RpcRequested(number, f"request-{number}", "ada", method, "payload", timeout)


async def answers(driver: FakeDriver, count: int) -> dict[int, Any]:
    """What was answered, by invocation: a payload, or an error's code."""
    await driver.until(lambda: len(driver.named("respond_rpc")) >= count)
    return {
        number: error.code if error is not None else payload for number, payload, error in driver.named("respond_rpc")
    }


async def test_a_handler_answers_or_fails_as_livekit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    us = (await room_on(driver, monkeypatch)).local_participant

    @us.register_rpc_method("greet")
    async def greet(data: RpcInvocationData) -> str:
        return f"{data.caller_identity} {data.payload} {data.method} {data.request_id} {data.response_timeout}"

    def refuse(data: RpcInvocationData) -> str:
        raise RpcError(1601, "no")

    def broken(data: RpcInvocationData) -> str:
        raise OSError("no disk")

    async def cancels_itself(data: RpcInvocationData) -> str:
        raise asyncio.CancelledError

    us.register_rpc_method("refuse", refuse)
    us.register_rpc_method("broken", broken)
    us.register_rpc_method("cancels itself", cancels_itself)
    driver.tell(call(1, "greet"), call(2, "refuse"), call(3, "broken"), call(4, "cancels itself"), call(5, "unknown"))
    assert await answers(driver, 5) == {1: "ada payload greet request-1 5.0", 2: 1601, 3: 1500, 4: 1500, 5: 1400}
    us.unregister_rpc_method("greet")
    driver.tell(call(6, "greet"))
    assert (await answers(driver, 6))[6] == 1400


async def test_a_handler_that_is_late_is_cancelled_and_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    us = (await room_on(driver, monkeypatch)).local_participant
    reasons: list[Any] = []

    @us.register_rpc_method("m")
    async def hang(data: RpcInvocationData) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            reasons.append(data.cancel_reason)
            raise
        return ""

    driver.tell(call(1, timeout=0.01))
    assert await answers(driver, 1) == {1: 1502}
    assert reasons == [RpcError.ErrorCode.RESPONSE_TIMEOUT]


async def test_the_room_is_left_in_the_middle_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    begun = asyncio.Event()

    @room.local_participant.register_rpc_method("m")
    async def hang(data: RpcInvocationData) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    driver.tell(call(1))
    await begun.wait()
    driver.tell(told.Disconnected(DisconnectReason.CLIENT_INITIATED))
    assert await answers(driver, 1) == {1: 1503}
    await room.disconnect()


async def test_one_call_too_many_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    go = asyncio.Event()

    @room.local_participant.register_rpc_method("m")
    async def wait(data: RpcInvocationData) -> str:
        await go.wait()
        return "done"

    driver.tell(*(call(number) for number in range(AT_ONCE + 1)))
    assert driver.named("respond_rpc")[0][0] == AT_ONCE
    assert await answers(driver, 1) == {AT_ONCE: 1500}
    assert room.stats()["rpc_refused"] == 1
    go.set()
    assert set((await answers(driver, AT_ONCE + 1)).values()) == {1500, "done"}
    driver.tell(call(100))
    assert (await answers(driver, AT_ONCE + 2))[100] == "done"


async def test_interceptors_wrap_calls_both_ways_the_first_one_outermost(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    us = (await room_on(driver, monkeypatch)).local_participant
    order: list[str] = []

    class Noting(RpcInterceptor):
        def __init__(self, name: str) -> None:
            self.name = name

        async def intercept_outgoing(self, call: Any, next: Any) -> str:  # noqa: A002
            order.append(f"{self.name} out")
            return await next(call)

        async def intercept_incoming(self, invocation: Any, next: Any) -> str | None:  # noqa: A002
            order.append(f"{self.name} in")
            return await next(invocation)

    async def performed(call: Any) -> str:
        order.append(f"performed {call.method}")
        return "answer"

    driver.perform_rpc = performed
    outer, inner = Noting("outer"), Noting("inner")
    for each in (outer, inner, outer):
        us.add_rpc_interceptor(each)
    assert await us.perform_rpc(destination_identity="ada", method="m", payload="") == "answer"
    us.register_rpc_method("m", lambda data: "x")
    driver.tell(call(1))
    await answers(driver, 1)
    us.remove_rpc_interceptor(outer)
    await us.perform_rpc(destination_identity="ada", method="n", payload="")
    assert order == [
        "outer out",
        "inner out",
        "performed m",
        "outer in",
        "inner in",
        "inner out",
        "performed n",
    ]
