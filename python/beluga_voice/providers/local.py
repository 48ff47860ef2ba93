"""Backend `local`: calls within the process, for tests, demos and whoever brings sound of his own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from beluga_voice.audio_chunk import AudioChunk
from beluga_voice.backend import ConfigField, ProviderCapabilities, config_fields
from beluga_voice.core_errors import translated
from beluga_voice.errors import ConfigError, InvalidStateError, SessionError
from beluga_voice.session import VoiceSession
from beluga_voice.validation import Options

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from beluga_voice.call_link import CallLink, Waiter
    from beluga_voice.config import BackendConfig, SessionConfig
    from beluga_voice.transport import CallSettings

__all__ = ["LocalBackend", "LocalCall", "LocalProvider", "RtpPacket"]


class RtpPacket(NamedTuple):
    """A packet of the agent's: 20 ms of sound."""

    payload: bytes
    sequence: int
    """Counts packets, from 0 and modulo 65536: one that is missing was lost because it was not read in time."""
    timestamp: int
    """Counts time, from 0 and modulo 2**32, at the codec's RTP clock (48000 Hz for Opus)."""
    marker: bool
    """The first of a stretch without a gap in time."""


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
        self._position = 0
        self.lost_samples = 0
        """Samples of the agent's sound that were overwritten before they were read: four seconds are kept."""

    async def connected(self) -> None:
        """Until a session was started on this call."""
        await self._connected.wait()

    async def write(self, pcm: Buffer) -> None:
        """What the caller says: int16 mono at `sample_rate`. Waits while a second of it is waiting to be heard.

        Raises SessionError session_not_active when the call is over, AudioFormatError for another format.
        """
        await (await self._opened()).write_input(pcm)

    async def push_packet(self, payload: bytes, *, sequence: int, timestamp: int, ssrc: int) -> bool:
        """An RTP packet of the caller's, received now. False if it was dropped because too many wait."""
        link = await self._opened()
        with translated():
            return link.call.push_packet(payload, sequence=sequence, timestamp=timestamp, ssrc=ssrc)

    async def read(self, duration: float) -> AudioChunk | None:
        """The next `duration` seconds of what the caller hears; None when the call is over. One reader at a time."""
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

        At most 640 ms of packets wait to be read; then new ones are lost, which `stats()` counts as
        `packets_out_dropped`.

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

    def open(self, settings: CallSettings) -> CallLink:
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
        return self._link

    def closed(self) -> None:
        """Called by the session when it is over."""

    async def _opened(self) -> CallLink:
        await self._connected.wait()
        if self._link is None:
            raise InvalidStateError("this call was never opened")
        return self._link


class LocalOptions(Options):
    """The local backend has no options of its own."""


class LocalBackend:
    """Makes sessions, as many at once as its configuration allows."""

    def __init__(self, config: BackendConfig) -> None:
        self._config = config
        self._sessions: dict[str, VoiceSession] = {}

    @property
    def config(self) -> BackendConfig:
        """What it was created with."""
        return self._config

    def create_session(self, config: SessionConfig) -> VoiceSession:
        """A session, not yet started: `await session.start(LocalCall())`. It counts until it is closed.

        Raises SessionError session_limit_exceeded, and what a wrong configuration raises.
        """
        self._forget_closed()
        limit = self._config.max_concurrent_sessions
        if limit and len(self._sessions) >= limit:
            raise SessionError(
                f"{len(self._sessions)} sessions are open: allowed: {limit} (max_concurrent_sessions)",
                code="session_limit_exceeded",
                provider="local",
                operation="create_session",
            )
        session = VoiceSession.from_config(config, self._config)
        self._sessions[session.id] = session
        return session

    def get_session(self, session_id: str) -> VoiceSession:
        """The open session of that id. Raises SessionError session_not_found."""
        self._forget_closed()
        try:
            return self._sessions[session_id]
        except KeyError:
            raise SessionError(
                f"no session {session_id!r} is open", code="session_not_found", provider="local"
            ) from None

    def list_sessions(self) -> list[VoiceSession]:
        """The open sessions, oldest first."""
        self._forget_closed()
        return list(self._sessions.values())

    async def close_session(self, session_id: str) -> None:
        """Ends one session. Raises SessionError session_not_found."""
        await self.get_session(session_id).aclose()
        self._forget_closed()

    async def aclose(self) -> None:
        """Ends every session."""
        await asyncio.gather(*(session.aclose() for session in self.list_sessions()))

    def stats(self) -> dict[str, Any]:
        """What the engine did (see `_core.Engine.stats`), and what its loops and this backend's sessions did.

        `loops` holds the lag of each event loop; `totals` the counters of the open sessions, added up, and of each
        `..._max` the greatest; `backend_sessions` says how many those are.
        """
        from beluga_voice._engine import engine
        from beluga_voice._loop import loop_stats

        self._forget_closed()
        with translated():
            stats: dict[str, Any] = engine().stats()
        totals: dict[str, int] = {}
        for session in self._sessions.values():
            for name, value in session.stats().items():
                if name.endswith("_max"):
                    totals[name] = max(totals.get(name, 0), value)
                elif not name.startswith("loop_"):  # a loop's counts are not its sessions' to add up
                    totals[name] = totals.get(name, 0) + value
        return {**stats, "backend_sessions": len(self._sessions), "loops": loop_stats(), "totals": totals}

    def _forget_closed(self) -> None:
        self._sessions = {name: each for name, each in self._sessions.items() if not each.is_over}


class LocalProvider:
    """Makes local backends."""

    def get_name(self) -> str:
        """local"""
        return "local"

    def get_capabilities(self) -> ProviderCapabilities:
        """What local backends can do."""
        return ProviderCapabilities(multi_user_support=True, supported_codecs=("pcm", "opus", "pcmu", "pcma"))

    def create_backend(self, config: BackendConfig) -> LocalBackend:
        """A local backend."""
        return LocalBackend(config)

    def validate_config(self, config: BackendConfig) -> None:
        """Raises ConfigError for options: there are none."""
        if config.provider_config:
            names = ", ".join(sorted(config.provider_config))
            raise ConfigError(f"provider_config has {names}: allowed: nothing, the local backend has no options")

    def get_config_schema(self) -> tuple[ConfigField, ...]:
        """None."""
        return config_fields(LocalOptions)
