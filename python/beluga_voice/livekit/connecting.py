"""`livekit.connect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.livekit.options import RoomOptions
from beluga_voice.livekit.room import Room

if TYPE_CHECKING:
    from beluga_voice.livekit.options import Media, TokenSource

__all__ = ["connect"]


async def connect(
    url: str,
    token: str,
    *,
    media: Media = "native",
    auto_subscribe: bool = True,
    token_source: TokenSource | None = None,
    options: RoomOptions | None = None,
) -> Room:
    """Joins the room that the token is for.

    - `media`: "native", or "sdk" for the `livekit` package's own streams (`RoomOptions`).
    - `auto_subscribe`: whether everything that others publish is received; a session's caller is in any case.
    - `token_source`: gives another token when the room has to be joined anew and the last one is too old.
    - `options`: all of it, in place of the three.

    Raises what `Room.connect` raises.
    """
    room = Room()
    await room.connect(
        url,
        token,
        options or RoomOptions(media=media, auto_subscribe=auto_subscribe, token_source=token_source),
    )
    return room
