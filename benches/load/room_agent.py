"""Sessions of ours in rooms, in a process of their own, for those that talk with them from outside.

async with RoomAgent("native") as agent:
    await agent.join(server.url, server.token("a-room", "agent", kind="agent"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from beluga_voice.simulation.line_process import LineProcess

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RoomAgent"]


class RoomAgent(LineProcess):
    """See the module. It tells `interrupted`: `room`, in the order of joining, and `silent_s`, its pacer's last sample.

    `answer_ms`: how long each answer is; `sample_rate`: in Hz, at which it is encoded.
    """

    def __init__(
        self,
        media: Literal["native", "sdk"],
        *,
        answer_ms: int = 400,
        sample_rate: int = 24_000,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        settings = (media, str(answer_ms), str(sample_rate))
        super().__init__("load.room_agent_process", *settings, name=f"agent by {media}", on_event=on_event)

    async def join(self, url: str, token: str) -> None:
        """One more room, with a session on whoever calls in it."""
        await self.ask("join", url=url, token=token, within=30.0)
