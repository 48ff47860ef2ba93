"""Callers that cost next to nothing talk with an agent in a real room, and what they measure is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.room_session import is_heard, joined, session_on

from beluga_voice import Turn
from beluga_voice.events import PlayoutFinished
from beluga_voice.testing import Caller, Tape, tone_words

if TYPE_CHECKING:
    from beluga_voice.testing import LiveKitServer

HZ = 16_000


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


def words(text: str) -> Tape:
    return Tape(tone_words.spoken(text, HZ), sample_rate=HZ)


async def test_a_caller_is_answered_and_has_what_he_heard(livekit_server: LiveKitServer, room_name: str) -> None:
    token = livekit_server.token(room_name, "ada")
    async with (
        Caller(url=livekit_server.url, token=token, sampled_s=60.0) as ada,
        joined(livekit_server, room_name, media="native") as room,
        session_on(room, repeat) as tried,
    ):
        await is_heard(room, "ada")
        turn = await ada.speak(words("able bake calm dark"))
        answered_s = await ada.answered()
        await tried.heard(PlayoutFinished)
        await ada.silence()
        report, sound = ada.report(), ada.sound()
        assert not turn.cut
        assert report.answer_delays_s[0] == pytest.approx(answered_s - turn.last_s)
        assert tone_words.understood(np.frombuffer(sound.pcm, np.int16), HZ) == ["able", "bake", "calm", "dark"]
        assert (report.packets_lost, report.frames_skipped, sound.concealed_frames) == (0, 0, 0)
