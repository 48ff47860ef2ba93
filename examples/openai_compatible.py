"""Your own LLM, recogniser and voice, on any server with OpenAI's API: OpenAI, vLLM, speaches, Kokoro-FastAPI ...

OPENAI_API_KEY=... beluga-voice simulate a.wav --agent examples/openai_compatible.py:agent --stt openai --tts openai

`beluga-voice console` and `beluga-voice call` take the same options; in your own program it is
`VoiceSession(agent=agent, stt=OpenAISpeechToText, tts=OpenAITextToSpeech)`. Needs aiohttp (extra [livekit]).

OPENAI_BASE_URL, OPENAI_API_KEY    the server; OpenAI's own, unless another is named
LLM_BASE_URL, LLM_API_KEY          a server for the LLM alone; STT_... and TTS_... likewise
LLM_MODEL, STT_MODEL, TTS_MODEL, TTS_VOICE
"""

from __future__ import annotations

import io
import json
import os
import wave
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel

from beluga_voice import AgentError, ComponentError, Ear, Mouth, SpeechToText, TextToSpeech, Transcript, Turn, register
from beluga_voice.errors import BelugaVoiceError, without_secrets

INSTRUCTIONS = "You are on the phone. Answer in a sentence or two, in plain words without lists or markup."
CODES = {401: "authentication_error", 403: "authorization_error", 404: "not_found", 429: "rate_limit"}


class Client:
    """Talks with the server for one of "llm", "stt" and "tts", as the environment has it."""

    def __init__(self, kind: str, *, model: str) -> None:
        own = kind.upper()
        # A server of its own has a key of its own: it is never shown OpenAI's.
        prefix = own if f"{own}_BASE_URL" in os.environ else "OPENAI"
        self.model = os.environ.get(f"{own}_MODEL", model)
        self._kind = kind
        self._url = os.environ.get(f"{prefix}_BASE_URL", "https://api.openai.com/v1").rstrip("/")
        self._key = os.environ.get(f"{prefix}_API_KEY", "")
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """From here on connections are kept from one request to the next."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else None
        # The session has time limits of its own, and an answer that is being spoken is read no faster than that.
        self._http = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None))

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            await self._http.close()

    @asynccontextmanager
    async def post(self, path: str, **request: Any) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The response. Whoever leaves it before its end, or is cancelled there, closes it: the server sees that."""
        assert self._http is not None, "not started"
        try:
            async with self._http.post(f"{self._url}/{path}", **request) as response:
                if not response.ok:
                    code = CODES.get(response.status, "internal_error" if response.status >= 500 else "invalid_request")
                    said = await response.text(errors="replace")
                    raise self.error(code, f"{path} answered {response.status}: {said}")
                yield response
        except aiohttp.ClientError as error:
            raise self.error("network_error", f"{path}: {type(error).__name__}: {error}") from None

    def error(self, code: str, message: str) -> BelugaVoiceError:
        """What to raise. Servers like to repeat the key in what they say of it."""
        shown = without_secrets(message, {"key": self._key})[:300]
        if self._kind == "llm":
            return AgentError(shown, operation="respond")
        return ComponentError(shown, component=self._kind, code=code)


async def agent(turn: Turn) -> AsyncIterator[str]:
    """The answer, as fast as the model gives it. When the caller talks over it, it is cancelled where it waits."""
    said = [{"role": message.role, "content": message.text} for message in turn.history]
    messages = [{"role": "system", "content": INSTRUCTIONS}, *said, {"role": "user", "content": turn.text}]
    llm = Client("llm", model="gpt-4o-mini")
    await llm.start()
    request = {"model": llm.model, "messages": messages, "stream": True}
    async with aclosing(llm), llm.post("chat/completions", json=request) as response:
        async for line in response.content:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or data == b"[DONE]":
                continue
            event = json.loads(data)
            if "error" in event:  # it had begun to answer, and could not go on
                raise llm.error("stream_error", f"the answer broke off: {event['error']}")
            for choice in event["choices"]:
                yield choice["delta"].get("content") or ""


class OpenAISpeechToText(Client, SpeechToText):
    """Posts each utterance when it is over."""

    class Options(BaseModel):
        """It hears no words before that: rules that need some sooner, such as `min_words`, are refused by this."""

        interim_results: Literal[False] = False

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()
        super().__init__("stt", model="whisper-1")

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        """One transcript for each of the caller's turns."""
        async for utterance in ear.utterances():
            file = io.BytesIO()
            with wave.open(file, "wb") as sound:
                sound.setparams((1, 2, ear.sample_rate, 0, "NONE", ""))
                async for chunk in utterance:
                    sound.writeframes(chunk.pcm)
            form = aiohttp.FormData({"model": self.model, "response_format": "json"})
            form.add_field("file", file.getvalue(), filename="turn.wav", content_type="audio/wav")
            async with self.post("audio/transcriptions", data=form) as response:
                heard = json.loads(await response.read())
            yield Transcript(heard["text"].strip(), is_final=True, turn_id=utterance.turn_id)


class OpenAITextToSpeech(Client, TextToSpeech):
    """Speaks each sentence while it is being made: raw PCM, int16 at 24 kHz."""

    def __init__(self) -> None:
        super().__init__("tts", model="tts-1")
        self._voice = os.environ.get("TTS_VOICE", "alloy")

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        """Writes what comes as it comes; a full mouth holds the server back."""
        if not any(character.isalnum() for character in text):
            return
        request = {"model": self.model, "voice": self._voice, "input": text, "response_format": "pcm"}
        async with self.post("audio/speech", json=request) as response:
            rest = b""
            async for piece in response.content.iter_any():
                sound = rest + piece
                whole = len(sound) // 2 * 2  # a piece may end within a sample
                await mouth.write(sound[:whole], sample_rate=24_000)
                rest = sound[whole:]


# For the command line, which imports the agent before it looks for `--stt openai`.
register("stt", "openai", OpenAISpeechToText, replace=True)
register("tts", "openai", OpenAITextToSpeech, replace=True)
