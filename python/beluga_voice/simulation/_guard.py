"""Runs a program for as long as somebody wants it: until the input of this process ends.

    python _guard.py PROGRAM [ARGUMENT...]

Whoever started it holds the other end of a pipe, and a pipe ends however its holder does: returning, raising, killed.
(`PR_SET_PDEATHSIG` would end the program with the *thread* that started it.) Run by its path, since it imports nothing
of the package: it is there in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys


def main() -> None:
    """Exits with the program's code, or with -9's after killing it."""
    # Measured or not, what stands between two ends of a call must not be what is late.
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    ended = os.pidfd_open(child.pid)
    readable, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    if ended not in readable:
        child.kill()
    sys.exit(child.wait() & 0xFF)


if __name__ == "__main__":
    main()
