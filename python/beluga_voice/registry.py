"""Names for components and backends, resolved when a session is configured and imported only then.

    stt: pocketsphinx                                     a name
    stt: deepgram/nova-3                                  provider/model
    stt: {provider: pocketsphinx, lm: /models/menu.lm}    with options, checked by the component's own model
    stt=MyRecogniser, stt=MyRecogniser()                  a class, or an object that one session may take

Third parties add names by an entry point in the group `beluga_voice.stt`, `beluga_voice.tts` ... or
`beluga_voice.backend`, or with `register`.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from beluga_voice.errors import ConfigError, MissingDependencyError, ProviderError, ProviderNotFoundError
from beluga_voice.sharing import Shared, claims

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["ComponentFactory", "ComponentRegistry", "Kind", "NameTable", "components", "register", "resolve"]

Kind = Literal["stt", "tts", "s2s", "vad", "turn_detection", "noise_cancellation"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# "module:Class", and the extra of this package whose dependencies it needs.
_EMBEDDED: dict[Kind, dict[str, tuple[str, str | None]]] = {
    "stt": {"pocketsphinx": ("beluga_voice.components.stt.pocketsphinx:PocketSphinx", "local")},
    "tts": {"piper": ("beluga_voice.components.tts.piper:Piper", "local")},
    "s2s": {},
    "vad": {
        "energy": ("beluga_voice.components.vad.energy:Energy", None),
        "silero": ("beluga_voice.components.vad.silero:Silero", None),
    },
    "turn_detection": {},
    "noise_cancellation": {},
}

# What a class has to be derived from to serve as a kind.
_BASES: dict[Kind, str] = {
    "stt": "beluga_voice.speech_to_text:SpeechToText",
    "tts": "beluga_voice.text_to_speech:TextToSpeech",
    "s2s": "beluga_voice.speech_to_speech:SpeechToSpeech",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a name leads: an object, or the way to import it."""

    target: Any
    """The object itself, "module:Class", or an entry point."""
    requirement: str | None = None
    """What pip is to be given when importing it fails."""


class NameTable:
    """Names -> objects, imported at the first use. Thread-safe.

    Looks first at what was registered, then at the embedded ones, then at the entry points of `group`.
    """

    def __init__(self, kind: str, embedded: Mapping[str, Entry] | None = None) -> None:
        self.kind = kind
        self.group = f"beluga_voice.{kind}"
        self._lock = threading.RLock()
        self._entries = dict(embedded or {})
        self._loaded: dict[str, Any] = {}

    def register(self, name: str, target: Any, *, replace: bool = False) -> None:
        """Adds a name. `target`: an object, or "module:Class", imported when it is first used."""
        if not name or name != name.strip() or "/" in name:
            raise ConfigError(f"{self.kind} name {name!r}: allowed: text without slashes and surrounding blanks")
        with self._lock:
            if name in self._entries and not replace:
                raise ConfigError(f"{self.kind} {name!r} is registered already: allowed: another name, or replace=True")
            self._entries[name] = Entry(target)
            self._loaded.pop(name, None)

    def names(self) -> list[str]:
        """Every known name, sorted."""
        with self._lock:
            return sorted({*self._entries, *self._entry_points()})

    def __contains__(self, name: object) -> bool:
        with self._lock:
            return name in self._entries or name in self._entry_points()

    def load(self, name: str) -> Any:
        """What `name` stands for. Raises ProviderNotFoundError, MissingDependencyError, ProviderError."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._import(name, self._entry(name))
            return self._loaded[name]

    def requirement(self, name: str) -> str | None:
        """What pip has to be given for `name`, where that is known."""
        with self._lock:
            return self._entry(name).requirement

    def _entry(self, name: str) -> Entry:
        if name in self._entries:
            return self._entries[name]
        found = self._entry_points().get(name)
        if found is None:
            from beluga_voice.validation import closest

            known = self.names()
            raise ProviderNotFoundError(
                f"{self.kind} = {name!r}: no such provider{closest(name, known) or ';'} "
                f"known: {', '.join(known) or 'none'}",
                provider=name,
                operation="resolve",
                details={"kind": self.kind, "known": known},
            )
        return Entry(found, found.dist.name if found.dist is not None else None)

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _import(self, name: str, entry: Entry) -> Any:
        try:
            if isinstance(entry.target, str):
                return import_object(entry.target)
            if isinstance(entry.target, EntryPoint):
                return entry.target.load()
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                entry.requirement or (error.name or "").split(".")[0],
                provider=name,
                operation="resolve",
                details={"kind": self.kind, "module": error.name},
            ) from error
        except Exception as error:
            raise ProviderError(
                f"{self.kind} {name!r} cannot be imported: {type(error).__name__}: {error}",
                provider=name,
                operation="resolve",
                details={"kind": self.kind},
            ) from error
        return entry.target


def import_object(path: str) -> Any:
    """The object at "module:name"."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True, slots=True)
