"""Nothing is served any more of a room that is over, however it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.room_session import joined, until

from beluga_voice import livekit
from beluga_voice._engine import engine

if TYPE_CHECKING:
    from beluga_voice.testing import LiveKitServer


def served() -> int:
    return engine().stats()["sessions"]


async def test_a_track_of_our_own_ends_with_its_room(livekit_server: LiveKitServer, room_name: str) -> None:
    before = served()
    async with joined(livekit_server, room_name, media="native") as room:
        track = livekit.LocalAudioTrack.create_audio_track("music", livekit.AudioSource(48_000, 1))
        await room.local_participant.publish_track(track)
        assert served() == before + 1
    await until(lambda: served() == before)
