"""What is said in a session, written into the room: text streams `lk.transcription`, and the packets before them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.livekit.data_stream import StreamError
from beluga_voice.livekit.transcription import Transcription, TranscriptionSegment
from beluga_voice.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.livekit.data_stream import TextStreamWriter
    from beluga_voice.livekit.room import Room

__all__ = ["Transcripts"]

_log = logging.getLogger("beluga_voice.livekit")

TOPIC = "lk.transcription"
FINAL = "lk.transcription_final"
SEGMENT = "lk.segment_id"
TRACK = "lk.transcribed_track_id"

# Segments of which something is still to be sent. Policy: the oldest is dropped and counted, its stream broken off;
# within one, what comes later takes the place of what was not sent in time.
SEGMENTS_WAITING = 64
# How long what is still to be sent at the end of a session may take, in seconds.
_CLOSE_TIMEOUT_S = 1.0


@dataclass(slots=True)
class _Segment:
    """One turn of the caller's, or one speech of the agent's."""

    of_agent: bool
    id: str = field(default_factory=lambda: f"SG_{uuid.uuid4().hex[:12]}")
    text: str = ""
    """All that was said of it."""
    sent: str = ""
    is_final: bool = False


class Transcripts:
    """Sends one after another, each newest first known state of a segment.

    The agent's words are one stream for each speech, written as they are heard; the caller's are a stream with the
    whole text for each guess, in his name. `for_all`: they go to everybody, else to the caller alone; the older packets
    have no addressee, and are sent only when nobody else is there to read them.
    """

    def __init__(self, room: Room, identity: str, *, for_all: bool, track_sids: Callable[[], tuple[str, str]]) -> None:
        self._room = room
        self._identity = identity
        self._to = None if for_all else [identity]
        self._track_sids = track_sids
        self._segments: dict[tuple[bool, str | int], _Segment] = {}
        self._waiting: dict[tuple[bool, str | int], None] = {}
        self._writers: dict[str, TextStreamWriter] = {}
        """Of the agent's speeches that are being written, by segment."""
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = Tasks(self._failed)
        self._dropped = 0
        self._tasks.start(self._send_all(), name="transcripts")

    def agent_says(self, speech_id: str, words: str, *, is_final: bool) -> None:
        """The agent is heard to say these words next."""
        key = (True, speech_id)
        segment = self._segments.setdefault(key, _Segment(of_agent=True))
        if words:
            segment.text = f"{segment.text} {words}" if segment.text else words
        segment.is_final = is_final
        self._queue(key)

    def caller_says(self, turn_id: int, text: str, *, is_final: bool) -> None:
        """The caller is understood to say this."""
        key = (False, turn_id)
        segment = self._segments.setdefault(key, _Segment(of_agent=False))
        segment.text = text
        segment.is_final = is_final
        self._queue(key)

    def stats(self) -> dict[str, int]:
        """`transcripts_dropped`: segments, or the rest of some, that could not be sent."""
        return {"transcripts_dropped": self._dropped}

    async def aclose(self) -> None:
        """Sends what is left, if that is quickly done."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._idle.wait()
        except TimeoutError:
            self._dropped += len(self._waiting)
        await self._tasks.cancel()

    def _queue(self, key: tuple[bool, str | int]) -> None:
        if key not in self._waiting and len(self._waiting) >= SEGMENTS_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest], self._segments[oldest]
            self._dropped += 1
        self._waiting[key] = None
        self._idle.clear()
        self._changed.set()

    async def _send_all(self) -> None:
        while True:
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                segment = self._segments[key]
                if segment.is_final:
                    del self._segments[key]
                try:
                    await self._send(segment)
                except (BelugaVoiceError, StreamError) as error:
                    self._dropped += 1
                    _log.debug("a transcript was not sent: %s", error)
                await self._break_off()
            self._idle.set()
            self._changed.clear()
            await self._changed.wait()

    async def _send(self, segment: _Segment) -> None:
        text, is_final = segment.text, segment.is_final
        if not text and not segment.sent:
            return  # nothing was understood or said, and nobody was told otherwise
        caller_sid, agent_sid = self._track_sids()
        if segment.of_agent:
            await self._send_agents(segment, text, agent_sid, is_final=is_final)
        else:
            await self._send_callers(segment, text, caller_sid, is_final=is_final)
        segment.sent = text
        if self._to is None or not self._room.remote_participants.keys() - {self._identity}:
            who = self._room.local_participant.identity if segment.of_agent else self._identity
            sid = agent_sid if segment.of_agent else caller_sid
            parts = [TranscriptionSegment(segment.id, text, 0, 0, "", is_final)]
            await self._room.local_participant.publish_transcription(Transcription(who, sid, parts))

    async def _send_agents(self, segment: _Segment, text: str, track_sid: str, *, is_final: bool) -> None:
        writer = self._writers.get(segment.id)
        if writer is None:
            writer = await self._open(segment, track_sid, is_final=False, sender=None)
            self._writers[segment.id] = writer
        if len(text) > len(segment.sent):
            await writer.write(text[len(segment.sent) :])
        if is_final:
            del self._writers[segment.id]
            await writer.aclose(attributes={FINAL: "true"})

    async def _break_off(self) -> None:
        """Streams of segments that were dropped, or whose end failed: whoever reads them would wait for ever."""
        kept = {segment.id for segment in self._segments.values()}
        for segment_id in self._writers.keys() - kept:
            writer = self._writers.pop(segment_id)
            with suppress(BelugaVoiceError, StreamError):
                await writer.aclose(reason="the rest was not sent in time")

    async def _send_callers(self, segment: _Segment, text: str, track_sid: str, *, is_final: bool) -> None:
        writer = await self._open(segment, track_sid, is_final=is_final, sender=self._identity)
        await writer.write(text)
        await writer.aclose()

    async def _open(self, segment: _Segment, track_sid: str, *, is_final: bool, sender: str | None) -> TextStreamWriter:
        attributes = {SEGMENT: segment.id, FINAL: "true" if is_final else "false"}
        if track_sid:
            attributes[TRACK] = track_sid
        return await self._room.local_participant.stream_text(
            topic=TOPIC, attributes=attributes, destination_identities=self._to, sender_identity=sender
        )

    def _failed(self, error: BaseException) -> None:
        _log.error("transcripts could not be sent", exc_info=error)
