"""Nobody on the call notices that a thread of the agent's process holds Python's lock for two seconds, or its loop."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from support.call import turn_handling
from support.room_session import MEDIA, RoomSession, joined, session_on

from beluga_voice import Turn
from beluga_voice.clock import now
from beluga_voice.events import Interruption, PlayoutStarted
from beluga_voice.text_to_speech import TextToSpeech

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.handles import Mouth
    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

HELD_S = 2.0
SPEECH_S = 4.0
HZ = 24_000
TONE_HZ = 500.0
# Two packets, which may come late where the machine itself stands still; no more than that.
MADE_UP_S = 0.04
# So long somebody has to talk before he counts, and so much longer it may take at most until he hears the silence.
MIN_DURATION_S, SILENT_WITHIN_S = 0.2, 0.8


class ToneVoice(TextToSpeech):
    """Four seconds of a tone, written at once; a hole in it cannot be taken for a pause of its own."""

    def __init__(self) -> None:
        self.written = asyncio.Event()

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        tone = np.sin(2 * np.pi * TONE_HZ / HZ * np.arange(round(SPEECH_S * HZ))) * 8_000
        await mouth.write(tone.astype(np.int16), sample_rate=HZ)
        self.written.set()


def hold_the_interpreter() -> tuple[float, float]:
    """No thread of this process runs Python meanwhile; from when to when."""
    began_s = now()
    ctypes.PyDLL(None).usleep(round(HELD_S * 1e6))
    return began_s, now()


def block_the_loop() -> tuple[float, float]:
    """Other threads run meanwhile, the SDK's and ours; from when to when."""
    began_s = now()
    time.sleep(HELD_S)
    return began_s, now()


async def silent(turn: Turn) -> str:
    return ""


class Line(NamedTuple):
    """One of the process's calls, at both its ends."""

    caller: SdkCaller
    tried: RoomSession
    began_s: float
    """When the caller began to hear the tone."""

    async def hears_all(self, from_s: float, until_s: float) -> None:
        """Asserts that the tone went on meanwhile and after it, and that none of it had to be made up on its way."""
        ended_s = await self.caller.silence_from("agent", since=self.began_s)
        assert ended_s > until_s + 0.5
        heard = (await self.caller.heard("agent")).between(from_s - 0.3, until_s + 0.5)
        assert heard.gaps_s(longest_s=0.02) == []
        arrived = await self.caller.arrived("agent")
        assert arrived.lost == 0
        assert arrived.made_up_s <= MADE_UP_S


@asynccontextmanager
async def tones(
    server: LiveKitServer, callers: Mapping[str, SdkCaller], media: Any, *, allow_interruptions: bool
) -> AsyncGenerator[list[Line]]:
    """A call in each room, in the middle of its tone, all of which is in its mouth."""
    async with AsyncExitStack() as stack:
        calls: list[tuple[SdkCaller, RoomSession, ToneVoice]] = []
        for room_name, caller in callers.items():
            voice = ToneVoice()
            room = await stack.enter_async_context(joined(server, room_name, media=media))
            handling = turn_handling(min_duration=MIN_DURATION_S)
            tried = await stack.enter_async_context(session_on(room, silent, tts=voice, turn_handling=handling))
            calls.append((caller, tried, voice))
        for _, tried, _ in calls:
            tried.session.say("a tone", allow_interruptions=allow_interruptions)
        for _, tried, voice in calls:
            await voice.written.wait()
            await tried.heard(PlayoutStarted)
        yield [Line(caller, tried, await caller.voice_from("agent")) for caller, tried, _ in calls]


@pytest.fixture
async def callers(livekit_server: LiveKitServer, ada: SdkCaller, call_in: Any, room_name: str) -> dict[str, SdkCaller]:
    """Two, each in a room of his own; by room."""
    bob = await call_in(livekit_server, "bob")
    await bob.join(f"{room_name} too")
    await bob.publish()
    return {room_name: ada, f"{room_name} too": bob}


async def test_speech_that_waits_is_heard_without_a_gap_in_every_call(
    livekit_server: LiveKitServer, callers: dict[str, SdkCaller]
) -> None:
    async with tones(livekit_server, callers, "native", allow_interruptions=False) as lines:
        for line in lines:
            await line.caller.say_words("able bake calm dark", at_s=now() + 0.3)
        held_from_s, held_until_s = hold_the_interpreter()
        assert held_until_s - held_from_s > HELD_S * 0.99
        for line in lines:
            await line.hears_all(held_from_s, held_until_s)


async def test_talking_over_the_agent_silences_it_meanwhile_in_every_call(
    livekit_server: LiveKitServer, callers: dict[str, SdkCaller]
) -> None:
    async with tones(livekit_server, callers, "native", allow_interruptions=True) as lines:
        said = [await line.caller.say_words("able bake calm dark", at_s=now() + 0.2) for line in lines]
        _, held_until_s = hold_the_interpreter()
        for line, over in zip(lines, said, strict=True):
            silent_s = await line.caller.silence_from("agent", since=over.first_s)
            assert silent_s < over.first_s + MIN_DURATION_S + SILENT_WITHIN_S < held_until_s
            assert (await line.tried.heard(Interruption)).action == "pause"


@pytest.mark.parametrize("media", MEDIA)
async def test_speech_that_waits_is_heard_without_a_gap_while_the_agents_loop_is_blocked(
    livekit_server: LiveKitServer, callers: dict[str, SdkCaller], media: Any
) -> None:
    async with tones(livekit_server, callers, media, allow_interruptions=False) as lines:
        blocked_from_s, blocked_until_s = block_the_loop()
        for line in lines:
            await line.hears_all(blocked_from_s, blocked_until_s)
