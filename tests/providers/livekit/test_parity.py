"""docs/parity-room.md is true of the installed `livekit` package and of `beluga_voice.livekit`."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields, is_dataclass
from enum import EnumMeta
from pathlib import Path
from typing import Any, get_args

import pytest

from beluga_voice import livekit as ours
from beluga_voice.livekit import room

rtc = pytest.importorskip("livekit.rtc")

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "parity-room.md"
ROW = re.compile(r"^\| (?P<names>`[^|]+`) \| (?P<here>kept|differs|no|more) \| (?P<why>[^|]*)\|$")
MODULE, EVENTS = "Names of the module", "Events (`room.on`)"


@dataclass(frozen=True)
class Entry:
    here: str
    why: str


def tables() -> dict[str, dict[str, Entry]]:
    found: dict[str, dict[str, Entry]] = {}
    section = ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
            found[section] = {}
        elif line.startswith("| `"):
            row = ROW.match(line)
            assert row is not None, f"not a row of the table: {line}"
            for name in re.findall(r"`([^`]+)`", row["names"]):
                assert name not in found[section], f"{name} stands twice in {section}"
                found[section][name] = Entry(row["here"], row["why"].strip())
    return found


TABLES = tables()
CLASSES = [name for name in TABLES if name not in (MODULE, EVENTS)]


def members(cls: type, *, of: Any) -> set[str]:
    """Public names of a class and of those of its bases that are of the same package and have no table of their own."""
    names: set[str] = set()
    for base in cls.__mro__:
        if base is not cls and (
            base.__module__.split(".")[0] != cls.__module__.split(".")[0] or base.__name__ in TABLES
        ):
            continue
        names |= {name for name in vars(base) if not name.startswith("_")}
        names |= {name for name in getattr(base, "__annotations__", {}) if not name.startswith("_")}
    if is_dataclass(cls):
        names |= {field.name for field in fields(cls)}
    return names | set(INSTANCE_NAMES.get((of.__name__, cls.__name__), ()))


INSTANCE_NAMES = {
    ("livekit.rtc", "StreamError"): ("description",),
    ("beluga_voice.livekit", "StreamError"): ("description",),
    ("beluga_voice.livekit", "EventEmitter"): ("callback_errors",),
    ("beluga_voice.livekit", "AudioStream"): ("frames_dropped",),
}
"""What `__init__` sets."""


def shape(member: Any) -> Any:
    """What a caller sees of a member: a value to read, or the arguments of a call with their defaults."""
    member = getattr(member, "__func__", member)
    if isinstance(member, property):
        return "property", inspect.iscoroutinefunction(member.fget)
    if inspect.isfunction(member):
        parameters = inspect.signature(member).parameters.values()
        arguments = [(each.name, each.kind, _default(each.default)) for each in parameters if each.name != "cls"]
        return "function", inspect.iscoroutinefunction(member), arguments
    return "value"


def _default(value: Any) -> Any:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("name", CLASSES)
def test_every_member_of_the_sdks_class_stands_in_its_table(name: str) -> None:
    assert members(getattr(rtc, name), of=rtc) - set(TABLES[name]) == set()


@pytest.mark.parametrize("name", CLASSES)
def test_every_member_of_our_class_stands_in_its_table(name: str) -> None:
    cls = getattr(ours, name)
    here = members(cls, of=ours)
    said = {member for member, entry in TABLES[name].items() if entry.here != "no"}
    assert here - said == set()
    assert {member for member in said - here if not hasattr(cls, member)} == set()


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_kept_has_the_sdks_signature(name: str) -> None:
    kept = [member for member, entry in TABLES[name].items() if entry.here == "kept"]
    theirs, mine = getattr(rtc, name), getattr(ours, name)
    different = {
        member: (shape(inspect.getattr_static(theirs, member, None)), shape(inspect.getattr_static(mine, member, None)))
        for member in kept
        if shape(inspect.getattr_static(theirs, member, None)) != shape(inspect.getattr_static(mine, member, None))
    }
    assert different == {}


@pytest.mark.parametrize("name", [name for name in CLASSES if is_dataclass(getattr(rtc, name))])
def test_a_dataclass_is_made_with_the_sdks_arguments(name: str) -> None:
    def arguments(cls: Any) -> list[tuple[str, Any]]:
        no = {member for member, entry in TABLES[name].items() if entry.here in ("no", "more")}
        found = inspect.signature(cls).parameters.values()
        return [(each.name, _default(each.default)) for each in found if each.name not in no]

    assert arguments(getattr(ours, name)) == arguments(getattr(rtc, name))


@pytest.mark.parametrize("name", ["AudioFrame", "AudioSource"])
def test_what_a_user_makes_is_made_with_the_sdks_arguments(name: str) -> None:
    assert shape(getattr(ours, name).__init__) == shape(getattr(rtc, name).__init__)


def test_every_event_of_the_sdk_stands_in_the_table_and_is_here_as_it_says() -> None:
    theirs = set(get_args(rtc.room.EventTypes))
    assert theirs - set(TABLES[EVENTS]) == set()
    assert set(get_args(room.EventTypes)) == {name for name, entry in TABLES[EVENTS].items() if entry.here != "no"}


def test_every_name_of_the_sdks_module_stands_in_a_table() -> None:
    theirs = {name for name in rtc.__all__ if not name.startswith("_")}
    assert theirs - set(TABLES[MODULE]) - set(CLASSES) == set()


def test_every_name_of_our_module_stands_in_a_table() -> None:
    said = {name for name, entry in TABLES[MODULE].items() if entry.here != "no"}
    assert set(ours.__all__) == said | set(CLASSES)
    for name in ours.__all__:
        assert getattr(ours, name) is not None


@pytest.mark.parametrize(
    "name", [name for name in ours.__all__ if isinstance(getattr(ours, name), EnumMeta) and hasattr(rtc, name)]
)
def test_an_enumeration_has_the_sdks_names_and_numbers(name: str) -> None:
    theirs = getattr(rtc, name)
    items = theirs.items() if hasattr(theirs, "items") else [(each.name, each.value) for each in theirs]
    assert dict(items) == {each.name: each.value for each in getattr(ours, name)}


@pytest.mark.parametrize("name", list(TABLES))
def test_what_is_not_kept_says_why(name: str) -> None:
    assert [each for each, entry in TABLES[name].items() if entry.here != "kept" and not entry.why] == []
