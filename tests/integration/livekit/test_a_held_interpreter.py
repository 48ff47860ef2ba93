"""Nobody on the call notices that a thread of the agent's process holds Python's lock for two seconds, or its loop."""

from __future__ import annotations

import asyncio
import ctypes
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.room_session import MEDIA, joined, session_on

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


async def test_speech_that_waits_is_heard_without_a_gap(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str
) -> None:
    voice = ToneVoice()
    async with (
        joined(livekit_server, room_name, media="native") as room,
        session_on(room, silent, tts=voice) as tried,
    ):
        tried.session.say("a tone", allow_interruptions=False)
        await voice.written.wait()
        await tried.heard(PlayoutStarted)
        began_s = await ada.voice_from("agent")
        await ada.say_words("able bake calm dark", at_s=now() + 0.3)
        held_from_s, held_until_s = hold_the_interpreter()
        assert held_until_s - held_from_s > HELD_S * 0.99
        ended_s = await ada.silence_from("agent", since=began_s)
        assert ended_s > held_until_s + 0.5
        heard = (await ada.heard("agent")).between(held_from_s - 0.3, held_until_s + 0.5)
        assert heard.gaps_s(longest_s=0.02) == []


async def test_talking_over_the_agent_silences_it_meanwhile(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str
) -> None:
    voice = ToneVoice()
    async with (
        joined(livekit_server, room_name, media="native") as room,
        session_on(room, silent, tts=voice) as tried,
    ):
        tried.session.say("a tone")
        await voice.written.wait()
        await tried.heard(PlayoutStarted)
        await ada.voice_from("agent")
        over = await ada.say_words("able bake calm dark", at_s=now() + 0.2)
        _, held_until_s = hold_the_interpreter()
        silent_s = await ada.silence_from("agent", since=over.first_s)
        assert silent_s < held_until_s
        assert (await tried.heard(Interruption)).action == "pause"


@pytest.mark.parametrize("media", MEDIA)
async def test_speech_that_waits_is_heard_without_a_gap_while_the_agents_loop_is_blocked(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    voice = ToneVoice()
    async with (
        joined(livekit_server, room_name, media=media) as room,
        session_on(room, silent, tts=voice) as tried,
    ):
        tried.session.say("a tone", allow_interruptions=False)
        await voice.written.wait()
        await tried.heard(PlayoutStarted)
        began_s = await ada.voice_from("agent")
        blocked_from_s, blocked_until_s = block_the_loop()
        ended_s = await ada.silence_from("agent", since=began_s)
        assert ended_s > blocked_until_s + 0.5
        heard = (await ada.heard("agent")).between(blocked_from_s - 0.3, blocked_until_s + 0.5)
        assert heard.gaps_s(longest_s=0.02) == []
