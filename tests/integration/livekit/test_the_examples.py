"""`examples/room_agent.py` and `examples/room_backend.py`, run as their first lines say."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.program import program
from support.room_session import PATIENCE_S

from beluga_voice.clock import now

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from contextlib import AbstractAsyncContextManager

    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

ROOT = Path(__file__).resolve().parents[3]
QUESTION = ROOT / "tests" / "data" / "weather_question.wav"


def example(name: str, *arguments: str, **environment: str) -> AbstractAsyncContextManager[Process]:
    return program(ROOT / "examples" / name, *arguments, **environment)


async def rest(running: Process) -> str:
    """What it wrote until its end, which must be a good one."""
    async with asyncio.timeout(PATIENCE_S):
        written = (await running.communicate())[0].decode()
    assert running.returncode == 0, written
    return written


async def greeted_and_answered(caller: SdkCaller, *, since: float) -> None:
    greeted_s = await caller.voice_from("agent", since=since, within=PATIENCE_S)
    await caller.silence_from("agent", since=greeted_s + 1.5)
    asked = await caller.say_wav(QUESTION, at_s=now() + 0.3)
    answered_s = await caller.voice_from("agent", since=asked.last_s, within=PATIENCE_S)
    await caller.silence_from("agent", since=answered_s + 2.0)


async def test_the_agent_in_a_room_greets_answers_and_goes_with_its_caller(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str
) -> None:
    token = livekit_server.token(room_name, "agent", kind="agent")
    began_s = now()
    async with example("room_agent.py", LIVEKIT_URL=livekit_server.url, LIVEKIT_TOKEN=token) as running:
        await greeted_and_answered(ada, since=began_s)
        await ada.leave()
        written = await rest(running)
    assert written.startswith(f"in room {room_name}, media: native\n")
    assert "weather" in written


async def test_the_backend_serves_one_caller_after_another_and_leaves_when_told(
    livekit_server: LiveKitServer, ada: SdkCaller, call_in: Any, room_name: str
) -> None:
    keys = {"LIVEKIT_API_KEY": livekit_server.api_key, "LIVEKIT_API_SECRET": livekit_server.api_secret}
    began_s = now()
    async with example("room_backend.py", room_name, LIVEKIT_URL=livekit_server.url, **keys) as running:
        await greeted_and_answered(ada, since=began_s)
        bob = await call_in(livekit_server, "bob")
        came_s = now()
        await bob.join(room_name)
        await bob.publish()
        await greeted_and_answered(bob, since=came_s)
        told_s = now()
        running.send_signal(signal.SIGTERM)
        left = await ada.event("participant_disconnected", identity="agent", since=told_s, within=PATIENCE_S)
        assert left["reason"] == "CLIENT_INITIATED"
        written = await rest(running)
    assert written == f"serving ada in {room_name}\nserving bob in {room_name}\nleft\n"
