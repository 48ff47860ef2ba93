"""An agent for tests: it says what it is told to, when it is told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from beluga_voice.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from beluga_voice.commands import Command
    from beluga_voice.turn import Turn

__all__ = ["FakeAgent"]


class FakeAgent:
    """Answers turn after turn from a list, and from its beginning again.

    - `replies`: one for each turn: text, a command, an exception to raise, or several of these one after another.
    - `delay`: seconds to the first piece of an answer; `piece_delay`: seconds before each further piece.
    """

    def __init__(
        self,
        replies: Sequence[str | Command | Exception | Sequence[str | Command | Exception]],
        *,
        delay: float = 0.0,
        piece_delay: float = 0.0,
    ) -> None:
        if not replies:
            raise ValueError("replies is empty: allowed: at least one")
        self.turns: list[Turn] = []
        """The turns that it was asked to answer."""
        self.cancelled: list[Turn] = []
        """Those of them in whose answers it was stopped."""
        self._replies = [_pieces(reply) for reply in replies]
        self._delay = delay
        self._piece_delay = piece_delay

    async def respond(self, turn: Turn) -> AsyncGenerator[str | Command]:
        """The next answer of the list."""
        pieces = self._replies[len(self.turns) % len(self._replies)]
        self.turns.append(turn)
        try:
            for index, piece in enumerate(pieces):
                wait_s = self._piece_delay if index else self._delay
                if wait_s:
                    await asyncio.sleep(wait_s)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.append(turn)
            raise


def _pieces(
    reply: str | Command | Exception | Sequence[str | Command | Exception],
) -> list[str | Command | Exception]:
    if isinstance(reply, (str, Exception, *COMMANDS)):
        return [reply]
    return list(cast("Sequence[str | Command | Exception]", reply))
