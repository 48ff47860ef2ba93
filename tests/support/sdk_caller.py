"""The far side of a call: a process of its own on the plain LiveKit SDK.

    async with SdkCaller(server, "ada") as ada:
        await ada.join("a-room")
        await ada.publish()
        said = await ada.say_words("able bake")
        await ada.event("voice_began", identity="agent", since=said.last_s)
        heard = await ada.heard("agent")
        assert heard.between(said.last_s, now()).words == ["gold", "hand"]

All times are the machine's monotonic clock, which all processes share. Every wait is bounded and says what it was for.
"""

from __future__ import annotations

import base64
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from beluga_voice import _core
from beluga_voice.clock import now
from beluga_voice.simulation.line_process import LineProcess
from beluga_voice.testing import tone_words
from support.heard import Heard

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAID_HZ = 48_000
# Of what libwebrtc counts.
STATS_HZ = 48_000


class Spoken(NamedTuple):
    """First sample and end of what is said, as it is put into the microphone."""

    first_s: float
    last_s: float


class Arrived(NamedTuple):
    """What became of somebody's sound on its way, as libwebrtc counts it."""

    lost: int
    """Packets."""
    made_up_s: float
    """Sound that was not there in time, and was concealed: a tone or a vowel for a quarter of a second unheard."""


class Server(Protocol):
    @property
    def url(self) -> str: ...

    def token(self, room: str, identity: str, **options: Any) -> str: ...


