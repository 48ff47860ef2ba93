"""The real recogniser and the real voice, heard through a real room: what the caller hears is understood again."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from integration.conftest import SENTENCES, FakeEar, FakeUtterance
from support.room_session import MEDIA, PATIENCE_S, is_heard, joined, session_on

from beluga_voice import Turn
from beluga_voice.clock import now
from beluga_voice.components.stt.pocketsphinx import PocketSphinx
from beluga_voice.events import PlayoutFinished, PlayoutStarted
from beluga_voice.testing import word_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = [pytest.mark.quiet_machine, pytest.mark.parametrize("media", MEDIA)]

ANSWER = "rice is often served in round bowls. the boy was there when the sun rose."


async def understood(sound: NDArray[np.int16]) -> str:
    component = PocketSphinx()
    await component.start()
    try:
        ear = FakeEar(FakeUtterance(1, np.concatenate([np.zeros(8_000, np.int16), sound, np.zeros(8_000, np.int16)])))
        async with aclosing(component.stream(ear)) as transcripts:
            finals = [each.text async for each in transcripts if each.is_final]
    finally:
        await component.aclose()
    return " ".join(finals)


async def test_a_question_is_understood_and_its_answer_too(
    livekit_server: LiveKitServer, ada: SdkCaller, spoken: dict[str, Any], room_name: str, media: Any
) -> None:
    asked: list[str] = []

    async def agent(turn: Turn) -> str:
        asked.append(turn.text)
        return ANSWER

    async with (
        joined(livekit_server, room_name, media=media) as room,
        session_on(room, agent, stt="pocketsphinx", tts="piper", vad="silero") as tried,
    ):
        await is_heard(room, "ada")
        said = await ada.say(spoken[SENTENCES[2]], 16_000, at_s=now() + 0.3)
        await tried.heard(PlayoutStarted)
        await tried.heard(PlayoutFinished, nth=1)
        began_s = await ada.voice_from("agent", since=said.last_s, within=PATIENCE_S)
        await ada.silence_from("agent", since=began_s + 3.0)
        heard = (await ada.heard("agent")).between(began_s - 0.5, now())
    assert word_errors(SENTENCES[2].split(), asked[0].split()) <= 3, asked
    wanted = ANSWER.replace(".", "").split()
    back = await understood(heard.samples)
    assert word_errors(wanted, back.split()) <= 0.2 * len(wanted), back
