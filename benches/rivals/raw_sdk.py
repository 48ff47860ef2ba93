"""The yardstick in a room: an agent on the plain LiveKit SDK with no framework, no recogniser and no voice of its own.

    async with RawSdkAgent(silence_s=0.3) as agent:
        await agent.join(server.url, server.token("a-room", "agent", kind="agent"))
        await agent.event("answered")

It hears where a voice ends by its level alone and answers with a sound that is there already: nothing that answers in a
room over this SDK can be sooner.
"""

from __future__ import annotations

from beluga_voice.simulation.line_process import LineProcess

__all__ = ["RawSdkAgent"]


class RawSdkAgent(LineProcess):
    """See the module. It tells of `turn_ended`, `answered` and `interrupted`, and of all that happens in the room.

    - `silence_s`: what it waits for after the last voice that it heard.
    - `interrupted_after_s`: so much voice over its answer stops it.
    - `answer_hz`, `answer_s`: its answer is a tone.
    """

    def __init__(
        self,
        *,
        silence_s: float = 0.3,
        interrupted_after_s: float = 0.2,
        answer_hz: float = 700.0,
        answer_s: float = 1.0,
        quiet: bool = True,
        name: str = "agent",
    ) -> None:
        settings = (silence_s, interrupted_after_s, answer_hz, answer_s)
        super().__init__("rivals.raw_sdk_process", *map(str, settings), "quiet" if quiet else "as-shipped", name=name)

    async def join(self, url: str, token: str) -> None:
        """Joins and publishes its voice."""
        await self.ask("join", url=url, token=token, within=20.0)

    async def leave(self) -> None:
        """Leaves."""
        await self.ask("leave")
