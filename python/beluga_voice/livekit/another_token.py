"""A token for a room that is joined anew, when the last one is old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from beluga_voice.livekit.options import TokenSource

__all__ = ["with_another_token"]

_log = logging.getLogger("beluga_voice.livekit")

T = TypeVar("T")

# Before each attempt, in seconds: over the SDK, with its own before them, as many as the core makes.
_DELAYS_S = (0.0, 0.3, 1.2, 2.7, 4.8, 7.0, 7.0)


async def with_another_token(source: TokenSource, use: Callable[[str], Awaitable[T]]) -> T | None:
    """What `use` makes of a token of the source's; seven tries, each with another token, then None."""
    for delay_s in _DELAYS_S:
        await asyncio.sleep(delay_s)
        try:
            given = source()
            return await use(given if isinstance(given, str) else await given)
        except Exception as error:
            # The token may be quoted in it: its kind has to do.
            _log.warning("the room could not be joined anew: %s", type(error).__name__)
    return None
