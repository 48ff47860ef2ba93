"""The core's room behind our driver: what its failures are called, and what they leave behind."""

from __future__ import annotations

import asyncio

import pytest
from support.core_room import CoreRoom, failed, room_on

from beluga_voice import _core
from beluga_voice.errors import (
    BelugaVoiceError,
    DeadlineError,
    InternalError,
    InvalidStateError,
    RateLimitError,
    TransportError,
)
from beluga_voice.livekit import DisconnectReason
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
