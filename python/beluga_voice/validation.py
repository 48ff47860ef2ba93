"""pydantic's complaints in this package's words: the field, the value it was given, what is allowed."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr, ValidationError

from beluga_voice.errors import MASK, ConfigError, masked

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

T = TypeVar("T")

_SECRETS: frozenset[Any] = frozenset({SecretStr, SecretBytes})

__all__ = ["Options", "checked", "closest", "config_error", "inline_schema"]


class CheckedMeta(type(BaseModel)):
    """Makes `Model(...)` raise ConfigError. Only the outermost call: a nested model is built by pydantic itself, so
    that a mistake deep inside is reported with its whole path."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        return checked(cast("type[BaseModel]", cls), lambda: super(CheckedMeta, cls).__call__(*args, **values))


class Options(BaseModel, metaclass=CheckedMeta):
    """Base of every group of settings: frozen, no unknown names, no infinities.

    A component derives its `Options` from this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def checked(model: type[BaseModel], build: Callable[[], T], *, where: str = "") -> T:
    """What `build` returns; a ValidationError of `model` in it is raised as ConfigError.

    `where` goes before each field's name: "stt.pocketsphinx".
    """
    try:
        return build()
    except ValidationError as error:
        raise config_error(error, model, where=where) from None


def config_error(error: ValidationError, model: type[BaseModel], *, where: str = "") -> ConfigError:
    """The ConfigError that says the same as `error`, a failed validation of `model`."""
    problems = [_problem(cast("Mapping[str, Any]", item), model, where) for item in error.errors(include_url=False)]
    text = "; ".join(str(problem["problem"]) for problem in problems)
    return ConfigError(text, details={"errors": problems})


def inline_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of `model` in one piece, its groups where they are used, so that it fits into another one."""
    schema = model.model_json_schema()
    groups = schema.pop("$defs", {})

    def filled(part: Any) -> Any:
        if isinstance(part, Mapping):
            values = cast("Mapping[str, Any]", part)
            name = str(values.get("$ref", "")).rpartition("/")[2]
            beside = {key: filled(value) for key, value in values.items() if key != "$ref"}
            return {**filled(groups[name]), **beside} if name else beside
        return [filled(each) for each in cast("list[Any]", part)] if isinstance(part, list) else part

    return cast("dict[str, Any]", filled(schema))


def closest(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the known name nearest to `name`, or nothing."""
    match = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f", did you mean {match[0]!r}?" if match else ""


def _problem(item: Mapping[str, Any], model: type[BaseModel], where: str) -> dict[str, Any]:
    location = list(cast("Sequence[int | str]", item["loc"]))
    field = ".".join([*([where] if where else []), *(str(part) for part in location)])
    kind = str(item["type"])
    owner, info = _field_at(model, location)
    value: Any = masked(item.get("input"), name=str(location[-1]) if location else "")
    holds_secret = info is not None and _SECRETS & {info.annotation, *get_args(info.annotation)}
    if holds_secret and not isinstance(value, (bool, int, float, type(None))):
        value = MASK
    if kind == "extra_forbidden" and owner is not None:
        known = sorted(owner.model_fields)
        guess = closest(str(location[-1]), known)
        allowed = ", ".join(known) if known else "no options at all"
        return _row(field, value, allowed, f"{field} = {value!r}: no such option{guess or ';'} allowed: {allowed}")
    if kind == "missing":
        return _row(field, None, _allowed(info), f"{field}: missing; allowed: {_allowed(info)}")
    if kind == "value_error":
        reason = str(item["msg"]).removeprefix("Value error, ")
        # A rule over several fields has a whole group as its input: the rule's own words name the values.
        grouped = isinstance(item.get("input"), Mapping) or not location
        text = reason if grouped else f"{field} = {value!r}: {reason}"
        return _row(field, value, reason, f"{field}: {reason}" if field and text == reason else text)
    allowed = _allowed(info) if info is not None else str(item["msg"])
    return _row(field, value, allowed, f"{field} = {value!r}: allowed: {allowed}")


def _row(field: str, value: object, allowed: str, problem: str) -> dict[str, Any]:
    return {"field": field, "value": value, "allowed": allowed, "problem": problem}


def _field_at(model: type[BaseModel], location: Sequence[int | str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model that holds (or lacks) the last name of `location`, and that name's field."""
    owner: type[BaseModel] | None = model
    info: FieldInfo | None = None
    for part in location:
        if owner is None:
            break
        info = owner.model_fields.get(str(part))
        if info is None:
            return owner, None
        if part is not location[-1]:
            owner = _model_in(info.annotation)
    return owner, info


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _allowed(info: FieldInfo | None) -> str:
    if info is None:
        return "see the documentation"
    return type_text(info.annotation) + _bounds(info.metadata)


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "nothing"}


def type_text(annotation: Any) -> str:
    """What a value of this annotation looks like, in words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return type_text(get_args(annotation)[0]) + _bounds(annotation.__metadata__)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " or ".join(type_text(part) for part in get_args(annotation))
    if annotation in _NAMES:
        return _NAMES[annotation]
    group = _model_in(annotation)
    if group is not None:
        return "a group of: " + ", ".join(sorted(group.model_fields))
    name: object = getattr(annotation, "__name__", annotation)
    return str(name)


def _bounds(metadata: Iterable[Any]) -> str:
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    found: list[str] = []
    for item in metadata:
        for part in (item, *getattr(item, "__metadata__", ())):
            found += [text.format(getattr(part, name)) for name, text in words.items() if hasattr(part, name)]
    return " " + " ".join(found) if found else ""
