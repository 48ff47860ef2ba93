"""Calls of methods, packets, texts and files between participants, both ways, beside a call's sound."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.room_session import MEDIA, is_heard, joined, say, session_on, until
from support.sdk_caller import data_of

from beluga_voice import Turn, livekit
from beluga_voice.clock import now
from beluga_voice.events import PlayoutFinished
from beluga_voice.simulation.line_process import RemoteError

if TYPE_CHECKING:
    from support.sdk_caller import SdkCaller

    from beluga_voice.livekit import ByteStreamReader, DataPacket, RpcInvocationData, SipDTMF, TextStreamReader
    from beluga_voice.testing import LiveKitServer

pytestmark = [pytest.mark.quiet_machine, pytest.mark.parametrize("media", MEDIA)]

PATIENCE_S = 20.0
LONG = "gold hand iron jump kite lamp milk nest open pink quiz rose salt tree unit vase wind yard "


@pytest.fixture
async def ada(livekit_server: LiveKitServer, call_in: Any, room_name: str) -> SdkCaller:
    caller = await call_in(livekit_server, "ada")
    await caller.join(room_name)
    return caller


async def test_methods_are_called_both_ways_and_their_failures_have_livekits_codes(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room:
        us = room.local_participant
        forever = asyncio.Event()

        @us.register_rpc_method("greet")
        async def greet(call: RpcInvocationData) -> str:
            return f"hello {call.caller_identity}, {call.payload}"

        @us.register_rpc_method("refuse")
        def refuse(call: RpcInvocationData) -> str:
            raise livekit.RpcError(1601, "not today", "because")

        @us.register_rpc_method("break")
        def broken(call: RpcInvocationData) -> str:
            raise OSError("no disk")

        @us.register_rpc_method("hang")
        async def hang(call: RpcInvocationData) -> str:
            await forever.wait()
            return ""

        await ada.sees("agent")
        assert await ada.rpc_call("agent", "greet", "how are you") == "hello ada, how are you"
        codes = {"refuse": 1601, "break": 1500, "nothing of that name": 1400}
        for method, code in codes.items():
            with pytest.raises(RemoteError) as failed:
                await ada.rpc_call("agent", method)
            assert failed.value.details["code"] == code
        with pytest.raises(RemoteError) as late:
            await ada.rpc_call("agent", "hang", response_timeout=1.0)
        assert late.value.details["code"] == 1502

        await ada.rpc_register("echo")
        await ada.rpc_register("refuse", error=(1602, "nor today"))
        assert await us.perform_rpc(destination_identity="ada", method="echo", payload="hi") == "hi"
        for identity, method, code in (("ada", "refuse", 1602), ("ada", "nothing", 1400)):
            with pytest.raises(livekit.RpcError) as refused:
                await us.perform_rpc(destination_identity=identity, method=method, payload="")
            assert refused.value.code == code
        assert room.stats()["callback_errors"] == 0


async def test_packets_and_keys_pass_both_ways(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room:
        packets: asyncio.Queue[DataPacket] = asyncio.Queue()
        keys: asyncio.Queue[SipDTMF] = asyncio.Queue()

        def fails(packet: DataPacket) -> None:
            raise OSError("no disk")

        room.on("data_received", fails)
        room.on("data_received", packets.put_nowait)
        room.on("sip_dtmf_received", keys.put_nowait)
        await ada.sees("agent")
        for reliable in (True, False):
            await ada.send_data(b"\x00\xff", topic="raw", reliable=reliable)
            async with asyncio.timeout(PATIENCE_S):
                packet = await packets.get()
            assert (packet.data, packet.topic) == (b"\x00\xff", "raw")
            assert packet.kind == livekit.DataPacketKind(int(reliable))
            assert packet.participant is room.remote_participants["ada"]
        assert room.stats()["callback_errors"] == 2
        await ada.send_dtmf(5, "5")
        async with asyncio.timeout(PATIENCE_S):
            key = await keys.get()
        assert (key.code, key.digit) == (5, "5")

        us = room.local_participant
        for reliable in (True, False):
            topic = "reliable" if reliable else "lossy"
            await us.publish_data("text", reliable=reliable, topic=topic, destination_identities=["ada"])
            received = await ada.event("data_received", topic=topic, identity="agent")
            assert (data_of(received), received["reliable"]) == (b"text", reliable)
        await us.publish_dtmf(code=10, digit="*")
        assert (await ada.event("sip_dtmf_received", identity="agent"))["digit"] == "*"


async def test_texts_and_files_pass_both_ways_piece_by_piece_and_whole(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async with joined(livekit_server, room_name, media=media) as room:
        us = room.local_participant
        texts: asyncio.Queue[tuple[TextStreamReader, str]] = asyncio.Queue()
        files: asyncio.Queue[tuple[ByteStreamReader, str]] = asyncio.Queue()
        room.register_text_stream_handler("text", lambda reader, identity: texts.put_nowait((reader, identity)))
        room.register_byte_stream_handler("file", lambda reader, identity: files.put_nowait((reader, identity)))
        await ada.sees("agent")

        await ada.stream_text(["Grü", "ße ", "aus ", "Köln"], topic="text", attributes={"language": "de"})
        async with asyncio.timeout(PATIENCE_S):
            reader, identity = await texts.get()
            assert (await reader.read_all(), identity) == ("Grüße aus Köln", "ada")
        assert reader.info.attributes == {"language": "de"}
        sent = await ada.send_bytes(300_000, topic="file", seed=1)
        async with asyncio.timeout(PATIENCE_S):
            file, _ = await files.get()
            content = b"".join([piece async for piece in file])
        assert hashlib.sha256(content).hexdigest() == sent

        await ada.receive_text("text")
        await ada.receive_bytes("file")
        writer = await us.stream_text(topic="text", attributes={"a": "1"}, destination_identities=["ada"])
        for piece in ("Grü", "ße"):
            await writer.write(piece)
        await writer.aclose(attributes={"b": "2"})
        received = await ada.event("text_received", topic="text", identity="agent")
        assert (received["text"], received["attributes"]) == ("Grüße", {"a": "1", "b": "2"})
        await us.send_text("x" * 40_000, topic="text")
        await ada.event("text_received", topic="text", size=40_000)
        data = bytes(range(256)) * 1_000
        info = await us.send_bytes(data, topic="file", name="numbers.bin")
        received = await ada.event("bytes_received", topic="file")
        assert (received["size"], received["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert info.name == "numbers.bin"


async def test_ten_megabytes_for_a_reader_who_does_not_read_end_that_stream_and_harm_no_sound(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async def long(turn: Turn) -> str:
        return f"{LONG * 2}."

    await ada.publish()
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, long) as tried:
        files: asyncio.Queue[ByteStreamReader] = asyncio.Queue()
        room.register_byte_stream_handler("file", lambda reader, _: files.put_nowait(reader))
        await is_heard(room, "ada")
        asked = await say(ada, "able")
        began_s = await ada.voice_from("agent", since=asked.last_s)
        sending = asyncio.create_task(ada.send_bytes(10_000_000, topic="file", pause_s=0.01))
        async with asyncio.timeout(PATIENCE_S):
            unread = await files.get()
        await sending
        finished = await tried.heard(PlayoutFinished)
        assert not finished.interrupted
        await until(lambda: room.stats()["streams_failed"] == 1)
        with pytest.raises(livekit.StreamError, match="not read in time"):
            await asyncio.wait_for(anext(unread), PATIENCE_S)
        await ada.silence_from("agent", since=began_s + 0.5)
        assert (await ada.heard("agent")).between(asked.last_s, now()).words == (LONG * 2).split()
        assert (await ada.arrived("agent")).lost == 0


async def test_ten_megabytes_to_a_slow_reader_arrive_and_harm_no_sound(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    async def long(turn: Turn) -> str:
        return f"{LONG * 2}."

    await ada.publish()
    # With a pause after every 15,000 bytes 10 MB take 27 s; they are sent within 10 s, by the SDK within 20.
    await ada.receive_bytes("file", pause_s=0.04)
    async with joined(livekit_server, room_name, media=media) as room, session_on(room, long):
        data = bytes(10_000_000)
        await is_heard(room, "ada")
        asked = await say(ada, "able")
        began_s = await ada.voice_from("agent", since=asked.last_s)
        await room.local_participant.send_bytes(data, topic="file", compress=False)
        sent_s = now()
        received = await ada.event("bytes_received", topic="file", within=60.0)
        assert received["at_s"] > sent_s + 1.0
        assert (received["size"], received["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        await ada.silence_from("agent", since=began_s + 0.5)
        assert (await ada.heard("agent")).between(asked.last_s, now()).words == (LONG * 2).split()
        assert (await ada.arrived("agent")).lost == 0
