"""The loop of a command, and Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import asyncio
import signal
import threading

from beluga_voice.cli import event_loop


def press() -> None:
    # As when the system gives the signal to a thread that is not the main one, which Python tells then.
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


async def wait() -> None:
    threading.Timer(0.2, press).start()
    await asyncio.Event().wait()


# What a shell runs in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    event_loop.run(wait())
except KeyboardInterrupt:
    print("left", signal.set_wakeup_fd(-1))
"""


def test_ctrl_c_ends_a_loop_that_waits_whichever_thread_is_given_it() -> None:
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left -1\n", "")
