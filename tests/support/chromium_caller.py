"""A caller in a browser: headless Chromium with livekit-client, told what to do by the page's WebSocket.

    async with ChromiumCaller(program, library, microphone=path) as caller:
        await caller.join(server.url, token)
        await caller.event("listening", identity="agent")
        heard = await caller.heard("agent")

`ci/prepare.py browser` brings program and library. Times are the machine's monotonic clock, to a millisecond or so.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from aiohttp import WSMsgType, web

from beluga_voice.clock import now
from beluga_voice.errors import TransportError
from beluga_voice.simulation.kept_process import KeptProcess
from beluga_voice.simulation.remote import Remote
from support.heard import FRAME_S, Heard

PAGE = Path(__file__).with_name("chromium")
HEARD_HZ = 48_000
HEADER = struct.Struct("<dII")
# Headless, without whatever would speak to the outside, and with the microphone granted.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
CLOCK_ROUNDS = 50


class ChromiumCaller(Remote):
    """See the module.

    - `microphone`: a WAV that is spoken again and again once the microphone is published.
    """

    def __init__(self, program: Path, library: Path, *, microphone: Path | None = None, name: str = "browser") -> None:
        super().__init__(name)
        self._program = program
        self._library = library
        self._microphone = microphone
        self._folder = tempfile.TemporaryDirectory(prefix="beluga-voice-")
        self._browser: KeptProcess | None = None
        self._runner: web.AppRunner | None = None
        self._socket: web.WebSocketResponse | None = None
        self._pieces: dict[int, list[tuple[float, bytes]]] = {}
        self._offset_s = 0.0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/lines", self._lines)
        app.router.add_get("/", _file(PAGE / "page.html"))
        app.router.add_get("/caller.js", _file(PAGE / "caller.js"))
        app.router.add_get("/livekit-client.js", _file(self._library))
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        flags = [*FLAGS, f"--user-data-dir={self._folder.name}"]
        if self._microphone is not None:
            flags.append(f"--use-file-for-fake-audio-capture={self._microphone}")
        # Before others, where that is allowed: what plays the sound leaves out frames when its turn comes late.
        self._browser = KeptProcess(["nice", "-n", "-10", self._program, *flags, f"http://127.0.0.1:{port}/"])
        try:
            await self.event("ready", since=float("-inf"), within=60.0)
            await self._set_clock()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._browser is not None:
            self._browser.kill()
        if self._runner is not None:
            await self._runner.cleanup()
        self._folder.cleanup()

    # -- what it does ------------------------------------------------------------------------------------------------

    async def join(self, url: str, token: str) -> str:
        """Joins and returns its sid."""
        return await self.ask("join", url=url, token=token, within=30.0)

    async def publish(self) -> str:
        """Publishes the microphone and returns the track's sid."""
        return await self.ask("publish")

    async def leave(self) -> None:
        await self.ask("leave")

    async def stats(self, identity: str) -> list[dict[str, Any]]:
        """`inbound-rtp` of somebody's tracks: jitterBufferDelay, jitterBufferEmittedCount, concealedSamples ..."""
        return await self.ask("stats", identity=identity)

    def heard(self, identity: str) -> Heard:
        """All that was heard of somebody so far, at 48 kHz: each frame when it left the jitter buffer to be played."""
        listening = [each for each in self.events if each["event"] == "listening" and each["identity"] == identity]
        pieces = [piece for each in listening for piece in self._pieces.get(each["number"], [])]
        arrivals_s = np.maximum.accumulate(np.array([played_s for played_s, _ in pieces]))
        return Heard(np.frombuffer(b"".join(sound for _, sound in pieces), np.int16), HEARD_HZ, arrivals_s)

    # -- lines -------------------------------------------------------------------------------------------------------

    async def _send(self, line: Mapping[str, Any]) -> None:
        if self._socket is None:
            raise TransportError(f"{self.name}'s page is not there", code="not_connected")
        await self._socket.send_json(line)

    async def _lines(self, request: web.Request) -> web.WebSocketResponse:
        self._socket = socket = web.WebSocketResponse(max_msg_size=16_000_000)
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                played_ms, number, rate = HEADER.unpack_from(message.data)
                sound = message.data[HEADER.size :]
                assert (rate, len(sound)) == (HEARD_HZ, 2 * round(FRAME_S * HEARD_HZ)), "frames of 10 ms at 48 kHz"
                self._pieces.setdefault(number, []).append((played_ms / 1e3 + self._offset_s, sound))
            elif message.type == WSMsgType.TEXT:
                line = message.json()
                if "event" in line:
                    line["at_s"] = line.pop("at_ms") / 1e3 + self._offset_s
                await self._take(line)
        await self._ended(TransportError(f"{self.name} is gone: {self._browser_said}", code="disconnected"))
        return socket

    @property
    def _browser_said(self) -> str:
        return self._browser.output[-2_000:] if self._browser is not None else ""

    async def _set_clock(self) -> None:
        """Where the page's clock lies on ours: the quickest of some questions tells it best."""
        quickest_s = float("inf")
        for _ in range(CLOCK_ROUNDS):
            asked_s = now()
            there_s = await self.ask("clock") / 1e3
            took_s = now() - asked_s
            if took_s < quickest_s:
                quickest_s, self._offset_s = took_s, asked_s + took_s / 2 - there_s


def _file(path: Path) -> Callable[[web.Request], Any]:
    async def serve(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    return serve
