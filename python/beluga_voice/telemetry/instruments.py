"""Every metric that is made, in one table: docs/telemetry.md shows it, a test holds the two together.

Names are those of the system that this package answers to, dotted; Prometheus writes them with underscores, units and
`_total` behind. Ids are no attributes: they are on spans and log lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation, UpDownCounter

__all__ = ["INSTRUMENTS", "Instrument", "Instruments"]

Kind = Literal["counter", "up_down_counter", "histogram", "observed_counter", "observed_gauge"]

# Seconds. A reply is late from half a second on, a call lasts minutes.
_DELAYS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
_LASTING_S = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_BYTES = (1e5, 1e6, 5e6, 1e7, 5e7, 1e8, 5e8)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric. `attributes`: what tells its series apart, few values each."""

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


def _delay(name: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, "histogram", "s", description, attributes, _DELAYS_S)


def _count(name: str, unit: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, "counter", unit, description, attributes)


def _level(name: str, unit: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, "up_down_counter", unit, description, attributes)


def _read(name: str, unit: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, "observed_counter", unit, description, attributes)


def _gauge(name: str, unit: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, "observed_gauge", unit, description, attributes)


INSTRUMENTS: tuple[Instrument, ...] = (
    # -- backends -------------------------------------------------------------------------------------------------
    _count("backend.requests.total", "{request}", "Operations of backends begun.", "provider", "operation"),
    _count("backend.errors.total", "{error}", "Those that failed.", "provider", "operation", "error_code"),
    _delay("backend.latency.seconds", "How long operations took.", "provider", "operation"),
    _level("backend.concurrent.operations", "{request}", "Operations under way.", "provider"),
    _level("backend.sessions.active", "{session}", "Sessions made and not yet over.", "provider"),
    _count("backend.sessions.total", "{session}", "Sessions made.", "provider"),
    _delay("backend.session.creation.time.seconds", "How long making a session took.", "provider"),
    _read("backend.throughput.bytes", "By", "Sound that went through, as 16-bit samples.", "direction"),
    Instrument(
        "backend.throughput.per.session.bytes",
        "histogram",
        "By",
        "Sound of a session that is over, as 16-bit samples.",
        ("provider", "direction"),
        _BYTES,
    ),
    # -- sessions -------------------------------------------------------------------------------------------------
    _level("session.active", "{session}", "Calls under way.", "provider"),
    _count("session.started.total", "{session}", "Calls begun.", "provider"),
    _count("session.stopped.total", "{session}", "Sessions over, by `CloseEvent.reason`.", "provider", "reason"),
    Instrument("session.duration", "histogram", "s", "How long calls lasted.", ("provider", "reason"), _LASTING_S),
    _delay("session.operation.latency", "How long starting a session took.", "provider", "operation"),
    _count("session.errors.total", "{error}", "`ErrorEvent`s.", "source", "error_code"),
    _delay("voice.session.latency", "The caller's last voiced sample to the agent's first.", "provider"),
    _delay("voice.session.playback.latency", "A speech's first sound to its first sample going out.", "provider"),
    _count("voice.session.interruptions.total", "{interruption}", "Callers who talked over the agent.", "action"),
    _count("voice.session.false.interruptions.total", "{interruption}", "Those without words."),
    # -- agent ----------------------------------------------------------------------------------------------------
    _delay("voice.session.agent.latency", "Agent asked to its first piece.", "agent"),
    _delay("voice.session.agent.streaming.duration", "Agent asked to its end.", "agent"),
    _count("voice.session.agent.cancelled.total", "{answer}", "Answers that were cut off.", "agent"),
    _delay("voice.session.agent.tool.execution.time", "A tool's start to its result.", "tool"),
    Instrument(
        "gen_ai.client.token.usage",
        "histogram",
        "{token}",
        "Tokens of an answer, as the agent told them.",
        ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.token.type"),
        tuple(float(each) for each in _TOKENS),
    ),
    # -- components -----------------------------------------------------------------------------------------------
    _count("stt.transcriptions.total", "{turn}", "Turns handed to a recogniser and settled.", "provider"),
    _count("stt.transcriptions.successful", "{turn}", "Those that it recognised.", "provider"),
    _count("stt.transcriptions.failed", "{turn}", "Those that it failed over.", "provider"),
    _delay("stt.transcription.latency", "End of a turn to its final text.", "provider"),
    _level("stt.streams.active", "{stream}", "Recognisers that listen, one a call.", "provider"),
    _count("stt.streams.total", "{stream}", "Recognisers that began to listen.", "provider"),
    _delay("stt.stream.latency", "A turn's first voiced sample to its first words.", "provider"),
    _count("stt.errors.total", "{error}", "Failures of recognisers.", "provider", "error_code"),
    _count("tts.generations.total", "{sentence}", "Sentences handed to a voice.", "provider"),
    _count("tts.generations.successful", "{sentence}", "Those that were made to their end.", "provider"),
    _count("tts.generations.failed", "{sentence}", "Those that it failed over; the rest was cut off.", "provider"),
    _delay("tts.generation.latency", "Sentence handed over to its first sound.", "provider"),
    _count("tts.errors.total", "{error}", "Failures of voices.", "provider", "error_code"),
    _count("s2s.processes.total", "{reply}", "Replies of models of speech.", "provider"),
    _count("s2s.processes.successful", "{reply}", "Those that were made to their end.", "provider"),
    _count("s2s.processes.failed", "{reply}", "Those that it failed over; the rest was cut off.", "provider"),
    _delay("s2s.process.latency", "Model asked to its first sound.", "provider"),
    _level("s2s.concurrent.sessions", "{session}", "Calls that a model of speech serves.", "provider"),
    _count("s2s.errors.total", "{error}", "Failures of models of speech.", "provider", "error_code"),
    _read("vad.frames.processed", "{window}", "Windows that the voice activity detector judged."),
    _count("vad.speech.detected", "{change}", "Callers beginning to speak."),
    _count("vad.silence.detected", "{change}", "Callers ceasing to speak."),
    _count("turndetection.detections.total", "{turn}", "Turns that ended."),
    _count("turndetection.turns.detected", "{turn}", "Those that were the agent's to answer."),
    _count("turndetection.turns.not_detected", "{turn}", "Those dropped: too short, or not to be heard."),
    _delay("turndetection.detection.latency", "The last voiced sample to the end of the turn."),
    _level("transport.connections.active", "{connection}", "Calls connected to their caller.", "provider"),
    _count("transport.connections.total", "{connection}", "Calls that were connected.", "provider"),
    _count("transport.disconnections.total", "{connection}", "Connections lost, found again or not.", "provider"),
    _read("transport.audio.received", "s", "Sound of callers."),
    _read("transport.audio.sent", "s", "Sound of agents, silence included."),
    # -- usage ----------------------------------------------------------------------------------------------------
    _count("usage.call", "s", "Calls that are over: how long they lasted.", "provider"),
    _count("usage.stt", "s", "Sound that recognisers and models of speech were handed.", "component"),
    _count("usage.tts", "{character}", "Letters that voices were handed.", "component"),
    _count("usage.tokens", "{token}", "Tokens, as agents told them.", "model", "type"),
    _count("usage.cost", "{currency}", "All of it, at the configured prices.", "currency"),
    # -- the engine -----------------------------------------------------------------------------------------------
    _gauge("engine.sessions", "{session}", "Calls being served."),
    _gauge("engine.healthy", "{yes}", "1 if every shard lives."),
    _read("engine.calls.refused", "{session}", "For want of a place or of time."),
    _read("engine.ticks", "{tick}", "Served."),
    _read("engine.tick.busy", "s", "Spent in them."),
    _read("engine.ticks.late", "{tick}", "Begun 10 ms late or later."),
    _read("engine.tick.lateness", "s", "How late ticks began, summed."),
    _gauge("engine.tick.lateness.max", "s", "The latest."),
    _read("engine.ticks.later", "{tick}", "Later than `later_than` seconds.", "later_than"),
    _read("engine.ticks.skipped", "{tick}", "Whose frames were owed for too long and not sent."),
    _read("engine.frames.skipped", "{frame}", "The same, over sessions."),
    _gauge("engine.overload.step", "{step}", "0: none, to 4."),
    _read("engine.overload.steps.entered", "{time}", "How often each was entered.", "step"),
    _read("engine.cgroup.periods", "{period}", "Of the CPU quota that holds this process back most."),
    _read("engine.cgroup.throttled.periods", "{period}", "Those in which it did."),
    _read("engine.cgroup.throttled", "s", "For how long."),
    _read("loop.wakes", "{wake}", "Event loops woken by the core."),
    _read("loop.lag", "s", "From a wake-up to the loop's looking, summed."),
    _gauge("loop.lag.max", "s", "The longest."),
    _read("call.frames", "{frame}", "Whose age was taken.", "direction"),
    _read("call.frame.age", "s", "Arrival to the tick that read it; due to sent; summed.", "direction"),
    _gauge("call.frame.age.max", "s", "The oldest of calls under way.", "direction"),
    _gauge("call.queue.depth", "{item}", "What waits, over calls under way.", "queue"),
    _gauge("call.queue.depth.max", "{item}", "The most that ever waited in a call under way.", "queue"),
    _read("call.drops", "{item}", "What a full queue or a slow reader cost.", "what"),
    _read("call.frames.skipped", "{frame}", "Owed for too long and not sent.", "audible"),
    _read("call.frames.concealed", "{frame}", "Made up for lost packets."),
    _read("call.playout.gaps", "{tick}", "In which an utterance had nothing to play."),
    _read("call.input.starved", "s", "Silence put in because the caller's side had nothing."),
)


