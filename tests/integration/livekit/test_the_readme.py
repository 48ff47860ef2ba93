"""The README's programs in a LiveKit room, as they stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.program import program
from support.readme import copied
from support.room_session import PATIENCE_S

from beluga_voice.clock import now

if TYPE_CHECKING:
    from pathlib import Path

    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine


async def test_the_program_for_one_room_serves_its_caller(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, tmp_path: Path
) -> None:
    copy = copied(tmp_path, "In a LiveKit room")
    text, token = copy.read_text(), livekit_server.token(room_name, "agent", kind="agent")
    assert text.count('"ws://localhost:7880", "..."') == 1
    copy.write_text(text.replace('"ws://localhost:7880", "..."', f'"{livekit_server.url}", "{token}"'))
    async with program(copy, cwd=tmp_path) as process:
        await ada.event("track_subscribed", identity="agent", within=PATIENCE_S)
        await ada.leave()
        written = (await process.communicate())[0].decode()
    assert (process.returncode, written) == (0, "")


async def test_the_program_for_many_calls_greets_who_comes(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, tmp_path: Path
) -> None:
    copy = copied(tmp_path, "Many calls: a backend")
    settings = copied(tmp_path, "Many calls: a backend", "yaml")
    settings.write_text(settings.read_text().replace("room: a-room", f"room: {room_name}"))
    keys = {"LIVEKIT_API_KEY": livekit_server.api_key, "LIVEKIT_API_SECRET": livekit_server.api_secret}
    began_s = now()
    async with program(copy, cwd=tmp_path, LIVEKIT_URL=livekit_server.url, **keys):
        await ada.voice_from("agent", since=began_s, within=PATIENCE_S)
