"""Errors as people want them: what went wrong in one line, what to do in another; tracebacks on request."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from beluga_voice.errors import BelugaVoiceError, InternalError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["CommandError", "telling"]

FAILED = 1
WRONG_USE = 2
_INTERRUPTED = 130


class CommandError(Exception):
    """Something that the user can mend: `what` is wrong, what to `do`; `code` is that of the errors' tree."""

    def __init__(self, what: str, *, do: str, code: str, exit_code: int = FAILED) -> None:
        super().__init__(what)
        self.what = what
        self.do = do
        self.code = code
        self.exit_code = exit_code


@contextmanager
def telling(*, debug: bool) -> Generator[None]:
    """Turns errors into two lines on standard error and an exit code; with `debug` they pass as they are."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except (KeyboardInterrupt, Exception) as error:
        if debug:
            raise
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(_INTERRUPTED) from None
        problem = _problem(error)
        _tell(problem)
        raise typer.Exit(problem.exit_code) from None


def _problem(error: Exception) -> CommandError:
    if isinstance(error, CommandError):
        return error
    if isinstance(error, MissingDependencyError):
        what = f"{error.provider or 'this'} needs a package that is not installed"
        return CommandError(what, do=error.message, code=error.code)
    if isinstance(error, BelugaVoiceError):
        return CommandError(error.message, do=_advice(error), code=error.code)
    if isinstance(error, OSError) and error.filename is not None:
        return CommandError(
            f"{error.filename}: {error.strerror}", do="check the path and its permissions", code="os_error"
        )
    what = f"{type(error).__name__}: {error}"
    return CommandError(what, do="run it again with --debug and report the traceback", code="internal_error")


def _advice(error: BelugaVoiceError) -> str:
    match error.code:
        case "invalid_config" | "provider_not_found" | "agent_invalid" | "agent_not_set":
            return "change it to what is allowed and run it again"
        case "invalid_format":
            return "use a WAV file of PCM, float or G.711 sound: `ffmpeg -i INPUT OUTPUT.wav` makes one"
        case "authentication_failed" | "authorization_failed" if error.provider == "livekit":
            return (
                "check LIVEKIT_API_KEY and LIVEKIT_API_SECRET: `beluga-voice doctor` says whether the server takes them"
            )
        case "connection_failed" | "connection_timeout" if error.provider == "livekit":
            return "check LIVEKIT_URL and whether the server runs: `beluga-voice doctor` says what answers there"
        case "model_load_failed" | "model_not_found":
            return "run `beluga-voice models`: it says which model is missing or damaged"
        case _ if isinstance(error, InternalError):
            return "run it again with --debug and report the traceback"
        case _ if error.retryable:
            return "run it again"
        case _:
            return "`beluga-voice doctor` says whether something is missing; --debug shows the traceback"


def _tell(problem: CommandError) -> None:
    typer.secho(f"error: {problem.what} ({problem.code})", fg=typer.colors.RED, err=True)
    typer.echo(f"   do: {problem.do}", err=True)
    sys.stderr.flush()
