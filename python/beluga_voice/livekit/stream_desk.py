"""Incoming streams of a room: who wants which topic, and what is being read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from beluga_voice.livekit.data_stream import ByteStreamReader, StreamInbox, TextStreamReader, UnreadBudget

if TYPE_CHECKING:
    from beluga_voice.livekit.room_driver import RoomDriver
    from beluga_voice.livekit.room_events import StreamChunk, StreamClosed, StreamOpened

__all__ = ["StreamDesk"]

_log = logging.getLogger("beluga_voice.livekit")

AT_ONCE = 64
"""Incoming streams that may be open at the same time. Policy: one more is refused and counted."""


class StreamDesk:
    """Hands each stream of a topic to the handler that was registered for it, before or after the room was joined."""

    def __init__(self) -> None:
        self._driver: RoomDriver | None = None
        self._handlers: dict[tuple[str, bool], Any] = {}
        self._inboxes: dict[str, StreamInbox] = {}
        self._budget = UnreadBudget()
        self.refused = 0
        """Streams that were one too many."""
        self.failed = 0
        """Streams that were not read in time."""
        self.handler_errors = 0
        """Exceptions that handlers raised."""

    def attach(self, driver: RoomDriver) -> None:
        """The room is joined."""
        self._driver = driver
        for topic, is_text in self._handlers:
            driver.accept_streams(topic, is_text=is_text, accepted=True)

    def register(self, topic: str, handler: Any, *, is_text: bool) -> None:
        """Raises ValueError if the topic has a handler."""
        if (topic, is_text) in self._handlers:
            raise ValueError(f"{'text' if is_text else 'byte'} stream handler for topic '{topic}' already set")
        self._handlers[topic, is_text] = handler
        if self._driver is not None:
            self._driver.accept_streams(topic, is_text=is_text, accepted=True)

    def unregister(self, topic: str, *, is_text: bool) -> None:
        """Nothing if the topic has no handler."""
        if self._handlers.pop((topic, is_text), None) is not None and self._driver is not None:
            self._driver.accept_streams(topic, is_text=is_text, accepted=False)

    # -- what the driver tells ------------------------------------------------------------------------------------

    def opened(self, event: StreamOpened) -> None:
        """A stream begins."""
        stream = event.stream
        handler = self._handlers.get((stream.topic, stream.is_text))
        if handler is None or stream.stream_id in self._inboxes:
            self._drop(stream.stream_id)
            return
        if len(self._inboxes) >= AT_ONCE:
            self.refused += 1
            self._drop(stream.stream_id)
            return

        def closed_by_its_reader() -> None:
            if self._inboxes.pop(stream.stream_id, None) is not None:
                self._drop(stream.stream_id)

        inbox = self._inboxes[stream.stream_id] = StreamInbox(stream, self._budget)
        reader = (TextStreamReader if stream.is_text else ByteStreamReader)(inbox, closed_by_its_reader)
        try:
            handler(reader, event.identity)
        except Exception:
            self.handler_errors += 1
            _log.exception("the handler of streams of topic %r raised", stream.topic)

    def chunk(self, event: StreamChunk) -> None:
        """A piece of one."""
        inbox = self._inboxes.get(event.stream_id)
        if inbox is not None and not inbox.feed(event.content):
            self.failed += 1
            del self._inboxes[event.stream_id]
            self._drop(event.stream_id)

    def closed(self, event: StreamClosed) -> None:
        """The end of one."""
        inbox = self._inboxes.pop(event.stream_id, None)
        if inbox is not None:
            inbox.end(event.attributes, event.error)

    def end_all(self, error: str) -> None:
        """The room is left: what is being read fails once what has come was read."""
        for inbox in self._inboxes.values():
            inbox.end({}, error)
        self._inboxes.clear()

    def _drop(self, stream_id: str) -> None:
        if self._driver is not None:
            self._driver.drop_stream(stream_id)
