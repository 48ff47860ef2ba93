"""Several calls in one process, in rooms of their own and in one room: nobody hears what is not for him."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.heard import Heard, tone_hz
from support.room_session import MEDIA, is_heard, joined, say, session_on

from beluga_voice import Turn, livekit
from beluga_voice.clock import now
from beluga_voice.events import PlayoutFinished, UserInputTranscribed
from beluga_voice.testing.tone_words import WORDS

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = [pytest.mark.quiet_machine, pytest.mark.parametrize("media", MEDIA)]


def tones(heard: Heard, *, least_s: float = 0.05) -> set[str]:
    """The words whose tones are the strongest sound for `least_s` in all; a packet that is made up for is none of
    them.
    """
    found = [hz for _, hz in heard.tones_hz(window_s=0.05) if hz is not None]
    seconds = {word: 0.05 * sum(abs(tone_hz(word) - hz) < 10.0 for hz in found) for word in WORDS}
    return {word for word, heard_s in seconds.items() if heard_s >= least_s}


def loudest_dbfs(heard: Heard, hz: float) -> float:
    """A tone's level where it is loudest."""
    size = 10 * heard.frame_samples
    pieces = (heard.samples[first : first + size] for first in range(0, len(heard.samples) - size, size // 2))
    return max(Heard(piece, heard.sample_rate, heard.arrivals_s[:10]).tone_dbfs(hz) for piece in pieces)


async def a_tone_from(identity: str, caller: SdkCaller, *, since: float) -> Heard:
    """All that he has heard, once 0.2 s of a tone can be made out in it."""
    while True:
        ended_s = await caller.silence_from(identity, since=since)
        heard = await caller.heard(identity)
        if tones(heard, least_s=0.2):
            return heard
        since = ended_s + 0.01


async def repeat(turn: Turn) -> str:
    return f"{turn.text} {turn.text}."


async def test_two_rooms_with_different_tones_never_hear_each_other(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    said = {"ada": "able", "bob": "rose"}
    async with AsyncExitStack() as stack:
        callers, sessions, rooms = {}, {}, {}
        for identity in said:
            room = f"{room_name}-{identity}"
            callers[identity] = await call_in(livekit_server, identity)
            await callers[identity].join(room)
            await callers[identity].publish()
            there = rooms[identity] = await stack.enter_async_context(joined(livekit_server, room, media=media))
            sessions[identity] = await stack.enter_async_context(session_on(there, repeat))
        for identity, there in rooms.items():
            await is_heard(there, identity)
        # At the same time, so that what is mixed up would be heard.
        at_s = now() + 0.3
        asked = {
            identity: await caller.say_words(f"{said[identity]} " * 4, at_s=at_s)
            for identity, caller in callers.items()
        }
        for identity, caller in callers.items():
            began_s = await caller.voice_from("agent", since=asked[identity].last_s)
            await caller.silence_from("agent", since=began_s)
        for identity, caller in callers.items():
            heard = (await caller.heard("agent")).between(asked[identity].last_s, now())
            own, other = said[identity], next(word for name, word in said.items() if name != identity)
            assert heard.words == [own] * 8
            assert tones(heard) == {own}
            assert loudest_dbfs(heard, tone_hz(own)) > -25.0
            assert loudest_dbfs(heard, tone_hz(other)) < -55.0
            finals = sessions[identity].all(UserInputTranscribed, lambda told: told.is_final)
            assert [told.transcript for told in finals] == [" ".join([own] * 4)]


async def test_six_callers_in_one_room_hear_their_own_answers_alone(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    words = {"ada": "able", "bob": "echo", "cid": "iron", "dot": "milk", "eve": "quiz", "fay": "unit"}
    # Six who went before the agent would leave him no time on a small machine.
    six = await asyncio.gather(*(call_in(livekit_server, name, precedence=False) for name in words))
    callers = dict(zip(words, six, strict=True))
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(caller.join(room_name) for caller in callers.values()))
        await asyncio.gather(*(caller.publish() for caller in callers.values()))
        # They need not hear each other, and six SDKs that do are too much for a small machine.
        await asyncio.gather(*(caller.subscription_permissions(["agent"]) for caller in callers.values()))
        await asyncio.gather(*(caller.receive_text("lk.transcription") for caller in callers.values()))
        room = await stack.enter_async_context(joined(livekit_server, room_name, media=media, auto_subscribe=False))
        sessions = {
            name: await stack.enter_async_context(session_on(livekit.RoomCall(room, participant_identity=name), repeat))
            for name in words
        }
        for name in words:
            await is_heard(room, name)
        asked = {name: await say(callers[name], f"{word} " * 4) for name, word in words.items()}
        for session in sessions.values():
            await session.heard(PlayoutFinished)
        for name, word in words.items():
            heard = await a_tone_from("agent", callers[name], since=asked[name].last_s)
            assert set(heard.words) == {word}, name
            assert tones(heard) == {word}, name
            shown = {
                told["text"]
                for told in callers[name].events
                if told["event"] == "text_received" and told["topic"] == "lk.transcription"
            }
            assert {each for text in shown for each in text.replace(".", "").split()} == {word}
        # The state of one is no business of the others.
        assert (await callers["ada"].participants())["agent"]["attributes"]["lk.agent.state"] == "listening"
