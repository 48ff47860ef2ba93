"""Streams of text and bytes over the SDK: readers and writers of livekit.rtc behind stream ids."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from livekit import rtc

from beluga_voice.livekit import room_events as told
from beluga_voice.livekit.data_stream import StreamError
from beluga_voice.livekit.sdk.translation import stream_info
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.livekit.room_events import RoomEvent
    from beluga_voice.livekit.room_state import StreamInfo

__all__ = ["IncomingStreams", "OutgoingStreams"]


# What may go at once, and how much of what is longer may go in a second.
_BURST_BYTES = 64_000
_BYTES_PER_S = 500_000
_PIECE_BYTES = 15_000


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except rtc.StreamError as error:
        raise StreamError(error.description) from None
    except AssertionError:
        # The SDK lets go of open writers when the room is left, and then stumbles over the handle that is gone.
        raise StreamError("the room was left") from None


class IncomingStreams:
    """Reads what comes on topics that were asked for, as fast as it comes: what is unread waits with the room."""

    def __init__(self, tell: Callable[[RoomEvent], None], tasks: Tasks) -> None:
        self._tell = tell
        self._tasks = tasks
        self._topics: dict[tuple[str, bool], None] = {}
        self._readers: dict[str, Any] = {}

    def accept(self, room: Any, topic: str, *, is_text: bool, accepted: bool) -> None:
        """Whether streams of this topic are read."""
        if not accepted:
            self._topics.pop((topic, is_text), None)
            (room.unregister_text_stream_handler if is_text else room.unregister_byte_stream_handler)(topic)
        elif (topic, is_text) not in self._topics:
            self._topics[topic, is_text] = None
            self._register(room, topic, is_text=is_text)

    def move_to(self, room: Any) -> None:
        """Another connection to the room: the same topics there."""
        for topic, is_text in self._topics:
            self._register(room, topic, is_text=is_text)

    def drop(self, stream_id: str) -> None:
        """Nothing more is wanted of a stream."""
        reader = self._readers.pop(stream_id, None)
        if reader is not None:
            reader.close()

    def _register(self, room: Any, topic: str, *, is_text: bool) -> None:
        def opened(reader: Any, identity: str) -> None:
            stream = stream_info(reader.info, is_text=is_text)
            if stream.stream_id in self._readers:
                reader.close()
                return
            self._readers[stream.stream_id] = reader
            self._tell(told.StreamOpened(stream, identity))
            self._tasks.start(self._read(reader, stream.stream_id), name=f"stream {topic}")

        (room.register_text_stream_handler if is_text else room.register_byte_stream_handler)(topic, opened)

    async def _read(self, reader: Any, stream_id: str) -> None:
        error: str | None = None
        try:
            async for piece in reader:
                if self._readers.get(stream_id) is not reader:
                    return
                self._tell(told.StreamChunk(stream_id, piece.encode() if isinstance(piece, str) else piece))
                # Pieces that are all there would leave the loop to nobody else, whoever reads them among them.
                await asyncio.sleep(0)
        except rtc.StreamError as failure:
            error = failure.description
        finally:
            reader.close()
        if self._readers.pop(stream_id, None) is reader:
            self._tell(told.StreamClosed(stream_id, dict(reader.info.attributes or {}), error))


class _Pace:
    """Holds data back so that sound goes before it: the SDK sends both by one thread over one connection, as fast as it
    can, and ten megabytes at once cost a second of what is said meanwhile.
    """

    def __init__(self) -> None:
        self._free_at = 0.0

    async def take(self, size: int) -> None:
        """Until `size` bytes may go."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - _BURST_BYTES / _BYTES_PER_S) + size / _BYTES_PER_S
        await asyncio.sleep(max(0.0, self._free_at - now))


class OutgoingStreams:
    """Writers that are open, by stream id."""

    def __init__(self) -> None:
        self._writers: dict[str, Any] = {}
        self._pace = _Pace()

    async def open(
        self,
        participant: Any,
        stream: StreamInfo,
        *,
        destination_identities: Sequence[str],
        sender_identity: str | None,
        reply_to_id: str | None,
    ) -> StreamInfo:
        """See `RoomDriver.open_stream`."""
        common: dict[str, Any] = {
            "destination_identities": list(destination_identities),
            "topic": stream.topic,
            "attributes": dict(stream.attributes),
            "stream_id": stream.stream_id or None,
            "total_size": stream.size,
        }
        with _translated():
            if stream.is_text:
                writer = await participant.stream_text(
                    **common, reply_to_id=reply_to_id, sender_identity=sender_identity
                )
            else:
                writer = await participant.stream_bytes(stream.name, mime_type=stream.mime_type, **common)
        opened = stream_info(writer.info, is_text=stream.is_text)
        self._writers[opened.stream_id] = writer
        return opened

    async def write(self, stream_id: str, content: bytes) -> None:
        """See `RoomDriver.write_stream`."""
        await self._write(self._writer(stream_id), content)

    async def _write(self, writer: Any, content: bytes) -> None:
        for piece in _pieces(content, is_text=isinstance(writer, rtc.TextStreamWriter)):
            await self._pace.take(len(piece))
            with _translated():
                await writer.write(piece)

    async def close(self, stream_id: str, *, reason: str, attributes: Mapping[str, str]) -> None:
        """See `RoomDriver.close_stream`."""
        writer = self._writer(stream_id)
        del self._writers[stream_id]
        with _translated():
            await writer.aclose(reason=reason, attributes=dict(attributes))

    async def send(
        self,
        participant: Any,
        stream: StreamInfo,
        content: bytes,
        *,
        destination_identities: Sequence[str],
        reply_to_id: str | None,
        compress: bool,
    ) -> StreamInfo:
        """See `RoomDriver.send_whole`."""
        if len(content) > _BURST_BYTES:
            opened = await self.open(
                participant,
                stream,
                destination_identities=destination_identities,
                sender_identity=None,
                reply_to_id=reply_to_id,
            )
            await self.write(opened.stream_id, content)
            await self.close(opened.stream_id, reason="", attributes={})
            return opened
        common: dict[str, Any] = {
            "destination_identities": list(destination_identities),
            "topic": stream.topic,
            "attributes": dict(stream.attributes),
            "compress": compress,
        }
        with _translated():
            if stream.is_text:
                info = await participant.send_text(content.decode(), reply_to_id=reply_to_id, **common)
            else:
                info = await participant.send_bytes(
                    content,
                    name=stream.name,
                    mime_type=stream.mime_type,
                    stream_id=stream.stream_id or None,
                    **common,
                )
        return stream_info(info, is_text=stream.is_text)

    def _writer(self, stream_id: str) -> Any:
        try:
            return self._writers[stream_id]
        except KeyError:
            raise StreamError("the stream is not open") from None


def _pieces(content: bytes, *, is_text: bool) -> Iterator[str | bytes]:
    """`content` in pieces as long as a packet; text in whole letters, of which one has four bytes at most."""
    if not is_text:
        yield from (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))
        return
    text, letters = content.decode(), _PIECE_BYTES // 4
    yield from (text[start : start + letters] for start in range(0, len(text), letters))
