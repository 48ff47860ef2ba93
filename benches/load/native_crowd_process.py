"""The process behind `load.crowd.NativeCrowd`: calls of the core that do no more than send and take sound."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any

from beluga_voice import livekit
from beluga_voice._engine import engine
from beluga_voice.clock import now
from beluga_voice.config import TurnHandling, VadOptions
from beluga_voice.livekit.enums import TrackKind
from beluga_voice.livekit.native.driver import NativeDriver
from beluga_voice.livekit.room import mirror_of
from beluga_voice.tasks import Tasks
from beluga_voice.transport import CallSettings
from load.crowd_service import serve_crowd
from load.duty import AHEAD_S, PERIOD_S, speech
from load.tick_lateness import TickLateness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.native.call import NativeCallMedia

# Of the caller's sound, in which the core counts.
FRAME_SAMPLES = 160


class Participant:
    """One room, with a call in it."""

    def __init__(self, settings: CallSettings, codec_rate_hz: int) -> None:
        self._settings = settings
        self._codec_rate_hz = codec_rate_hz
        self._room = livekit.Room()
        self._media: NativeCallMedia | None = None
        self.link: CallLink | None = None

    async def join(self, url: str, token: str, *, listens: bool) -> None:
        if listens:
            self._room.on("track_subscribed", self._listen)
        await self._room.connect(url, token, livekit.RoomOptions(auto_subscribe=listens))
        driver = mirror_of(self._room).driver
        assert isinstance(driver, NativeDriver), "the SDK carries this room"
        self._media = await driver.open_call(
            self._settings,
            track_name="voice",
            sample_rate=self._codec_rate_hz,
            options=livekit.TrackPublishOptions(source=livekit.TrackSource.SOURCE_MICROPHONE),
        )
        self.link = self._media.link
        self._listen()

    def stats(self) -> dict[str, int]:
        assert self.link is not None
        return self.link.call.stats()

    async def talk(self, sound: NDArray[np.int16], begin_s: float) -> None:
        assert self.link is not None
        call = self.link.call
        while True:
            await asyncio.sleep(begin_s - now())
            call.begin_utterance(allow_interruptions=False, min_interruption_ms=500, interruption_action="pause")
            await self.link.write_mouth(sound, lambda rest: call.write_mouth(rest, self._codec_rate_hz))
            call.end_utterance()
            begin_s += PERIOD_S

    async def leave(self) -> None:
        if self.link is not None:
            await self.link.close()
        await self._room.disconnect()

    def _listen(self, *_: object) -> None:
        tracks = [
            publication.sid
            for who in self._room.remote_participants.values()
            for publication in who.track_publications.values()
            if publication.kind == TrackKind.KIND_AUDIO and publication.subscribed
        ]
        if self._media is not None and tracks:
            self._media.listen(tracks[0])


class NativeCrowdProcess:
    """Public methods are the commands."""

    def __init__(self, codec_rate_hz: int, complexity: int, bitrate_bps: int) -> None:
        self._settings = CallSettings(
            # Everyone talks without regard for the other: nobody's turn ends by it, and no model is asked.
            vad="energy",
            vad_options=VadOptions(),
            turn_handling=TurnHandling(),
            user_away_timeout=None,
            complexity=complexity,
            bitrate_bps=bitrate_bps,
        )
        self._codec_rate_hz = codec_rate_hz
        self._tasks = Tasks(self._failed)
        self._failure: BaseException | None = None
        self._everyone: list[Participant] = []
        self._lateness = TickLateness()

    async def ready(self) -> None:
        engine()

    async def join(
        self, seats: list[tuple[str, str]], *, listens: bool, talk_share: int | None, dtx: bool, seed: int
    ) -> None:
        # It sends next to nothing in silence, whatever is asked for.
        del dtx
        sound, phases = speech(talk_share or 0, self._codec_rate_hz), random.Random(seed)
        for url, token in seats:
            participant = Participant(self._settings, self._codec_rate_hz)
            self._everyone.append(participant)
            await participant.join(url, token, listens=listens)
            if len(sound):
                begin_s = now() + AHEAD_S + phases.random() * PERIOD_S
                self._tasks.start(participant.talk(sound, begin_s), name="talk")

    async def counters(self) -> dict[str, Any]:
        if self._failure is not None:
            raise self._failure
        stats = [participant.stats() for participant in self._everyone]
        return {
            "frames_heard": sum(each["ticks"] - each["input_starved_samples"] // FRAME_SAMPLES for each in stats),
            "packets_lost": sum(max(0, each["packets_missed"] - each["packets_late"]) for each in stats),
            "frames_made_up": sum(each["frames_concealed"] for each in stats),
            **self._lateness.counters(),
        }

    async def leave(self) -> None:
        await self._tasks.cancel()
        for participant in self._everyone:
            await participant.leave()

    def _failed(self, error: BaseException) -> None:
        self._failure = error


async def main() -> None:
    await serve_crowd(NativeCrowdProcess(*map(int, sys.argv[1:])))


if __name__ == "__main__":
    asyncio.run(main())
