"""Streams of text and bytes between participants, under livekit.rtc's names."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beluga_voice.livekit.room_driver import RoomDriver
    from beluga_voice.livekit.room_state import StreamInfo

__all__ = [
    "BaseStreamInfo",
    "ByteStreamHandler",
    "ByteStreamInfo",
    "ByteStreamReader",
    "ByteStreamWriter",
    "StreamError",
    "StreamInbox",
    "TextStreamHandler",
    "TextStreamInfo",
    "TextStreamReader",
    "TextStreamWriter",
    "UnreadBudget",
    "byte_stream_info",
    "text_stream_info",
]

UNREAD_BYTES = 4_000_000
"""What an incoming stream may hold that nobody has read. Policy: one that holds more fails, and nothing else does."""

UNREAD_BYTES_IN_ALL = 32_000_000
"""What all incoming streams of a room may hold together. Policy: the one that would hold more fails."""


class StreamError(ConnectionError):
    """A stream failed: broken off by its sender, too long, not read in time, or the room was left in its middle."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


@dataclass
class BaseStreamInfo:
    """What the header of a stream says. `timestamp`: milliseconds since 1970; `size`: bytes, 0 where not known."""

    stream_id: str
    mime_type: str
    topic: str
    timestamp: int
    size: int | None
    attributes: dict[str, str] | None


@dataclass
class TextStreamInfo(BaseStreamInfo):
    """Of text. `attachments`: ids of the streams that belong to it."""

    attachments: list[str]


@dataclass
class ByteStreamInfo(BaseStreamInfo):
    """Of bytes. `name`: the file's."""

    name: str


def text_stream_info(stream: StreamInfo) -> TextStreamInfo:
    """A driver's header in livekit.rtc's words."""
    return TextStreamInfo(
        stream_id=stream.stream_id,
        mime_type=stream.mime_type,
        topic=stream.topic,
        timestamp=stream.timestamp_ms,
        size=stream.size or 0,
        attributes=dict(stream.attributes),
        attachments=list(stream.attachments),
    )


def byte_stream_info(stream: StreamInfo) -> ByteStreamInfo:
    """A driver's header in livekit.rtc's words."""
    return ByteStreamInfo(
        stream_id=stream.stream_id,
        mime_type=stream.mime_type,
        topic=stream.topic,
        timestamp=stream.timestamp_ms,
        size=stream.size or 0,
        attributes=dict(stream.attributes),
        name=stream.name,
    )


class UnreadBudget:
    """Bytes that lie unread in all incoming streams of a room, those that have ended among them."""

    def __init__(self) -> None:
        self.taken = 0


class StreamInbox:
    """The pieces of an incoming stream that nobody has read yet, and how it ended."""

    def __init__(self, stream: StreamInfo, budget: UnreadBudget) -> None:
        self.stream = stream
        self._budget = budget
        self.attributes = dict(stream.attributes)
        self.error: str | None = None
        self.ended = False
        self._pieces: deque[bytes] = deque()
        self._unread_bytes = 0
        self._changed = asyncio.Event()

    def feed(self, content: bytes) -> bool:
        """Takes a piece; False if too much is unread: the stream has failed."""
        if self.ended:
            return True
        size = len(content)
        if self._unread_bytes + size > UNREAD_BYTES:
            return self._fail(f"more than {UNREAD_BYTES // 1_000_000} MB of it")
        if self._budget.taken + size > UNREAD_BYTES_IN_ALL:
            return self._fail(f"more than {UNREAD_BYTES_IN_ALL // 1_000_000} MB of the room's streams")
        self._count(size)
        self._pieces.append(content)
        self._changed.set()
        return True

    def end(self, attributes: Mapping[str, str], error: str | None) -> None:
        """No piece follows."""
        if not self.ended:
            self.ended = True
            self.attributes.update(attributes)
            self.error = error
        self._changed.set()

    def clear(self) -> None:
        """What is unread is lost."""
        self._pieces.clear()
        self._count(-self._unread_bytes)

    async def read(self) -> bytes | None:
        """The next piece, or None at the end. Raises StreamError."""
        while not self._pieces:
            if self.ended:
                if self.error is not None:
                    raise StreamError(self.error)
                return None
            self._changed.clear()
            await self._changed.wait()
        piece = self._pieces.popleft()
        self._count(-len(piece))
        return piece

    def _fail(self, too_much: str) -> bool:
        self.clear()
        self.end({}, f"{too_much} were not read in time")
        return False

    def _count(self, size: int) -> None:
        self._unread_bytes += size
        self._budget.taken += size

    def __del__(self) -> None:
        # Its reader was let go of without having read all.
        self._budget.taken -= self._unread_bytes


