"""`beluga-voice call` in a real room: it answers an SDK caller, and leaves as one who takes his leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from livekit import api
from support.room_session import MEDIA, PATIENCE_S

from beluga_voice.clock import now

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

ROOT = Path(__file__).resolve().parents[3]
QUESTION = ROOT / "tests" / "data" / "weather_question.wav"
# Who goes without a word is missed by the server after some 15 s.
GONE_WITHIN_S = 10.0


async def comes(caller: Any, room: str) -> None:
    await caller.join(room)
    await caller.publish()


@asynccontextmanager
async def calling(server: LiveKitServer, room: str, *options: str, media: str = "native") -> AsyncGenerator[Process]:
    """The command, once it waits for its caller."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "beluga_voice", "call", "--room", room, "--media", media, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
        },
    )
    try:
        assert f"media: {media}" in await line_with(program, "waiting for a caller")
        yield program
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def line_with(program: Process, text: str) -> str:
    """The next line of its output with that in it."""
    assert program.stdout is not None
    read: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while text not in (line := (await program.stdout.readline()).decode()):
            read.append(line)
            assert line, f"no {text!r}: {read}, {await program.communicate()}"
    return line


async def ended(program: Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE_S):
        out, err = await program.communicate()
    return program.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("media", MEDIA)
async def test_a_caller_is_answered_and_ctrl_c_shows_the_call_and_leaves_the_room(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: str, tmp_path: Path
) -> None:
    ada = await call_in(livekit_server, "ada")
    agent = f"{ROOT}/examples/my_agent.py:agent"
    options = ("--agent", agent, "--greeting", "Hello.", "--out", str(tmp_path))
    async with calling(livekit_server, room_name, *options, media=media) as program:
        await comes(ada, room_name)
        await line_with(program, "serving ada")
        greeted_s = await ada.voice_from("agent", within=PATIENCE_S)
        await ada.silence_from("agent", since=greeted_s)
        asked = await ada.say_wav(QUESTION, at_s=now() + 0.3)
        answered_s = await ada.voice_from("agent", since=asked.last_s, within=PATIENCE_S)
        await ada.silence_from("agent", since=answered_s + 2.0)
        await line_with(program, "agent   It is sunny, with a light breeze from the sea.")
        told_s = now()
        program.send_signal(signal.SIGINT)
        left = await ada.event("participant_disconnected", identity="agent", since=told_s, within=PATIENCE_S)
        assert left["at_s"] < told_s + GONE_WITHIN_S
        assert left["reason"] == "CLIENT_INITIATED"
        status, shown, errors = await ended(program)
    assert (status, errors) == (0, "")
    assert "end of turn" in shown
    report = json.loads((tmp_path / "report.json").read_text())
    (turn,) = report["turns"]
    assert "weather" in turn["heard"]
    assert turn["said"] == "It is sunny, with a light breeze from the sea."


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_who_waits_for_a_caller_may_be_told_to_go(
    livekit_server: LiveKitServer, room_name: str, media: str, number: int
) -> None:
    async with calling(livekit_server, room_name, media=media) as program:
        assert await present(livekit_server, room_name) == ["agent"]
        told_s = now()
        program.send_signal(number)
        status, shown, errors = await ended(program)
        while await present(livekit_server, room_name):
            assert now() < told_s + GONE_WITHIN_S
    assert (status, errors) == (0, "")
    assert "nobody was served" in shown


async def present(server: LiveKitServer, room: str) -> list[str]:
    """Who is in the room, as the server has it: others are told of one who publishes nothing seconds later."""
    async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client:
        found = await client.room.list_participants(api.ListParticipantsRequest(room=room))
    return [each.identity for each in found.participants]


async def test_a_caller_who_leaves_ends_the_command(
    livekit_server: LiveKitServer, call_in: Any, room_name: str
) -> None:
    ada = await call_in(livekit_server, "ada")
    async with calling(livekit_server, room_name) as program:
        await comes(ada, room_name)
        await line_with(program, "serving ada")
        await ada.voice_from("agent", within=PATIENCE_S)
        await ada.leave()
        status, _, errors = await ended(program)
    assert (status, errors) == (0, "")


async def test_a_wrong_secret_is_told_with_what_to_look_at_and_never_shown(
    livekit_server: LiveKitServer, room_name: str
) -> None:
    secret = "canary-" * 8
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "beluga_voice", "call", "--room", room_name),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "LIVEKIT_URL": livekit_server.url,
            "LIVEKIT_API_KEY": livekit_server.api_key,
            "LIVEKIT_API_SECRET": secret,
        },
    )
    status, shown, errors = await ended(program)
    assert status == 1
    assert "(authentication_failed)" in errors
    assert "LIVEKIT_API_SECRET" in errors
    assert "canary" not in shown + errors
