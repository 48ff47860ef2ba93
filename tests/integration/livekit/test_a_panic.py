"""A thread that every room of the process needs panics in the middle of a call: the process ends, and may be replaced.

What one call, one peer or one room costs that panics is shown in Rust (`rust/engine/tests/engine/closing.rs`,
`rust/runtime/tests/network`): nothing that is shipped can be made to.
"""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.mid_call_end import ENDED_WITHIN_S, ended, running
from support.room_session import answer_to, is_heard, joined, session_on

from beluga_voice import Turn
from beluga_voice.clock import now

if TYPE_CHECKING:
    from pathlib import Path

    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

# In front of libc, where the program says so: the system tells the signalling thread what it never tells. tokio panics.
BREAKING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

volatile int signalling_breaks;

int epoll_wait(int queue, struct epoll_event *events, int most, int timeout) {
    int (*real)(int, struct epoll_event *, int, int) = dlsym(RTLD_NEXT, "epoll_wait");
    int found = real(queue, events, most, timeout);
    char thread[16];
    if (!signalling_breaks || prctl(PR_GET_NAME, thread) || strcmp(thread, "beluga-signal"))
        return found;
    errno = EINVAL;
    return -1;
}
"""


@pytest.fixture
def breakable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are started now can have their signalling broken."""
    source, library = tmp_path / "breaking.c", tmp_path / "breaking.so"
    source.write_text(BREAKING)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))


async def repeat(turn: Turn) -> str:
    return f"{turn.text}."


@pytest.mark.usefixtures("breakable")
async def test_a_process_whose_signalling_panics_ends_and_the_next_one_answers_its_caller(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str
) -> None:
    async with running("signalling_panics", livekit_server, room_name, "native") as program:
        began_s = now()
        status, _, errors = await ended(program)
    assert now() - began_s < ENDED_WITHIN_S
    assert status == -signal.SIGABRT
    assert "'beluga-signal'" in errors
    assert "panicked" in errors
    over_s = now()
    async with joined(livekit_server, room_name, media="native") as room, session_on(room, repeat):
        await is_heard(room, "ada")
        await ada.event("track_subscribed", identity="agent", since=over_s)
        assert await answer_to(ada, "able bake") == ["able", "bake"]
