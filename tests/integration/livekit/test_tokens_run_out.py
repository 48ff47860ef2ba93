"""A room that has to be joined anew when the token is no longer good: another one is asked for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.room_session import MEDIA, answer_to, is_heard, session_on

from beluga_voice import Turn, livekit
from beluga_voice.events import CloseEvent, SessionStateChanged

if TYPE_CHECKING:
    from beluga_voice.testing import LiveKitServer

pytestmark = [pytest.mark.quiet_machine, pytest.mark.parametrize("media", MEDIA)]

# Both paths ask for the room with the old token for a while before they believe that it is no longer good.
GIVEN_UP_S = 90.0


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


def forgets_its_tokens(server: LiveKitServer) -> None:
    """From its next start on no token is good that was made before, as when all of them have run out."""
    server.api_secret = server.api_secret[::-1]


@pytest.mark.parametrize("is_async", [False, True], ids=["a_function", "a_coroutine_function"])
async def test_another_token_is_asked_for_and_the_call_goes_on(
    own_livekit_server: LiveKitServer,
    call_in: Any,
    room_name: str,
    media: Any,
    is_async: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = own_livekit_server
    given: list[str] = []

    def source() -> str:
        given.append(server.token(room_name, "agent", kind="agent"))
        return given[-1]

    async def slow_source() -> str:
        await asyncio.sleep(0.01)
        return source()

    ada = await call_in(server, "ada")
    await ada.join(room_name)
    await ada.publish()
    options = livekit.RoomOptions(media=media, token_source=slow_source if is_async else source)
    token = server.token(room_name, "agent", kind="agent")
    async with await livekit.connect(server.url, token, options=options) as room, session_on(room, repeat) as tried:
        await is_heard(room, "ada")
        assert await answer_to(ada, "able bake") == ["able", "bake"]
        assert given == []
        ada.kill()
        forgets_its_tokens(server)
        await server.restart()
        async with asyncio.timeout(GIVEN_UP_S):
            while not tried.all(SessionStateChanged, lambda told: told.old_state == "reconnecting"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert given
        again = await call_in(server, "ada")
        await again.join(room_name)
        await is_heard(room, "ada", track=await again.publish())
        await again.event("track_subscribed", identity="agent")
        assert await answer_to(again, "calm dark") == ["calm", "dark"]
        assert tried.all(CloseEvent) == []
        assert room.media_path == media
    for shown in (token, *given):
        assert shown.rsplit(".", 1)[-1] not in caplog.text


async def test_without_another_token_the_session_ends_with_an_error(
    own_livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = own_livekit_server
    ada = await call_in(server, "ada")
    await ada.join(room_name)
    await ada.publish()
    token = server.token(room_name, "agent", kind="agent")
    connecting = livekit.connect(server.url, token, media=media)
    async with await connecting as room, session_on(room, repeat) as tried:
        ada.kill()
        forgets_its_tokens(server)
        await server.restart()
        async with asyncio.timeout(GIVEN_UP_S):
            await room.wait_disconnected()
        close = await tried.heard(CloseEvent)
        assert close.error is not None
        assert close.error.code == "disconnected"
        assert tried.session.state == "error"
    assert token.rsplit(".", 1)[-1] not in caplog.text
