"""The process behind `support.sdk_caller.SdkCaller`: one participant on the plain SDK, its commands a line each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from livekit import rtc

from beluga_voice import _core
from beluga_voice.clock import now
from beluga_voice.livekit.sdk.quiet import quieten
from beluga_voice.simulation.line_service import LineService, take_precedence
from beluga_voice.simulation.sdk.ear import HeardFrame
from beluga_voice.simulation.sdk.microphone import MICROPHONE_HZ
from beluga_voice.simulation.sdk.participant import SdkParticipant

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Text and bytes up to this are told whole, longer ones by their size and hash.
TOLD_WHOLE = 2_000
PIECE_BYTES = 15_000


class SdkCallerProcess:
    """Public methods are the commands; what they do is in `SdkCaller`."""

    def __init__(self, service: LineService) -> None:
        self._service = service
        self._happened = asyncio.Event()
        self._reading: set[asyncio.Task[None]] = set()
        self.participant = SdkParticipant(self._tell)
        self._folder = tempfile.TemporaryDirectory(prefix="beluga-voice-")

    def commands(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        names = [name for name in vars(type(self)) if not name.startswith("_") and name != "commands"]
        return {name: getattr(self, name) for name in names}

    # -- room --------------------------------------------------------------------------------------------------------

    async def join(self, url: str, token: str, listen_hz: int) -> dict[str, Any]:
        if self.participant.listen_hz != listen_hz:
            self.participant = SdkParticipant(self._tell, listen_hz=listen_hz)
        began_s = now()
        await self.participant.join(url, token)
        room = self.participant.room
        return {"sid": room.local_participant.sid, "room_sid": await room.sid, "took_s": now() - began_s}

    async def leave(self) -> None:
        await self.participant.leave()

    async def publish(self, name: str, dtx: bool, red: bool) -> str:
        return await self.participant.publish(name=name, dtx=dtx, red=red)

    async def unpublish(self) -> None:
        await self.participant.unpublish()

    async def mute(self) -> None:
        self.participant.track.mute()

    async def unmute(self) -> None:
        self.participant.track.unmute()

    async def participants(self) -> dict[str, Any]:
        return {
            identity: {
                "sid": there.sid,
                "name": there.name,
                "kind": rtc.ParticipantKind.Name(there.kind),
                "metadata": there.metadata,
                "attributes": there.attributes,
                "tracks": {
                    each.sid: {"name": each.name, "muted": each.muted, "subscribed": each.subscribed}
                    for each in there.track_publications.values()
                },
            }
            for identity, there in self.participant.room.remote_participants.items()
        }

    async def sees(self, identity: str) -> None:
        while identity not in self.participant.room.remote_participants:
            self._happened.clear()
            await self._happened.wait()

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        await self.participant.room.local_participant.set_attributes(attributes)

    async def set_metadata(self, metadata: str) -> None:
        await self.participant.room.local_participant.set_metadata(metadata)

    async def subscription_permissions(self, allowed: list[str]) -> None:
        self.participant.room.local_participant.set_track_subscription_permissions(
            allow_all_participants=False,
            participant_permissions=[
                rtc.ParticipantTrackPermission(participant_identity=identity, allow_all=True) for identity in allowed
            ],
        )

    # -- voice -------------------------------------------------------------------------------------------------------

    async def say(self, path: str, at_s: float | None) -> list[float]:
        said = self.participant.microphone.say(await asyncio.to_thread(_wav_at_48_khz, path), at_s=at_s)
        return [said.first_s, said.last_s]

    async def hush(self) -> float:
        return self.participant.microphone.hush()

    async def late_ms(self) -> list[float]:
        return list(self.participant.microphone.late_ms)

    async def heard(self, identity: str) -> dict[str, Any]:
        """All that was heard of somebody, as arrays in a file: one folder is used again and again."""
        ears = self.participant.ears.get(identity, [])
        frames = [frame for ear in ears for frame in list(ear.frames)]
        path = Path(self._folder.name) / "heard.npz"
        await asyncio.to_thread(_save, path, frames)
        return {"path": str(path), "sample_rate": self.participant.listen_hz, "tracks": [ear.track_sid for ear in ears]}

    async def stats(self, identity: str) -> list[dict[str, Any]]:
        from google.protobuf.json_format import MessageToDict  # as long to load as livekit itself

        tracks = self.participant.room.remote_participants[identity].track_publications.values()
        reports = [await each.track.get_stats() for each in tracks if each.track is not None]
        return [MessageToDict(each) for report in reports for each in report if each.HasField("inbound_rtp")]

    # -- data --------------------------------------------------------------------------------------------------------

    async def rpc_register(self, method: str, answer: str | None, error: list[Any] | None, delay: float) -> None:
        async def handle(call: rtc.RpcInvocationData) -> str:
            self._tell("rpc_called", {"method": method, "payload": call.payload, "identity": call.caller_identity})
            await asyncio.sleep(delay)
            if error is not None:
                raise rtc.RpcError(*error)
            return call.payload if answer is None else answer

        self.participant.room.local_participant.register_rpc_method(method, handle)

    async def rpc_call(self, destination: str, method: str, payload: str, response_timeout: float | None) -> str:
        return await self.participant.room.local_participant.perform_rpc(
            destination_identity=destination, method=method, payload=payload, response_timeout=response_timeout
        )

    async def send_data(self, data: str, reliable: bool, topic: str, to: list[str]) -> None:
        await self.participant.room.local_participant.publish_data(
            base64.b64decode(data), reliable=reliable, topic=topic, destination_identities=to
        )

    async def send_dtmf(self, code: int, digit: str) -> None:
        await self.participant.room.local_participant.publish_dtmf(code=code, digit=digit)

    async def send_text(self, text: str, topic: str, to: list[str], attributes: dict[str, str]) -> str:
        info = await self.participant.room.local_participant.send_text(
            text, topic=topic, destination_identities=to, attributes=attributes
        )
        return info.stream_id

    async def stream_text(
        self, pieces: list[str], pause_s: float, topic: str, to: list[str], attributes: dict[str, str]
    ) -> str:
        writer = await self.participant.room.local_participant.stream_text(
            topic=topic, destination_identities=to, attributes=attributes
        )
        for piece in pieces:
            await writer.write(piece)
            await asyncio.sleep(pause_s)
        await writer.aclose()
        return writer.info.stream_id

    async def send_bytes(self, size: int, seed: int, topic: str, to: list[str], pause_s: float) -> str:
        writer = await self.participant.room.local_participant.stream_bytes(
            "noise", total_size=size, topic=topic, destination_identities=to
        )
        noise, digest = np.random.default_rng(seed), hashlib.sha256()
        while size > 0:
            # All at once would stop this process, and its microphone, for longer than a listener would forgive.
            piece = noise.bytes(min(size, PIECE_BYTES))
            digest.update(piece)
            await writer.write(piece)
            size -= len(piece)
            await asyncio.sleep(pause_s)
        await writer.aclose()
        return digest.hexdigest()

    async def receive_text(self, topic: str, pause_s: float) -> None:
        self.participant.room.register_text_stream_handler(
            topic, lambda reader, identity: self._read(self._text_arrives(reader, identity, topic, pause_s))
        )

    async def receive_bytes(self, topic: str, pause_s: float) -> None:
        self.participant.room.register_byte_stream_handler(
            topic, lambda reader, identity: self._read(self._bytes_arrive(reader, identity, topic, pause_s))
        )

    # ----------------------------------------------------------------------------------------------------------------

    def _tell(self, event: str, facts: dict[str, Any]) -> None:
        self._service.tell(event, facts)
        self._happened.set()

    def _read(self, reading: Any) -> None:
        task = asyncio.ensure_future(reading)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _text_arrives(self, reader: rtc.TextStreamReader, identity: str, topic: str, pause_s: float) -> None:
        facts = {"topic": topic, "identity": identity, "stream": reader.info.stream_id}
        self._tell("text_begins", {**facts, "attributes": reader.info.attributes})
        pieces: list[str] = []
        try:
            async for piece in reader:
                self._tell("text_piece", {**facts, "text": piece[:TOLD_WHOLE]})
                pieces.append(piece)
                await asyncio.sleep(pause_s)
        except rtc.StreamError as error:
            facts["error"] = str(error)
        text = "".join(pieces)
        told = {"text": text if len(text) <= TOLD_WHOLE else None, "size": len(text.encode())}
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._tell("text_received", {**facts, **told, "sha256": digest, "attributes": reader.info.attributes})

    async def _bytes_arrive(self, reader: rtc.ByteStreamReader, identity: str, topic: str, pause_s: float) -> None:
        facts = {"topic": topic, "identity": identity, "stream": reader.info.stream_id, "name": reader.info.name}
        self._tell("bytes_begin", facts)
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in reader:
                digest.update(piece)
                size += len(piece)
                await asyncio.sleep(pause_s)
        except rtc.StreamError as error:
            facts["error"] = str(error)
        self._tell("bytes_received", {**facts, "size": size, "sha256": digest.hexdigest()})


def _wav_at_48_khz(path: str) -> NDArray[np.int16]:
    pcm, rate_hz, channels = _core.read_wav(Path(path).read_bytes())
    if channels != 1:
        raise ValueError(f"{path} has {channels} channels: allowed: 1")
    resampler = _core.Resampler(rate_hz, MICROPHONE_HZ)
    sound = np.frombuffer(resampler.process(pcm) + resampler.flush(), np.int16)
    return sound[: len(pcm) // 2 * MICROPHONE_HZ // rate_hz]


def _save(path: Path, frames: list[HeardFrame]) -> None:
    samples = np.frombuffer(b"".join(frame.pcm for frame in frames), np.int16)
    np.savez(path, samples=samples, arrivals_s=np.array([frame.at_s for frame in frames]))


def rpc_code(error: Exception) -> dict[str, Any]:
    return {"code": error.code, "data": error.data} if isinstance(error, rtc.RpcError) else {}


async def main() -> None:
    if sys.argv[1] == "precedence":
        take_precedence()
    quieten()
    service = LineService(error_facts=rpc_code)
    caller = SdkCallerProcess(service)
    try:
        await service.serve(caller.commands())
    finally:
        await caller.participant.aclose()


if __name__ == "__main__":
    asyncio.run(main())
