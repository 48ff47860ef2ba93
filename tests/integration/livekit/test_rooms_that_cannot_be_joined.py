"""Why a room cannot be joined is said with a code, and no secret in it."""

from __future__ import annotations

import asyncio
import http.server
import logging
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest
from support.mute_server import mute_server
from support.room_session import MEDIA, joined

from beluga_voice import get_registry, livekit
from beluga_voice.errors import AuthError, BelugaVoiceError, ConfigError, SessionError, TransportError
from beluga_voice.testing import LiveKitServer

if TYPE_CHECKING:
    from beluga_voice.livekit.options import Media

pytestmark = pytest.mark.parametrize("media", MEDIA)


@pytest.fixture(scope="module")
def server_without_rooms() -> Generator[LiveKitServer]:
    with LiveKitServer(config={"room": {"auto_create": False}}) as server:
        yield server


async def refusal(
    url: str, token: str, media: Media, caplog: pytest.LogCaptureFixture, *, connect_timeout: float | None = None
) -> BelugaVoiceError:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BelugaVoiceError) as refused:
        await livekit.connect(url, token, options=livekit.RoomOptions(media=media, connect_timeout=connect_timeout))
    error = refused.value
    for shown in (str(error), repr(error), str(error.to_dict()), caplog.text):
        assert token not in shown
        assert token.rsplit(".", 1)[-1] not in shown
    return error


@pytest.fixture(scope="module")
def web_server() -> Generator[str]:
    """The URL of a web server that has nothing to do with LiveKit, and knows no page."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404, "page not found")

        def log_message(self, format: str, *arguments: Any) -> None: ...  # noqa: A002

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"ws://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("key", ["devkey", "unknown"])
async def test_a_token_with_a_wrong_secret_or_of_a_key_that_is_unknown_is_not_accepted(
    livekit_server: LiveKitServer, room_name: str, media: Any, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    another = LiveKitServer()
    another.api_key = key
    token = another.token(room_name, "agent")
    error = await refusal(livekit_server.url, token, media, caplog)
    assert isinstance(error, AuthError)
    assert error.code == "authentication_failed"


async def test_a_token_that_has_expired_is_said_to_have(
    livekit_server: LiveKitServer, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # The server allows a minute more.
    token = livekit_server.token(room_name, "agent", ttl=-120.0)
    error = await refusal(livekit_server.url, token, media, caplog)
    assert error.code == "authentication_failed"
    assert "expired" in error.message


async def test_a_token_without_the_right_to_join_is_said_to_lack_it(
    livekit_server: LiveKitServer, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = livekit_server.token(room_name, "agent", grants={"room_join": False})
    error = await refusal(livekit_server.url, token, media, caplog)
    assert error.code == "authorization_failed"


async def test_what_is_no_token_is_not_accepted(
    livekit_server: LiveKitServer, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    error = await refusal(livekit_server.url, "canary-secret-canary", media, caplog)
    assert error.code == "authentication_failed"


async def test_a_server_that_is_not_there_cannot_be_reached(
    own_livekit_server: LiveKitServer, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = own_livekit_server.token(room_name, "agent")
    own_livekit_server.kill()
    error = await refusal(own_livekit_server.url, token, media, caplog)
    assert isinstance(error, TransportError)
    assert (error.code, error.retryable) == ("connection_failed", True)


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    livekit_server: LiveKitServer, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = livekit_server.token(room_name, "agent")
    async with mute_server() as url:
        began = time.monotonic()
        error = await refusal(url, token, media, caplog, connect_timeout=2.0)
        assert error.code == "connection_timeout"
        assert time.monotonic() - began < 30.0


async def test_a_room_that_does_not_exist_is_said_not_to(
    server_without_rooms: LiveKitServer, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = server_without_rooms.token(room_name, "agent")
    error = await refusal(server_without_rooms.url, token, media, caplog)
    assert isinstance(error, SessionError)
    assert error.code == "session_not_found"
    assert room_name in error.message


async def test_a_url_of_some_other_server_is_not_said_to_lack_the_room(
    web_server: str, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    error = await refusal(web_server, LiveKitServer().token(room_name, "agent"), media, caplog)
    assert isinstance(error, TransportError)
    assert error.code == "connection_failed"
    assert "no LiveKit server" in error.message


async def test_a_url_of_what_speaks_no_http_is_said_to_be_of_no_livekit_server(
    room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await refusal(url, LiveKitServer().token(room_name, "agent"), media, caplog)
    assert error.code == "connection_failed"


async def test_a_full_room_is_said_to_be_full(
    livekit_server: LiveKitServer, room_name: str, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"url": livekit_server.url, "api_key": livekit_server.api_key, "api_secret": livekit_server.api_secret}
    backend = get_registry().create("livekit", {"provider_config": options})
    try:
        await backend.server.create_room(room_name, max_participants=1)
        # Agents take no place.
        async with await livekit.connect(livekit_server.url, livekit_server.token(room_name, "first"), media=media):
            token = livekit_server.token(room_name, "another")
            error = await refusal(livekit_server.url, token, media, caplog)
            assert error.code == "session_limit_exceeded"
    finally:
        await backend.aclose()


async def test_a_url_that_is_none_is_refused_before_anything_is_opened(media: Any) -> None:
    with pytest.raises(ConfigError, match="allowed: ws://"):
        await livekit.connect("localhost", "token", media=media)


async def test_a_second_participant_of_our_identity_takes_our_place(
    livekit_server: LiveKitServer, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as first, joined(livekit_server, room_name, media=media):
        async with asyncio.timeout(10.0):
            assert await first.wait_disconnected() == livekit.DisconnectReason.DUPLICATE_IDENTITY
        assert not first.isconnected()
