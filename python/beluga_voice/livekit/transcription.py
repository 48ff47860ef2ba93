"""What somebody said, in livekit.rtc's words: the packets before `lk.transcription`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Transcription", "TranscriptionSegment"]


@dataclass
class TranscriptionSegment:
    """A piece of what was said. Times in milliseconds; the same id again replaces it."""

    id: str
    text: str
    start_time: int
    end_time: int
    language: str
    final: bool


@dataclass
class Transcription:
    """Who said it, on which track."""

    participant_identity: str
    track_sid: str
    segments: list[TranscriptionSegment]
