"""A real livekit-server for all tests, one of its own for a test that kills it, and its log where a test fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from support.sdk_caller import SdkCaller

from beluga_voice.testing import LiveKitServer

SHOWN_LINES, SHOWN_LETTERS = 40, 240
Call = Callable[..., Any]


@pytest.fixture(scope="session")
def livekit_server() -> Generator[LiveKitServer]:
    """For everybody: leave it running."""
    with LiveKitServer() as server:
        yield server


@pytest.fixture
def own_livekit_server() -> Generator[LiveKitServer]:
    """For a test that kills it."""
    with LiveKitServer() as server:
        yield server


@pytest.fixture
def room_name(request: pytest.FixtureRequest) -> str:
    """A room that no other test is in."""
    return request.node.name


@pytest.fixture
async def call_in() -> AsyncGenerator[Call]:
    """`await call_in(server, "ada")`: an `SdkCaller` that is started, and ended after the test.

    He goes before the agent on the machine, unless `precedence` is False: for many callers, who measure no times.
    """
    async with AsyncExitStack() as stack:

        async def call_in(server: LiveKitServer, identity: str, *, precedence: bool = True) -> SdkCaller:
            return await stack.enter_async_context(SdkCaller(server, identity, precedence=precedence))

        yield call_in


@pytest.fixture
async def ada(livekit_server: LiveKitServer, call_in: Call, room_name: str) -> SdkCaller:
    """A caller who is in the room, her microphone published."""
    caller: SdkCaller = await call_in(livekit_server, "ada")
    await caller.join(room_name)
    await caller.publish()
    return caller


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, LiveKitServer):
                lines = [line[:SHOWN_LETTERS] for line in value.log.splitlines()[-SHOWN_LINES:]]
                report.sections.append((f"the end of {name}'s log", "\n".join(lines)))
    return report
