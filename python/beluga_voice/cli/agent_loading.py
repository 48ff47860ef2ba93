"""MODULE:NAME to an agent."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from beluga_voice.cli.problems import WRONG_USE, CommandError

__all__ = ["agent_or_demo", "load_agent"]

_FORM = "give it as MODULE:NAME, such as --agent my_agents:booking, or FILE.py:NAME"


def load_agent(path: str) -> Any:
    """The object at "module:name" or "file.py:name"; modules are looked up from the working directory too.

    Raises CommandError, in words for the command line; whether the object is an agent is for the session to say.
    """
    where, colon, name = path.rpartition(":")
    if not colon or not where or not name:
        raise CommandError(f"--agent {path!r} names no agent", do=_FORM, code="agent_invalid", exit_code=WRONG_USE)
    module = _from_file(Path(where)) if where.endswith(".py") else _from_module(where)
    agent: Any = module
    for part in name.split("."):
        try:
            agent = getattr(agent, part)
        except AttributeError:
            raise _no_such_name(where, module, name) from None
    return agent


def agent_or_demo(path: str | None, greeting: str | None) -> tuple[Any, str | None]:
    """The agent at `path` and what it says first; where no path is given, the demo's and its greeting."""
    if path is not None:
        return load_agent(path), greeting
    from beluga_voice.simulation.demo import GREETING
    from beluga_voice.simulation.demo_agent import MuseumLine

    return MuseumLine, GREETING if greeting is None else greeting


def _from_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        # As `python -m` does: an agent beside the recording is found without being installed.
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise _import_failed(name, error) from error
        raise CommandError(
            f"no module {name!r}, neither installed nor in {here}",
            do="run this in the folder of the agent's file, or give --agent FILE.py:NAME",
            code="agent_invalid",
        ) from None
    except Exception as error:
        raise _import_failed(name, error) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise CommandError(f"no file {path}", do=_FORM, code="agent_invalid")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CommandError(f"{path} is no Python module", do=_FORM, code="agent_invalid")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look a class's module up by name while it is being made.
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[path.stem]
        raise _import_failed(str(path), error) from error
    return module


def _import_failed(where: str, error: Exception) -> CommandError:
    if isinstance(error, ModuleNotFoundError):
        do = f"install {error.name!r}, which {where} imports"
    else:
        do = "mend the agent's module; --debug shows where it fails"
    return CommandError(f"importing {where} failed: {type(error).__name__}: {error}", do=do, code="agent_invalid")


def _no_such_name(where: str, module: ModuleType, name: str) -> CommandError:
    public = [each for each, value in vars(module).items() if not each.startswith("_") and callable(value)]
    near = difflib.get_close_matches(name, public, n=1)
    do = f"did you mean {where}:{near[0]}?" if near else f"it has: {', '.join(sorted(public)) or 'nothing callable'}"
    return CommandError(f"{where} has no {name!r}", do=do, code="agent_invalid")
