"""The microphone and the loudspeaker of this machine, over PortAudio. Extra `[console]`."""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from beluga_voice.cli.problems import CommandError
from beluga_voice.errors import SessionError

if TYPE_CHECKING:
    from beluga_voice.simulation.call_line import CallLine

__all__ = ["SoundDevices", "missing_sound"]

# What the session is asked for: a `LocalCall`'s own rates.
_SAID_HZ, _HEARD_HZ = 16_000, 24_000
_BLOCK_S = 0.02
# Blocks of sound that may wait in either direction. Policy: the oldest is dropped, for what is said now matters more.
_BLOCKS_WAITING = 25
_CUSHION_BLOCKS = 3


def missing_sound() -> str | None:
    """Why nobody can talk here, in words that say what to do; None: there are a microphone and a loudspeaker."""
    try:
        portaudio: Any = importlib.import_module("sounddevice")
    except ModuleNotFoundError:
        return "sounddevice is not installed: pip install 'beluga-voice[console]'"
    except OSError:  # what sounddevice raises without the library that it is a door to
        return "PortAudio is not installed: apt install libportaudio2"
    try:
        for kind in ("input", "output"):
            portaudio.query_devices(kind=kind)
    except (portaudio.PortAudioError, ValueError):
        return "there is no microphone or no loudspeaker: `python -m sounddevice` lists what there is"
    return None


class SoundDevices:
    """Whoever sits at this machine, as a caller: by its default microphone and loudspeaker."""

    def __init__(self) -> None:
        self._portaudio: Any = importlib.import_module("sounddevice")
        self.blocks_dropped = 0
        """Of 20 ms, because the other side was too slow."""

    async def talk(self, call: CallLine) -> None:
        """Until the call is over. Raises CommandError where the devices cannot be opened."""
        loop = asyncio.get_running_loop()
        said: asyncio.Queue[bytes] = asyncio.Queue(_BLOCKS_WAITING)
        heard: deque[bytes] = deque()

        def take(block: bytes) -> None:
            if said.full():
                said.get_nowait()
                self.blocks_dropped += 1
            said.put_nowait(block)

        # PortAudio's thread calls both of these.
        def on_said(block: Any, *_: Any) -> None:
            loop.call_soon_threadsafe(take, bytes(block))

        def on_heard(block: Any, *_: Any) -> None:
            sound = heard.popleft() if heard else b""
            block[:] = sound + bytes(len(block) - len(sound))

        with ExitStack() as opened:
            try:
                opened.enter_context(self._portaudio.RawInputStream(**_stream(_SAID_HZ), callback=on_said))
                opened.enter_context(self._portaudio.RawOutputStream(**_stream(_HEARD_HZ), callback=on_heard))
            except self._portaudio.PortAudioError as error:
                raise CommandError(
                    f"microphone or loudspeaker cannot be opened: {error}",
                    do="`python -m sounddevice` lists the devices; or talk in writing: --text",
                    code="os_error",
                ) from None
            speaking = asyncio.create_task(_speak(call, said), name="beluga-voice microphone")
            try:
                await self._listen(call, heard)
            finally:
                speaking.cancel()
                await asyncio.wait({speaking})

    async def _listen(self, call: CallLine, heard: deque[bytes]) -> None:
        while (chunk := await call.read(_BLOCK_S)) is not None:
            if len(heard) > _CUSHION_BLOCKS and not any(chunk.pcm):
                continue  # what has fallen behind catches up where nothing is said
            if len(heard) >= _BLOCKS_WAITING:
                heard.popleft()
                self.blocks_dropped += 1
            heard.append(chunk.pcm)


def _stream(rate_hz: int) -> dict[str, Any]:
    return {"samplerate": rate_hz, "blocksize": round(_BLOCK_S * rate_hz), "channels": 1, "dtype": "int16"}


async def _speak(call: CallLine, said: asyncio.Queue[bytes]) -> None:
    try:
        while True:
            await call.write(await said.get())
    except SessionError:  # the call is over
        return
