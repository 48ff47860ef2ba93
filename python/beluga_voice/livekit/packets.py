"""What arrives in one piece: data and keys of a telephone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beluga_voice.livekit.participant import RemoteParticipant

__all__ = ["DataPacket", "SipDTMF"]


@dataclass
class DataPacket:
    """Data. `kind`: a `DataPacketKind`; `participant`: None when a server sent it."""

    data: bytes
    kind: int
    participant: RemoteParticipant | None
    topic: str | None = None


@dataclass
class SipDTMF:
    """A key: `code` 0 to 15, `digit` "0" to "9", "*", "#", "A" to "D"."""

    code: int
    digit: str
    participant: RemoteParticipant | None = None