class _Reader:
    """What readers of text and of bytes have in common. `dropped` is called when nobody wants to read it any more."""

    def __init__(self, inbox: StreamInbox, dropped: Callable[[], None]) -> None:
        self._inbox = inbox
        self._dropped = dropped

    def close(self) -> None:
        """Nothing more is wanted of it; whoever reads it is at its end."""
        if not self._inbox.ended:
            self._dropped()
        self._inbox.clear()
        self._inbox.end({}, None)

    async def aclose(self) -> None:
        """As `close`."""
        self.close()


class TextStreamReader(_Reader):
    """An incoming text: `async for piece in reader`, or `await reader.read_all()`.

    Both raise StreamError when the stream fails; of one that does, what was not read is lost.
    """

    def __init__(self, inbox: StreamInbox, dropped: Callable[[], None]) -> None:
        super().__init__(inbox, dropped)
        self._info = text_stream_info(inbox.stream)
        self._info.attributes = inbox.attributes
        # A sender's letters may lie across two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @property
    def info(self) -> TextStreamInfo:
        """Its header, and once it has ended the attributes of its trailer."""
        return self._info

    async def read_all(self) -> str:
        """The whole text."""
        return "".join([piece async for piece in self])

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while (content := await self._inbox.read()) is not None:
            text = self._decoder.decode(content)
            if text:
                return text
        raise StopAsyncIteration


class ByteStreamReader(_Reader):
    """Incoming bytes: `async for piece in reader`; raises StreamError as `TextStreamReader` does."""

    def __init__(self, inbox: StreamInbox, dropped: Callable[[], None]) -> None:
        super().__init__(inbox, dropped)
        self._info = byte_stream_info(inbox.stream)
        self._info.attributes = inbox.attributes

    @property
    def info(self) -> ByteStreamInfo:
        """Its header, and once it has ended the attributes of its trailer."""
        return self._info

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        content = await self._inbox.read()
        if content is None:
            raise StopAsyncIteration
        return content


class _Writer:
    """An outgoing stream; one write at a time."""

    def __init__(self, driver: RoomDriver, stream: StreamInfo) -> None:
        self._driver = driver
        self._stream_id = stream.stream_id
        self._lock = asyncio.Lock()
        self._closed = False

    async def _write(self, content: bytes) -> None:
        async with self._lock:
            if self._closed:
                raise RuntimeError("Cannot write after stream is closed")
            await self._driver.write_stream(self._stream_id, content)

    async def aclose(self, *, reason: str = "", attributes: dict[str, str] | None = None) -> None:
        """Ends the stream; with a reason, its readers fail with that. Raises RuntimeError the second time."""
        async with self._lock:
            if self._closed:
                raise RuntimeError("Stream already closed")
            self._closed = True
            await self._driver.close_stream(self._stream_id, reason=reason, attributes=attributes or {})


class TextStreamWriter(_Writer):
    """An outgoing text, piece by piece. Close it: its readers wait for the end."""

    def __init__(self, driver: RoomDriver, stream: StreamInfo) -> None:
        super().__init__(driver, stream)
        self._info = text_stream_info(stream)

    @property
    def info(self) -> TextStreamInfo:
        """Its header."""
        return self._info

    async def write(self, text: str) -> None:
        """Sends more of it; waits while too much is on its way. Raises StreamError."""
        await self._write(text.encode(errors="replace"))


class ByteStreamWriter(_Writer):
    """Outgoing bytes, piece by piece. Close it: its readers wait for the end."""

    def __init__(self, driver: RoomDriver, stream: StreamInfo) -> None:
        super().__init__(driver, stream)
        self._info = byte_stream_info(stream)

    @property
    def info(self) -> ByteStreamInfo:
        """Its header."""
        return self._info

    async def write(self, data: bytes) -> None:
        """Sends more of it; waits while too much is on its way. Raises StreamError."""
        await self._write(data)


TextStreamHandler = Callable[[TextStreamReader, str], None]
ByteStreamHandler = Callable[[ByteStreamReader, str], None]
