"""Callers for load tests: in a LiveKit room at next to no cost, so that one process holds a hundred of them.

tape = Tape(pcm, sample_rate=16_000)                # encoded once, shared by all who say it
async with Caller(url=url, token=token) as caller:
    await caller.speak(tape)                        # or caller.play(tape, every=10.0): a duty
    answer_s = await caller.answered()
    await caller.silence()
print(caller.report().answer_delays_s)
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, Self

from beluga_voice import _core
from beluga_voice._loop import loop_link
from beluga_voice.call_link import Waiter
from beluga_voice.clock import now
from beluga_voice.core_errors import translated
from beluga_voice.errors import ConfigError, DeadlineError, InvalidStateError, TransportError
from beluga_voice.livekit import RoomOptions, TrackPublishOptions, TrackSource
from beluga_voice.livekit.enums import TrackKind
from beluga_voice.livekit.native.driver import NativeDriver
from beluga_voice.livekit.room import Room, mirror_of
from beluga_voice.testing.caller_report import CallerReport, CallerTurn, HeardSound, HeardVoice

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from typing_extensions import Buffer

    from beluga_voice._loop import LoopLink
    from beluga_voice.livekit.participant import RemoteParticipant
    from beluga_voice.livekit.publication import RemoteTrackPublication

__all__ = ["Caller", "Tape"]

_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_PACKETS_PER_S = 50
_EAR_HZ = 16_000
# A voice is over when none was heard for so long: a pause between two words is shorter.
_ENDED_S = 0.2
_MICROSECOND_S = 1e-6


class Tape:
    """Something said, encoded once.

    - `pcm`: int16, mono. `sample_rate`: what Opus does not know is resampled to the next rate that it does.
    - `complexity`, `bitrate_bps`: Opus's.

    Raises ConfigError for a value that is not allowed, AudioFormatError for sound that is none.
    """

    def __init__(self, pcm: Buffer, *, sample_rate: int, complexity: int = 5, bitrate_bps: int = 24_000) -> None:
        with translated():
            rate = next((known for known in _OPUS_RATES if known >= sample_rate), _OPUS_RATES[-1])
            if rate != sample_rate:
                resampler = _core.Resampler(sample_rate, rate)
                pcm = resampler.process(pcm) + resampler.flush()
            self.core = _core.Tape(pcm, sample_rate=rate, complexity=complexity, bitrate_bps=bitrate_bps)

    @property
    def duration_s(self) -> float:
        """How long it lasts with the 80 ms of silence that end it."""
        return self.core.frames / _PACKETS_PER_S


class Caller:
    """Somebody in a room who speaks from tapes and notes when packets come; nothing is decoded.

    Entered, he is in the room and can be heard.

    - `listens_to`: whose voice he hears; None: the first that he can.
    - `silence`: what he sends while he says nothing: "dtx", next to nothing, or "continuous", encoded silence
      every 20 ms as a microphone that is never shut.
    - `sampled_s`: the first so many seconds of what he hears are kept for `sound()`, and decoded by the event loop: a
      voice is then what is louder than -45 dBFS. Otherwise it is what comes in packets of more than 8 bytes: so it is
      with agents who rest while they are silent, as ours by the native path, and with no others.
    - `publishes`: whether he has a voice at all.

    Entering raises what `livekit.connect` raises, and TransportError `connection_failed` where only the SDK could join.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        listens_to: str | None = None,
        silence: Literal["dtx", "continuous"] = "dtx",
        sampled_s: float = 0.0,
        publishes: bool = True,
    ) -> None:
        if not 0.0 <= sampled_s <= 900.0:
            raise ConfigError(f"sampled_s = {sampled_s}: allowed: 0 to 900", details={"field": "sampled_s"})
        self.room = Room()
        """The room, for data, RPC and whatever else a participant does."""
        self._url = url
        self._token = token
        self._listens_to = listens_to
        self._silence: Literal["dtx", "continuous"] = silence
        self._kept_packets = round(sampled_s * _PACKETS_PER_S)
        self._options = TrackPublishOptions(source=TrackSource.SOURCE_MICROPHONE) if publishes else None
        self._driver: NativeDriver | None = None
        self._core: _core.Caller | None = None
        self._loop: LoopLink | None = None
        self._heard_sid: str | None = None
        self._turns: list[CallerTurn] = []
        self._voices: list[HeardVoice] = []
        self._voice_began_s: float | None = None
        self._changed = Waiter()

    async def __aenter__(self) -> Self:
        self.room.on("track_subscribed", self._on_track)
        self.room.on("track_unsubscribed", self._on_track)
        await self.room.connect(self._url, self._token, RoomOptions())
        try:
            await self._open()
        except BaseException:
            await self.room.disconnect()
            raise
        return self

    async def _open(self) -> None:
        driver = mirror_of(self.room).driver
        if not isinstance(driver, NativeDriver):
            raise TransportError("a light caller cannot join by the SDK", code="connection_failed", provider="livekit")
        loop = self._loop = loop_link()
        bell = loop.bell()
        quiet = Tape(b"", sample_rate=_EAR_HZ)
        self._core = await driver.open_caller(
            bell, quiet.core, silence=self._silence, kept_packets=self._kept_packets, options=self._options
        )
        self._driver = driver
        loop.add(self, bell)
        self._on_track()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drain()
        if self._loop is not None:
            self._loop.discard(self)
            self._loop = None
        await self.room.disconnect()

    # -- what he says ---------------------------------------------------------------------------------------------

    async def speak(self, said: Tape | Buffer, *, sample_rate: int | None = None) -> CallerTurn:
        """Says it, in place of what he is saying, and returns when it was said.

        Sound that is no tape needs `sample_rate`.
        """
        if not isinstance(said, Tape):
            if sample_rate is None:
                raise ConfigError("sample_rate is missing: sound that is no Tape needs one")
            said = Tape(said, sample_rate=sample_rate)
        if said.core.voice_us is None:
            raise ConfigError("there is no voice in what is to be said: nothing is louder than -45 dBFS")
        begun = len(self._turns)
        self.say(said)
        while len(self._turns) == begun:
            async with _deadline(said.duration_s + 5.0, "what he says was not said"):
                await self._changed.wait()
        return self._turns[begun]

    def say(self, tape: Tape) -> None:
        """The same without waiting."""
        with translated():
            self._caller.say(tape.core)

    def play(self, tape: Tape, *, every: float, first_in: float = 0.0) -> None:
        """Says it again and again from now on: in `first_in` seconds and then each `every`."""
        if not (every >= 0.02 and first_in >= 0.0):
            raise ConfigError(f"every = {every}, first_in = {first_in}: allowed: at least 0.02, and at least 0")
        with translated():
            self._caller.repeat(
                tape.core, first_us=round(first_in / _MICROSECOND_S), every_us=round(every / _MICROSECOND_S)
            )

    def hush(self) -> None:
        """Stops within 20 ms, and ends `play`."""
        with translated():
            self._caller.hush()

    # -- what he hears --------------------------------------------------------------------------------------------

    async def answered(self, *, timeout: float = 10.0) -> float:
        """Waits until a voice is heard that begins after his last turn; when its first packet came.

        Raises DeadlineError.
        """
        async with _deadline(timeout, "nobody answered"):
            while True:
                since_s = self._turns[-1].last_s if self._turns else 0.0
                began_s = [voice.first_s for voice in self._voices] + [self._voice_began_s or 0.0]
                found = next((each for each in began_s if each > since_s), None)
                if found is not None:
                    return found
                await self._changed.wait()

    async def silence(self, *, timeout: float = 30.0) -> float:
        """Waits until no voice was heard for 0.2 s; when the last packet of one came. Raises DeadlineError."""
        async with _deadline(timeout, "the voice did not end"):
            while True:
                last_us, _, _ = self._caller.stats()["last_voice"] or (0, 0, 0)
                rest_s = _s(last_us) + _ENDED_S - now()
                if rest_s <= 0:
                    return _s(last_us)
                await asyncio.sleep(rest_s)

    def report(self) -> CallerReport:
        """All that he said and heard so far. A voice that ended just now is there as far as it was heard."""
        self.drain()
        stats = self._caller.stats()
        voices = list(self._voices)
        if self._voice_began_s is not None and stats["last_voice"] is not None:
            last_us, packets, gaps = stats["last_voice"]
            voices.append(HeardVoice(self._voice_began_s, _s(last_us), packets, gaps))
        return CallerReport(
            turns=tuple(self._turns),
            voices=tuple(voices),
            packets_said=stats["packets_said"],
            packets_heard=stats["packets_heard"],
            packets_voiced=stats["packets_voiced"],
            packets_lost=max(0, stats["packets_expected"] - stats["packets_heard"]),
            frames_skipped=stats["frames_skipped"],
            news_dropped=stats["news_dropped"],
        )

    def sound(self) -> HeardSound:
        """What he has heard in the first `sampled_s`, as a phone would have played it.

        Of a caller with `sampled_s`; InvalidStateError otherwise.
        """
        if not self._kept_packets:
            raise InvalidStateError("this caller keeps no packets: give him sampled_s", operation="sound")
        self.drain()
        with translated():
            pcm, began_us, concealed, dropped = self._caller.replay()
        return HeardSound(pcm, _EAR_HZ, began_us * _MICROSECOND_S, concealed, dropped)

    # -- the core -------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Takes what happened; called by the loop's link."""
        if self._core is None:
            return
        for name, fields in self._core.drain():
            match name:
                case "said":
                    turn = CallerTurn(_s(fields["first_us"]), _s(fields["last_us"]), fields["cut"])
                    self._turns.append(turn)
                case "voice_began":
                    self._voice_began_s = _s(fields["first_us"])
                case _:
                    self._voice_began_s = None
                    voice = HeardVoice(_s(fields["first_us"]), _s(fields["last_us"]), fields["packets"], fields["gaps"])
                    self._voices.append(voice)
        self._changed.wake()

    def abandon(self) -> None:
        """Called by the loop's link: the room, which has a place there too, is left and he with it."""

    @property
    def _caller(self) -> _core.Caller:
        if self._core is None:
            raise InvalidStateError("the caller is not in his room: enter him first")
        return self._core

    def _on_track(self, *_: object) -> None:
        """To the voice that is there now, if the one that is heard is not any more."""
        if self._driver is None or self._core is None:
            return
        voices = [
            publication.sid
            for participant in self.room.remote_participants.values()
            for publication in participant.track_publications.values()
            if self._is_wanted(publication, participant)
        ]
        if self._heard_sid not in voices:
            self._heard_sid = voices[0] if voices else None
            self._driver.route_caller(self._core, self._heard_sid)

    def _is_wanted(self, publication: RemoteTrackPublication, participant: RemoteParticipant) -> bool:
        wanted = self._listens_to in (None, participant.identity)
        return wanted and publication.subscribed and publication.kind == TrackKind.KIND_AUDIO


@asynccontextmanager
async def _deadline(timeout_s: float, what: str) -> AsyncGenerator[None]:
    """`asyncio.timeout` that says what did not happen."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise DeadlineError(f"{what} within {timeout_s:g} s") from None


def _s(us: int) -> float:
    return us * _MICROSECOND_S
