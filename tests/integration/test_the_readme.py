"""What the README has to copy works as it stands there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.program import program
from support.readme import copied

PATIENCE_S = 60.0


async def test_the_program_of_ones_own_runs_to_its_end(tmp_path: Path) -> None:
    async with program(copied(tmp_path, "In your own program")) as running, asyncio.timeout(PATIENCE_S):
        written = (await running.communicate())[0].decode()
    assert (running.returncode, written) == (0, "")
