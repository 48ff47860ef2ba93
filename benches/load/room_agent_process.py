"""The process behind `load.room_agent.RoomAgent`: sessions in rooms, whose recogniser, agent and voice take no time."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice import Turn, VoiceSession, livekit
from beluga_voice.pipeline.ear import EAR_HZ
from beluga_voice.simulation.line_service import LineService
from load.instant_components import VOICE_HZ, InstantEars, InstantVoice
from load.share_call import MIN_DELAY_S, MIN_INTERRUPTION_S

if TYPE_CHECKING:
    from beluga_voice import _core

FRAME_SAMPLES = VOICE_HZ // 100


class RoomSession:
    """One session; what it was interrupted by is told as `interrupted`: its room, and when the pacer was silent."""

    def __init__(self, service: LineService, number: int, answer_ms: int) -> None:
        self._tell = service.tell
        self._number = number
        self._answer_ms = answer_ms
        self._interrupted: _core.Event | None = None
        self.session = VoiceSession(
            agent=self._answer,
            stt=InstantEars(),
            tts=InstantVoice(lambda: None),
            vad={"provider": "silero", "min_silence_duration": MIN_DELAY_S},
            turn_handling={
                "endpointing": {"min_delay": MIN_DELAY_S},
                "interruption": {"min_duration": MIN_INTERRUPTION_S},
            },
        )

    async def start(self, call: livekit.RoomCall) -> None:
        await self.session.start(call)
        link = self.session.link
        taken = link.on_event

        def on_event(event: _core.Event) -> None:
            taken(event)
            if event.kind == "interrupted":
                self._interrupted = event
            elif event.kind == "turn_ended":
                self._turn_ended()

        link.on_event = on_event

    async def _answer(self, _: Turn) -> str:
        return str(self._answer_ms)

    def _turn_ended(self) -> None:
        """By now what was interrupted is silent and the next answer is still to come: the end can be looked up."""
        event, self._interrupted = self._interrupted, None
        if event is None or event.utterance is None:
            return
        call = self.session.link.call
        # What is heard may be behind what is said by what comes late.
        behind_s = call.output_written / VOICE_HZ - call.ear_written / EAR_HZ
        tick_start = round((event.at_s + behind_s) * VOICE_HZ) - FRAME_SAMPLES
        pcm, start, _ = call.read_output(tick_start - FRAME_SAMPLES, call.output_written - tick_start)
        last = start + (len(pcm.rstrip(b"\0")) - 1) // 2
        self._tell(
            "interrupted", {"room": self._number, "silent_s": event.now_us / 1e6 + (last - tick_start) / VOICE_HZ}
        )


class RoomAgentProcess:
    """Public methods are the commands."""

    def __init__(self, service: LineService, media: Literal["native", "sdk"], answer_ms: int, sample_rate: int) -> None:
        self._service = service
        self._media: Literal["native", "sdk"] = media
        self._answer_ms = answer_ms
        self._sample_rate = sample_rate
        self._stack = AsyncExitStack()
        self._sessions = 0

    async def join(self, url: str, token: str) -> None:
        room = await livekit.connect(url, token, media=self._media)
        self._stack.push_async_callback(room.disconnect)
        held = RoomSession(self._service, self._sessions, self._answer_ms)
        self._sessions += 1
        self._stack.push_async_callback(held.session.aclose)
        await held.start(livekit.RoomCall(room, sample_rate=self._sample_rate))

    async def leave(self) -> None:
        await self._stack.aclose()


async def main() -> None:
    service = LineService()
    media: Any = sys.argv[1]
    agent = RoomAgentProcess(service, media, int(sys.argv[2]), int(sys.argv[3]))
    try:
        await service.serve({"join": agent.join})
    finally:
        await agent.leave()


if __name__ == "__main__":
    asyncio.run(main())
