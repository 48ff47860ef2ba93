"""Who may hear the agent, as the server comes to know it from an SDK that sends two lists in either order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beluga_voice.livekit import ParticipantTrackPermission
from beluga_voice.livekit.sdk.permission_sender import PermissionSender

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S = 5.0
# What a list takes from the SDK to the server.
ON_ITS_WAY_S = 0.01

NOBODY: list[ParticipantTrackPermission] = []
ADA = [ParticipantTrackPermission("ada", allowed_track_sids=["TR_1"])]
BOTH = [*ADA, ParticipantTrackPermission("bob", allowed_track_sids=["TR_2"])]


class Server:
    """Of lists that are under way together the first comes last, as it may on a busy machine."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[list[ParticipantTrackPermission]] = asyncio.Queue()
        self.given: list[list[ParticipantTrackPermission]] = []
        self._under_way: list[list[ParticipantTrackPermission]] = []
        self.sender = PermissionSender(self._take)

    def _take(self, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]) -> None:
        assert not allow_all
        if not self._under_way:
            asyncio.get_running_loop().call_later(ON_ITS_WAY_S, self._deliver)
        self.given.append(list(permissions))
        self._under_way.append(list(permissions))

    def _deliver(self) -> None:
        while self._under_way:
            self.came.put_nowait(self._under_way.pop())

    async def knows(self) -> list[ParticipantTrackPermission]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.came.get()


async def test_callers_whose_sessions_begin_together_may_both_hear_their_agent() -> None:
    server = Server()
    server.sender.want(False, ADA)
    server.sender.want(False, BOTH)
    assert [await server.knows(), await server.knows()] == [ADA, BOTH]


async def test_of_what_is_wanted_meanwhile_the_newest_is_sent() -> None:
    server = Server()
    for wanted in (NOBODY, ADA, BOTH, ADA, BOTH):
        server.sender.want(False, wanted)
    assert [await server.knows(), await server.knows()] == [NOBODY, BOTH]
    assert server.came.empty()


async def test_a_voice_waits_until_it_is_known_by_whom_it_may_be_heard() -> None:
    server = Server()
    server.sender.want(False, ADA)
    assert server.given == [ADA]
    server.sender.want(False, BOTH)
    assert server.given == [ADA]
    async with asyncio.timeout(PATIENCE_S):
        await server.sender.sent()
    assert server.given == [ADA, BOTH]
