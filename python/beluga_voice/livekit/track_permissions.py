"""Who may subscribe to which of our tracks: what the user said, and each session's voice for its own caller alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from beluga_voice.livekit.options import ParticipantTrackPermission

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from beluga_voice.livekit.records import PublicationRecord
    from beluga_voice.livekit.room_driver import RoomDriver

__all__ = ["TrackPermissions"]


class TrackPermissions:
    """The one list that the server keeps for us, made of both and sent as a whole when it changes.

    `everybody` gives the identities of the remote participants, `published` the sids of all that we publish. The
    server knows a list of names and no exceptions: where a voice is for one alone, everybody else is listed with
    everything but that voice.
    """

    def __init__(
        self, driver: RoomDriver, everybody: Callable[[], Iterable[str]], published: Callable[[], Iterable[str]]
    ) -> None:
        self._driver = driver
        self._everybody = everybody
        self._published = published
        self._allow_all = True
        self._base: dict[str, ParticipantTrackPermission] = {}
        self._voices: dict[PublicationRecord, str] = {}
        self._publishing = 0
        self._for_all: tuple[str, ...] = ()
        """Tracks that were there before the voices that are being published."""
        self._sent: tuple[bool, list[ParticipantTrackPermission]] = (True, [])

    def set_base(self, *, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]) -> None:
        """What holds for everything that is no session's voice."""
        self._allow_all = allow_all
        self._base = {each.participant_identity: each for each in permissions}
        self.send()

    @contextmanager
    def publishing_a_voice(self) -> Generator[None]:
        """While within, what is newly published is for nobody: a voice is not heard before it is known by whom."""
        if not self._publishing:
            self._for_all = tuple(self._others())
        self._publishing += 1
        self.send()
        try:
            yield
        finally:
            self._publishing -= 1
            self.send()

    def reserve(self, voice: PublicationRecord, identity: str) -> None:
        """From now on this voice is for `identity` alone."""
        self._voices[voice] = identity
        self.send()

    def release(self, voice: PublicationRecord) -> None:
        """The voice is no longer published."""
        if self._voices.pop(voice, None) is not None:
            self.send()

    def send(self) -> None:
        """Tells the server, if there is something new: somebody came, a sid is another one."""
        wanted = self._list()
        if wanted != self._sent:
            self._sent = wanted
            self._driver.set_subscription_permissions(allow_all=wanted[0], permissions=wanted[1])

    def forget_sent(self) -> None:
        """The room was joined anew: the server knows nothing of what it was told."""
        self._sent = (True, [])
        self.send()

    def _list(self) -> tuple[bool, list[ParticipantTrackPermission]]:
        if not self._voices and not self._publishing:
            return self._allow_all, [] if self._allow_all else list(self._base.values())
        names = dict.fromkeys([*self._everybody(), *self._voices.values()])
        entries = [ParticipantTrackPermission(name, allowed_track_sids=self._allowed(name)) for name in names]
        return False, [each for each in entries if each.allowed_track_sids]

    def _allowed(self, identity: str) -> list[str]:
        own = [voice.info.sid for voice, listener in self._voices.items() if listener == identity]
        others = self._for_all if self._publishing else self._others()
        base = self._base.get(identity)
        if self._allow_all or (base is not None and base.allow_all):
            return [*own, *others]
        listed = base.allowed_track_sids if base is not None else []
        return [*own, *(sid for sid in others if sid in listed)]

    def _others(self) -> list[str]:
        voices = {voice.info.sid for voice in self._voices}
        return [sid for sid in self._published() if sid not in voices]
