"""The caller sends RTP packets: late, twice and in any order, and is understood all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from support.call import on_call

from beluga_voice import LocalCall
from beluga_voice.audio import ALaw, MuLaw, OpusDecoder, OpusEncoder
from beluga_voice.errors import AudioFormatError, InvalidStateError
from beluga_voice.events import AgentStateChanged
from beluga_voice.testing.tone_words import silence, spoken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from beluga_voice import Turn

TEXT = "able bake calm dark echo"
_PACKET_S = 0.02


async def agent(turn: Turn) -> str:
    return "zero"


def packets(codec: Literal["opus", "pcmu", "pcma"]) -> list[tuple[int, int, bytes]]:
    """Sequence number, timestamp and payload of each packet of the sentence; numbers wrap on the way."""
    rate_hz, clock_hz = (16_000, 48_000) if codec == "opus" else (8_000, 8_000)
    encoder = {"opus": lambda: OpusEncoder(sample_rate=16_000), "pcmu": MuLaw, "pcma": ALaw}[codec]()
    sound = np.concatenate([silence(0.1, rate_hz), spoken(TEXT, rate_hz), silence(0.6, rate_hz)])
    size = round(_PACKET_S * rate_hz)
    return [
        (
            (65_530 + number) % 65_536,
            (2**32 - 5_000 + number * round(_PACKET_S * clock_hz)) % 2**32,
            encoder.encode(np.ascontiguousarray(sound[number * size : (number + 1) * size])),
        )
        for number in range(len(sound) // size)
    ]


async def sent(
    codec: Literal["opus", "pcmu", "pcma"], order: list[tuple[int, int, bytes]]
) -> tuple[NDArray[np.int16], str, dict[str, int]]:
    """What the recogniser was given, what the agent was asked, and the counters."""
    # Half a second: on a busy machine the packets of this test really are late.
    call = LocalCall(codec=codec, jitter_min_delay=0.5, jitter_max_delay=0.5)
    async with on_call(agent, call=call) as tried:
        begin_s = tried.now_s
        for number, (sequence, timestamp, payload) in enumerate(order):
            await tried.session_time(begin_s + number * _PACKET_S * len(packets(codec)) / len(order))
            assert await call.push_packet(payload, sequence=sequence, timestamp=timestamp, ssrc=7)
        await tried.agent_heard("zero")
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")
    return tried.stt.heard[1], tried.session.history[0].text, tried.session.stats()


def difference_db(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    """How far apart two sounds are that may begin at different places, in decibels under the first."""
    a, b = one.astype(float), other.astype(float)
    size = 2 ** int(np.ceil(np.log2(len(a) + len(b))))
    spectrum = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    lag = lag if lag < size // 2 else lag - size
    a, b = a[max(0, lag) :], b[max(0, -lag) :]
    n = min(len(a), len(b))
    return float(10 * np.log10(np.sum((a[:n] - b[:n]) ** 2) / np.sum(a[:n] ** 2) + 1e-12))


async def test_opus_out_of_order_and_twice_sounds_as_it_does_in_order() -> None:
    in_order = packets("opus")
    shuffled: list[tuple[int, int, bytes]] = []
    for start in range(0, len(in_order), 3):
        piece = in_order[start : start + 3]
        shuffled += [*piece[::-1], piece[0]]
    straight, straight_text, straight_stats = await sent("opus", in_order)
    crooked, crooked_text, crooked_stats = await sent("opus", shuffled)
    decoder = OpusDecoder(sample_rate=16_000)
    decoded = np.frombuffer(b"".join(decoder.decode(payload) for _, _, payload in in_order), np.int16)

    assert straight_stats["frames_concealed"] == crooked_stats["frames_concealed"] == 0
    assert straight_text == crooked_text == TEXT
    assert difference_db(straight, crooked) < -30
    assert difference_db(decoded, straight) < -30
    assert straight_stats["packets_dropped"] == 0
    assert crooked_stats["packets_dropped"] >= len(in_order) // 3, "what came twice is counted"


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
async def test_telephone_packets_are_understood(codec: Literal["pcmu", "pcma"]) -> None:
    _, text, _ = await sent(codec, packets(codec))
    assert text == TEXT


async def test_rubbish_costs_nothing_but_itself() -> None:
    call = LocalCall(codec="opus", jitter_min_delay=0.2)
    async with on_call(agent, call=call) as tried:
        begin_s = tried.now_s
        for number, (sequence, timestamp, payload) in enumerate(packets("opus")):
            await tried.session_time(begin_s + number * _PACKET_S)
            await call.push_packet(payload, sequence=sequence, timestamp=timestamp, ssrc=7)
            if number % 10 == 5:
                await call.push_packet(b"\xff\xff", sequence=(sequence + 1) % 65_536, timestamp=0, ssrc=7)
        with pytest.raises(AudioFormatError, match=r"a payload has 5000 bytes, at most \d+ are allowed"):
            await call.push_packet(bytes(5_000), sequence=1, timestamp=1, ssrc=7)
        with pytest.raises(InvalidStateError):
            await call.write(silence(0.1, 16_000))
        await tried.agent_heard("zero")

    assert tried.session.stats()["packets_dropped"] > 0
