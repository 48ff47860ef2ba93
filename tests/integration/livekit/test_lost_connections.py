"""The agent's connection breaks, and the call goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.room_session import MEDIA, answer_to, is_heard, session_on, until
from support.signal_relay import SignalRelay

from beluga_voice import Turn, livekit
from beluga_voice.events import CloseEvent, SessionStateChanged

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = [pytest.mark.quiet_machine, pytest.mark.parametrize("media", MEDIA)]


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


async def test_signalling_is_cut_and_the_session_says_so_until_it_is_resumed(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with SignalRelay(livekit_server.port) as relay:
        token = livekit_server.token(room_name, "agent", kind="agent")
        async with await livekit.connect(relay.url, token, media=media) as room, session_on(room, repeat) as tried:
            await is_heard(room, "ada")
            assert await answer_to(ada, "able bake") == ["able", "bake"]
            relay.cut()
            await tried.heard(SessionStateChanged, lambda told: told.new_state == "reconnecting")
            assert room.connection_state == livekit.ConnectionState.CONN_RECONNECTING
            assert tried.session.state == "reconnecting"
            relay.mend()
            await tried.heard(SessionStateChanged, lambda told: told.old_state == "reconnecting")
            assert tried.session.state == "active"
            await is_heard(room, "ada")
            assert await answer_to(ada, "calm dark") == ["calm", "dark"]
            assert tried.all(CloseEvent) == []


async def test_a_room_that_is_joined_anew_is_the_same_call(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    token = livekit_server.token(room_name, "agent", kind="agent")
    connecting = livekit.connect(livekit_server.url, token, media=media)
    async with await connecting as room, session_on(room, repeat) as tried:
        await is_heard(room, "ada")
        assert await answer_to(ada, "able bake") == ["able", "bake"]
        (before,) = room.local_participant.track_publications
        await room.simulate_scenario(livekit.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
        await tried.heard(SessionStateChanged, lambda told: told.old_state == "reconnecting")
        await until(lambda: list(room.local_participant.track_publications) not in ([], [before]))
        await is_heard(room, "ada")
        (after,) = room.local_participant.track_publications
        await ada.event("track_subscribed", where=lambda told: told["publication"]["sid"] == after)
        assert await answer_to(ada, "calm dark") == ["calm", "dark"]
        assert tried.session.state == "active"
        assert tried.all(CloseEvent) == []
        assert [item.text for item in tried.session.history if item.role == "user"] == ["able bake", "calm dark"]


async def test_a_deleted_room_ends_its_sessions(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    from livekit import api

    ada = await call_in(livekit_server, "ada")
    await ada.join(room_name)
    token = livekit_server.token(room_name, "agent", kind="agent")
    server = api.LiveKitAPI(livekit_server.http_url, livekit_server.api_key, livekit_server.api_secret)
    connecting = livekit.connect(livekit_server.url, token, media=media)
    async with await connecting as room, session_on(room, repeat) as tried:
        await server.room.delete_room(api.DeleteRoomRequest(room=room_name))
        close = await tried.heard(CloseEvent)
        assert (close.reason, close.error) == ("participant_disconnected", None)
        async with asyncio.timeout(10.0):
            assert await room.wait_disconnected() == livekit.DisconnectReason.ROOM_DELETED
    await server.aclose()
