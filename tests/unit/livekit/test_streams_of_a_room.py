"""Incoming streams: who gets them, how much of them may wait, and how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.fake_room import FakeDriver, room_on

from beluga_voice.livekit import ByteStreamReader, DisconnectReason, StreamError, TextStreamReader, room_events as told
from beluga_voice.livekit.data_stream import UNREAD_BYTES, UNREAD_BYTES_IN_ALL, StreamInbox, UnreadBudget
from beluga_voice.livekit.room_state import StreamInfo
from beluga_voice.livekit.stream_desk import AT_ONCE


def text(stream_id: str, topic: str = "t") -> told.StreamOpened:
    return told.StreamOpened(StreamInfo(stream_id=stream_id, is_text=True, topic=topic, attributes={"a": "1"}), "ada")


def file(stream_id: str) -> told.StreamOpened:
    return told.StreamOpened(StreamInfo(stream_id=stream_id, is_text=False, topic="f"), "ada")


async def test_a_stream_is_read_as_it_comes_and_ends_with_its_trailer(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    got: list[tuple[TextStreamReader, str]] = []
    room.register_text_stream_handler("t", lambda reader, identity: got.append((reader, identity)))
    assert driver.named("accept_streams") == [{"is_text": True, "accepted": True}]
    driver.tell(text("1"), text("2", topic="another"))
    ((reader, identity),) = got
    assert identity == "ada"
    # "ü" lies across the border of two pieces.
    driver.tell(told.StreamChunk("1", b"gr\xc3"), told.StreamChunk("1", b"\xbcn"))
    assert [await anext(reader), await anext(reader)] == ["gr", "ün"]
    driver.tell(told.StreamClosed("1", {"b": "2"}))
    assert [piece async for piece in reader] == []
    assert reader.info.attributes == {"a": "1", "b": "2"}
    assert driver.named("drop_stream") == [("2",)]


async def test_a_stream_that_nobody_reads_fails_and_no_other_does(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    readers: list[ByteStreamReader] = []
    room.register_byte_stream_handler("f", lambda reader, _: readers.append(reader))
    driver.tell(file("1"), file("2"))
    piece = bytes(1_000_000)
    for _ in range(UNREAD_BYTES // len(piece)):
        driver.tell(told.StreamChunk("1", piece))
    assert room.stats()["streams_failed"] == 0
    driver.tell(told.StreamChunk("1", b"x"), told.StreamChunk("2", b"y"), told.StreamClosed("2"))
    assert room.stats()["streams_failed"] == 1
    with pytest.raises(StreamError, match="4 MB"):
        await anext(readers[0])
    assert [each async for each in readers[1]] == [b"y"]
    assert driver.named("drop_stream") == [("1",)]


async def test_of_many_streams_that_nobody_reads_the_one_that_is_too_much_for_the_room_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    readers: list[ByteStreamReader] = []
    room.register_byte_stream_handler("f", lambda reader, _: readers.append(reader))
    piece = bytes(UNREAD_BYTES)
    full = UNREAD_BYTES_IN_ALL // len(piece)
    for number in range(full):
        driver.tell(file(str(number)), told.StreamChunk(str(number), piece), told.StreamClosed(str(number)))
    driver.tell(file("one more"), told.StreamChunk("one more", b"x"))
    assert room.stats()["streams_failed"] == 1
    with pytest.raises(StreamError, match="32 MB"):
        await anext(readers.pop())
    assert len(await anext(readers[0])) == len(piece)

    def the_next_holds(name: str) -> None:
        driver.tell(file(name), told.StreamChunk(name, piece))
        assert room.stats()["streams_failed"] == 1
        driver.tell(told.StreamClosed(name))

    # What was read makes room, and so does what is closed or let go of unread.
    the_next_holds("after one was read")
    readers[1].close()
    the_next_holds("after one was closed")
    del readers[2]
    the_next_holds("after one was let go of")


async def test_what_is_read_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    readers: list[ByteStreamReader] = []
    room.register_byte_stream_handler("f", lambda reader, _: readers.append(reader))
    driver.tell(file("1"))
    for _ in range(10):
        driver.tell(told.StreamChunk("1", bytes(1_000_000)))
        assert len(await anext(readers[0])) == 1_000_000
    driver.tell(told.StreamClosed("1"))
    assert [each async for each in readers[0]] == []


async def test_one_stream_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    readers: list[Any] = []
    room.register_text_stream_handler("t", lambda reader, _: readers.append(reader))
    driver.tell(*(text(str(number)) for number in range(AT_ONCE + 1)))
    assert len(readers) == AT_ONCE
    assert room.stats()["streams_refused"] == 1
    assert driver.named("drop_stream") == [(str(AT_ONCE),)]
    readers[0].close()
    driver.tell(text("one more"))
    assert len(readers) == AT_ONCE + 1


async def test_a_stream_breaks_off_with_its_senders_reason_and_with_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)
    readers: list[TextStreamReader] = []
    room.register_text_stream_handler("t", lambda reader, _: readers.append(reader))
    driver.tell(text("1"), text("2"), told.StreamChunk("2", b"half"))
    driver.tell(told.StreamClosed("1", error="cancelled"), told.Disconnected(DisconnectReason.ROOM_DELETED))
    with pytest.raises(StreamError, match="cancelled"):
        await readers[0].read_all()
    assert await anext(readers[1]) == "half"
    with pytest.raises(StreamError, match="Disconnected"):
        await anext(readers[1])


async def test_a_handler_that_raises_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    driver = FakeDriver()
    room = await room_on(driver, monkeypatch)

    def broken(reader: Any, identity: str) -> None:
        raise OSError("no disk")

    room.register_text_stream_handler("t", broken)
    driver.tell(text("1"))
    assert room.stats()["callback_errors"] == 1
    assert "'t' raised" in caplog.text
    with pytest.raises(ValueError, match="already set"):
        room.register_text_stream_handler("t", broken)
    room.unregister_text_stream_handler("t")
    room.unregister_text_stream_handler("t")
    room.register_text_stream_handler("t", broken)


@given(st.text(), st.lists(st.integers(1, 7), min_size=1))
def test_a_text_is_whole_wherever_it_was_cut(said: str, cuts: list[int]) -> None:
    said = said.encode(errors="replace").decode()
    content = said.encode()
    inbox = StreamInbox(StreamInfo(stream_id="1", is_text=True), UnreadBudget())
    at = 0
    for cut in cuts * (len(content) + 1):
        if at >= len(content):
            break
        assert inbox.feed(content[at : at + cut])
        at += cut
    inbox.end({}, None)

    async def read() -> str:
        return await TextStreamReader(inbox, lambda: None).read_all()

    assert asyncio.run(read()) == said
