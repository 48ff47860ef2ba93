"""The core's room behind our driver: what its failures are called, and what they leave behind."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support.core_room import TRACK, CoreLink, CoreRoom, failed, published, room_on

from beluga_voice import _core
from beluga_voice.errors import (
    AuthError,
    BelugaVoiceError,
    DeadlineError,
    InternalError,
    InvalidStateError,
    RateLimitError,
    TransportError,
)
from beluga_voice.livekit import AudioSource, DisconnectReason, LocalAudioTrack, Room, TrackPublishOptions
from beluga_voice.livekit.native import driver as native
from beluga_voice.livekit.room import mirror_of


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", RateLimitError),
        ("invalid_input", TransportError),
        ("not_found", TransportError),
        ("timeout", DeadlineError),
        ("invalid_state", InvalidStateError),
        ("internal_error", InternalError),
        ("disconnected", TransportError),
    ],
)
async def test_a_command_that_fails_does_so_under_the_cores_code(
    monkeypatch: pytest.MonkeyPatch, code: str, kind: type[BelugaVoiceError]
) -> None:
    core = CoreRoom()
    room = await room_on(core, monkeypatch)
    sending = asyncio.create_task(room.local_participant.publish_data(b"x"))
    await asyncio.sleep(0)
    core.done(error=failed(code))
    with pytest.raises(kind, match="no") as refused:
        await sending
    assert (refused.value.code, refused.value.provider) == (code, "livekit")
    await room.disconnect()


async def test_one_command_more_than_may_be_under_way_is_refused_as_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    core = CoreRoom()
    room = await room_on(core, monkeypatch)
    core.refuses = _core.CoreError("rate_limit_exceeded", "too many commands are under way in this room", "")
    with pytest.raises(RateLimitError, match="too many commands"):
        await room.local_participant.publish_data(b"x")
    await room.disconnect()


async def test_a_room_that_failed_is_told_of_with_what_failed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    core = CoreRoom()
    room = await room_on(core, monkeypatch)
    core.tell("disconnected", reason="UNKNOWN_REASON", error=failed("internal_error", "a defect in the room's code"))
    assert await room.wait_disconnected() == DisconnectReason.UNKNOWN_REASON
    assert isinstance(mirror_of(room).error, InternalError)
    assert "a defect in the room's code (internal_error)" in caplog.text


def publishing(room: Room, link: CoreLink, monkeypatch: pytest.MonkeyPatch) -> asyncio.Task[Any]:
    """A track of one's own, whose sound goes through that call."""
    monkeypatch.setattr(native, "bare_call", lambda *_, **__: link)
    track = LocalAudioTrack.create_audio_track("voice", AudioSource(24_000, 1))
    return asyncio.create_task(room.local_participant.publish_track(track))


@pytest.mark.parametrize("cancelled", [False, True], ids=["refused", "cancelled"])
async def test_a_track_that_is_not_published_leaves_no_doors_in_the_room(
    monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    core, link = CoreRoom(), CoreLink()
    room = await room_on(core, monkeypatch)
    task = publishing(room, link, monkeypatch)
    await asyncio.sleep(0)
    if cancelled:
        task.cancel()
    else:
        core.done(error=failed("authorization_failed"))
    with pytest.raises((AuthError, asyncio.CancelledError)):
        await task
    assert (core.named("detach_input"), core.named("detach_output")) == ([(1,)], [(2,)])
    assert link.call.closed
    await room.disconnect()


async def test_a_session_whose_voice_is_not_published_leaves_no_doors_in_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core, link = CoreRoom(), CoreLink()
    room = await room_on(core, monkeypatch)
    settings: Any = SimpleNamespace(open=lambda **_: link)
    opening = asyncio.create_task(
        mirror_of(room).driver.open_call(
            settings, track_name="agent", sample_rate=24_000, options=TrackPublishOptions()
        )
    )
    await asyncio.sleep(0)
    core.done(error=failed("authorization_failed"))
    with pytest.raises(AuthError):
        await opening
    assert (core.named("detach_input"), core.named("detach_output")) == ([(1,)], [(2,)])
    assert link.call.closed
    await room.disconnect()


async def test_a_track_that_the_server_takes_back_takes_its_call_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    core, link = CoreRoom(), CoreLink()
    room = await room_on(core, monkeypatch)
    task = publishing(room, link, monkeypatch)
    await asyncio.sleep(0)
    core.done(published("TR_1"))
    publication = await task
    core.tell("local_track_unpublished", track=TRACK, track_sid="TR_1")
    async with asyncio.timeout(5):
        await link.closed.wait()
    assert (core.named("detach_input"), core.named("detach_output")) == ([(1,)], [(2,)])
    assert not room.local_participant.track_publications
    await room.local_participant.unpublish_track(publication.sid)  # it is gone: there is nothing to do
    assert core.named("unpublish") == []
    await room.disconnect()


@pytest.mark.parametrize("is_async", [False, True], ids=["a_function", "a_coroutine_function"])
async def test_a_source_of_tokens_that_fails_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    asked: list[int] = []
    given = asyncio.Event()

    def source() -> str:
        asked.append(len(asked))
        if len(asked) < 2:
            raise OSError("hush-hush is no longer good")
        given.set()
        return "another"

    async def slow_source() -> str:
        await asyncio.sleep(0)
        return source()

    core = CoreRoom()
    room = await room_on(core, monkeypatch, token_source=slow_source if is_async else source)
    core.tell("token_needed")
    await given.wait()
    await asyncio.sleep(0)
    assert core.named("set_token") == [("another",)]
    assert "hush" not in caplog.text
    await room.disconnect()
