"""What the README has to copy works as it stands there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.readme import copied

PATIENCE_S = 60.0


async def test_the_program_of_ones_own_runs_to_its_end(tmp_path: Path) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, str(copied(tmp_path, "In your own program"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_S):
        written = (await program.communicate())[0].decode()
    assert (program.returncode, written) == (0, "")
