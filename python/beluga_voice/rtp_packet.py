"""A packet of sound on its way to a call or from it (RFC 3550, section 5.1)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RtpPacket"]


class RtpPacket(NamedTuple):
    """What of an RTP packet matters here: 20 ms of sound, or 10 of silence, mostly."""

    payload: bytes
    """One byte of Opus stands for silence until the next packet."""
    sequence: int
    """Counts packets, modulo 65536."""
    timestamp: int
    """Where its sound begins: counts time, modulo 2**32, at the codec's RTP clock (48000 Hz for Opus)."""
    marker: bool = False
    """The first of a talk spurt."""
    ssrc: int = 1
    """Whose sound it is: another number is another source."""