class SdkCaller(LineProcess):
    """See the module; `event` and `ask` are `LineProcess`'s.

    Events have livekit's names; their facts are in `simulation/sdk/event_facts.py`. Besides them it tells `voice_began`
    and `voice_ended` of everybody it hears, `rpc_called`, `text_begins`, `text_piece`, `text_received`, `bytes_begin`,
    `bytes_received`.
    """

    def __init__(self, server: Server, identity: str, *, precedence: bool = True) -> None:
        super().__init__("support.sdk_caller_process", "precedence" if precedence else "none", name=identity)
        self.identity = identity
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="beluga-voice-")
        self._files = itertools.count()

    async def aclose(self) -> None:
        await super().aclose()
        self._folder.cleanup()

    # -- room --------------------------------------------------------------------------------------------------------

    async def join(
        self,
        room: str,
        *,
        url: str | None = None,
        token: str | None = None,
        attributes: Mapping[str, str] | None = None,
        kind: str = "standard",
        listen_hz: int = 16_000,
        within: float = 20.0,
    ) -> dict[str, Any]:
        """Enters; `url`: by way of a relay. Returns `sid`, `room_sid`, `took_s`."""
        token = token or self._server.token(room, self.identity, kind=kind, attributes=attributes)
        return await self.ask("join", url=url or self._server.url, token=token, listen_hz=listen_hz, within=within)

    async def leave(self) -> None:
        await self.ask("leave")

    async def publish(self, *, name: str = "microphone", dtx: bool = False, red: bool = True) -> str:
        """A microphone that sends for ever, zeros while nothing is said. Returns the track's sid."""
        return await self.ask("publish", name=name, dtx=dtx, red=red)

    async def unpublish(self) -> None:
        await self.ask("unpublish")

    async def mute(self) -> None:
        await self.ask("mute")

    async def unmute(self) -> None:
        await self.ask("unmute")

    async def participants(self) -> dict[str, Any]:
        """The others, by identity: sid, name, kind, metadata, attributes, tracks by sid."""
        return await self.ask("participants")

    async def sees(self, identity: str, *, within: float = 10.0) -> None:
        """Waits until somebody is in the room, if they are not yet."""
        await self.ask("sees", identity=identity, within=within)

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        await self.ask("set_attributes", attributes=dict(attributes))

    async def set_metadata(self, metadata: str) -> None:
        await self.ask("set_metadata", metadata=metadata)

    async def subscription_permissions(self, allowed: list[str]) -> None:
        """Only these may hear it."""
        await self.ask("subscription_permissions", allowed=allowed)

    # -- voice -------------------------------------------------------------------------------------------------------

    async def say(self, samples: NDArray[np.int16], sample_rate: int, *, at_s: float | None = None) -> Spoken:
        """Speaks after what is being said, and not before `at_s`. Returns at once: when it will have been said."""
        path = Path(self._folder.name) / f"{next(self._files)}.wav"
        path.write_bytes(_core.write_wav(samples.tobytes(), sample_rate=sample_rate, channels=1))
        return await self.say_wav(path, at_s=at_s)

    async def say_wav(self, path: Path, *, at_s: float | None = None) -> Spoken:
        """A mono WAV."""
        return Spoken(*await self.ask("say", path=str(path), at_s=at_s))

    async def say_words(self, text: str, *, at_s: float | None = None) -> Spoken:
        """Tone words."""
        return await self.say(tone_words.spoken(text, SAID_HZ), SAID_HZ, at_s=at_s)

    async def say_tone(
        self, hz: float, seconds: float, *, level_dbfs: float = -20.0, at_s: float | None = None
    ) -> Spoken:
        """A steady tone, `level_dbfs` as RMS."""
        times = np.arange(round(seconds * SAID_HZ)) / SAID_HZ
        peak = 10 ** (level_dbfs / 20) * 2**0.5 * 32_768
        tone = np.rint(np.sin(2 * np.pi * hz * times) * peak).astype(np.int16)
        return await self.say(tone, SAID_HZ, at_s=at_s)

    async def hush(self) -> float:
        """Stops in the middle of the word; when."""
        return await self.ask("hush")

    async def late_ms(self) -> list[float]:
        """How late each 10 ms of the microphone were handed over."""
        return await self.ask("late_ms")

    async def heard(self, identity: str) -> Heard:
        """All that it has heard of somebody so far."""
        told = await self.ask("heard", identity=identity)
        with np.load(told["path"]) as arrays:
            return Heard(arrays["samples"], told["sample_rate"], arrays["arrivals_s"])

    async def voice_from(self, identity: str, *, since: float = 0.0, within: float = 10.0) -> float:
        """Waits until somebody's voice begins, at `since` or later; when it did."""
        return (await self.event("voice_began", identity=identity, since=since, within=within))["at_s"]

    async def silence_from(self, identity: str, *, since: float = 0.0, within: float = 10.0) -> float:
        """Waits until somebody has fallen silent for 0.2 s, at `since` or later; when it did."""
        return (await self.event("voice_ended", identity=identity, since=since, within=within))["at_s"]

    async def stats(self, identity: str) -> list[dict[str, Any]]:
        """The SDK's inbound RTP statistics of somebody's tracks."""
        return await self.ask("stats", identity=identity)

    async def arrived(self, identity: str) -> Arrived:
        """Of all the sound of somebody who has one track."""
        (stats,) = await self.stats(identity)
        received, inbound = stats["inboundRtp"]["received"], stats["inboundRtp"]["inbound"]
        return Arrived(int(received["packetsLost"]), int(inbound["concealedSamples"]) / STATS_HZ)

    # -- data --------------------------------------------------------------------------------------------------------

    async def rpc_register(
        self, method: str, *, answer: str | None = None, error: tuple[int, str] | None = None, delay: float = 0.0
    ) -> None:
        """From now on answers calls of `method`: with `answer`, with the payload, or with an error (code, message)."""
        await self.ask("rpc_register", method=method, answer=answer, error=error, delay=delay)

    async def rpc_call(
        self, to: str, method: str, payload: str = "", *, response_timeout: float | None = None, within: float = 30.0
    ) -> str:
        """Raises RemoteError; `details["code"]` is the RPC's code."""
        asked = {"destination": to, "method": method, "payload": payload, "response_timeout": response_timeout}
        return await self.ask("rpc_call", **asked, within=within)

    async def send_data(self, data: bytes, *, reliable: bool = True, topic: str = "", to: tuple[str, ...] = ()) -> None:
        encoded = base64.b64encode(data).decode("ascii")
        await self.ask("send_data", data=encoded, reliable=reliable, topic=topic, to=list(to))

    async def send_dtmf(self, code: int, digit: str) -> None:
        await self.ask("send_dtmf", code=code, digit=digit)

    async def send_text(
        self, text: str, *, topic: str, to: tuple[str, ...] = (), attributes: Mapping[str, str] | None = None
    ) -> str:
        """A whole text as one stream, whose id is returned."""
        return await self.ask("send_text", text=text, topic=topic, to=list(to), attributes=dict(attributes or {}))

    async def stream_text(
        self,
        pieces: list[str],
        *,
        topic: str,
        pause_s: float = 0.0,
        to: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> str:
        """A text piece by piece, the id of whose stream is returned."""
        asked = {"topic": topic, "to": list(to), "attributes": dict(attributes or {})}
        return await self.ask("stream_text", pieces=pieces, pause_s=pause_s, **asked)

    async def send_bytes(
        self,
        size: int,
        *,
        topic: str,
        seed: int = 0,
        to: tuple[str, ...] = (),
        pause_s: float = 0.0,
        within: float = 60.0,
    ) -> str:
        """So many random bytes as one stream, with a pause after each 15,000; returns their SHA-256 when they are on
        their way."""
        asked = {"size": size, "seed": seed, "topic": topic, "to": list(to), "pause_s": pause_s}
        return await self.ask("send_bytes", **asked, within=within)

    async def receive_text(self, topic: str, *, pause_s: float = 0.0) -> None:
        """From now on reads texts of that topic, pausing after each piece."""
        await self.ask("receive_text", topic=topic, pause_s=pause_s)

    async def receive_bytes(self, topic: str, *, pause_s: float = 0.0) -> None:
        """From now on reads byte streams of that topic, pausing after each piece."""
        await self.ask("receive_bytes", topic=topic, pause_s=pause_s)


def data_of(event: Mapping[str, Any]) -> bytes:
    """The payload of a `data_received`."""
    return base64.b64decode(event["data"])


__all__ = ["Arrived", "Heard", "SdkCaller", "Spoken", "data_of", "now"]
