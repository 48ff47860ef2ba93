"""An `AudioStream` is one track's sound, or that of one track of a participant's after another, and ends with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.fake_room import FakeDriver, FakeFeed, room_on

from beluga_voice.livekit import AudioFrame, AudioStream, DisconnectReason, Room, TrackSource, room_events as told
from beluga_voice.livekit.room_state import ParticipantInfo, TrackInfo

if TYPE_CHECKING:
    from beluga_voice.livekit.track import Track

ADA = ParticipantInfo(identity="ada")


def frame(sample: int) -> AudioFrame:
    return AudioFrame(sample.to_bytes(2, "little") * 480, 48_000, 1, 480)


def publishes(driver: FakeDriver, room: Room, sid: str) -> Track:
    """Ada has a microphone, which is subscribed to."""
    track = TrackInfo(sid=sid, source=TrackSource.SOURCE_MICROPHONE)
    driver.tell(told.TrackPublished("ada", track), told.TrackSubscribed("ada", sid))
    face = room.remote_participants["ada"].track_publications[sid].track
    assert face is not None
    return face


async def feed_of(driver: FakeDriver, sid: str) -> FakeFeed:
    await driver.until(lambda: sid in driver.feeds)
    return driver.feeds[sid]


async def first_sample(stream: AudioStream) -> int:
    async with asyncio.timeout(5.0):
        return (await anext(stream)).frame.data[0]


async def is_at_its_end(stream: AudioStream) -> bool:
    async with asyncio.timeout(5.0):
        return [event async for event in stream] == []


@pytest.mark.parametrize(
    "gone",
    [
        told.TrackUnsubscribed("ada", "TR_1"),
        told.TrackUnpublished("ada", "TR_1"),
        told.ParticipantDisconnected("ada", DisconnectReason.CLIENT_INITIATED),
        told.Disconnected(DisconnectReason.CLIENT_INITIATED),
    ],
    ids=lambda gone: type(gone).__name__,
)
async def test_a_stream_ends_with_its_track(monkeypatch: pytest.MonkeyPatch, gone: told.RoomEvent) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    stream = AudioStream(publishes(driver, room, "TR_1"))
    feed = await feed_of(driver, "TR_1")
    feed.frames.put_nowait(frame(1))
    assert await first_sample(stream) == 1
    driver.tell(gone)
    assert await is_at_its_end(stream)
    assert feed.closed
    await stream.aclose()


async def test_the_sound_of_a_participant_goes_on_with_his_next_track_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(ADA)
    room = await room_on(driver, monkeypatch)
    publishes(driver, room, "TR_1")
    stream = AudioStream.from_participant(
        participant=room.remote_participants["ada"], track_source=TrackSource.SOURCE_MICROPHONE
    )
    first = await feed_of(driver, "TR_1")
    first.frames.put_nowait(frame(1))
    assert await first_sample(stream) == 1
    driver.tell(told.TrackUnpublished("ada", "TR_1"))
    publishes(driver, room, "TR_2")
    second = await feed_of(driver, "TR_2")
    # What the path still has of the first: over the SDK that is the second one's sound.
    first.frames.put_nowait(frame(2))
    second.frames.put_nowait(frame(2))
    second.frames.put_nowait(frame(3))
    assert [await first_sample(stream), await first_sample(stream)] == [2, 3]
    assert first.closed
    driver.leaves("ada", DisconnectReason.CLIENT_INITIATED)
    assert await is_at_its_end(stream)
    await stream.aclose()
