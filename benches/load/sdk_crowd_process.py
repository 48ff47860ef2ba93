"""The process behind `load.crowd.SdkCrowd`: participants on the plain SDK that do no more than send and take sound."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any

from livekit import rtc

from beluga_voice.clock import now
from beluga_voice.livekit.sdk.measuring import measured
from beluga_voice.livekit.sdk.quiet import quieten
from beluga_voice.simulation.sdk.microphone import MICROPHONE_HZ, Microphone
from beluga_voice.tasks import Tasks
from load.crowd_service import serve_crowd
from load.duty import AHEAD_S, PERIOD_S, speech

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEARD_HZ = 16_000
FRAMES_PER_S = 100


class Participant:
    """One room."""

    def __init__(self, tasks: Tasks) -> None:
        self.room = rtc.Room()
        self.frames_heard = 0
        self.microphone: Microphone | None = None
        self._tasks = tasks

    async def join(self, url: str, token: str, *, listens: bool) -> None:
        if listens:
            self.room.on("track_subscribed", self._listen)
        await self.room.connect(url, token, rtc.RoomOptions(auto_subscribe=listens))

    async def publish(self, sound: NDArray[np.int16], *, begin_s: float, dtx: bool) -> None:
        microphone = self.microphone = Microphone()
        track = rtc.LocalAudioTrack.create_audio_track("voice", microphone.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=dtx)
        await self.room.local_participant.publish_track(track, options)
        self._tasks.start(microphone.run(), name="microphone")
        if len(sound):
            self._tasks.start(self._talk(microphone, sound, begin_s), name="talk")

    async def packets_lost(self) -> tuple[int, int]:
        """And frames of 10 ms that were made up for them, or for late ones."""
        others = self.room.remote_participants.values()
        tracks = [each.track for who in others for each in who.track_publications.values()]
        stats = [await measured(heard=track, ours=None) for track in tracks if track is not None]
        made_up_s = sum(each.concealed_s or 0.0 for each in stats)
        return sum(each.packets_lost or 0 for each in stats), round(made_up_s * FRAMES_PER_S)

    def _listen(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._tasks.start(self._count(track), name="listen")

    async def _count(self, track: rtc.Track) -> None:
        async for _ in rtc.AudioStream(track, sample_rate=HEARD_HZ, num_channels=1, frame_size_ms=10):
            self.frames_heard += 1

    async def _talk(self, microphone: Microphone, sound: NDArray[np.int16], begin_s: float) -> None:
        while True:
            await asyncio.sleep(begin_s - AHEAD_S - now())
            microphone.say(sound, at_s=begin_s)
            begin_s += PERIOD_S


class SdkCrowdProcess:
    """Public methods are the commands."""

    def __init__(self) -> None:
        self._tasks = Tasks(self._failed)
        self._failure: BaseException | None = None
        self._everyone: list[Participant] = []

    async def ready(self) -> None:
        rtc.Room()

    async def join(
        self, seats: list[tuple[str, str]], *, listens: bool, talk_share: int | None, dtx: bool, seed: int
    ) -> None:
        sound, phases = speech(talk_share or 0, MICROPHONE_HZ), random.Random(seed)
        for url, token in seats:
            participant = Participant(self._tasks)
            self._everyone.append(participant)
            await participant.join(url, token, listens=listens)
            if talk_share is not None:
                await participant.publish(sound, begin_s=now() + AHEAD_S + phases.random() * PERIOD_S, dtx=dtx)

    async def counters(self) -> dict[str, Any]:
        if self._failure is not None:
            raise self._failure
        late_ms: list[float] = []
        for participant in self._everyone:
            if participant.microphone is not None:
                late_ms += participant.microphone.late_ms
                del participant.microphone.late_ms[:]
        lost = [await participant.packets_lost() for participant in self._everyone]
        return {
            "frames_heard": sum(participant.frames_heard for participant in self._everyone),
            "packets_lost": sum(packets for packets, _ in lost),
            "frames_made_up": sum(frames for _, frames in lost),
            "late_ms": late_ms,
            "busy_pct": 0.0,
            "overloaded": False,
        }

    async def leave(self) -> None:
        for participant in self._everyone:
            await participant.room.disconnect()
        await self._tasks.cancel()

    def _failed(self, error: BaseException) -> None:
        self._failure = error


async def main() -> None:
    if sys.argv[1] == "quiet":
        quieten()
    await serve_crowd(SdkCrowdProcess())


if __name__ == "__main__":
    asyncio.run(main())
