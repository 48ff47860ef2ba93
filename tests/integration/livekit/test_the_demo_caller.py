"""The caller of `make demo-livekit`, rung up by an agent on the plain SDK: what he says, and what he says he heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.heard import Heard

from beluga_voice import _core
from beluga_voice.simulation.caller_voice import CALLER_HZ, Utterance
from beluga_voice.simulation.room_caller import RoomCaller
from beluga_voice.simulation.script import CallerScript, Line
from rivals.raw_sdk import RawSdkAgent

if TYPE_CHECKING:
    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

RECORDED_HZ = 24_000
HUM_HZ, ANSWER_HZ = 300.0, 700.0


def hum(line: Line) -> Utterance:
    times = np.arange(round(0.6 * CALLER_HZ)) / CALLER_HZ
    return Utterance(line, (8_000 * np.sin(2 * np.pi * HUM_HZ * times)).astype(np.int16))


def channel(samples: np.ndarray) -> Heard:
    frames = len(samples) // 240
    return Heard(samples[: frames * 240], RECORDED_HZ, 0.01 * np.arange(frames))


async def test_he_keeps_to_his_script_and_records_what_he_received(
    livekit_server: LiveKitServer, room_name: str
) -> None:
    script = CallerScript(lines=(Line(text="one"), Line(text="two", begin="over", wait_s=0.4)))
    seen: list[str] = []
    async with (
        # Between two answers it is silent for longer than a caller takes for a breath.
        RawSdkAgent(silence_s=0.6, answer_hz=ANSWER_HZ, answer_s=1.2) as agent,
        RoomCaller(
            script, [hum(line) for line in script.lines], on_event=lambda event: seen.append(event["event"])
        ) as caller,
    ):
        await caller.join(livekit_server.url, livekit_server.token(room_name, "caller"))
        await agent.join(livekit_server.url, livekit_server.token(room_name, "agent", kind="agent"))
        await agent.event("track_subscribed", identity="caller")
        await caller.talk()
        assert caller.outcome == "done"
        assert "track_subscribed" in seen
        first, second = caller.spoken
        assert caller.began_at_s is not None
        answers = [event for event in agent.events if event["event"] == "answered"]
        interrupted = await agent.event("interrupted")

        pcm, rate_hz, channels = _core.read_wav(caller.recording)
        assert (rate_hz, channels) == (RECORDED_HZ, 2)
        said, received = (channel(each) for each in np.frombuffer(pcm, np.int16).reshape(-1, 2).T)
        # What he says is where he says it is, on both clocks.
        for line in (first, second):
            assert said.between(line.onset_s + 0.02, line.end_s - 0.02).tone_dbfs(HUM_HZ) > -20
        assert said.between(0.0, first.onset_s - 0.02).tone_dbfs(HUM_HZ) < -60
        ended = await agent.event("turn_ended")
        assert 0.0 < ended["last_voice_s"] - (caller.began_at_s + first.end_s) < 0.5
        # What he received begins after it was sent, with nothing before it, and stops after he talked over it.
        first_s = received.first_sound_s(0.0)
        assert first_s is not None
        sent_s = answers[0]["first_s"] - caller.began_at_s
        assert 0.0 < first_s - sent_s < 0.5
        assert second.onset_s == pytest.approx(first_s + 0.4, abs=0.1)
        silent_s = interrupted["silent_s"] - caller.began_at_s
        assert received.between(first_s + 0.02, silent_s - 0.02).tone_dbfs(ANSWER_HZ) > -30
        assert received.between(silent_s + 0.3, silent_s + 0.4).level_dbfs < -60
        await caller.leave()