class ComponentFactory:
    """A component that is resolved and whose options are checked: what remains is to make one for each session."""

    kind: Kind
    name: str
    options: BaseModel | None
    component: Any
    """The class, or the object that was given."""
    _make: Callable[[], Any]

    def create(self) -> Any:
        """The component for one session. An object that was given and not shared can be had once only."""
        return self._make()


class ComponentRegistry:
    """Every component by kind and name. Thread-safe."""

    def __init__(self) -> None:
        self._tables = {
            kind: NameTable(
                kind,
                {
                    name: Entry(path, f"beluga-voice[{extra}]" if extra else None)
                    for name, (path, extra) in embedded.items()
                },
            )
            for kind, embedded in _EMBEDDED.items()
        }

    def register(self, kind: Kind, name: str, component: type | str, *, replace: bool = False) -> None:
        """Adds a component: a class, or "module:Class"."""
        self._table(kind).register(name, component, replace=replace)

    def names(self, kind: Kind) -> list[str]:
        """Every known name of that kind, sorted."""
        return self._table(kind).names()

    def options_model(self, kind: Kind, name: str) -> type[BaseModel] | None:
        """The model of a component's options; None if it has none. Raises what `resolve` raises."""
        return getattr(self._table(kind).load(name), "Options", None)

    def resolve(self, kind: Kind, spec: object) -> ComponentFactory:
        """Looks up and checks `spec` (the forms at the top of this module).

        Raises ConfigError, ProviderNotFoundError, MissingDependencyError; opens and loads nothing.
        """
        table = self._table(kind)
        if isinstance(spec, Mapping):
            values = {str(name): value for name, value in cast("Mapping[object, object]", spec).items()}
            provider = values.pop("provider", None)
            if not isinstance(provider, str):
                raise ConfigError(
                    f"{kind}.provider = {provider!r}: allowed: one of {', '.join(table.names()) or 'none'}",
                    details={"field": f"{kind}.provider"},
                )
            return self._named(kind, provider, values)
        if isinstance(spec, str):
            provider, slash, model = spec.partition("/")
            return self._named(kind, provider, {}, model=model if slash else None)
        if isinstance(spec, type):
            self._check_base(kind, spec, spec.__name__)
            return self._from_class(kind, spec.__name__, spec, {})
        return self._from_object(kind, spec)

    def _table(self, kind: Kind) -> NameTable:
        try:
            return self._tables[kind]
        except KeyError:
            raise ConfigError(f"kind of component = {kind!r}: allowed: {', '.join(KINDS)}") from None

    def _named(
        self, kind: Kind, provider: str, values: dict[str, object], *, model: str | None = None
    ) -> ComponentFactory:
        name, slash, inner = provider.partition("/")
        if slash:
            model = inner
        table = self._table(kind)
        component = table.load(name)
        if not isinstance(component, type):
            raise ConfigError(f"{kind} {name!r} leads to a {type(component).__name__}: allowed: a class")
        self._check_base(kind, component, name)
        if model is not None:
            option: str | None = getattr(component, "model_option", None)
            if option is None or not model:
                raise ConfigError(
                    f"{kind} = {name + '/' + model!r}: allowed: {name!r} alone"
                    if option is None
                    else f"{kind} = {name + '/'!r}: allowed: a model after the slash",
                    provider=name,
                )
            if option in values:
                raise ConfigError(f"{kind}.{option} is given twice: allowed: after the slash, or as {option}")
            values = {**values, option: model}
        for module in getattr(component, "requires", ()):
            if importlib.util.find_spec(module) is None:
                raise MissingDependencyError(
                    table.requirement(name) or module, provider=name, operation="resolve", details={"module": module}
                )
        return self._from_class(kind, name, component, values)

    def _check_base(self, kind: Kind, component: type, name: str) -> None:
        path = _BASES.get(kind)
        if path is not None and not issubclass(component, import_object(path)):
            raise ConfigError(f"{kind} {name!r}: allowed: a subclass of {path.partition(':')[2]}", provider=name)

    def _from_class(self, kind: Kind, name: str, component: Any, values: dict[str, object]) -> ComponentFactory:
        where = f"{kind}.{name}"
        model: type[BaseModel] | None = getattr(component, "Options", None)
        if model is None:
            if values:
                field, value = next(iter(values.items()))
                from beluga_voice.errors import masked

                shown = masked(value, name=field)
                raise ConfigError(f"{where}.{field} = {shown!r}: no such option; allowed: no options at all")
            return ComponentFactory(kind, name, None, component, component)
        options = _checked_options(model, values, where)
        check: Callable[[BaseModel], None] | None = getattr(component, "check", None)
        if check is not None:
            check(options)
        return ComponentFactory(kind, name, options, component, lambda: component(options))

    def _from_object(self, kind: Kind, spec: object) -> ComponentFactory:
        shared = isinstance(spec, Shared)
        value = cast("Shared[Any]", spec).value if shared else spec
        name = type(value).__name__
        path = _BASES.get(kind)
        fits = isinstance(value, import_object(path)) if path is not None else value is not None
        if not fits:
            wanted = f"or an instance of {path.partition(':')[2]}" if path else "or an instance"
            raise ConfigError(
                f"{kind} = {value if isinstance(value, (int, float, type(None))) else name!r}: "
                f"allowed: a name ({', '.join(self.names(kind)) or 'none known'}), 'provider/model', "
                f"{{provider: ..., option: ...}}, a class {wanted}"
            )
        options = getattr(value, "options", None)

        def take() -> Any:
            if not shared:
                claims.take_or_refuse(value, field=kind, name=name)
            return value

        return ComponentFactory(kind, name, options, value, take)


