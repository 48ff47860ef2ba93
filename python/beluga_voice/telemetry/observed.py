"""What is read of engine, loops and calls when metrics are collected: nothing of it is on the sound's path."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.metrics import Observation

from beluga_voice._loop import loop_stats
from beluga_voice.core_errors import translated
from beluga_voice.errors import BelugaVoiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions

    from beluga_voice import _core
    from beluga_voice.session import VoiceSession

__all__ = ["Observed"]

# One collection asks for some forty metrics: they are of one moment.
_FRESH_S = 0.01
_EAR_HZ = 16_000

_QUEUES = {
    "input": "input_waiting_samples",
    "packets": "packets_waiting",
    "mouth": "mouth_waiting_samples",
    "packets_out": "packets_out_waiting",
    "events": "events_waiting",
}
_DROPS = (
    "packets_refused",
    "packets_dropped",
    "packets_out_dropped",
    "events_dropped",
    "commands_refused",
    "turns_given_up",
    "guesses_skipped",
    "typed_texts_dropped",
    "session_events_dropped",
)


class Observed:
    """See the module. Sessions are added on their loops; collections come from whatever thread the reader has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Of the sessions; held for moments, since their loops wait for it."""
        self._reading = threading.Lock()
        """Of what was read; held for as long as a collection reads."""
        self._live: dict[str, VoiceSession] = {}
        self._engines: list[_core.Engine] = []
        self._ended: Counter[str] = Counter()
        self._taken_at = float("-inf")
        self._engine: dict[str, Any] = {}
        self._calls: Counter[str] = Counter()
        self._depths: Counter[str] = Counter()

    def add(self, session: VoiceSession, engine: _core.Engine) -> None:
        """A call that began, and what serves it."""
        with self._lock:
            self._live[session.id] = session
            self._taken_at = float("-inf")
            if not any(each is engine for each in self._engines):
                self._engines.append(engine)

    def discard(self, session: VoiceSession) -> None:
        """It is over: what it counted stays counted."""
        counted = _counted(session)
        with self._lock:
            self._taken_at = float("-inf")
            if self._live.pop(session.id, None) is not None:
                self._ended.update(counted)

    @property
    def readers(self) -> dict[str, Callable[[CallbackOptions], Iterable[Observation]]]:
        """What observes each metric, by its name."""
        return {name: self._reader(read) for name, read in _READS.items()}

    def _reader(
        self, read: Callable[[Observed], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            with self._reading:
                self._refresh()
                return list(read(self))

        return observe

    def _refresh(self) -> None:
        at = time.monotonic()
        if at - self._taken_at < _FRESH_S:
            return
        with self._lock:
            self._taken_at = at
            self._calls = Counter(self._ended)
            live, engines = list(self._live.values()), list(reversed(self._engines))
        self._depths = Counter()
        for session in live:
            stats = session.stats()
            self._calls.update(_counted(session, stats))
            for name, value in stats.items():
                if name.endswith("_max"):
                    self._depths[name] = max(self._depths[name], value)
                elif "waiting" in name:
                    self._depths[name] += value
        self._engine = self._engine_stats(engines)

    def _engine_stats(self, newest_first: list[_core.Engine]) -> dict[str, Any]:
        for engine in newest_first:
            try:
                with translated():
                    return engine.stats()
            except BelugaVoiceError:  # it was stopped
                with self._lock:
                    self._engines.remove(engine)
        return {}

    # -- what each metric reads -----------------------------------------------------------------------------------

    def engine(self, name: str) -> Iterable[Observation]:
        """A figure of the engine's."""
        if name in self._engine:
            yield Observation(float(self._engine[name]))

    def shards(self, name: str, *, per: float = 1.0, most: bool = False) -> Iterable[Observation]:
        """A figure of its shards', added up, or the greatest."""
        values = [cast("int", shard[name]) for shard in self._engine.get("shards", ())]
        if values:
            yield Observation((max(values) if most else sum(values)) / per)

    def later_ticks(self) -> Iterable[Observation]:
        """Ticks later than each bound."""
        for bound, later in _later(self._engine.get("shards", ())).items():
            yield Observation(later, {"later_than": f"{bound / 1e6:g}"})

    def steps(self) -> Iterable[Observation]:
        """How often each step of overload was entered."""
        for step in range(4):
            entered = [shard["overload_steps_entered"][step] for shard in self._engine.get("shards", ())]
            if entered:
                yield Observation(sum(entered), {"step": str(step + 1)})

    def cgroup(self, name: str, *, per: float = 1.0) -> Iterable[Observation]:
        """A figure of the group whose quota holds us back."""
        group = self._engine.get("cgroup")
        if group is not None:
            yield Observation(group[name] / per)

    def loops(self, name: str, *, per: float = 1.0, most: bool = False) -> Iterable[Observation]:
        """A figure of the loops'."""
        values = [loop[name] for loop in loop_stats()]
        if values:
            yield Observation((max(values) if most else sum(values)) / per)

    def calls(self, name: str, *, per: float = 1.0) -> Iterable[Observation]:
        """A count over all calls, those that are over included."""
        yield Observation(self._calls[name] / per if per != 1.0 else self._calls[name], {})

    def both_ways(self, suffix: str, *, per: float = 1.0) -> Iterable[Observation]:
        """A figure of frames' ages, in and out."""
        for direction in ("in", "out"):
            name = f"frame_age_{direction}_us_{suffix}"
            value = self._depths[name] if suffix == "max" else self._calls[name]
            yield Observation(value / per if per != 1.0 else value, {"direction": direction})

    def depths(self, *, most: bool) -> Iterable[Observation]:
        """What waits in each queue."""
        for queue, name in _QUEUES.items():
            yield Observation(self._depths[f"{name}_max" if most else name], {"queue": queue})

    def drops(self) -> Iterable[Observation]:
        """What was dropped, by what it was."""
        for name in _DROPS:
            yield Observation(self._calls[name], {"what": name})

    def skipped(self) -> Iterable[Observation]:
        """Frames that were not sent, audible or not."""
        audible = self._calls["audible_frames_skipped"]
        yield Observation(audible, {"audible": "yes"})
        yield Observation(self._calls["frames_skipped"] - audible, {"audible": "no"})

    def bytes_through(self) -> Iterable[Observation]:
        """Sound in and out."""
        for direction in ("in", "out"):
            yield Observation(self._calls[f"bytes_{direction}"], {"direction": direction})


