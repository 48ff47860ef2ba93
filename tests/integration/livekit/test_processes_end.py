"""A process that ends in the middle of a call, in whatever way, leaves its room as one who takes his leave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.mid_call_end import ENDED_WITHIN_S, GONE_WITHIN_S, PATIENCE_S, WAYS, end_in_mid_call, ended, running
from support.room_session import MEDIA

from beluga_voice.clock import now

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

# How often each way of ending is tried, about 20 times in all; 200 by `make prove-exits`.
TIMES = 3


@pytest.mark.parametrize(
    ("name", "media", "status", "told"),
    [
        *(("disconnect", media, 0, "ended\n") for media in MEDIA),
        *((way, media, status, "") for way, status in WAYS.items() for media in MEDIA),
    ],
)
async def test_the_room_sees_the_agent_leave_when_its_process_ends(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any, name: str, status: int, told: str
) -> None:
    for _ in range(TIMES):
        end = await end_in_mid_call(name, livekit_server, room_name, media, ada)
        assert (end.status, end.out, end.err) == (status, told, "")
        assert end.reason == "CLIENT_INITIATED"
        assert end.gone_after_s < GONE_WITHIN_S
        assert end.took_s < ENDED_WITHIN_S


@pytest.mark.parametrize("media", MEDIA)
async def test_a_forked_child_is_refused_and_the_call_goes_on(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with running("fork", livekit_server, room_name, media) as program:
        assert program.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            told = [await program.stdout.readline() for _ in range(2)]
        assert told == [b"invalid_state\n", b"forked\n"]
        asked = await ada.say_words("able bake calm dark able bake calm dark")
        began_s = await ada.voice_from("agent", since=asked.last_s)
        await ada.silence_from("agent", since=began_s)
        assert (await ada.heard("agent")).between(asked.last_s, now()).words == ["gold", "hand"]
        await ada.leave()
        status, _, errors = await ended(program)
        assert (status, errors) == (0, "")
