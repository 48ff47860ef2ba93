"""PocketSphinx: a recogniser that needs no key, no server and no download. Extra `[local]`.

It understands simple English well enough for demos and tests; it is no match for a neural recogniser.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from beluga_voice.components.stt._pocketsphinx_pool import Child, Pool, pool_for
from beluga_voice.errors import ComponentError, ConfigError, InvalidStateError
from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.validation import Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice.handles import Ear, Utterance

__all__ = ["PocketSphinx", "PocketSphinxOptions"]

_SAMPLE_RATE_HZ = 16000

# The package ships no other model.
_SHIPPED_LANGUAGE = "en-US"


class PocketSphinxOptions(Options):
    """Options of `PocketSphinx`. Without paths it uses the en-US models of its package."""

    hmm: Path | None = Field(None, description="Folder of an acoustic model; null: the package's en-US.")
    lm: Path | None = Field(None, description="File of a language model; null: the package's en-US.")
    dictionary: Path | None = Field(None, description="File of a pronouncing dictionary; null: the package's en-US.")
    language: str | None = Field(
        None, description="BCP-47 tag that transcripts carry; null: en-US, or none when hmm is given."
    )
    interim_results: bool = Field(True, description="Whether guesses are reported while the caller speaks.")
    max_processes: int = Field(16, ge=1, le=256, description="Calls at the same time, one process of 100 MB each.")
    response_timeout: float = Field(
        10.0, ge=0.5, le=60.0, description="Seconds for a process to load, or to answer for 100 ms of sound."
    )


class PocketSphinx(SpeechToText):
    """Recognises in a process of its own, while the caller speaks.

    Errors (ComponentError): `quota_exceeded` from `start` when `max_processes` calls are on; `stream_closed` when the
    process died and `stream_timeout` when it does not answer: a new process is then given the turn again.
    """

    Options: ClassVar[type[BaseModel] | None] = PocketSphinxOptions
    requires: ClassVar[tuple[str, ...]] = ("pocketsphinx",)

    def __init__(self, options: PocketSphinxOptions | None = None) -> None:
        self.options = options or PocketSphinxOptions()
        default = _SHIPPED_LANGUAGE if self.options.hmm is None else None
        self._language = self.options.language or default
        self._held = contextlib.AsyncExitStack()
        self._pool: Pool | None = None
        self._child: Child | None = None

    @classmethod
    def check(cls, options: PocketSphinxOptions) -> None:
        """Whether the files are there. Raises ConfigError."""
        for name in ("hmm", "lm", "dictionary"):
            path: Path | None = getattr(options, name)
            if path is not None and not (path.is_dir() if name == "hmm" else path.is_file()):
                wanted = "a folder" if name == "hmm" else "a file"
                raise ConfigError(f"stt.pocketsphinx.{name} = '{path}': allowed: {wanted} that exists")

    @classmethod
    def keep_warm(cls, options: PocketSphinxOptions | None = None) -> contextlib.AbstractAsyncContextManager[object]:
        """Keeps a process warm between calls: held by a server for as long as it takes calls."""
        return _pool(options or PocketSphinxOptions()).held()

    async def start(self) -> None:
        """Takes a process that has loaded its models; starts one (half a second) if none is warm."""
        if self._pool is not None:
            raise InvalidStateError("this recogniser is started already", provider="pocketsphinx", operation="start")
        self._pool = await self._held.enter_async_context(_pool(self.options).held())
        await self._ready()

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        """One final transcript for each turn of the caller, with guesses before it; see `SpeechToText.stream`."""
        if ear.sample_rate != _SAMPLE_RATE_HZ:
            raise ComponentError(
                f"sample_rate = {ear.sample_rate}: allowed: {_SAMPLE_RATE_HZ}",
                component="stt",
                code="invalid_input",
                provider="pocketsphinx",
            )
        async for utterance in ear.utterances():
            try:
                async for transcript in self._recognise(utterance):
                    yield transcript
            except ComponentError as error:
                error.details["turn_id"] = utterance.turn_id
                raise

    async def aclose(self) -> None:
        """Gives the process back; the last call's ends, unless `keep_warm` is held."""
        child, self._child = self._child, None
        if child is not None and self._pool is not None:
            self._pool.give_back(child)
        await self._held.aclose()

    async def _ready(self) -> Child:
        if self._pool is None:
            raise InvalidStateError("this recogniser is not started", provider="pocketsphinx", operation="stream")
        if self._child is not None and not self._child.usable:
            self._pool.give_back(self._child)
            self._child = None
        if self._child is None:
            self._child = await self._pool.take(self.options.max_processes)
        return self._child

    async def _recognise(self, utterance: Utterance) -> AsyncIterator[Transcript]:
        child = await self._ready()
        await child.ask(b"B")
        heard = ""
        async for chunk in utterance:
            _, body = await child.ask(b"A", chunk.pcm)
            text = body.decode()
            if text != heard and self.options.interim_results:
                yield self._transcript(utterance, {"text": text}, is_final=False)
            heard = text
        _, body = await child.ask(b"E")
        yield self._transcript(utterance, json.loads(body), is_final=True)

    def _transcript(self, utterance: Utterance, said: dict[str, Any], *, is_final: bool) -> Transcript:
        start_s, end_s = said.get("start_s"), said.get("end_s")
        return Transcript(
            text=said["text"],
            is_final=is_final,
            turn_id=utterance.turn_id,
            start_s=None if start_s is None else utterance.start_s + start_s,
            end_s=None if end_s is None else utterance.start_s + end_s,
            confidence=said.get("confidence"),
            language=self._language,
        )


def _pool(options: PocketSphinxOptions) -> Pool:
    paths = {"hmm": options.hmm, "lm": options.lm, "dict": options.dictionary}
    settings: dict[str, Any] = {name: str(path) for name, path in paths.items() if path is not None}
    # Only what must not be missed: the rest is chatter.
    return pool_for({**settings, "loglevel": "FATAL"}, timeout_s=options.response_timeout)
