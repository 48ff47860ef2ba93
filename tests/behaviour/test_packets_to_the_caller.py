"""The caller receives RTP packets: what he decodes is what the agent said."""

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
    from beluga_voice import Turn
    from beluga_voice.rtp_packet import RtpPacket

OUT_HZ = 24_000


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

    decoder = OpusDecoder(sample_rate=OUT_HZ)
    sound = np.frombuffer(b"".join(decoder.decode(packet.payload) for packet in packets), np.int16)
    assert understood(sound, OUT_HZ) == ["gold", "iron", "milk"]
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    assert packets[0].marker
    # 20 ms each; where the machine was too late for some, time goes on without them.
    steps = [after.timestamp - before.timestamp for before, after in itertools.pairwise(packets)]
    assert all(step == 960 or (step > 960 and step % 960 == 0) for step in steps)
    assert stats["packets_out_dropped"] == 0
    assert stats["frame_age_out_us_count"] == len(packets)
    assert stats["packets_out_waiting_max"] <= 32


async def test_packets_that_nobody_reads_are_counted() -> None:
    call = LocalCall(output_codec="opus")
    async with on_call(agent, call=call) as tried:
        await tried.session_time(1.5)
        assert tried.session.stats()["packets_out_dropped"] > 20
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
