"""US4.1: one application, in rooms of a real server and in its own process, told apart by its settings alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.call import turn_handling
from support.room_session import MEDIA, is_heard, say

from beluga_voice import BackendConfig, LocalCall, SessionConfig, VoiceBackend, get_registry
from beluga_voice.events import ConversationItemAdded
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken

if TYPE_CHECKING:
    from pathlib import Path

    from beluga_voice import Turn, VoiceSession
    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

QUESTION = "able bake calm dark"


class Application:
    """What a user would write: nothing in it knows which backend there is."""

    def __init__(self, config: BackendConfig) -> None:
        self.backend: VoiceBackend = get_registry().create(config.provider, config)
        self.session: VoiceSession | None = None
        self.answered = asyncio.Event()

    async def run(self) -> list[tuple[str, str]]:
        async with self.backend as backend:
            self.session = session = await backend.answer(SessionConfig(agent=self.agent))
            session.on("conversation_item_added", self._item)
            await session.wait_closed()
            return [(message.role, message.text) for message in session.history]

    async def agent(self, turn: Turn) -> str:
        return f"{turn.text}."

    def _item(self, event: ConversationItemAdded) -> None:
        if event.item.role == "assistant":
            self.answered.set()


def application(path: Path, settings: str) -> Application:
    path.write_text(settings)
    config = BackendConfig.load(
        path, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy", turn_handling=turn_handling()
    )
    return Application(config)


@pytest.mark.parametrize("media", MEDIA)
async def test_us4_1_the_same_application_in_a_room_and_in_its_process(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, tmp_path: Path, media: Any
) -> None:
    local = application(tmp_path / "local.yaml", "provider: local\n")
    running = asyncio.create_task(local.run())
    call = LocalCall()
    await local.backend.ring(call)  # type: ignore[attr-defined]
    await call.connected()
    await call.write(spoken(QUESTION, call.sample_rate))
    await asyncio.wait_for(local.answered.wait(), 20.0)
    await call.hang_up()
    told_locally = await asyncio.wait_for(running, 10.0)

    server = livekit_server
    in_room = application(
        tmp_path / "livekit.yaml",
        "provider: livekit\n"
        f"provider_config: {{url: '{server.url}', api_key: '{server.api_key}', api_secret: '{server.api_secret}',"
        f" room: '{room_name}', media: {media}}}\n",
    )
    caller = await call_in(server, "ada")
    await caller.join(room_name)
    await caller.publish()
    running = asyncio.create_task(in_room.run())
    while in_room.session is None:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    await is_heard(in_room.backend.rooms[room_name], "ada")  # type: ignore[attr-defined]
    await say(caller, QUESTION)
    await asyncio.wait_for(in_room.answered.wait(), 20.0)
    await caller.leave()
    assert await asyncio.wait_for(running, 20.0) == told_locally == [
        ("user", QUESTION),
        ("assistant", f"{QUESTION}."),
    ]  # fmt: skip
