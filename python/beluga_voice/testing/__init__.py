"""What a voice agent is tested with: virtual time, fakes that speak and understand, callers with a script.

def test_it_answers() -> None:
    async def main() -> None:
        session = VoiceSession(agent=my_agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy")
        call = LocalCall()
        caller = ScriptedCaller([Say("able bake"), Answered()])
        async with session:
            await session.start(call)
            await caller.talk(call)
        assert session.history[0].text == "able bake"

    run(main())                          # a call of a minute takes a moment
"""

from __future__ import annotations

from beluga_voice.clock import in_flight
from beluga_voice.rtp_packet import RtpPacket
from beluga_voice.simulation.livekit_server import LiveKitServer
from beluga_voice.testing import tone_words
from beluga_voice.testing.caller import Caller, Tape
from beluga_voice.testing.caller_report import CallerReport, CallerTurn, HeardSound, HeardVoice
from beluga_voice.testing.fake_agent import FakeAgent
from beluga_voice.testing.fake_s2s import FakeSpeechToSpeech
from beluga_voice.testing.fake_stt import FakeSpeechToText
from beluga_voice.testing.fake_tts import FakeTextToSpeech
from beluga_voice.testing.network import EmulatedNetwork, NetworkConditions
from beluga_voice.testing.scripted_caller import (
    Answered,
    HangUp,
    Noise,
    Said,
    Say,
    ScriptedCaller,
    Silence,
    Step,
    TalkOver,
)
from beluga_voice.testing.word_errors import word_errors
from beluga_voice.virtual_time import Charge, FixedTimes, MeasuredTimes, RecordedTimes, VirtualLoop, run

__all__ = [
    "Answered",
    "Caller",
    "CallerReport",
    "CallerTurn",
    "Charge",
    "EmulatedNetwork",
    "FakeAgent",
    "FakeSpeechToSpeech",
    "FakeSpeechToText",
    "FakeTextToSpeech",
    "FixedTimes",
    "HangUp",
    "HeardSound",
    "HeardVoice",
    "LiveKitServer",
    "MeasuredTimes",
    "NetworkConditions",
    "Noise",
    "RecordedTimes",
    "RtpPacket",
    "Said",
    "Say",
    "ScriptedCaller",
    "Silence",
    "Step",
    "Tape",
    "TalkOver",
    "VirtualLoop",
    "in_flight",
    "run",
    "tone_words",
    "word_errors",
]
