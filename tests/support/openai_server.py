"""A server with OpenAI's three endpoints of a voice agent, over a real socket. It understands and speaks tone words."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from beluga_voice.testing.tone_words import spoken, understood

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from numpy.typing import NDArray

EAR_HZ = 16_000
SPEECH_HZ = 24_000
PIECE_BYTES = 4_800


@dataclass(eq=False)
class OpenAIServer:
    """What it is to do, and what was asked of it. Made by `openai_server`."""

    key: str
    replies: list[list[str]] = field(default_factory=list[list[str]])
    """The pieces of the next answers; "" for an answer that goes on for ever, and says nothing more."""
    fault: int = 0
    """The status of every answer from now on."""
    hears: Callable[[NDArray[np.int16]], str] = lambda sound: " ".join(understood(sound, EAR_HZ))
    says: Callable[[str], NDArray[np.int16]] = lambda text: spoken(text, SPEECH_HZ)
    url: str = ""
    chats: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    uploads: list[tuple[str, NDArray[np.int16]]] = field(default_factory=list[tuple[str, "NDArray[np.int16]"]])
    """Model and sound of each utterance."""
    speeches: list[tuple[dict[str, Any], NDArray[np.int16]]] = field(
        default_factory=list[tuple[dict[str, Any], "NDArray[np.int16]"]]
    )
    """Each request for speech, and the sound that was sent."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody closed the stream of an answer that was not at its end."""

    @web.middleware
    async def admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuses a wrong key, which it repeats, as servers do."""
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if shown != self.key:
            return _error(401, f"Incorrect API key provided: {shown}. You can find your API key at ...")
        if self.fault:
            return _error(self.fault, f"The server had an error while processing a request of {shown}")
        return await handler(request)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """chat.completions, as server-sent events."""
        body = await request.json()
        assert body["stream"] is True
        self.chats.append(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)

        async def send(delta: dict[str, str], finish_reason: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"], "choices": [choice]}
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")

        await response.write(b": a comment\n\n")
        await send({"role": "assistant", "content": ""})
        for piece in self.replies.pop(0):
            if not piece:
                await self._until_left()
            await send({"content": piece})
        await send({}, "stop")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def transcriptions(self, request: web.Request) -> web.Response:
        """audio.transcriptions of a WAV file."""
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert (file.filename, form["response_format"]) == ("turn.wav", "json")
        with wave.open(io.BytesIO(file.file.read())) as sound:
            assert sound.getparams()[:3] == (1, 2, EAR_HZ)
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        self.uploads.append((str(form["model"]), samples))
        return web.json_response({"text": f" {self.hears(samples)}"})

    async def speech(self, request: web.Request) -> web.StreamResponse:
        """audio.speech as raw PCM, in pieces."""
        body = await request.json()
        assert body["response_format"] == "pcm"
        sound = self.says(body["input"])
        self.speeches.append((body, sound))
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await response.prepare(request)
        pcm = sound.tobytes()
        # Cut within a sample, as a network may.
        for start, end in pairwise([0, *range(1, len(pcm), PIECE_BYTES), len(pcm)]):
            await response.write(pcm[start:end])
            await asyncio.sleep(0)
        return response

    async def _until_left(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


def _error(status: int, message: str) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": "error", "param": None, "code": None}}, status=status
    )


@asynccontextmanager
async def openai_server(key: str) -> AsyncGenerator[OpenAIServer]:
    """One that listens at `url` on loopback."""
    server = OpenAIServer(key)
    app = web.Application(middlewares=[server.admit])
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/audio/transcriptions", server.transcriptions)
    app.router.add_post("/v1/audio/speech", server.speech)
    # Only so is a handler told that its client has gone.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
