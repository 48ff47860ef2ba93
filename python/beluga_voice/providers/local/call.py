"""A call within the process: for tests, demos and whoever brings sound of his own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.audio_format import AudioConverter, AudioFormat, int16_mono
from beluga_voice.converted_reader import ConvertedReader
from beluga_voice.core_errors import translated
from beluga_voice.errors import InvalidStateError, SessionError
from beluga_voice.rtp_packet import RtpPacket
from beluga_voice.transport import TransportStats

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from beluga_voice.call_link import CallLink, Waiter
    from beluga_voice.events import SessionEvent
    from beluga_voice.transport import CallEvents, CallSettings

__all__ = ["LocalCall", "LocalOpenCall"]


class LocalCall:
    """A caller in the same process: write what he says, read what he hears.

    The call takes 10 ms of what was written in each 10 ms of real time, and silence where nothing was; up to a second
    may be written ahead. Both directions share one time axis, the session's.

    - `sample_rate`: of what is written, 8000 to 192000 Hz.
    - `output_sample_rate`: of what is read, a multiple of 400 from 8000 to 48000 Hz.
    - `codec`: with "opus", "pcmu" or "pcma" the caller sends RTP packets (`push_packet`) instead.
    - `jitter_min_delay`, `jitter_max_delay`: how long his sound is made to wait for packets that come late, in seconds,
      0 to 2: the least on a perfect network, more as packets come unevenly. Both the same is a delay that stays.
    - `output_codec`: with "opus" the caller receives packets too (`read_packet`), encoded at `output_sample_rate`:
      8000, 12000, 16000, 24000 or 48000 Hz. `read` gives the same sound before it was encoded.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        output_sample_rate: int = 24_000,
        codec: Literal["pcm", "opus", "pcmu", "pcma"] = "pcm",
        output_codec: Literal["pcm", "opus"] = "pcm",
        jitter_min_delay: float = 0.02,
        jitter_max_delay: float = 0.2,
    ) -> None:
        self.sample_rate = sample_rate
        self.output_sample_rate = output_sample_rate
        self._codec: Literal["pcm", "opus", "pcmu", "pcma"] = codec
        self._output_codec: Literal["pcm", "opus"] = output_codec
        self._jitter_min_delay = jitter_min_delay
        self._jitter_max_delay = jitter_max_delay
        self._link: CallLink | None = None
        self._connected = asyncio.Event()
        self._reader: Waiter | None = None
        self._input: AudioConverter | None = None
        self._output: ConvertedReader | None = None
        self._position = 0
        self.lost_samples = 0
        """Samples of the agent's sound that were overwritten before they were read: four seconds are kept."""

    async def connected(self) -> None:
        """Until a session was started on this call."""
        await self._connected.wait()

    async def write(self, pcm: Buffer, *, audio_format: AudioFormat | None = None) -> None:
        """What the caller says. Waits while a second of it is waiting to be heard.

        Bytes are int16 and mono at `sample_rate`, arrays (int16 or float32 of shape (n,) or (n, 2)) at `sample_rate`;
        with `audio_format` it is bytes in that form, of which a change of rate holds up to 5 ms back until more comes.

        Raises SessionError session_not_active when the call is over, AudioFormatError for what is no sound.
        """
        link = await self._opened()
        if audio_format is None or audio_format.sample_rate == self.sample_rate:
            await link.write_input(int16_mono(pcm, audio_format))
            return
        if self._input is None or self._input.source != audio_format:
            self._input = AudioConverter(audio_format, AudioFormat(self.sample_rate))
        await link.write_input(self._input.convert(pcm))

    async def push_packet(self, payload: bytes, *, sequence: int, timestamp: int, ssrc: int) -> bool:
        """An RTP packet of the caller's, received now. False if it was dropped because too many wait."""
        link = await self._opened()
        with translated():
            return link.call.push_packet(payload, sequence=sequence, timestamp=timestamp, ssrc=ssrc)

    async def read(self, duration: float, *, audio_format: AudioFormat | None = None) -> AudioChunk | None:
        """The next `duration` seconds of what the caller hears; None when the call is over. One reader at a time.

        It is int16 and mono at `output_sample_rate`, or in that form.
        """
        if audio_format is None:
            self._output = None
            return await self._read(duration)
        if self._output is None or self._output.target != audio_format:
            self._output = ConvertedReader(self._read, source_hz=self.output_sample_rate, target=audio_format)
        return await self._output.read(duration)

    async def _read(self, duration: float) -> AudioChunk | None:
        link = await self._opened()
        if self._reader is None:
            self._reader = link.output_reader()
        samples = max(1, round(duration * self.output_sample_rate))
        while link.call.output_written < self._position + samples and not link.call.closed:
            await link.sent(self._reader, self._position + samples)
        pcm, start, lost = link.call.read_output(self._position, samples)
        if not pcm:
            return None
        self.lost_samples += lost
        self._position = start + len(pcm) // 2
        return AudioChunk(pcm, self.output_sample_rate, start / self.output_sample_rate)

    async def read_packet(self) -> RtpPacket | None:
        """The next packet of what the caller hears; None when the call is over. One reader at a time.

        While the agent speaks there is one every 20 ms. After that come three of silence and then one of a single byte
        every 400 ms: what has no packet is silence. 10 ms of it, as a packet, go ahead of what the agent says next.

        At most 32 packets wait to be read, which is 640 ms of speech; then new ones are lost, which `stats()` counts as
        `packets_out_dropped`: their sequence numbers are missing. Both numbers begin at 0.

        Raises InvalidStateError when `output_codec` is "pcm".
        """
        link = await self._opened()
        while True:
            with translated():
                packet = link.call.read_packet()
            if packet is not None:
                return RtpPacket(*packet)
            if link.call.closed:
                return None
            await link.encoded()

    async def hang_up(self) -> None:
        """The caller leaves; the session ends with `participant_disconnected`."""
        await (await self._opened()).close()

    async def open(self, settings: CallSettings, events: CallEvents) -> LocalOpenCall:
        """Called by the session that is started on this call."""
        if self._link is not None:
            raise SessionError("this call has had its session", code="session_already_active", provider="local")
        self._link = settings.open(
            codec=self._codec,
            input_hz=self.sample_rate,
            output_hz=self.output_sample_rate,
            output_codec=self._output_codec,
            jitter_min_delay_ms=round(self._jitter_min_delay * 1000),
            jitter_max_delay_ms=round(self._jitter_max_delay * 1000),
        )
        self._connected.set()
        return LocalOpenCall(self, self._link)

    async def _opened(self) -> CallLink:
        await self._connected.wait()
        if self._link is None:
            raise InvalidStateError("this call was never opened")
        return self._link


class LocalOpenCall:
    """A session's side of a `LocalCall`: there is nobody else to tell anything."""

    def __init__(self, call: LocalCall, link: CallLink) -> None:
        self.link = link
        self._call = call

    async def hear(self, pcm: Buffer, *, audio_format: AudioFormat) -> None:
        """What the caller says, handed over by the session."""
        await self._call.write(pcm, audio_format=audio_format)

    def take(self, event: SessionEvent) -> None:
        """Nobody looks."""

    def stats(self) -> dict[str, int]:
        """Nothing is counted but by the core."""
        return {}

    async def transport_stats(self) -> TransportStats:
        """There is no way between the two."""
        return TransportStats()

    async def aclose(self) -> None:
        """The core's call was all there was."""
