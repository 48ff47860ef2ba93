"""The caller receives RTP packets: what he decodes is what the agent said, and of silence he gets next to nothing."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.call import on_call

from beluga_voice import LocalCall
from beluga_voice.audio import OpusDecoder
from beluga_voice.errors import ConfigError, InvalidStateError
from beluga_voice.events import AgentStateChanged
from beluga_voice.testing.tone_words import understood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from beluga_voice import Turn
    from beluga_voice.rtp_packet import RtpPacket

OUT_HZ = 24_000
RTP_HZ = 48_000
FRAME_RTP = RTP_HZ // 50
SILENCE_RTP = RTP_HZ * 2 // 5
"""The longest time between two packets: 400 ms."""


async def agent(turn: Turn) -> str:
    return "gold iron milk"


async def test_what_is_decoded_is_what_the_agent_said() -> None:
    call = LocalCall(codec="pcm", output_codec="opus", output_sample_rate=OUT_HZ)
    packets: list[RtpPacket] = []

    async def receive() -> None:
        while (packet := await call.read_packet()) is not None:
            packets.append(packet)

    receiver = asyncio.create_task(receive())
    async with on_call(agent, call=call) as tried:
        await tried.say("able bake")
        # The recorder's way still is there, and hears the same.
        await tried.agent_heard("gold", "iron", "milk")
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking")
        await tried.session_time(tried.now_s + 0.3)
    await asyncio.wait_for(receiver, 10)
    stats = tried.session.stats()

    assert understood(decoded(packets), OUT_HZ) == ["gold", "iron", "milk"]
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    assert packets[0].marker
    # One grid of 20 ms for the whole call, but for what goes ahead of a talk spurt, whose first packet it is.
    ahead = [packet for packet in packets if packet.timestamp % FRAME_RTP]
    assert ahead
    assert all(packet.marker and packet.timestamp % FRAME_RTP == FRAME_RTP // 2 for packet in ahead)
    assert stats["packets_out_dropped"] == 0
    assert stats["packets_out_encoded"] + stats["packets_out_silent"] == len(packets)
    assert stats["frame_age_out_us_count"] == len(packets)
    assert stats["packets_out_waiting_max"] <= 32


def decoded(packets: list[RtpPacket]) -> NDArray[np.int16]:
    """The sound of the packets, each in its time, and silence where there is none."""
    decoder = OpusDecoder(sample_rate=OUT_HZ)
    sound = np.zeros((packets[-1].timestamp + FRAME_RTP) * OUT_HZ // RTP_HZ, np.int16)
    for packet in packets:
        pcm = np.frombuffer(decoder.decode(packet.payload), np.int16)
        start = packet.timestamp * OUT_HZ // RTP_HZ
        sound[start : start + len(pcm)] = pcm
    return sound


async def test_a_silent_agent_sends_a_byte_every_400_ms() -> None:
    call = LocalCall(output_codec="opus")
    async with on_call(agent, call=call) as tried:
        packets: list[RtpPacket] = []
        while len(packets) < 3 + 5:
            packet = await asyncio.wait_for(call.read_packet(), 10)
            assert packet is not None
            packets.append(packet)
        stats = tried.session.stats()
    assert all(len(packet.payload) == 1 for packet in packets[3:])
    steps = [after.timestamp - before.timestamp for before, after in itertools.pairwise(packets)]
    # Where the machine was too late for a frame, it is left out.
    assert all(step >= FRAME_RTP and step % FRAME_RTP == 0 for step in steps)
    assert all(step >= SILENCE_RTP for step in steps[3:])
    assert stats["packets_out_encoded"] == 3
    assert stats["packets_out_silent"] >= 5


async def test_packets_that_nobody_reads_are_counted() -> None:
    call = LocalCall(output_codec="opus")
    async with on_call(agent, call=call) as tried:
        await tried.say("able bake")
        await tried.agent_heard("gold", "iron", "milk")
        # Six words take longer than what is kept.
        await tried.say("calm dark")
        await tried.heard(AgentStateChanged, lambda event: event.old_state == "speaking", nth=2)
        assert tried.session.stats()["packets_out_dropped"] > 10
        packet = await call.read_packet()
        assert packet is not None
        assert (packet.sequence, packet.timestamp, packet.marker) == (0, 0, True)


async def test_a_call_without_packets_has_none_to_read() -> None:
    async with on_call(agent) as tried:
        with pytest.raises(InvalidStateError, match="output is PCM"):
            await tried.call.read_packet()


async def test_a_rate_that_opus_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="for Opus, sample_rate_hz is 44000: allowed are 8000"):
        async with on_call(agent, call=LocalCall(output_codec="opus", output_sample_rate=44_000)):
            pass
