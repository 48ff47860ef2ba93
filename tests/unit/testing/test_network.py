from __future__ import annotations

import asyncio
from dataclasses import fields, replace

import pytest

from beluga_voice import LocalCall, VoiceSession, _core
from beluga_voice.clock import now
from beluga_voice.errors import AudioFormatError, ConfigError, InvalidStateError
from beluga_voice.testing import EmulatedNetwork, NetworkConditions, RtpPacket, run

PROFILES = ("lan", "good_wifi", "bad_wifi", "mobile", "lossy_5", "bursty_loss")


class NotedCall:
    """Notes when packets come, and takes as many as it is told to."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.arrived: list[tuple[float, int]] = []
        self._room = room
        self._began = now()

    async def push_packet(self, payload: bytes, *, sequence: int, timestamp: int, ssrc: int) -> bool:
        assert (payload, timestamp, ssrc) == (bytes([sequence % 256]), sequence * 960, 9)
        if len(self.arrived) == self._room:
            return False
        self.arrived.append((round(now() - self._began, 6), sequence))
        return True


def packets(count: int) -> list[RtpPacket]:
    return [RtpPacket(bytes([n % 256]), sequence=n, timestamp=n * 960, ssrc=9) for n in range(count)]


def carried(
    conditions: NetworkConditions | str,
    count: int = 500,
    *,
    seed: int = 1,
    room: int = 1_000_000,
    drift_ppm: float = 0.0,
) -> tuple[list[tuple[float, int]], dict[str, int]]:
    """When each packet came, and the counters."""

    async def main() -> tuple[list[tuple[float, int]], dict[str, int]]:
        call = NotedCall(room)
        async with EmulatedNetwork(call, conditions, seed=seed) as network:  # type: ignore[arg-type]
            await network.stream(packets(count), drift_ppm=drift_ppm)
            await asyncio.sleep(5)
        return call.arrived, network.stats()

    return run(main())


def test_a_wire_delivers_each_packet_when_it_is_sent() -> None:
    arrived, stats = carried(NetworkConditions(), 50)
    assert arrived == [(round(0.02 * n, 6), n) for n in range(50)]
    assert stats["sent"] == stats["delivered"] == 50


def test_packets_come_when_they_are_due_and_not_before() -> None:
    arrived, _ = carried(NetworkConditions(delay=0.123), 50)
    assert arrived == [(round(0.02 * n + 0.123, 6), n) for n in range(50)]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_the_same_for_the_same_seed_and_every_packet_is_accounted_for(profile: str) -> None:
    arrived, stats = carried(profile)
    assert (arrived, stats) == carried(profile)
    assert arrived != carried(profile, seed=2)[0]
    least = NetworkConditions.profile(profile).delay
    assert all(at >= 0.02 * number + least for at, number in arrived)
    assert stats["held"] == 0
    drops = stats["lost"] + stats["queue_drops"] + stats["in_flight_drops"]
    assert stats["sent"] + stats["duplicated"] == stats["delivered"] + drops
    assert stats["sent"] == 500
    assert stats["delivered"] == len(arrived)


def test_what_overtakes_comes_first() -> None:
    arrived, stats = carried(NetworkConditions(reordering=0.1, detour=0.03, duplicate=0.1))
    order = [number for _, number in arrived]
    assert order != sorted(order)
    assert stats["reordered"] > 10
    assert len(order) - len(set(order)) == stats["duplicated"] > 10


def test_what_the_call_has_no_room_for_is_counted() -> None:
    arrived, stats = carried(NetworkConditions(), 50, room=30)
    assert len(arrived) == 30
    assert stats["refused"] == 20


def test_what_is_under_way_when_the_block_ends_never_arrives_and_leaves_no_timer() -> None:
    async def main() -> tuple[int, dict[str, int]]:
        call = NotedCall()
        async with EmulatedNetwork(call, NetworkConditions(delay=1.0), seed=1) as network:  # type: ignore[arg-type]
            await network.stream(packets(10))
        await asyncio.sleep(3)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return len(call.arrived), network.stats()

    arrived, stats = run(main())
    assert arrived == 0
    assert stats["held"] == 10


def test_a_fast_sender_is_done_sooner() -> None:
    last = [carried(NetworkConditions(), 501, drift_ppm=ppm)[0][-1][0] for ppm in (0.0, 1000.0, -1000.0)]
    assert last == pytest.approx([10.0, 9.990_01, 10.010_01], abs=1e-5)


def test_every_field_reaches_the_network() -> None:
    """Each alone changes what happens to packets, beside those without which it has nothing to do."""
    base = NetworkConditions(
        jitter_median=0.01,
        jitter_sigma=0.5,
        good_to_bad=0.2,
        bad_to_good=0.5,
        loss_in_bad=0.5,
        reordering=0.1,
        detour=0.05,
        stall_gap=1.0,
        stall_shortest=0.1,
        stall_longest=0.5,
        bits_per_s=40_000,
        queue_bytes=2_000,
    )
    changed = {
        "delay": 0.1, "jitter_median": 0.02, "jitter_sigma": 1.0, "jitter_correlation": 0.9, "good_to_bad": 0.6,
        "bad_to_good": 0.1, "loss_in_good": 0.2, "loss_in_bad": 1.0, "duplicate": 0.2, "reordering": 0.4,
        "detour": 0.09, "stall_gap": 3.0, "stall_shortest": 0.3, "stall_longest": 0.9, "bits_per_s": 20_000,
        "queue_bytes": 40,
    }  # fmt: skip
    assert set(changed) == {field.name for field in fields(NetworkConditions)}
    before = carried(base)
    for name, value in changed.items():
        assert carried(replace(base, **{name: value})) != before, name


def test_a_profile_is_its_numbers() -> None:
    assert tuple(_core.network_profiles()) == PROFILES
    bad = NetworkConditions.profile("bad_wifi")
    assert (bad.delay, bad.stall_longest, bad.bits_per_s) == (0.015, 0.9, 0)
    assert carried(bad) == carried("bad_wifi")


def test_what_is_out_of_range_is_said_before_anything_is_sent() -> None:
    call = LocalCall(codec="opus")
    with pytest.raises(ConfigError, match="allowed: lan, good_wifi"):
        EmulatedNetwork(call, "perfect", seed=1)
    for name, value in [("delay", -0.1), ("duplicate", 1.5), ("jitter_sigma", float("nan")), ("stall_gap", 1e9)]:
        with pytest.raises(ConfigError, match="allowed"):
            EmulatedNetwork(call, NetworkConditions(**{name: value}), seed=1)  # type: ignore[arg-type]


async def nobody(turn: object) -> str:
    return ""


@pytest.mark.parametrize("by_sending", [True, False])
def test_what_the_call_says_to_a_packet_is_raised(by_sending: bool) -> None:
    async def main(codec: str, payload: bytes) -> None:
        call = LocalCall(codec=codec)  # type: ignore[arg-type]
        session = VoiceSession(agent=nobody, vad="energy")
        await session.start(call)
        try:
            async with EmulatedNetwork(call, NetworkConditions(), seed=1) as network:
                network.send(RtpPacket(payload, sequence=1, timestamp=1))
                await asyncio.sleep(1)
                if by_sending:
                    network.send(RtpPacket(payload, sequence=2, timestamp=961))
                    pytest.fail("sending goes on")
        finally:
            await session.aclose()

    with pytest.raises(InvalidStateError):
        run(main("pcm", b"\x00"))
    with pytest.raises(AudioFormatError):
        run(main("opus", bytes(5_000)))
