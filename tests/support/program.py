"""Python programs in processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator
    from pathlib import Path

__all__ = ["forked", "program"]


@asynccontextmanager
async def program(
    *arguments: str | Path, cwd: Path | None = None, stderr: int = STDOUT, **environment: str
) -> AsyncGenerator[Process]:
    """`python ARGUMENT...` with `environment` over this process's own; killed, if it has not ended by then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments), cwd=cwd, stdout=PIPE, stderr=stderr, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def forked(work: Callable[[], object]) -> int:
    """The id of a child of this process that does `work` and ends."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            sys.stdout.flush()
            os._exit(0)
    return child
