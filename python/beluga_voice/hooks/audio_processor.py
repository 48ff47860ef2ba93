"""What a user does to sound on its way: the hook, and how it is configured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args

from beluga_voice.errors import ConfigError
from beluga_voice.registry import import_object
from beluga_voice.sharing import Shared, claims

if TYPE_CHECKING:
    from beluga_voice.audio_chunk import AudioChunk

__all__ = ["STAGES", "AudioProcessor", "ProcessorFactory", "Stage", "processor_factories"]

Stage = Literal["pre_stt", "post_tts", "pre_s2s", "post_s2s"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class AudioProcessor(ABC):
    """Changes sound before the recogniser hears it (`pre_stt`) or after the voice made it (`post_tts`).

    With a model of speech, before it hears it (`pre_s2s`) or after it made it (`post_s2s`).

        class Louder(AudioProcessor):
            stages = ("post_tts",)

            def process(self, chunk, stage):
                samples = np.clip(chunk.samples.astype(np.int32) * 2, -32768, 32767)
                return chunk.with_samples(samples.astype(np.int16))

    One instance serves one session, and is called on one thread of that session's, one chunk after another. What it
    does in `audio_processor_timeout` counts; of a chunk that it is late for, or fails at, the sound goes on as it was.

    - `name`: unique within a session; the class's name without it.
    - `order`: lower ones come first, then by name. `enabled`: False leaves it out.
    - `stages`: where it is called.
    """

    name: str = ""
    order: int = 0
    enabled: bool = True
    stages: ClassVar[Collection[Stage]] = STAGES

    @abstractmethod
    def process(self, chunk: AudioChunk, stage: Stage) -> AudioChunk:
        """The sound that takes the place of `chunk`: as many samples at the same rate (`chunk.with_samples`).

        `chunk.samples` is int16 mono, shape (n,), read-only, up to 100 ms. Before a recogniser or a model it is
        16 kHz and `start_s` is session time; after one it has the rate that was written, `start_s` counts from the
        speech's beginning. A recogniser or model that failed hears a turn again, and so does this.
        """

    def close(self) -> None:  # noqa: B027 - an empty hook
        """Lets go of everything; called at the end of the session."""


@dataclass(frozen=True, slots=True)
class ProcessorFactory:
    """A processor that was checked: what remains is to make one for each session."""

    name: str
    order: int
    _make: Callable[[], AudioProcessor]

    def create(self) -> AudioProcessor:
        """The processor for one session. An object that was given and not shared can be had once only."""
        return self._make()


def processor_factories(specs: Sequence[object]) -> tuple[ProcessorFactory, ...]:
    """Those of `audio_processors` that are enabled, in the order in which they run.

    Each is a class, an instance, "module:Class", or `{processor: one of these, name: ..., order: ..., enabled: ...}`.
    Raises ConfigError.
    """
    found: list[ProcessorFactory] = []
    for index, spec in enumerate(specs):
        factory = _factory(spec, f"audio_processors.{index}")
        if factory is None:
            continue
        if any(each.name == factory.name for each in found):
            raise ConfigError(f"audio_processors.{index}.name = {factory.name!r}: allowed: a name that no other has")
        found.append(factory)
    return tuple(sorted(found, key=lambda each: (each.order, each.name)))


def _factory(spec: object, where: str) -> ProcessorFactory | None:
    options: dict[str, Any] = {}
    if isinstance(spec, Mapping):
        options = {str(name): value for name, value in cast("Mapping[object, object]", spec).items()}
        spec = options.pop("processor", None)
        if unknown := options.keys() - {"name", "order", "enabled"}:
            raise ConfigError(f"{where}.{min(unknown)}: no such option; allowed: enabled, name, order, processor")
    if isinstance(spec, str):
        spec = _imported(spec, where)
    shared = isinstance(spec, Shared)
    given: object = cast("Shared[object]", spec).value if shared else spec
    kind = cast("type[object]", given if isinstance(given, type) else type(given))
    if not issubclass(kind, AudioProcessor):
        raise ConfigError(
            f"{where} = {kind.__name__}: allowed: an AudioProcessor, its class, 'module:Class', or "
            f"{{processor: ..., name: ..., order: ..., enabled: ...}}"
        )
    described = cast("AudioProcessor", given)
    name = options.get("name", described.name or kind.__name__)
    order = options.get("order", described.order)
    _check(where, name, order, options.get("enabled", described.enabled), described.stages)
    if not options.get("enabled", described.enabled):
        return None
    if isinstance(given, type):
        return ProcessorFactory(name, order, cast("Callable[[], AudioProcessor]", given))

    def take() -> AudioProcessor:
        if not shared:
            claims.take_or_refuse(given, field=where, name=kind.__name__)
        return described

    return ProcessorFactory(name, order, take)


def _imported(path: str, where: str) -> object:
    try:
        return import_object(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{where} = {path!r}: allowed: 'module:Class' of an AudioProcessor; {error}") from error


def _check(where: str, name: object, order: object, enabled: object, stages: object) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where}.name = {name!r}: allowed: text")
    if not isinstance(order, int) or isinstance(order, bool) or order < 0:
        raise ConfigError(f"{where}.order = {order!r}: allowed: a whole number from 0")
    if not isinstance(enabled, bool):
        raise ConfigError(f"{where}.enabled = {enabled!r}: allowed: true or false")
    known = isinstance(stages, Collection) and not isinstance(stages, str)
    if not known or not set(cast("Collection[object]", stages)) <= set(STAGES):
        raise ConfigError(f"{where}.stages = {stages!r}: allowed: some of {', '.join(STAGES)}")