def _checked_options(model: type[BaseModel], values: dict[str, object], where: str) -> BaseModel:
    from beluga_voice.errors import masked
    from beluga_voice.validation import checked, closest

    # Asked of every model, also of one whose author forgot extra="forbid": a misspelt option must never pass.
    known = set(model.model_fields)
    known_or_alias = known | {field.alias for field in model.model_fields.values() if field.alias}
    for field, value in values.items():
        if field not in known_or_alias:
            shown = masked(value, name=field)
            allowed = ", ".join(sorted(known)) or "no options at all"
            raise ConfigError(
                f"{where}.{field} = {shown!r}: no such option{closest(field, known) or ';'} allowed: {allowed}",
                details={"field": f"{where}.{field}", "value": shown, "allowed": sorted(known)},
            )
    return checked(model, lambda: model.model_validate(values), where=where)


components = ComponentRegistry()
"""The registry that sessions resolve their components with."""


def register(kind: Kind, name: str, component: type | str, *, replace: bool = False) -> None:
    """Adds a component to the registry that sessions use: a class, or "module:Class"."""
    components.register(kind, name, component, replace=replace)


def resolve(kind: Kind, spec: object) -> ComponentFactory:
    """Looks up and checks `spec` in the registry that sessions use; see `ComponentRegistry.resolve`."""
    return components.resolve(kind, spec)
