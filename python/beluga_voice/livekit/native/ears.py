"""Which call hears which remote track: the core gives a track's sound to one call alone.

Whoever else wants it reads along there: with the session that the track's owner has, or with a call made for listeners.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beluga_voice.call_link import CallLink

__all__ = ["Ears"]


class Ears:
    """`open_bare` makes a call that serves no session, `route` has a call hear a track, `close` ends such a call."""

    def __init__(
        self,
        open_bare: Callable[[], CallLink],
        route: Callable[[CallLink, str | None], None],
        close: Callable[[CallLink], Awaitable[None]],
    ) -> None:
        self._open_bare = open_bare
        self._route = route
        self._close = close
        self._hearing: dict[str, CallLink] = {}
        """By the track's sid."""
        self._bare: dict[CallLink, int] = {}
        """Calls that serve no session, with how many read along."""

    def give(self, link: CallLink, sid: str | None) -> None:
        """A session's call hears this track from now on; whoever listens to it reads along there."""
        self.forget(link)
        if sid is not None:
            self._hearing[sid] = link
        self._route(link, sid)

    def forget(self, link: CallLink) -> None:
        """A call hears nothing any more."""
        self._hearing = {sid: each for sid, each in self._hearing.items() if each is not link}

    def of(self, sid: str) -> CallLink:
        """The call that hears this track; one that is made for it where there is none. Raises as `open_bare`."""
        link = self._hearing.get(sid)
        if link is None or link.call.closed:
            link = self._open_bare()
            self._bare[link] = 0
            self._hearing[sid] = link
            self._route(link, sid)
        return link

    def enter(self, link: CallLink) -> None:
        """One more reads along."""
        if link in self._bare:
            self._bare[link] += 1

    async def leave(self, link: CallLink) -> None:
        """One less; a call that was made for readers ends with the last of them."""
        if link not in self._bare:
            return
        self._bare[link] -= 1
        if self._bare[link] == 0:
            del self._bare[link]
            self.forget(link)
            await self._close(link)
