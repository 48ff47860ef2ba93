"""What libwebrtc measures of a session's two tracks."""

from __future__ import annotations

from typing import Any

from beluga_voice.errors import TransportError
from beluga_voice.transport import TransportStats

__all__ = ["measured"]

_HZ = 48_000
"""At which libwebrtc counts samples of Opus."""


async def measured(*, heard: Any, ours: Any) -> TransportStats:
    """Of the caller's livekit.rtc Track, None where there is none, and of the agent's.

    Raises TransportError not_connected when they are in no room any more.
    """
    try:
        inbound = [each.inbound_rtp for each in await _stats(heard) if each.HasField("inbound_rtp")]
        reports = [each.remote_inbound_rtp for each in await _stats(ours) if each.HasField("remote_inbound_rtp")]
    except Exception as error:  # the SDK has a bare Exception for whatever it was
        raise TransportError(f"nothing can be measured: {error}", code="not_connected", provider="livekit") from None
    received = inbound[0].received if inbound else None
    buffer = inbound[0].inbound if inbound else None
    report = reports[0] if reports else None
    concealed = buffer.concealed_samples - buffer.silent_concealed_samples if buffer is not None else None
    return TransportStats(
        round_trip_s=report.remote_inbound.round_trip_time if report is not None else None,
        jitter_s=received.jitter if received is not None else None,
        buffer_s=_share(buffer.jitter_buffer_delay, buffer.jitter_buffer_emitted_count) if buffer is not None else None,
        concealed_s=concealed / _HZ if concealed is not None else None,
        packets_received=received.packets_received if received is not None else None,
        packets_lost=received.packets_lost if received is not None else None,
        packets_lost_there=report.received.packets_lost if report is not None else None,
    )


async def _stats(track: Any) -> list[Any]:
    return await track.get_stats() if track is not None else []


def _share(total: float, count: float) -> float | None:
    return total / count if count else None
