"""A light caller in each of some rooms, who keeps what he hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.testing import Caller, LiveKitServer

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

__all__ = ["callers_in_rooms"]

# Longer than any run.
KEPT_S = 600.0


async def callers_in_rooms(server: LiveKitServer, rooms: int, stack: AsyncExitStack) -> list[Caller]:
    """In rooms room-0, room-1 ..., each listening to whoever is called agent; they leave with `stack`."""
    callers: list[Caller] = []
    for number in range(rooms):
        token = server.token(f"room-{number}", "caller")
        caller = Caller(url=server.url, token=token, listens_to="agent", sampled_s=KEPT_S)
        callers.append(await stack.enter_async_context(caller))
    return callers
