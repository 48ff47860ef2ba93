"""Streams over the SDK: what it says when something is wrong, in our words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc

from beluga_voice.livekit import StreamError
from beluga_voice.livekit.room_state import StreamInfo
from beluga_voice.livekit.sdk.streams import OutgoingStreams

INFO = SimpleNamespace(stream_id="s", topic="t", mime_type="text/plain", timestamp=0, size=0, attributes={})


class Writer:
    """A writer of the SDK's that fails in one of the SDK's ways."""

    info = SimpleNamespace(**vars(INFO), name="", attachments=[])

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def write(self, _: object) -> None:
        raise self._failure

    async def aclose(self, **_: object) -> None:
        raise self._failure


class Participant:
    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def stream_bytes(self, *_: object, **__: object) -> Writer:
        return Writer(self._failure)

    async def send_bytes(self, *_: object, **__: object) -> None:
        raise self._failure


@pytest.mark.parametrize(
    ("failure", "words"),
    # Whoever writes after the room was left meets an assertion: the handle of the writer is gone.
    [(AssertionError(), "the room was left"), (rtc.StreamError("the buffer is full"), "the buffer is full")],
)
async def test_a_stream_that_breaks_off_fails_with_our_error(failure: Exception, words: str) -> None:
    streams = OutgoingStreams()
    participant: Any = Participant(failure)
    stream = StreamInfo(stream_id="", is_text=False, topic="t")
    opened = await streams.open(participant, stream, destination_identities=[], sender_identity=None, reply_to_id=None)
    with pytest.raises(StreamError, match=words):
        await streams.write(opened.stream_id, b"more")
    with pytest.raises(StreamError, match=words):
        await streams.close(opened.stream_id, reason="", attributes={})
    with pytest.raises(StreamError, match=words):
        await streams.send(participant, stream, b"all", destination_identities=[], reply_to_id=None, compress=False)
