"""One end of many rooms, for `bench-livekit_transport`: whoever is measured, and the callers that he is measured with.

Each kind of participant that is to be measured is a `Crowd`; the run knows nothing else of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Self

from beluga_voice.simulation.line_process import LineProcess

__all__ = ["Counters", "Crowd", "LightCrowd", "Manner", "NativeCrowd", "SdkCrowd", "Seat"]


class Seat(NamedTuple):
    """One room to join."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Manner:
    """What everyone of a crowd does.

    - `listens`: subscribes to the others and takes what they say.
    - `talk_share`: percent of the time in which he talks; None publishes nothing.
    - `dtx`: whether his encoder sends next to nothing in silence.
    - `seed`: who begins when.
    """

    listens: bool
    talk_share: int | None
    dtx: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """Of a whole crowd since it joined, except for lateness and load: since they were last asked for."""

    frames_heard: int
    packets_lost: int
    """RTP packets that were sent to them and did not come."""
    frames_made_up: int
    """Of 10 ms, by their decoders, for what was lost or late."""
    late_ms: list[float]
    """How late each frame was sent, or each tick began."""
    busy_pct: float
    """Of a core, by the busiest shard; 0 where there is none."""
    overloaded: bool
    """Whether a shard has encoded with less effort, or skipped frames."""


class Crowd(ABC):
    """Entered, it is there and ready to join: what it costs then is its base."""

    codec_rate_hz: int
    complexity: int | None
    """Opus's, where it is ours to choose."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None: ...

    @property
    @abstractmethod
    def pids(self) -> list[int]:
        """Its processes."""

    @abstractmethod
    async def join(self, seats: list[Seat], manner: Manner) -> None:
        """Everyone takes a seat and does what `manner` says from then on."""

    @abstractmethod
    async def counters(self) -> Counters:
        """So far."""


class ProcessCrowd(Crowd):
    """In processes of its own. `per_process`: rooms in a process; None for all in one."""

    def __init__(self, module: str, *settings: str, rooms: int, per_process: int | None = None) -> None:
        self._per_process = per_process or rooms
        processes = -(-rooms // self._per_process)
        self._processes = [LineProcess(module, *settings, name=f"crowd {number}") for number in range(processes)]

    async def __aenter__(self) -> Self:
        try:
            for process in self._processes:
                await process.start()
                await process.ask("ready", within=60.0)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        for process in self._processes:
            await process.aclose()

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    async def join(self, seats: list[Seat], manner: Manner) -> None:
        for number, process in enumerate(self._processes):
            mine = seats[number * self._per_process : (number + 1) * self._per_process]
            await process.ask(
                "join",
                seats=mine,
                listens=manner.listens,
                talk_share=manner.talk_share,
                dtx=manner.dtx,
                seed=manner.seed + number,
                within=180.0,
            )

    async def counters(self) -> Counters:
        told = [await process.ask("counters", within=60.0) for process in self._processes]
        return Counters(
            sum(each["frames_heard"] for each in told),
            sum(each["packets_lost"] for each in told),
            sum(each["frames_made_up"] for each in told),
            [late for each in told for late in each["late_ms"]],
            max(each["busy_pct"] for each in told),
            any(each["overloaded"] for each in told),
        )


class SdkCrowd(ProcessCrowd):
    """On the plain SDK. `quiet`: its log capture is off."""

    codec_rate_hz = 48_000
    complexity = None

    def __init__(self, rooms: int, *, quiet: bool, per_process: int | None = None) -> None:
        logs = "quiet" if quiet else "as-shipped"
        super().__init__("load.sdk_crowd_process", logs, rooms=rooms, per_process=per_process)


class NativeCrowd(ProcessCrowd):
    """Calls of the core, as sessions have them, in rooms that the native participant carries."""

    def __init__(self, rooms: int, *, codec_rate_hz: int, complexity: int, bitrate_bps: int) -> None:
        self.codec_rate_hz = codec_rate_hz
        self.complexity = complexity
        settings = map(str, (codec_rate_hz, complexity, bitrate_bps))
        super().__init__("load.native_crowd_process", *settings, rooms=rooms)


class LightCrowd(ProcessCrowd):
    """Light callers (`beluga_voice.testing.Caller`)."""

    codec_rate_hz = 16_000
    complexity = None

    def __init__(self, rooms: int) -> None:
        super().__init__("load.light_crowd_process", rooms=rooms)
