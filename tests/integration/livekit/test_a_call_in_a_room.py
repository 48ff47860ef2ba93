"""A caller on the plain SDK talks with an agent in a real room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.room_session import MEDIA, PATIENCE_S, answer_to, is_heard, joined, say, session_on

from beluga_voice import Turn, livekit
from beluga_voice.clock import now
from beluga_voice.events import (
    AgentOutputTranscribed,
    ConversationItemAdded,
    Interruption,
    PlayoutFinished,
    PlayoutStarted,
    UserInputTranscribed,
)

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.parametrize("media", MEDIA)


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


async def test_what_is_measured_of_the_way_to_the_caller_is_the_sessions_to_show(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        await is_heard(room, "ada")
        assert await answer_to(ada, "able bake") == ["able", "bake"]
        stats = None
        # Reports of the other side come every few seconds.
        async with asyncio.timeout(PATIENCE_S):
            while stats is None or stats.round_trip_s is None:
                await asyncio.sleep(0.1)
                stats = await tried.session.transport_stats()
        # Loopback: nothing is far, and nothing is lost.
        assert 0.0 <= stats.round_trip_s < 0.5
        assert stats.packets_lost_there == 0
        assert stats.buffer_s is not None
        assert 0.0 < stats.buffer_s < 1.0
        assert stats.concealed_s is not None
        assert stats.packets_lost == 0
        assert stats.packets_received is not None
        assert stats.packets_received > 50
        if media == "sdk":
            assert stats.jitter_s is not None
            assert 0.0 <= stats.jitter_s < 0.5
    assert await tried.session.transport_stats() is None


async def test_what_the_caller_says_is_answered_and_the_answer_is_heard_whole(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        assert room.media_path == media
        await is_heard(room, "ada")
        greeted_s = now()
        await tried.session.say("kite lamp milk.")
        asked = await say(ada, "able bake calm dark")
        began_s = await ada.voice_from("agent", since=asked.last_s)
        await ada.silence_from("agent", since=began_s)
        heard = await ada.heard("agent")
        # From the first sample of the session on: a greeting waits until its listener is there.
        assert heard.between(greeted_s, asked.first_s).words == ["kite", "lamp", "milk"]
        assert heard.between(asked.last_s, now()).words == ["able", "bake", "calm", "dark"]
        assert [each.transcript for each in tried.all(UserInputTranscribed, lambda told: told.is_final)] == [
            "able bake calm dark"
        ]


async def test_talking_over_the_agent_silences_it_at_the_caller(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async def long(turn: Turn) -> str:
        return "gold hand iron jump kite lamp milk nest open pink quiz rose salt tree unit vase wind yard."

    async with joined(livekit_server, room_name, media=media) as room, session_on(room, long) as tried:
        await is_heard(room, "ada")
        asked = await say(ada, "able")
        began_s = await ada.voice_from("agent", since=asked.last_s)
        over = await ada.say_words("bake calm dark", at_s=began_s + 0.6)
        interruption = await tried.heard(Interruption)
        silent_s = await ada.silence_from("agent", since=over.first_s)
        finished = await tried.heard(PlayoutFinished)
        assert interruption.action == "pause"
        assert finished.interrupted
        # The caller's voice was long enough after 0.2 s; what was on its way then is still heard.
        assert silent_s < over.last_s
        said = (await tried.heard(ConversationItemAdded, lambda told: told.item.role == "assistant")).item
        assert said.interrupted
        heard = (await ada.heard("agent")).between(began_s - 0.1, silent_s).words
        assert said.text.replace(".", "").split() == heard[: len(said.text.split())]
        assert len(heard) - len(said.text.split()) <= 1


async def test_both_sides_read_what_is_said_while_it_is_said(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    await ada.receive_text("lk.transcription")
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        await is_heard(room, "ada")
        asked = await say(ada, "able bake calm dark")
        guess = await ada.event("text_received", where=lambda told: told["identity"] == "ada")
        assert guess["attributes"]["lk.transcription_final"] == "false"
        final = await ada.event(
            "text_received",
            where=lambda told: told["identity"] == "ada" and told["attributes"]["lk.transcription_final"] == "true",
        )
        assert final["text"] == "able bake calm dark"
        assert final["attributes"]["lk.segment_id"] == guess["attributes"]["lk.segment_id"]
        began_s = await ada.voice_from("agent", since=asked.last_s)
        pieces = [
            await ada.event("text_piece", where=lambda told, word=word: told["text"].strip() == word)
            for word in ("able", "bake", "calm", "dark.")
        ]
        spoken = await ada.event(
            "text_received", where=lambda told: told["identity"] == "agent" and told["text"].endswith(".")
        )
        assert spoken["text"] == "able bake calm dark."
        assert spoken["attributes"]["lk.transcription_final"] == "true"
        # A word takes 0.21 s: the second one is not shown before it is heard.
        assert pieces[1]["at_s"] > began_s + 0.05
        words = tried.all(AgentOutputTranscribed, lambda told: bool(told.transcript))
        assert [each.transcript for each in words] == ["able", "bake", "calm", "dark."]
        assert words[3].at_s - words[0].at_s == pytest.approx(3 * 0.21, abs=0.1)
        legacy = await ada.event("transcription_received", where=lambda told: told["segments"][0]["final"])
        assert legacy["segments"][0]["text"] in ("able bake calm dark", "able bake calm dark.")


async def test_the_agents_state_is_shown_as_livekits_frontends_expect_it(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat):
        await is_heard(room, "ada")
        asked = await say(ada, "able bake")
        for state in ("thinking", "speaking", "listening"):
            await ada.event(
                "participant_attributes_changed",
                since=asked.first_s,
                where=lambda told, state=state: told["changed"].get("lk.agent.state") == state,
            )


async def test_what_the_caller_writes_is_a_turn_of_his(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        sent_s = now()
        await ada.send_text("gold hand", topic="lk.chat")
        began_s = await ada.voice_from("agent", since=sent_s)
        await ada.silence_from("agent", since=began_s)
        assert (await ada.heard("agent")).between(sent_s, now()).words == ["gold", "hand"]
        added = await tried.heard(ConversationItemAdded, lambda told: told.item.role == "user")
        assert (added.item.text, added.turn_id) == ("gold hand", -1)


async def test_the_voice_of_a_telephone_has_the_rate_that_was_asked_for(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with (
        joined(livekit_server, room_name, media=media) as room,
        session_on(livekit.RoomCall(room, sample_rate=16_000, track_name="voice"), repeat) as tried,
    ):
        said = tried.session.say("gold hand")
        started = await tried.heard(PlayoutStarted)
        await said
        assert started.speech_id == said.id
        assert tried.session.link.call.output_hz == 16_000
        await ada.silence_from("agent", since=0.0)
        heard = await ada.heard("agent")
        assert heard.words == ["gold", "hand"]
        assert np.max(np.abs(heard.samples)) > 5_000
        tracks = (await ada.participants())["agent"]["tracks"]
        assert [track["name"] for track in tracks.values()] == ["voice"]
