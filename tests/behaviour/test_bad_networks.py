"""The caller is on an emulated network: what he says arrives late, in pieces or twice, and is answered all the same."""

from __future__ import annotations

import numpy as np
import pytest
from support.call import TriedCall, on_call, turn_handling

from beluga_voice import LocalCall, Turn
from beluga_voice.audio import OpusEncoder
from beluga_voice.testing import EmulatedNetwork, NetworkConditions, RtpPacket
from beluga_voice.testing.tone_words import silence, spoken

TEXT = "able bake calm dark echo"
PROFILES = ("lan", "good_wifi", "bad_wifi", "mobile", "lossy_5", "bursty_loss")


async def agent(turn: Turn) -> str:
    return "zero"


def packets(seconds_after: float = 4.0) -> list[RtpPacket]:
    """The sentence in Opus, and the silence after it."""
    encoder = OpusEncoder(sample_rate=16_000)
    sound = np.concatenate([silence(0.5, 16_000), spoken(TEXT, 16_000), silence(seconds_after, 16_000)])
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    return [RtpPacket(encoder.encode(frame), sequence=n, timestamp=n * 960) for n, frame in enumerate(frames)]


async def called(conditions: NetworkConditions | str, seed: int = 3) -> tuple[TriedCall, dict[str, int]]:
    call = LocalCall(codec="opus")
    # Patient: a hold of the network is no end of the turn.
    async with (
        on_call(agent, call=call, handling=turn_handling(min_delay=1.0)) as tried,
        EmulatedNetwork(call, conditions, seed=seed) as network,
    ):
        await network.stream(packets())
        await tried.agent_heard("zero")
    return tried, network.stats()


@pytest.mark.parametrize("profile", PROFILES)
async def test_one_sentence_is_one_turn_and_is_answered(profile: str) -> None:
    tried, network = await called(profile)
    questions = [message.text for message in tried.session.history if message.role == "user"]
    assert len(questions) == 1
    assert tried.session.stats()["illegal_transitions"] == 0
    if network["lost"] == 0 and network["refused"] == 0:
        assert questions == [TEXT]


async def test_the_same_seed_is_the_same_call() -> None:
    (one, one_network), (other, other_network) = await called("bad_wifi"), await called("bad_wifi")
    assert one_network == other_network
    assert [event.at_s for event in one.events] == [event.at_s for event in other.events]
    assert np.array_equal(one.caller_sound, other.caller_sound)
    different, _ = await called("bad_wifi", seed=4)
    assert not np.array_equal(one.caller_sound, different.caller_sound)


async def test_a_hold_of_more_than_the_queue_takes_is_counted_and_the_call_goes_on() -> None:
    hold = NetworkConditions(stall_gap=0.5, stall_shortest=1.6, stall_longest=1.7)
    tried, network = await called(hold)
    assert network["refused"] > 0
    assert tried.session.stats()["packets_refused"] == network["refused"]
