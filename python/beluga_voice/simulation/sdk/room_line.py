"""A caller's end of a call in a room: what a simulated caller hears and says, by the plain SDK."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from beluga_voice import _core
from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.clock import now
from beluga_voice.errors import AudioFormatError, InvalidStateError, SessionError
from beluga_voice.simulation.sdk.ear import FRAME_S
from beluga_voice.simulation.sdk.microphone import MICROPHONE_HZ
from beluga_voice.simulation.sdk.participant import SdkParticipant
from beluga_voice.simulation.track import Track

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from beluga_voice.simulation.sdk.ear import HeardFrame

__all__ = ["RoomLine"]

HEARD_HZ = 24_000
_FRAME_BYTES = 2 * round(FRAME_S * HEARD_HZ)
# Frames that wait to be read: a reader that is later than a second has lost them.
_MOST_WAITING = 100
# A frame that is this late is silence, in seconds: the SDK gives one every 10 ms, whatever the network does.
_LATEST_S = 0.1


class RoomLine:
    """A `CallLine` whose other end is whoever is heard first in the room.

    - `tell(event, facts)`: see `SdkParticipant`.
    - `sample_rate`: of what is said, Hz.

    Both directions keep to the machine's clock, as a local call does: what is written is spoken without a gap from the
    first `write` on, and what comes too late for its moment is lost.
    """

    def __init__(self, tell: Callable[[str, dict[str, Any]], None], *, sample_rate: int) -> None:
        self.lost_samples = 0
        """What came too late to be spoken, at 48 kHz: this machine was too busy to play the caller in time."""
        self._tell = tell
        self._participant = SdkParticipant(self._happened, on_frame=self._hear, listen_hz=HEARD_HZ)
        self._resampler = _core.Resampler(sample_rate, MICROPHONE_HZ)
        self._sample_rate = sample_rate
        self._agent: str | None = None
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._changed = asyncio.Event()
        self._over = False
        self._read_from_s: float | None = None
        self._read = 0
        self._spoken_from_s: float | None = None
        self._spoken = 0

    async def join(self, url: str, token: str) -> None:
        """Joins the room and publishes a microphone."""
        await self._participant.join(url, token)
        await self._participant.publish()

    async def aclose(self) -> None:
        """Leaves."""
        await self._participant.aclose()

    async def read(self, duration: float) -> AudioChunk | None:
        """The next `duration` seconds of what is heard, whole frames of 10 ms; None when the other end has left."""
        if self._read_from_s is None:
            self._read_from_s = now()
        frames = max(1, round(duration / FRAME_S))
        pcm = b"".join([await self._frame() for _ in range(frames)])
        start_s, self._read = self._read * FRAME_S, self._read + frames
        return None if self._over else AudioChunk(pcm, HEARD_HZ, start_s)

    async def write(self, pcm: Buffer) -> None:
        """What is said next. Raises SessionError when the other end has left."""
        if self._over:
            raise SessionError("the other end has left the room", code="session_not_active", operation="write")
        import numpy as np

        view = memoryview(pcm).cast("B")
        if len(view) % 2:
            raise AudioFormatError(f"pcm has {len(view)} bytes: allowed: an even number, two for each sample")
        sound = np.frombuffer(self._resampler.process(view), np.int16)
        microphone = self._participant.microphone
        if self._spoken_from_s is None:
            self._spoken_from_s = microphone.earliest_s
        due_s = self._spoken_from_s + self._spoken / MICROPHONE_HZ
        late = max(0, min(len(sound), round((microphone.earliest_s - due_s) * MICROPHONE_HZ)))
        self.lost_samples += late
        self._spoken += len(sound)
        if late < len(sound):
            microphone.say(sound[late:], at_s=due_s + late / MICROPHONE_HZ)

    @property
    def spoken_from_s(self) -> float:
        """When the first sample that was written is spoken, on the machine's monotonic clock."""
        if self._spoken_from_s is None:
            raise InvalidStateError("nothing was said yet: allowed: after `write`")
        return self._spoken_from_s

    def received(self, since_s: float) -> Track:
        """All that was heard of the other end; sample 0 was heard at `since_s` on the machine's monotonic clock."""
        track = Track(HEARD_HZ)
        for ear in self._participant.ears.get(self._agent or "", []):
            frames = list(ear.frames)
            if frames:
                # Frames follow each other without a gap, whatever the moments at which Python got to see them.
                first = min(frame.at_s - n * FRAME_S for n, frame in enumerate(frames))
                sound = b"".join(frame.pcm for frame in frames)
                early = max(0, -round((first - since_s) * HEARD_HZ))
                track.put_at(max(0, round((first - since_s) * HEARD_HZ)), sound[2 * early :])
        return track

    async def _frame(self) -> bytes:
        due_s = (self._read_from_s or 0.0) + (self._read + 1) * FRAME_S
        # Before anybody is heard the clock alone says when a frame is over.
        silent_until_s = due_s if self._agent is None else due_s + _LATEST_S
        while not self._waiting and not self._over:
            self._changed.clear()
            try:
                async with asyncio.timeout(silent_until_s - now()):
                    await self._changed.wait()
            except TimeoutError:
                break
        return self._waiting.popleft() if self._waiting else bytes(_FRAME_BYTES)

    def _hear(self, identity: str, frame: HeardFrame) -> None:
        if self._agent is None:
            self._agent = identity
        if identity == self._agent and self._read_from_s is not None:
            self._waiting.append(frame.pcm)
            self._changed.set()

    def _happened(self, event: str, facts: dict[str, Any]) -> None:
        left = event == "participant_disconnected" and facts["identity"] == self._agent
        if event == "disconnected" or left:
            self._over = True
            self._changed.set()
        self._tell(event, facts)
