from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from beluga_voice.cli.agent_loading import load_agent
from beluga_voice.cli.problems import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "an_agent_for_a_test.py").write_text("class Booking:\n    class Inner: ...\ndef other(): ...\n")
    (tmp_path / "a_broken_agent.py").write_text("1 / 0\n")
    (tmp_path / "a_poor_agent.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in ("an_agent_for_a_test", "a_broken_agent", "a_poor_agent"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("where", ["an_agent_for_a_test", "an_agent_for_a_test.py"])
def test_an_agent_of_the_working_directory_is_found(folder: Path, where: str) -> None:
    assert load_agent(f"{where}:Booking").__name__ == "Booking"
    assert load_agent(f"{where}:Booking.Inner").__name__ == "Inner"


def test_an_installed_one_is_found() -> None:
    assert load_agent("json:dumps")("x") == '"x"'


@pytest.mark.parametrize(
    ("path", "what", "do"),
    [
        ("booking", "names no agent", "MODULE:NAME"),
        (":booking", "names no agent", "MODULE:NAME"),
        ("no_such_module_at_all:x", "no module 'no_such_module_at_all'", "FILE.py:NAME"),
        ("nowhere.py:x", "no file nowhere.py", "FILE.py:NAME"),
        ("an_agent_for_a_test:booking", "has no 'booking'", "did you mean an_agent_for_a_test:Booking?"),
        ("an_agent_for_a_test:xyzzy", "has no 'xyzzy'", "it has: Booking, other"),
        ("a_broken_agent:x", "ZeroDivisionError", "--debug shows where"),
        ("a_broken_agent.py:x", "ZeroDivisionError", "--debug shows where"),
        ("a_poor_agent:x", "a_module_that_is_not_there", "install 'a_module_that_is_not_there'"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(folder: Path, path: str, what: str, do: str) -> None:
    with pytest.raises(CommandError) as raised:
        load_agent(path)
    assert what in raised.value.what
    assert do in raised.value.do
    assert raised.value.code == "agent_invalid"