def _later(shards: Iterable[dict[str, Any]]) -> Counter[int]:
    later: Counter[int] = Counter()
    for shard in shards:
        bounds, counts = shard["late_us_bounds"], shard["late_us_counts"]
        for place, bound in enumerate(bounds):
            later[bound] += sum(counts[place + 1 :])
    return later


def _counted(session: VoiceSession, stats: dict[str, int] | None = None) -> Counter[str]:
    """What only ever grows."""
    stats = session.stats() if stats is None else stats
    call = session.link.call
    counted = Counter({name: value for name, value in stats.items() if not name.endswith("_max")})
    counted["bytes_in"] = 2 * call.ear_written
    counted["bytes_out"] = 2 * call.output_written
    counted["received_samples"] = call.ear_written
    counted["sent_us"] = call.output_written * 1_000_000 // call.output_hz
    return counted


_US = 1e6

_READS: dict[str, Callable[[Observed], Iterable[Observation]]] = {
    "backend.throughput.bytes": Observed.bytes_through,
    "vad.frames.processed": lambda seen: seen.calls("vad_windows"),
    "transport.audio.received": lambda seen: seen.calls("received_samples", per=_EAR_HZ),
    "transport.audio.sent": lambda seen: seen.calls("sent_us", per=_US),
    "engine.sessions": lambda seen: seen.engine("sessions"),
    "engine.healthy": lambda seen: seen.engine("healthy"),
    "engine.calls.refused": lambda seen: seen.engine("calls_refused"),
    "engine.ticks": lambda seen: seen.shards("ticks"),
    "engine.tick.busy": lambda seen: seen.shards("busy_us", per=_US),
    "engine.ticks.late": lambda seen: seen.shards("late_ticks"),
    "engine.tick.lateness": lambda seen: seen.shards("sum_late_us", per=_US),
    "engine.tick.lateness.max": lambda seen: seen.shards("max_late_us", per=_US, most=True),
    "engine.ticks.later": Observed.later_ticks,
    "engine.ticks.skipped": lambda seen: seen.shards("ticks_skipped"),
    "engine.frames.skipped": lambda seen: seen.shards("frames_skipped"),
    "engine.overload.step": lambda seen: seen.shards("overload_step", most=True),
    "engine.overload.steps.entered": Observed.steps,
    "engine.cgroup.periods": lambda seen: seen.cgroup("periods"),
    "engine.cgroup.throttled.periods": lambda seen: seen.cgroup("throttled_periods"),
    "engine.cgroup.throttled": lambda seen: seen.cgroup("throttled_us", per=_US),
    "loop.wakes": lambda seen: seen.loops("loop_lag_us_count"),
    "loop.lag": lambda seen: seen.loops("loop_lag_us_sum", per=_US),
    "loop.lag.max": lambda seen: seen.loops("loop_lag_us_max", per=_US, most=True),
    "call.frames": lambda seen: seen.both_ways("count"),
    "call.frame.age": lambda seen: seen.both_ways("sum", per=_US),
    "call.frame.age.max": lambda seen: seen.both_ways("max", per=_US),
    "call.queue.depth": lambda seen: seen.depths(most=False),
    "call.queue.depth.max": lambda seen: seen.depths(most=True),
    "call.drops": Observed.drops,
    "call.frames.skipped": Observed.skipped,
    "call.frames.concealed": lambda seen: seen.calls("frames_concealed"),
    "call.playout.gaps": lambda seen: seen.calls("playout_gaps"),
    "call.input.starved": lambda seen: seen.calls("input_starved_samples", per=_EAR_HZ),
}
