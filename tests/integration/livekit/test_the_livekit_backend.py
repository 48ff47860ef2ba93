"""Backend `livekit`: rooms managed, joined and left; callers and sessions found by each other."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.call import turn_handling
from support.room_session import MEDIA, answer_to, is_heard, until

from beluga_voice import SessionConfig, Turn, get_registry
from beluga_voice.errors import AuthError, ConfigError, DeadlineError, SessionError, TransportError
from beluga_voice.testing import FakeSpeechToText, FakeTextToSpeech

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from beluga_voice.providers.livekit.backend import LiveKitBackend
    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


def session_config(**more: Any) -> SessionConfig:
    return SessionConfig(
        agent=repeat, stt=FakeSpeechToText, tts=FakeTextToSpeech, vad="energy", turn_handling=turn_handling(), **more
    )


def backend_on(server: LiveKitServer, *, limit: int = 100, **options: Any) -> LiveKitBackend:
    settings = {"url": server.url, "api_key": server.api_key, "api_secret": server.api_secret, **options}
    config = {"provider_config": settings, "max_concurrent_sessions": limit}
    return get_registry().create("livekit", config)


@pytest.fixture
async def backend(livekit_server: LiveKitServer) -> AsyncGenerator[LiveKitBackend]:
    backend = backend_on(livekit_server)
    yield backend
    await backend.aclose()


async def test_rooms_are_created_listed_and_deleted(backend: LiveKitBackend, room_name: str) -> None:
    created = await backend.server.create_room(room_name, metadata="hello", max_participants=5, empty_timeout=30.0)
    assert (created.name, created.metadata, created.max_participants) == (room_name, "hello", 5)
    assert [room.sid for room in await backend.server.list_rooms([room_name])] == [created.sid]
    assert room_name in {room.name for room in await backend.server.list_rooms()}
    await backend.server.delete_room(room_name)
    assert await backend.server.list_rooms([room_name]) == []
    with pytest.raises(SessionError, match="room does not exist") as missing:
        await backend.server.delete_room(room_name)
    assert missing.value.code == "session_not_found"


async def test_an_agent_of_a_worker_is_wanted_in_a_room_until_it_no_longer_is(
    backend: LiveKitBackend, room_name: str
) -> None:
    wanted = await backend.server.dispatch_agent(room_name, "helper", metadata="hello")
    assert (wanted.agent_name, wanted.room, wanted.metadata) == ("helper", room_name, "hello")
    # The other one is the server's own, for workers whose agents have no name.
    assert {each.agent_name for each in await backend.server.list_dispatches(room_name)} == {"", "helper"}
    assert wanted in await backend.server.list_dispatches(room_name)
    await backend.server.delete_dispatch(wanted)
    assert wanted not in await backend.server.list_dispatches(room_name)


@pytest.mark.parametrize("media", MEDIA)
async def test_a_backend_for_telephones_serves_the_telephone_and_nobody_else(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    user, phone = await asyncio.gather(call_in(livekit_server, "user"), call_in(livekit_server, "phone"))
    await user.join(room_name)
    await phone.join(room_name, kind="sip", attributes={"sip.phoneNumber": "+4912345"})
    await phone.publish()
    backend = backend_on(livekit_server, media=media, participant_kinds=["sip"], identity="helper", publish_rate=8_000)
    session = await backend.answer(session_config(), room=room_name)
    assert backend.participant_of(session.id) == "phone"
    there = backend.rooms[room_name].remote_participants["phone"]
    assert there.attributes["sip.phoneNumber"] == "+4912345"
    await is_heard(backend.rooms[room_name], "phone")
    assert await answer_to(phone, "able bake", agent="helper") == ["able", "bake"]
    await backend.aclose()


async def test_a_wrong_secret_and_a_server_that_is_gone_are_told_apart(own_livekit_server: LiveKitServer) -> None:
    secret = "canary-" * 8
    wrong, right = backend_on(own_livekit_server, api_secret=secret), backend_on(own_livekit_server)
    try:
        with pytest.raises(AuthError) as refused:
            await wrong.server.list_rooms()
        assert refused.value.code == "authentication_failed"
        own_livekit_server.kill()
        with pytest.raises(TransportError) as gone:
            await right.server.list_rooms()
        assert gone.value.code == "connection_failed"
        for error in (refused.value, gone.value):
            assert "canary" not in f"{error!r} {error} {error.to_dict()}"
    finally:
        await asyncio.gather(wrong.aclose(), right.aclose())


@pytest.mark.parametrize("media", MEDIA)
async def test_callers_are_answered_in_their_rooms_and_rooms_are_left_when_all_is_said(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    backend = backend_on(livekit_server, media=media, identity="helper", delete_room_on_close=True)
    rooms = {"ada": f"{room_name}-1", "bob": f"{room_name}-1", "cid": f"{room_name}-2"}
    callers = {}
    for name, room in rooms.items():
        callers[name] = await call_in(livekit_server, name)
        await callers[name].join(room)
        await callers[name].publish()
    sessions = await asyncio.gather(
        *(backend.answer(session_config(), room=room, participant_identity=name) for name, room in rooms.items())
    )
    assert set(backend.rooms) == set(rooms.values())
    for (name, room), session in zip(rooms.items(), sessions, strict=True):
        assert backend.session_of(room, name) is session
        assert backend.participant_of(session.id) == name
        assert backend.get_session(session.id) is session
        await is_heard(backend.rooms[room], name)
        assert await answer_to(callers[name], "able bake", agent="helper") == ["able", "bake"]
    stats = backend.stats()
    assert stats["backend_sessions"] == 3
    assert stats["media_path"][media] >= 2
    assert {each["media_path"] for each in stats["rooms"].values()} == {media}

    await callers["cid"].leave()
    await sessions[2].wait_closed()
    await until(lambda: set(backend.rooms) == {f"{room_name}-1"})
    await backend.close_session(sessions[0].id)
    assert backend.session_of(rooms["ada"], "ada") is None
    assert await answer_to(callers["bob"], "calm dark", agent="helper") == ["calm", "dark"]
    await backend.aclose()
    assert [session.state for session in sessions] == ["ended"] * 3
    assert backend.list_sessions() == []
    other = backend_on(livekit_server)
    assert [room.name for room in await other.server.list_rooms(list(rooms.values()))] == []
    await other.aclose()


@pytest.mark.parametrize("media", MEDIA)
async def test_no_room_is_joined_for_a_session_that_there_is_no_place_for(
    livekit_server: LiveKitServer, room_name: str, media: Any
) -> None:
    backend = backend_on(livekit_server, media=media, limit=1, participant_timeout=0.1)
    held = await backend.create_session(session_config())
    with pytest.raises(SessionError) as full:
        await backend.answer(session_config(), room=room_name)
    assert full.value.code == "session_limit_exceeded"
    assert await backend.server.list_rooms([room_name]) == []
    await held.aclose()
    with pytest.raises(DeadlineError, match="did not join"):
        await backend.answer(session_config(), room=room_name)
    assert dict(backend.rooms) == {}
    assert backend.list_sessions() == []
    await backend.aclose()


async def test_a_room_must_be_named(backend: LiveKitBackend) -> None:
    with pytest.raises(ConfigError, match="room: missing"):
        await backend.join()


@pytest.mark.parametrize("media", MEDIA)
async def test_a_token_joins_the_room_that_it_is_for_without_a_key(
    livekit_server: LiveKitServer, room_name: str, media: Any
) -> None:
    token = livekit_server.token(room_name, "agent", kind="agent")
    options = {"url": livekit_server.url, "token": token, "room": room_name, "media": media, "api_secret": ""}
    backend = get_registry().create("livekit", {"provider_config": options})
    assert token not in f"{backend!r} {backend.get_config()!r}"
    room = await backend.join()
    assert room.name == room_name
    with pytest.raises(ConfigError, match="needs api_key and api_secret"):
        backend.server.mint_token(room_name, "ada")
    await backend.aclose()


def signed(backend: LiveKitBackend, body: str) -> str:
    """The header that a LiveKit server sends with a webhook."""
    from livekit import api

    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    options = backend.get_config().provider_config
    return api.AccessToken(options["api_key"], options["api_secret"]).with_sha256(digest).to_jwt()


async def test_a_webhook_is_believed_only_from_the_server_and_unchanged(
    livekit_server: LiveKitServer, backend: LiveKitBackend
) -> None:
    body = json.dumps({"event": "participant_joined", "room": {"name": "r"}, "participant": {"identity": "ada"}})
    header = signed(backend, body)
    event = backend.server.verify_webhook(body, header)
    assert (event.event, event.room.name, event.participant.identity) == ("participant_joined", "r", "ada")
    assert backend.server.verify_webhook(body.encode(), f"Bearer {header}").event == "participant_joined"
    stranger = backend_on(livekit_server, api_secret="another secret of good length ........")
    for changed, by in ((body.replace("ada", "eve"), header), (body, signed(stranger, body)), (body, "no token")):
        with pytest.raises(AuthError) as refused:
            backend.server.verify_webhook(changed, by)
        assert refused.value.code == "authentication_failed"
        assert by not in f"{refused.value!r}"
