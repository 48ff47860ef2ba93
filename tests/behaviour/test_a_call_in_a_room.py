"""A session's place in a room, on virtual time and without a server: whom it serves, for how long, what is shown."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_room import FakeDriver, room_on
from support.room_session import RoomSession

from beluga_voice import Turn
from beluga_voice.errors import (
    AuthError,
    BelugaVoiceError,
    ConfigError,
    DeadlineError,
    InternalError,
    RateLimitError,
    SessionError,
    TransportError,
)
from beluga_voice.events import CloseEvent, ErrorEvent, SessionStateChanged, SipDtmfReceived
from beluga_voice.livekit import DisconnectReason, ParticipantKind, Room, RoomCall, TrackSource, room_events as told
from beluga_voice.livekit.room_state import ParticipantInfo, StreamInfo, TrackInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ADA = ParticipantInfo(identity="ada")


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


@asynccontextmanager
async def in_room(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncGenerator[tuple[Room, RoomSession]]:
    room = await room_on(driver, monkeypatch)
    tried = RoomSession(repeat)
    await tried.session.start(RoomCall(room, **settings))
    try:
        yield room, tried
    finally:
        await tried.aclose()
        await room.disconnect()


def publish(driver: FakeDriver, sid: str, **about: Any) -> None:
    driver.publishes("ada", sid, **about)


async def test_the_session_waits_for_the_first_caller_who_is_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ParticipantInfo(identity="helper", kind=ParticipantKind.PARTICIPANT_KIND_AGENT))
    room = await room_on(driver, monkeypatch)
    tried = RoomSession(repeat)
    starting = asyncio.create_task(tried.session.start(room))
    await asyncio.sleep(1.0)
    driver.joins("recorder", kind=ParticipantKind.PARTICIPANT_KIND_EGRESS)
    await asyncio.sleep(1.0)
    assert not starting.done()
    driver.joins("ada")
    await starting
    another = RoomSession(repeat)
    waiting = asyncio.create_task(another.session.start(room))
    await asyncio.sleep(1.0)
    assert not waiting.done()
    await tried.aclose()
    # Her session has ended: she may have another one.
    driver.joins("bob")
    await waiting
    assert len(driver.calls) == 2
    await another.aclose()


async def test_nobody_in_time_and_a_room_that_is_left_end_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    late, left = RoomSession(repeat), RoomSession(repeat)
    with pytest.raises(DeadlineError, match="'bob' did not join within 5 s"):
        await late.session.start(RoomCall(room, participant_identity="bob", participant_timeout=5.0))
    waiting = asyncio.create_task(left.session.start(RoomCall(room, participant_identity="bob")))
    await asyncio.sleep(1.0)
    driver.tell(told.Disconnected(DisconnectReason.ROOM_DELETED))
    with pytest.raises(TransportError) as lost:
        await waiting
    assert lost.value.code == "disconnected"
    assert driver.calls == []
    await asyncio.gather(late.aclose(), left.aclose())


async def test_a_caller_who_never_listens_is_served_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    driver.subscribes = False
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with in_room(driver, monkeypatch):
        assert loop.time() - began == pytest.approx(5.0, abs=0.1)


async def test_a_room_that_is_left_while_the_caller_does_not_listen_yet_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = FakeDriver(ADA)
    driver.subscribes = False
    room = await room_on(driver, monkeypatch)
    tried = RoomSession(repeat)
    starting = asyncio.create_task(tried.session.start(RoomCall(room)))
    await driver.until(lambda: bool(driver.calls))
    driver.tell(told.Disconnected(DisconnectReason.ROOM_DELETED))
    with pytest.raises(TransportError) as lost:
        await starting
    assert lost.value.code == "disconnected"
    assert driver.calls[0].closed
    await tried.aclose()


async def test_a_start_that_is_given_up_while_the_caller_does_not_listen_takes_him_from_no_other_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch) as (room, _):
        driver.subscribes = False
        given_up, third = RoomSession(repeat), RoomSession(repeat)
        starting = asyncio.create_task(given_up.session.start(RoomCall(room, participant_identity="ada")))
        await driver.until(lambda: len(driver.calls) == 2)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert driver.calls[1].closed
        with pytest.raises(DeadlineError):  # she has her first session still
            await third.session.start(RoomCall(room, participant_timeout=5.0))
        await asyncio.gather(given_up.aclose(), third.aclose())


async def test_the_microphone_is_heard_whatever_else_is_published_and_exchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch) as (_, tried):
        (media,) = driver.calls
        publish(driver, "screen", source=TrackSource.SOURCE_SCREENSHARE_AUDIO)
        publish(driver, "mic")
        await asyncio.sleep(0.1)
        publish(driver, "mic 2")
        await asyncio.sleep(0.1)
        assert media.heard == ["mic"]
        driver.tell(told.TrackUnpublished("ada", "mic"))
        assert media.heard == ["mic", "mic 2"]
        driver.tell(told.TrackUnsubscribed("ada", "mic 2"))
        assert media.heard == ["mic", "mic 2", None]
        assert [sid for _, sid, _ in driver.named("set_subscribed")] == ["mic", "mic 2"]
        assert tried.session.state == "active"


async def test_who_was_cut_off_may_come_back_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch, rejoin_timeout=10.0) as (_, tried):
        driver.leaves("ada", DisconnectReason.CONNECTION_TIMEOUT)
        await asyncio.sleep(9.0)
        driver.joins("ada")
        publish(driver, "mic")
        await asyncio.sleep(60.0)
        assert driver.calls[0].heard == ["mic"]
        driver.leaves("ada", DisconnectReason.SIGNAL_CLOSE)
        await asyncio.sleep(9.0)
        assert tried.all(CloseEvent) == []
        close = await tried.heard(CloseEvent)
        assert (close.reason, close.error) == ("participant_disconnected", None)


@pytest.mark.parametrize("reason", [DisconnectReason.CLIENT_INITIATED, DisconnectReason.PARTICIPANT_REMOVED])
async def test_who_left_or_was_sent_out_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, reason: DisconnectReason
) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch) as (_, tried):
        driver.leaves("ada", reason)
        assert (await tried.heard(CloseEvent)).reason == "participant_disconnected"
        assert driver.calls[0].closed


async def test_while_we_are_cut_off_nobody_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch, rejoin_timeout=10.0) as (_, tried):
        driver.tell(told.Reconnecting())
        assert tried.session.state == "reconnecting"
        tried.session.say("gold")  # it is said, though maybe to nobody
        driver.leaves("ada", DisconnectReason.CLIENT_INITIATED)
        await asyncio.sleep(60.0)
        driver.joins("ada")
        driver.tell(told.Reconnected())
        assert tried.session.state == "active"
        await asyncio.sleep(60.0)
        assert tried.all(CloseEvent) == []
        driver.tell(told.Reconnecting())
        driver.leaves("ada", DisconnectReason.UNKNOWN_REASON)
        driver.tell(told.Reconnected())
        # She did not come with us.
        assert (await tried.heard(CloseEvent)).reason == "participant_disconnected"
        states = [(each.old_state, each.new_state) for each in tried.all(SessionStateChanged)]
        assert states == [
            ("initial", "active"),
            ("active", "reconnecting"),
            ("reconnecting", "active"),
            ("active", "reconnecting"),
            ("reconnecting", "active"),
            ("active", "ended"),
        ]


@pytest.mark.parametrize(
    ("reason", "close_reason", "code"),
    [
        (DisconnectReason.ROOM_DELETED, "participant_disconnected", None),
        (DisconnectReason.CLIENT_INITIATED, "participant_disconnected", None),
        (DisconnectReason.SERVER_SHUTDOWN, "error", "disconnected"),
        (DisconnectReason.DUPLICATE_IDENTITY, "error", "disconnected"),
    ],
)
async def test_a_room_that_is_lost_ends_the_session(
    monkeypatch: pytest.MonkeyPatch, reason: DisconnectReason, close_reason: str, code: str | None
) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch) as (_, tried):
        driver.tell(told.Disconnected(reason))
        close = await tried.heard(CloseEvent)
        assert close.reason == close_reason
        assert (close.error.code if close.error is not None else None) == code
        if code is not None:
            assert reason.name in str(close.error)


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        (InternalError("a defect in the room's code"), "internal_error", None),
        (RateLimitError("8192 events wait: nobody takes them"), "disconnected", "rate_limit_exceeded"),
        (AuthError("the token has expired", code="authentication_failed"), "disconnected", "authentication_failed"),
    ],
)
async def test_a_session_that_ends_with_its_room_says_what_failed(
    monkeypatch: pytest.MonkeyPatch, error: BelugaVoiceError, code: str, cause: str | None
) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch) as (_, tried):
        driver.tell(told.Disconnected(DisconnectReason.UNKNOWN_REASON, error))
        close = await tried.heard(CloseEvent)
        assert close.error is not None
        assert (close.error.code, close.error.details.get("cause")) == (code, cause)
        assert error.message in str(close.error)
        assert [each.error for each in tried.all(ErrorEvent)] == [close.error]
        assert tried.session.state == "error"


async def test_keys_are_told_to_the_session_of_whoever_pressed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA, ParticipantInfo(identity="bob"))
    async with in_room(driver, monkeypatch) as (_, tried):
        driver.tell(told.DtmfArrived(1, "1", "bob"), told.DtmfArrived(2, "2", None), told.DtmfArrived(11, "#", "ada"))
        await tried.heard(SipDtmfReceived)
        assert [(key.digit, key.code) for key in tried.all(SipDtmfReceived)] == [("#", 11)]


async def test_the_agents_state_is_shown_and_of_two_agents_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA, ParticipantInfo(identity="bob"))
    async with in_room(driver, monkeypatch) as (room, tried):

        def shown() -> list[str]:
            return [each["lk.agent.state"] for each in driver.named("set_attributes")]

        await tried.session.say("gold")
        await asyncio.sleep(0.1)
        assert shown() == ["listening", "speaking", "listening"]
        another = RoomSession(repeat)
        await another.session.start(room)
        await tried.session.say("hand")
        await asyncio.sleep(0.1)
        assert shown() == ["listening", "speaking", "listening"]
        await another.aclose()
        await tried.session.say("iron")
        await asyncio.sleep(0.1)
        assert shown()[3:] == ["speaking", "listening"]


async def test_a_server_that_does_not_answer_delays_no_state_and_gathers_none(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    driver.wait_for = asyncio.Event()
    async with in_room(driver, monkeypatch) as (_, tried):
        for _ in range(3):
            await tried.session.say("gold")
        shown = [each["lk.agent.state"] for each in driver.named("set_attributes")]
        assert shown == ["listening", "speaking", "listening", "speaking"]
        driver.wait_for.set()
        await driver.until(lambda: len(driver.named("set_attributes")) == 5)
        assert driver.named("set_attributes")[-1] == {"lk.agent.state": "listening"}


async def test_the_agents_words_are_written_as_they_are_heard_and_to_the_caller_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = FakeDriver(ADA, ParticipantInfo(identity="eve"))
    loop = asyncio.get_running_loop()
    async with in_room(driver, monkeypatch) as (_, tried):
        began = loop.time()
        said = tried.session.say("gold hand iron jump kite lamp")
        await driver.until(lambda: len(driver.named("write_stream")) == 3)
        assert loop.time() - began == pytest.approx(2 * 0.21, abs=0.05)
        tried.session.interrupt()
        await said
        await driver.until(lambda: driver.named("close_stream") != [])
        (header, about) = driver.named("open_stream")[0]
        assert about["destination_identities"] == ["ada"]
        assert about["sender_identity"] is None
        assert (header.topic, header.attributes["lk.transcription_final"]) == ("lk.transcription", "false")
        assert header.attributes["lk.transcribed_track_id"] == driver.calls[0].track.sid
        assert [text for _, text in driver.named("write_stream")] == ["gold", " hand", " iron"]
        assert driver.named("close_stream")[0][1] == {"lk.transcription_final": "true"}
        # The older packet has no addressee, and somebody else is there.
        assert driver.named("publish_transcription") == []


async def test_for_all_everybody_reads_and_the_older_packet_is_sent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA, ParticipantInfo(identity="eve"))
    async with in_room(driver, monkeypatch, audience="room") as (_, tried):
        await tried.session.say("gold hand")
        await driver.until(lambda: driver.named("close_stream") != [])
        assert driver.named("open_stream")[0][1]["destination_identities"] == []
        assert driver.named("set_subscription_permissions") == []
        packets = [each["segments"][0] for each in driver.named("publish_transcription")]
        assert [(each.text, each.final) for each in packets] == [
            ("gold", False),
            ("gold hand", False),
            ("gold hand", True),
        ]
        assert len({each.id for each in packets}) == 1


async def test_nothing_is_written_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch, transcription=False, text_input=False) as (_, tried):
        await tried.session.say("gold hand")
        assert driver.named("open_stream") == []
        assert driver.named("accept_streams") == []


async def test_what_the_caller_writes_is_his_turn_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA, ParticipantInfo(identity="eve"))
    async with in_room(driver, monkeypatch) as (_, tried):
        for identity, text in (("eve", b"milk"), ("ada", b"gold hand")):
            stream = StreamInfo(stream_id=identity, is_text=True, topic="lk.chat")
            driver.tell(told.StreamOpened(stream, identity), told.StreamChunk(identity, text))
            driver.tell(told.StreamClosed(identity))
        await driver.until(lambda: driver.named("close_stream") != [])
        assert [item.text for item in tried.session.history] == ["gold hand", "gold hand."]


async def test_a_place_in_a_room_has_one_session_and_its_settings_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    call = RoomCall(room)
    tried, second = RoomSession(repeat), RoomSession(repeat)
    await tried.session.start(call)
    assert call.served_identity == "ada"
    with pytest.raises(SessionError) as refused:
        await second.session.start(call)
    assert refused.value.code == "session_already_active"
    await asyncio.gather(tried.aclose(), second.aclose())
    for wrong in ({"sample_rate": 44_100}, {"audience": "nobody"}):
        with pytest.raises(ConfigError, match="allowed"):
            RoomCall(room, **wrong)


async def test_the_track_that_others_see_is_the_one_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    async with in_room(driver, monkeypatch, track_name="voice") as (room, tried):
        assert driver.named("open_call") == ["voice"]
        (publication,) = room.local_participant.track_publications.values()
        assert (publication.name, publication.track) == ("voice", None)
        assert tried.session.stats()["fake_frames"] == 1
        driver.tell(told.LocalTrackRepublished(TrackInfo(sid="again", name="voice"), publication.sid))
        assert publication.sid == "again"
