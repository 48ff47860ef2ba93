"""The SDK's log capture, which has no option, is off where it was asked to be."""

from __future__ import annotations

import subprocess
import sys

# Counts what the SDK logs while it fails to reach a server.
PROGRAM = """
import asyncio, logging
from beluga_voice.livekit.sdk.quiet import quieten

records = []
handler = logging.Handler(logging.DEBUG)
handler.emit = records.append
logging.getLogger("livekit").addHandler(handler)
logging.getLogger("livekit").setLevel(logging.DEBUG)
if {quiet}:
    quieten()
    quieten()  # as the second room does

async def main():
    from livekit import rtc
    try:
        await rtc.Room().connect("ws://127.0.0.1:9", "no token")
    except rtc.ConnectError:
        print(len(records))

asyncio.run(main())
"""


def records(*, quiet: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(quiet=quiet)], check=True, capture_output=True, text=True, timeout=60
    )
    return int(done.stdout)


def test_it_logs_as_shipped_and_not_when_it_was_quietened() -> None:
    assert records(quiet=False) > 0
    assert records(quiet=True) == 0
