"""A session's voice is for its own caller; everything else stays for whom the user said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.fake_room import FakeDriver, room_on

from beluga_voice.livekit import AudioSource, LocalAudioTrack, ParticipantTrackPermission
from beluga_voice.livekit.room import mirror_of
from beluga_voice.livekit.room_events import LocalTrackPublished, LocalTrackRepublished
from beluga_voice.livekit.room_state import ParticipantInfo, TrackInfo

if TYPE_CHECKING:
    import pytest


def sent(driver: FakeDriver) -> list[tuple[bool, dict[str, list[str]]]]:
    """What the server was told: whether all may hear all, and who may hear what."""
    return [
        (each["allow_all"], {entry.participant_identity: entry.allowed_track_sids for entry in each["permissions"]})
        for each in driver.named("set_subscription_permissions")
    ]


async def test_a_voice_is_for_nobody_until_it_is_known_for_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ParticipantInfo(identity="ada"), ParticipantInfo(identity="bob"))
    room = await room_on(driver, monkeypatch)
    mirror = mirror_of(room)
    await room.local_participant.publish_track(LocalAudioTrack.create_audio_track("music", AudioSource(48_000, 1)))
    with mirror.permissions.publishing_a_voice():
        driver.tell(LocalTrackPublished(TrackInfo(sid="voice")))
        driver.joins("cid")
        voice = mirror.publication_of_ours(TrackInfo(sid="voice"))
        mirror.permissions.reserve(voice, "ada")
    assert sent(driver) == [
        (False, {"ada": ["TR_1"], "bob": ["TR_1"]}),
        (False, {"ada": ["TR_1"], "bob": ["TR_1"], "cid": ["TR_1"]}),
        (False, {"ada": ["voice", "TR_1"], "bob": ["TR_1"], "cid": ["TR_1"]}),
    ]
    driver.tell(LocalTrackRepublished(TrackInfo(sid="voice again"), "voice"))
    assert sent(driver)[-1][1]["ada"] == ["voice again", "TR_1"]
    mirror.permissions.release(voice)
    assert sent(driver)[-1] == (True, {})


async def test_what_the_user_said_holds_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ParticipantInfo(identity="ada"), ParticipantInfo(identity="bob"))
    room = await room_on(driver, monkeypatch)
    mirror = mirror_of(room)
    for name in ("music", "noise"):
        await room.local_participant.publish_track(LocalAudioTrack.create_audio_track(name, AudioSource(48_000, 1)))
    room.local_participant.set_track_subscription_permissions(
        allow_all_participants=False,
        participant_permissions=[
            ParticipantTrackPermission("ada", allowed_track_sids=["TR_1"]),
            ParticipantTrackPermission("bob", allow_all=True),
        ],
    )
    assert sent(driver)[-1] == (False, {"ada": ["TR_1"], "bob": []})
    voice = mirror.publication_of_ours(TrackInfo(sid="voice"))
    mirror.permissions.reserve(voice, "ada")
    assert sent(driver)[-1] == (False, {"ada": ["voice", "TR_1"], "bob": ["TR_1", "TR_2"]})


async def test_nothing_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    mirror = mirror_of(room)
    driver.joins("ada")
    assert sent(driver) == []
    voice = mirror.publication_of_ours(TrackInfo(sid="voice"))
    mirror.permissions.reserve(voice, "ada")
    driver.leaves("ada", 1)
    driver.joins("ada")
    driver.joins("bob")
    assert sent(driver) == [(False, {"ada": ["voice"]})]
    mirror.permissions.forget_sent()
    assert sent(driver) == [(False, {"ada": ["voice"]})] * 2
