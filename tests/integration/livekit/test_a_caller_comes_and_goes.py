"""Whom a session serves, and what becomes of it when he mutes himself, comes again or leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.room_session import MEDIA, PATIENCE_S, RoomSession, answer_to, is_heard, joined, session_on

from beluga_voice import Turn, livekit
from beluga_voice.clock import now
from beluga_voice.errors import DeadlineError
from beluga_voice.events import CloseEvent, SipDtmfReceived, UserInputTranscribed
from beluga_voice.testing.tone_words import understood

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = [pytest.mark.quiet_machine, pytest.mark.parametrize("media", MEDIA)]


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


async def test_a_microphone_that_is_muted_or_exchanged_keeps_the_session(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        events: list[str] = []
        for name in ("track_muted", "track_unmuted", "track_published", "track_unpublished"):
            room.on(name, lambda *_, name=name: events.append(name))
        assert await answer_to(ada, "able bake") == ["able", "bake"]
        await ada.mute()
        muted = await ada.say_words("gold gold")
        await asyncio.sleep(max(0.0, muted.last_s - now()))
        await ada.unmute()
        assert await answer_to(ada, "calm dark") == ["calm", "dark"]
        await ada.unpublish()
        await is_heard(room, "ada", track=await ada.publish(name="another microphone"))
        assert await answer_to(ada, "echo fish") == ["echo", "fish"]
        finals = [told.transcript for told in tried.all(UserInputTranscribed, lambda told: told.is_final)]
        assert finals == ["able bake", "calm dark", "echo fish"]
        assert events[:2] == ["track_muted", "track_unmuted"]
        assert sorted(events[2:]) == ["track_published", "track_unpublished"]
        assert tried.session.state == "active"


async def test_a_listener_to_a_track_ends_with_it_and_one_to_a_caller_goes_on_with_his_next_one(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    ada, bob = await asyncio.gather(call_in(livekit_server, "ada"), call_in(livekit_server, "bob"))
    for caller in (ada, bob):
        await caller.join(room_name)
        await caller.publish()
    async with joined(livekit_server, room_name, media=media) as room:
        await is_heard(room, "ada")
        await is_heard(room, "bob")
        first = livekit.AudioStream(_track_of(room.remote_participants["ada"]), sample_rate=16_000)
        every = livekit.AudioStream.from_participant(
            participant=room.remote_participants["bob"],
            track_source=livekit.TrackSource.SOURCE_MICROPHONE,
            sample_rate=16_000,
        )
        hearing_first, hearing_every = (asyncio.create_task(_heard(each)) for each in (first, every))
        await _says(ada, "able")
        await _says(bob, "bake")
        await ada.unpublish()
        await bob.unpublish()
        async with asyncio.timeout(PATIENCE_S):
            assert await hearing_first == ["able"]
        for caller in (ada, bob):
            await is_heard(room, caller.identity, track=await caller.publish(name="another microphone"))
        second = livekit.AudioStream(_track_of(room.remote_participants["ada"]), sample_rate=16_000)
        hearing_second = asyncio.create_task(_heard(second))
        await _says(ada, "calm")
        await _says(bob, "dark")
        await ada.leave()
        await bob.leave()
        async with asyncio.timeout(PATIENCE_S):
            assert await hearing_second == ["calm"]
            assert await hearing_every == ["bake", "dark"]
        for stream in (first, second, every):
            await stream.aclose()


async def _says(caller: SdkCaller, word: str) -> None:
    """Until it was said, and heard."""
    said = await caller.say_words(word, at_s=now() + 0.3)
    await asyncio.sleep(said.last_s + 0.3 - now())


async def test_who_listens_besides_a_session_takes_nothing_from_it_and_goes_on_without_it(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room:
        await is_heard(room, "ada")
        track = _track_of(room.remote_participants["ada"])
        before = livekit.AudioStream(track, sample_rate=16_000)
        hearing_before = asyncio.create_task(_heard(before))
        async with session_on(room, repeat):
            beside = livekit.AudioStream(track, sample_rate=16_000)
            hearing_beside = asyncio.create_task(_heard(beside))
            assert await answer_to(ada, "able bake") == ["able", "bake"]
        await _says(ada, "calm")
        await ada.leave()
        async with asyncio.timeout(PATIENCE_S):
            assert await hearing_before == ["able", "bake", "calm"]
            assert await hearing_beside == ["able", "bake", "calm"]
        for stream in (before, beside):
            await stream.aclose()


def _track_of(caller: livekit.RemoteParticipant) -> Any:
    (publication,) = caller.track_publications.values()
    return publication.track


async def _heard(stream: livekit.AudioStream) -> list[str]:
    """The tone words in all that comes of a stream."""
    sound = b"".join([bytes(event.frame.data) async for event in stream])
    return understood(np.frombuffer(sound, np.int16), 16_000)


async def test_who_comes_again_under_the_same_identity_has_his_session_still(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    before = await call_in(livekit_server, "ada")
    await before.join(room_name)
    await before.publish()
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        await is_heard(room, "ada")
        assert await answer_to(before, "able bake") == ["able", "bake"]
        # As after a crash of his browser: the server throws the old one out when the new one comes.
        before.kill()
        after = await call_in(livekit_server, "ada")
        await after.join(room_name)
        await is_heard(room, "ada", track=await after.publish())
        assert await answer_to(after, "calm dark") == ["calm", "dark"]
        assert [item.text for item in tried.session.history] == ["able bake", "able bake.", "calm dark", "calm dark."]
        assert tried.all(CloseEvent) == []


async def test_who_leaves_has_ended_his_session(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, repeat) as tried:
        await is_heard(room, "ada")
        assert await answer_to(ada, "able bake") == ["able", "bake"]
        await ada.leave()
        close = await tried.heard(CloseEvent)
        assert (close.reason, close.error) == ("participant_disconnected", None)
        assert tried.session.state == "ended"
        assert room.isconnected()
        assert room.local_participant.track_publications == {}


async def test_the_first_who_is_no_agent_is_served_and_the_next_session_serves_the_next(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    helper, ada, bob = await asyncio.gather(*(call_in(livekit_server, name) for name in ("helper", "ada", "bob")))
    await helper.join(room_name, kind="agent")
    async with joined(livekit_server, room_name, media=media) as room:
        first, second = RoomSession(repeat), RoomSession(repeat)
        starting = asyncio.gather(first.session.start(room), second.session.start(room))
        for caller in (ada, bob):
            await caller.join(room_name)
            await caller.publish()
            await caller.event("track_subscribed", identity="agent")
        await starting
        try:
            await is_heard(room, "ada")
            await is_heard(room, "bob")
            assert await answer_to(ada, "able bake") == ["able", "bake"]
            assert await answer_to(bob, "calm dark") == ["calm", "dark"]
            assert [item.text for item in first.session.history] == ["able bake", "able bake."]
            assert [item.text for item in second.session.history] == ["calm dark", "calm dark."]
        finally:
            await asyncio.gather(first.aclose(), second.aclose())


async def test_a_telephone_is_a_caller_and_its_keys_are_told(
    livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    user, phone = await asyncio.gather(call_in(livekit_server, "user"), call_in(livekit_server, "phone"))
    await user.join(room_name)
    await phone.join(room_name, kind="sip", attributes={"sip.phoneNumber": "+4912345"})
    await phone.publish()
    sip = livekit.ParticipantKind.PARTICIPANT_KIND_SIP
    async with joined(livekit_server, room_name, media=media) as room:
        call = livekit.RoomCall(room, participant_kinds=[sip], sample_rate=16_000)
        async with session_on(call, repeat) as tried:
            assert call.served_identity == "phone"
            assert room.remote_participants["phone"].kind == sip
            assert room.remote_participants["phone"].attributes["sip.phoneNumber"] == "+4912345"
            await user.send_dtmf(1, "1")
            await phone.send_dtmf(11, "#")
            key = await tried.heard(SipDtmfReceived)
            assert (key.digit, key.code) == ("#", 11)
            await is_heard(room, "phone")
            assert await answer_to(phone, "able bake") == ["able", "bake"]


async def test_nobody_is_waited_for_longer_than_asked(
    livekit_server: LiveKitServer, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room:
        tried = RoomSession(repeat)
        with pytest.raises(DeadlineError, match=r"'ada' did not join within 0\.1 s"):
            await tried.session.start(livekit.RoomCall(room, participant_identity="ada", participant_timeout=0.1))
        await tried.aclose()
        assert tried.session.state == "error"


async def test_a_session_that_waits_for_its_caller_can_be_given_up(
    livekit_server: LiveKitServer, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room:
        tried = RoomSession(repeat)
        starting = asyncio.create_task(tried.session.start(room))
        while tried.session.state == "initial" and not starting.done():
            await asyncio.sleep(0.01)
            await tried.aclose()
        with pytest.raises(Exception, match="closed while it started"):
            await starting
        assert room.isconnected()
