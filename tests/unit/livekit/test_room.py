"""A `Room` mirrors what its driver tells, and tells it on as livekit.rtc's events."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import pytest
from support.fake_room import FakeDriver, room_on

from beluga_voice.errors import InvalidStateError
from beluga_voice.livekit import (
    AudioFrame,
    AudioSource,
    ConnectionState,
    DisconnectReason,
    LocalAudioTrack,
    ParticipantState,
    RemoteAudioTrack,
    RemoteVideoTrack,
    Room,
    TrackKind,
    room_events as told,
)
from beluga_voice.livekit.room import EventTypes
from beluga_voice.livekit.room_state import Joined, ParticipantInfo, RoomInfo, TrackInfo

ADA = ParticipantInfo(identity="ada", name="Ada", attributes={"a": "1", "b": "2"})


class Log:
    """Every event of a room, with what was given to its callbacks."""

    def __init__(self, room: Room) -> None:
        self.events: list[tuple[Any, ...]] = []
        for name in get_args(EventTypes):
            room.on(name, lambda *arguments, name=name: self.events.append((name, *arguments)))

    @property
    def names(self) -> list[str]:
        return [event[0] for event in self.events]


async def test_a_participant_comes_changes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    log = Log(room)
    driver.tell(told.ParticipantConnected(ADA))
    ada = room.remote_participants["ada"]
    assert (ada.identity, ada.name, ada.attributes, ada.disconnect_reason) == ("ada", "Ada", {"a": "1", "b": "2"}, None)
    changed = ParticipantInfo(identity="ada", name="Ada L.", metadata="m", attributes={"a": "1", "c": "3"})
    driver.tell(told.ParticipantUpdated(changed), told.ParticipantUpdated(changed))
    driver.tell(told.ParticipantDisconnected("ada", DisconnectReason.CLIENT_INITIATED))
    assert log.events == [
        ("participant_connected", ada),
        ("participant_metadata_changed", ada, "", "m"),
        ("participant_name_changed", ada, "Ada", "Ada L."),
        ("participant_attributes_changed", {"b": "", "c": "3"}, ada),
        ("participant_disconnected", ada),
    ]
    assert ada.disconnect_reason is DisconnectReason.CLIENT_INITIATED
    assert ada.state is ParticipantState.PARTICIPANT_STATE_DISCONNECTED
    assert dict(room.remote_participants) == {}


async def test_a_participant_who_becomes_active_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    log = Log(room)
    driver.joins("ada", state=ParticipantState.PARTICIPANT_STATE_JOINED)
    active = told.ParticipantUpdated(ParticipantInfo(identity="ada"))
    driver.tell(active, active)
    assert log.names == ["participant_connected", "participant_active"]


async def test_the_same_identity_that_comes_twice_has_left_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    before = room.remote_participants["ada"]
    log = Log(room)
    driver.joins("ada")
    assert log.names == ["participant_disconnected", "participant_connected"]
    assert before.disconnect_reason is DisconnectReason.DUPLICATE_IDENTITY
    assert room.remote_participants["ada"] is not before


async def test_tracks_come_and_go_in_the_order_in_which_livekit_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    log = Log(room)
    driver.publishes("ada", "TR_a")
    driver.tell(told.TrackPublished("ada", TrackInfo(sid="TR_v", kind=TrackKind.KIND_VIDEO)))
    publication = room.remote_participants["ada"].track_publications["TR_a"]
    assert not publication.subscribed
    driver.tell(told.TrackSubscribed("ada", "TR_a"), told.TrackSubscribed("ada", "TR_v"))
    track = publication.track
    assert isinstance(track, RemoteAudioTrack)
    assert isinstance(room.remote_participants["ada"].track_publications["TR_v"].track, RemoteVideoTrack)
    driver.tell(told.TrackMuted("ada", "TR_a", muted=True), told.TrackMuted("ada", "TR_a", muted=True))
    assert publication.muted
    assert track.muted
    driver.leaves("ada", DisconnectReason.SIGNAL_CLOSE)
    assert log.names == [
        "track_published",
        "track_published",
        "track_subscribed",
        "track_subscribed",
        "track_muted",
        "track_unsubscribed",
        "track_unpublished",
        "track_unsubscribed",
        "track_unpublished",
        "participant_disconnected",
    ]
    assert publication.track is None
    assert track.sdk_track is None


async def test_what_is_told_of_somebody_who_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    log = Log(room)
    driver.tell(
        told.ParticipantDisconnected("eve", 1),
        told.ParticipantUpdated(ParticipantInfo(identity="eve")),
        told.TrackPublished("eve", TrackInfo(sid="T")),
        told.TrackUnpublished("eve", "T"),
        told.TrackSubscribed("eve", "T"),
        told.TrackUnsubscribed("eve", "T"),
        told.TrackMuted("eve", "T", muted=True),
        told.TrackSubscriptionFailed("eve", "T", "no"),
        told.LocalTrackUnpublished("T"),
        told.LocalTrackRepublished(TrackInfo(sid="U"), "T"),
        told.LocalTrackSubscribed("T"),
        told.ConnectionQualityChanged("eve", 1),
        told.StreamChunk("S", b""),
        told.StreamClosed("S"),
    )
    assert log.names == []


async def test_a_callback_that_raises_is_counted_and_the_others_are_called(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    called: list[str] = []

    def broken(participant: Any) -> None:
        raise TypeError("broken")

    room.on("participant_connected", broken)
    room.on("participant_connected", lambda: called.append("with fewer arguments"))
    room.once("participant_connected", lambda participant: called.append(participant.identity))
    driver.joins("ada")
    driver.joins("bob")
    assert called == ["with fewer arguments", "ada", "with fewer arguments"]
    assert room.stats()["callback_errors"] == 2
    assert "a callback of participant_connected raised" in caplog.text
    with pytest.raises(ValueError, match="async callback"):
        room.on("participant_connected", asyncio.sleep)


async def test_a_lost_connection_is_told_and_everything_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    log = Log(room)
    assert (room.isconnected(), await room.sid, room.name) == (True, "RM_1", "r")
    driver.tell(told.Reconnecting())
    assert (room.isconnected(), room.connection_state) == (True, ConnectionState.CONN_RECONNECTING)
    driver.tell(told.Reconnected(), told.Disconnected(DisconnectReason.SERVER_SHUTDOWN), told.Reconnecting())
    assert log.events == [
        ("connection_state_changed", ConnectionState.CONN_RECONNECTING),
        ("reconnecting",),
        ("connection_state_changed", ConnectionState.CONN_CONNECTED),
        ("reconnected",),
        ("connection_state_changed", ConnectionState.CONN_DISCONNECTED),
        ("disconnected", DisconnectReason.SERVER_SHUTDOWN),
    ]
    assert await room.wait_disconnected() is DisconnectReason.SERVER_SHUTDOWN
    assert room.local_participant.disconnect_reason is DisconnectReason.SERVER_SHUTDOWN
    await room.disconnect()
    await room.disconnect()


async def test_a_room_that_is_joined_anew_has_who_is_there_now(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    source = AudioSource(48_000, 1)
    track = LocalAudioTrack.create_audio_track("music", source)
    publication = await room.local_participant.publish_track(track)
    log = Log(room)
    bob = ParticipantInfo(identity="bob")
    anew = Joined(RoomInfo(name="r", sid="RM_2"), ParticipantInfo(identity="agent"), ((bob, (TrackInfo(sid="T"),)),))
    again = TrackInfo(sid="TR_again", name="music")
    driver.tell(told.Reconnecting(), told.Rejoined(anew), told.LocalTrackRepublished(again, publication.sid))
    driver.tell(told.Reconnected())
    assert log.names == [
        "connection_state_changed",
        "reconnecting",
        "participant_disconnected",
        "participant_connected",
        "track_published",
        "local_track_republished",
        "connection_state_changed",
        "reconnected",
    ]
    assert await room.sid == "RM_2"
    assert list(room.remote_participants) == ["bob"]
    assert publication.sid == track.sid == "TR_again"
    assert list(room.local_participant.track_publications) == ["TR_again"]


async def test_sound_of_ones_own_goes_to_the_track_while_it_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    source = AudioSource(48_000, 1)
    frame = AudioFrame.create(48_000, 1, 480)
    await source.capture_frame(frame)
    publication = await room.local_participant.publish_track(LocalAudioTrack.create_audio_track("music", source))
    track = publication.track
    assert track is not None
    await source.capture_frame(frame)
    track.mute()
    assert driver.named("set_track_muted") == [{"muted": True}]
    await room.local_participant.unpublish_track(publication.sid)
    await source.capture_frame(frame)
    assert dict(room.local_participant.track_publications) == {}
    assert len(driver.sinks[0].frames) == 1
    await source.wait_for_playout()
    assert source.queued_duration == 0.0


async def test_a_room_is_joined_once_and_nothing_is_known_of_it_before() -> None:
    room = Room()
    assert (room.name, room.metadata, room.isconnected(), dict(room.remote_participants)) == ("", "", False, {})
    for look in (lambda: room.local_participant, lambda: room.num_participants, room.stats):
        with pytest.raises(InvalidStateError):
            look()
    await room.disconnect()


async def test_a_second_connect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    room = await room_on(FakeDriver(), monkeypatch)
    with pytest.raises(InvalidStateError, match="make another one"):
        await room.connect("ws://localhost", "token")
