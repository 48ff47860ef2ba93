"""The process behind `rivals.raw_sdk.RawSdkAgent`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import numpy as np

from beluga_voice.clock import now
from beluga_voice.livekit.sdk.quiet import quieten
from beluga_voice.simulation.line_service import LineService
from beluga_voice.simulation.sdk.ear import FRAME_S, VOICE_DBFS
from beluga_voice.simulation.sdk.microphone import MICROPHONE_HZ, Said
from beluga_voice.simulation.sdk.participant import SdkParticipant

if TYPE_CHECKING:
    from beluga_voice.simulation.sdk.ear import HeardFrame

# A click is no turn, and a breath within a word ends no voice.
LEAST_TURN_S = 0.05
BREATH_S = 0.1


class AnsweringAgent:
    """Decides by levels alone, every 10 ms."""

    def __init__(
        self, service: LineService, silence_s: float, interrupted_after_s: float, answer_hz: float, answer_s: float
    ) -> None:
        self._tell = service.tell
        self._silence_s = silence_s
        self._interrupted_after_s = interrupted_after_s
        times = np.arange(round(answer_s * MICROPHONE_HZ)) / MICROPHONE_HZ
        self._answer = (np.sin(2 * np.pi * answer_hz * times) * 4_000).astype(np.int16)
        self._speaking = Said(0.0, 0.0)
        self._voiced_s = 0.0
        self._last_voice_s = 0.0
        self.participant = SdkParticipant(service.tell, on_frame=self._hear)

    async def join(self, url: str, token: str) -> None:
        await self.participant.join(url, token)
        await self.participant.publish(name="agent")

    async def leave(self) -> None:
        await self.participant.leave()

    def _hear(self, _identity: str, frame: HeardFrame) -> None:
        if frame.level_dbfs > VOICE_DBFS:
            self._voiced_s += FRAME_S
            self._last_voice_s = frame.at_s
            if now() < self._speaking.last_s and self._voiced_s >= self._interrupted_after_s:
                silent_s = self.participant.microphone.hush()
                self._speaking = Said(self._speaking.first_s, silent_s)
                self._tell("interrupted", {"silent_s": silent_s})
        elif frame.at_s - self._last_voice_s >= self._silence_s:
            self._answer_turn()
        elif frame.at_s - self._last_voice_s >= BREATH_S and now() < self._speaking.last_s:
            self._voiced_s = 0.0

    def _answer_turn(self) -> None:
        voiced_s, self._voiced_s = self._voiced_s, 0.0
        if voiced_s < LEAST_TURN_S:
            return
        self._tell("turn_ended", {"voiced_s": voiced_s, "last_voice_s": self._last_voice_s})
        self._speaking = self.participant.microphone.say(self._answer)
        self._tell("answered", {"first_s": self._speaking.first_s, "last_s": self._speaking.last_s})


async def main() -> None:
    *settings, logs = sys.argv[1:]
    if logs == "quiet":
        quieten()
    service = LineService()
    agent = AnsweringAgent(service, *map(float, settings))
    try:
        await service.serve({"join": agent.join, "leave": agent.leave})
    finally:
        await agent.participant.aclose()


if __name__ == "__main__":
    asyncio.run(main())
