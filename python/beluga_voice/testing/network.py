"""A caller's packets on an emulated network: late, lost, twice, out of order, and the same each time.

Accidents are decided by a seed and times come from the running loop, so on a virtual one a call over bad Wi-Fi takes a
moment and is the same call every time.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from beluga_voice import _core
from beluga_voice.core_errors import translated
from beluga_voice.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from beluga_voice.providers.local.call import LocalCall
    from beluga_voice.rtp_packet import RtpPacket

__all__ = ["EmulatedNetwork", "NetworkConditions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConditions:
    """What a network does to packets. The default is a wire that does nothing. Times in seconds.

    - `delay`: what every packet takes.
    - `jitter_median`, `jitter_sigma`, `jitter_correlation`: what comes on top, log-normal: half of the packets take
      longer than the median, one in a hundred `exp(2.33 * sigma)` times as long. It keeps the packets' order.
    - `good_to_bad`, `bad_to_good`, `loss_in_good`, `loss_in_bad`: loss after Gilbert and Elliott, probabilities for
      each packet. `loss_in_good` alone is independent loss.
    - `duplicate`: probability that a packet arrives twice.
    - `reordering`, `detour`: probability that a packet takes a way that is so much longer.
    - `stall_gap`, `stall_shortest`, `stall_longest`: mean time between times in which nothing arrives, after which
      everything does at once; 0 is never.
    - `bits_per_s`, `queue_bytes`: the narrowest link and what may wait at it; 0 is none.
    """

    delay: float = 0.0
    jitter_median: float = 0.0
    jitter_sigma: float = 0.0
    jitter_correlation: float = 0.0
    good_to_bad: float = 0.0
    bad_to_good: float = 0.0
    loss_in_good: float = 0.0
    loss_in_bad: float = 0.0
    duplicate: float = 0.0
    reordering: float = 0.0
    detour: float = 0.0
    stall_gap: float = 0.0
    stall_shortest: float = 0.0
    stall_longest: float = 0.0
    bits_per_s: int = 0
    queue_bytes: int = 0

    @classmethod
    def profile(cls, name: str) -> Self:
        """A network that everybody has met: lan, good_wifi, bad_wifi, mobile, lossy_5 or bursty_loss.

        Raises ConfigError for another name.
        """
        profiles = _core.network_profiles()
        if name not in profiles:
            raise ConfigError(f"profile is {name!r}; allowed: {', '.join(profiles)}")
        return cls(**profiles[name])


class EmulatedNetwork:
    """Carries packets to a `LocalCall` that was made with a packet codec.

        async with EmulatedNetwork(call, "bad_wifi", seed=7) as network:
            await network.stream(packets)

    Packets under way are bounded (4,096; `in_flight_drops` counts what was over). What is under way when the block ends
    never arrives. Raises ConfigError for conditions out of range.
    """

    def __init__(self, call: LocalCall, conditions: NetworkConditions | str, *, seed: int) -> None:
        if isinstance(conditions, str):
            conditions = NetworkConditions.profile(conditions)
        self._call = call
        with translated():
            self._emulator = _core.NetworkEmulator(seed=seed, **asdict(conditions))
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._refused = 0

    async def __aenter__(self) -> Self:
        self._delivery = asyncio.create_task(self._deliver(), name="beluga-voice emulated network")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delivery = self._delivery
        if delivery is None:
            return
        delivery.cancel()
        await asyncio.wait([delivery])
        # Whoever has trouble of his own hears of that first.
        if error is None and not delivery.cancelled():
            delivery.result()

    def send(self, packet: RtpPacket) -> None:
        """Sends a packet now. Raises what the call said to one that arrived before."""
        if self._delivery is not None and self._delivery.done():
            self._delivery.result()
        self._emulator.push(_now_us(), packet.payload, packet.sequence, packet.timestamp, packet.ssrc)
        self._set_timer()

    async def stream(self, packets: Iterable[RtpPacket], *, packet_s: float = 0.02, drift_ppm: float = 0.0) -> None:
        """Sends packets `packet_s` apart, on the clock of a sender that runs `drift_ppm` faster than ours."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        interval = packet_s / (1 + drift_ppm * 1e-6)
        for number, packet in enumerate(packets):
            await asyncio.sleep(began + number * interval - loop.time())
            self.send(packet)

    def stats(self) -> dict[str, int]:
        """`sent + duplicated = delivered + lost + queue_drops + in_flight_drops + held`.

        And `reordered`, which were overtaken, and `refused`, which arrived and for which the call had no room.
        """
        return {**self._emulator.stats(), "refused": self._refused}

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_us = self._emulator.next_due_us
        if due_us is not None:
            self._timer = asyncio.get_running_loop().call_at(due_us / 1e6, self._due.set)

    async def _deliver(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while (delivered := self._emulator.pop(_now_us())) is not None:
                payload, sequence, timestamp, ssrc, _, _ = delivered
                taken = await self._call.push_packet(payload, sequence=sequence, timestamp=timestamp, ssrc=ssrc)
                self._refused += not taken
            self._set_timer()


def _now_us() -> int:
    return round(asyncio.get_running_loop().time() * 1e6)
