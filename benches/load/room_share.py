"""How soon a caller in a LiveKit room is answered: by our sessions on both media paths, and by a raw SDK agent.

The caller is a light one, the same for all: from the true end of his voice to the arrival of the first packet of the
answer, less the silence that ends a turn. Network legs, jitter buffers and the server are in it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Literal

from beluga_voice.testing import LiveKitServer
from load.room_agent import RoomAgent
from load.room_callers import callers_in_rooms
from load.room_talk import Talk, talk_in_turns
from load.share_call import MIN_DELAY_S
from rivals.raw_sdk import RawSdkAgent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ROOM_AGENTS", "answered_in_rooms"]

RoomAgentName = Literal["native", "sdk", "raw_sdk"]
ROOM_AGENTS: Sequence[RoomAgentName] = ("native", "raw_sdk", "sdk")
ANSWER_MS = 400


async def answered_in_rooms(who: RoomAgentName, *, rooms: int, turns: int, seed: int) -> tuple[list[float], list[Talk]]:
    """Milliseconds of every answer, and what each caller's talk was: `turns` in each of `rooms`."""
    with LiveKitServer(config={"logging": {"level": "warn"}}) as server:
        async with AsyncExitStack() as stack:
            callers = await callers_in_rooms(server, rooms, stack)
            tokens = [server.token(f"room-{number}", "agent", kind="agent") for number in range(rooms)]
            if who == "raw_sdk":
                for token in tokens:
                    raw = RawSdkAgent(silence_s=MIN_DELAY_S, answer_s=ANSWER_MS / 1e3)
                    await (await stack.enter_async_context(raw)).join(server.url, token)
            else:
                agent = await stack.enter_async_context(RoomAgent(who, answer_ms=ANSWER_MS))
                for token in tokens:
                    await agent.join(server.url, token)
            asked = [talk_in_turns(caller, turns, seed=seed + number) for number, caller in enumerate(callers)]
            talks = await asyncio.gather(*asked)
    return [1e3 * (answer_s - MIN_DELAY_S) for talk in talks for answer_s in talk.answers_s], talks