class Instruments:
    """The instruments of one meter. `readers`: what observes those that are read when they are collected, by name."""

    def __init__(self, meter: Meter, readers: Mapping[str, Callable[[CallbackOptions], Iterable[Observation]]]) -> None:
        self._made: dict[str, Any] = {}
        for each in INSTRUMENTS:
            match each.kind:
                case "counter":
                    made: Any = meter.create_counter(each.name, each.unit, each.description)
                case "up_down_counter":
                    made = meter.create_up_down_counter(each.name, each.unit, each.description)
                case "histogram":
                    made = meter.create_histogram(
                        each.name, each.unit, each.description, explicit_bucket_boundaries_advisory=each.buckets
                    )
                case "observed_counter":
                    made = meter.create_observable_counter(each.name, [readers[each.name]], each.unit, each.description)
                case "observed_gauge":
                    made = meter.create_observable_gauge(each.name, [readers[each.name]], each.unit, each.description)
            self._made[each.name] = made

    def count(self, name: str, amount: float = 1, /, **attributes: str) -> None:
        """Adds to a counter."""
        counter: Counter = self._made[name]
        counter.add(amount, attributes)

    def shift(self, name: str, amount: int, /, **attributes: str) -> None:
        """Moves a level up or down."""
        level: UpDownCounter = self._made[name]
        level.add(amount, attributes)

    def record(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        """Adds a value to a histogram."""
        histogram: Histogram = self._made[name]
        histogram.record(value, attributes)
