"""What the LiveKit tests judge by: a real server, callers on the plain SDK, wires that can be cut. Shown on an agent
of the same SDK, so that a fault that is found with it elsewhere is not the rig's.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.media_relay import MediaRelay
from support.sdk_caller import data_of
from support.signal_relay import SignalRelay

from beluga_voice.clock import now
from beluga_voice.simulation.line_process import RemoteError
from beluga_voice.testing import LiveKitServer, NetworkConditions
from rivals.raw_sdk import RawSdkAgent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from support.sdk_caller import SdkCaller


@pytest.fixture
async def ada(livekit_server: LiveKitServer, call_in: Any) -> SdkCaller:
    return await call_in(livekit_server, "ada")


@pytest.fixture
async def bob(livekit_server: LiveKitServer, call_in: Any) -> SdkCaller:
    return await call_in(livekit_server, "bob")


@pytest.fixture
async def agent(livekit_server: LiveKitServer, room_name: str) -> AsyncGenerator[RawSdkAgent]:
    async with RawSdkAgent() as agent:
        await agent.join(livekit_server.url, livekit_server.token(room_name, "agent", kind="agent"))
        yield agent


async def test_an_answer_is_heard_whole_and_stops_when_it_is_talked_over(
    ada: SdkCaller, agent: RawSdkAgent, room_name: str
) -> None:
    await ada.join(room_name)
    await ada.publish()
    await agent.event("track_subscribed", identity="ada")
    asked = await ada.say_tone(440.0, 0.6)
    await agent.event("turn_ended", since=asked.first_s)
    answer = await agent.event("answered")
    await ada.silence_from("agent", since=asked.last_s)
    heard = (await ada.heard("agent")).between(asked.last_s, now())
    tones = [hz for _, hz in heard.tones_hz() if hz is not None]
    assert tones == pytest.approx([700.0] * len(tones), abs=8.0)
    assert 8 <= len(tones) <= 11
    assert heard.gaps_s() == []
    first_s = heard.first_sound_s(asked.last_s)
    assert first_s is not None
    assert first_s > answer["first_s"]

    asked = await ada.say_tone(440.0, 0.6)
    again = await agent.event("answered", since=asked.last_s)
    over = await ada.say_tone(440.0, 0.6, at_s=again["first_s"] + 0.3)
    interrupted = await agent.event("interrupted", since=over.first_s)
    silent_s = await ada.silence_from("agent", since=over.first_s)
    assert silent_s > interrupted["silent_s"]
    assert silent_s < again["last_s"]


async def test_a_muted_or_unpublished_microphone_is_seen_and_a_new_one_is_heard(
    ada: SdkCaller, bob: SdkCaller, room_name: str
) -> None:
    await asyncio.gather(ada.join(room_name), bob.join(room_name, attributes={"lk.agent.state": "listening"}))
    first = await ada.publish()
    await bob.event("track_subscribed", identity="ada")
    await ada.mute()
    await bob.event("track_muted", identity="ada")
    await ada.unmute()
    await bob.event("track_unmuted", identity="ada")
    await ada.unpublish()
    await bob.event("track_unpublished", identity="ada")
    second = await ada.publish(name="another")
    assert second != first
    await bob.event("track_subscribed", where=lambda event: event["publication"]["sid"] == second)
    await ada.say_words("able bake")
    await bob.silence_from("ada")
    assert (await bob.heard("ada")).words == ["able", "bake"]

    await ada.sees("bob")
    assert (await ada.participants())["bob"]["attributes"]["lk.agent.state"] == "listening"
    await bob.set_attributes({"lk.agent.state": "speaking"})
    changed = await ada.event("participant_attributes_changed", identity="bob")
    assert changed["changed"] == {"lk.agent.state": "speaking"}


async def test_calls_and_data_pass_both_ways(ada: SdkCaller, bob: SdkCaller, room_name: str) -> None:
    await asyncio.gather(ada.join(room_name), bob.join(room_name))
    await bob.rpc_register("echo")
    await ada.sees("bob")
    await bob.rpc_register("refuse", error=(1601, "not today"))
    assert await ada.rpc_call("bob", "echo", "hello") == "hello"
    with pytest.raises(RemoteError) as refused:
        await ada.rpc_call("bob", "refuse")
    assert refused.value.details["code"] == 1601
    with pytest.raises(RemoteError) as unknown:
        await ada.rpc_call("bob", "no such method")
    assert unknown.value.details["code"] == 1400

    await bob.send_data(b"\x00\xff", topic="raw", to=("ada",))
    received = await ada.event("data_received", topic="raw", identity="bob")
    assert data_of(received) == b"\x00\xff"
    await bob.send_dtmf(5, "5")
    assert (await ada.event("sip_dtmf_received"))["digit"] == "5"

    await ada.receive_text("lk.chat")
    await bob.stream_text(["Hel", "lo"], topic="lk.chat", attributes={"language": "en"})
    text = await ada.event("text_received", topic="lk.chat")
    assert text["text"] == "Hello"
    assert text["attributes"]["language"] == "en"
    long = "ß" * 20_000
    await bob.send_text(long, topic="lk.chat")
    text = await ada.event("text_received", size=40_000)
    assert text["sha256"] == hashlib.sha256(long.encode()).hexdigest()


async def test_bytes_arrive_at_a_slow_reader(ada: SdkCaller, bob: SdkCaller, room_name: str) -> None:
    await asyncio.gather(ada.join(room_name), bob.join(room_name))
    await ada.receive_bytes("file", pause_s=0.02)
    await bob.sees("ada")
    sent = await bob.send_bytes(1_000_000, topic="file", seed=3)
    received = await ada.event("bytes_received", topic="file", within=30.0)
    assert (received["size"], received["sha256"]) == (1_000_000, sent)


async def test_media_goes_by_udp(livekit_server: LiveKitServer, ada: SdkCaller, room_name: str) -> None:
    joined = await ada.join(room_name)
    await ada.publish()
    (active,) = [line for line in livekit_server.log.splitlines() if "active" in line and joined["sid"] in line][:1]
    assert '"connectionType": "udp"' in active


async def test_the_same_identity_comes_back_after_leaving_and_after_a_crash(
    livekit_server: LiveKitServer, ada: SdkCaller, bob: SdkCaller, call_in: Any, room_name: str
) -> None:
    # Who publishes nothing is told of seconds later, in batches.
    await bob.join(room_name)
    before = await ada.join(room_name)
    await ada.publish()
    await bob.event("track_subscribed", identity="ada")
    await ada.leave()
    await bob.event("participant_disconnected", identity="ada")
    rejoined_s = now()
    after = await ada.join(room_name)
    assert after["sid"] != before["sid"]
    await ada.publish()
    await bob.event("track_subscribed", identity="ada", since=rejoined_s)
    ada.kill()
    usurper = await call_in(livekit_server, "ada")
    usurped_s = now()
    await usurper.join(room_name)
    await usurper.publish()
    await bob.event("track_subscribed", identity="ada", since=usurped_s)


async def test_a_cut_signalling_wire_is_noticed_and_mended_while_the_sound_goes_on(
    livekit_server: LiveKitServer, ada: SdkCaller, bob: SdkCaller, room_name: str
) -> None:
    async with SignalRelay(livekit_server.port) as relay:
        await asyncio.gather(ada.join(room_name), bob.join(room_name, url=relay.url))
        await ada.publish()
        await bob.event("track_subscribed", identity="ada")
        said = await ada.say_tone(500.0, 2.5)
        await bob.voice_from("ada")
        assert relay.connections == 1
        relay.cut()
        await bob.event("reconnecting")
        assert relay.connections == 0
        relay.mend()
        await bob.event("reconnected", within=20.0)
        await bob.silence_from("ada", since=said.last_s)
        assert (await bob.heard("ada")).between(said.first_s, said.last_s + 1.0).gaps_s(longest_s=0.1) == []


async def test_a_server_that_is_killed_and_started_again_gets_its_callers_back(
    own_livekit_server: LiveKitServer, call_in: Any, room_name: str
) -> None:
    server = own_livekit_server
    ada, bob = [await call_in(server, identity) for identity in ("ada", "bob")]
    await asyncio.gather(ada.join(room_name), bob.join(room_name))
    await ada.publish()
    await bob.event("track_subscribed", identity="ada")
    killed_s = now()
    server.kill()
    assert not server.running
    await asyncio.gather(*(each.event("reconnecting", since=killed_s, within=30.0) for each in (ada, bob)))
    port = server.port
    await server.restart()
    assert server.port == port
    await asyncio.gather(*(each.event("reconnected", since=killed_s, within=30.0) for each in (ada, bob)))
    await bob.event("track_subscribed", identity="ada", since=killed_s)
    said = await ada.say_words("gold hand")
    await bob.silence_from("ada", since=said.first_s)
    assert (await bob.heard("ada")).between(said.first_s, now()).words == ["gold", "hand"]


async def test_a_callers_network_loses_what_it_is_told_to(call_in: Any, room_name: str) -> None:
    with LiveKitServer(media_address=MediaRelay.ADDRESS) as server:
        async with MediaRelay(server.udp_port) as relay:
            ada, bob = [await call_in(server, identity) for identity in ("ada", "bob")]
            await ada.join(room_name)
            await relay.network(up=NetworkConditions(), down=NetworkConditions(loss_in_good=0.1, delay=0.05), seed=1)
            await bob.join(room_name)
            await ada.publish()
            await bob.event("track_subscribed", identity="ada")
            said = await ada.say_tone(440.0, 2.0)
            await bob.silence_from("ada", since=said.last_s)
            first_s = (await bob.heard("ada")).first_sound_s(said.first_s)
            assert first_s is not None
            assert first_s - said.first_s > 0.05
            of_ada, of_bob = await relay.stats()
            assert of_ada["up"]["lost"] == of_ada["down"]["lost"] == of_bob["up"]["lost"] == 0
            assert 0.02 < of_bob["down"]["lost"] / of_bob["down"]["sent"] < 0.25
            assert of_bob["down"]["bytes"] > 10_000

            await relay.cut()
            unheard = await ada.say_words("able bake")
            await asyncio.sleep(unheard.last_s + 0.3 - now())
            await relay.mend()
            said = await ada.say_tone(700.0, 0.5)
            await bob.voice_from("ada", since=said.first_s)
            assert (await bob.heard("ada")).between(unheard.first_s, said.first_s).words == []


async def test_a_token_that_is_not_the_servers_opens_no_door(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str
) -> None:
    other = LiveKitServer()
    with pytest.raises(RemoteError, match="ConnectError"):
        await ada.join(room_name, token=other.token(room_name, "ada"))


def test_a_servers_secret_is_not_shown(livekit_server: LiveKitServer) -> None:
    assert livekit_server.api_secret not in repr(livekit_server)
    assert livekit_server.api_secret not in livekit_server.log
