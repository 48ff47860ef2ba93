"""A loop that is closed under a room: nobody is left to leave it, and the SDK would stay in it for ever.

At the process's exit the SDK leaves its rooms by itself, and tells of it on threads of its own until the end.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import logging
import os
import time
import weakref
from typing import Any

from livekit.rtc import _ffi_client
from livekit.rtc._proto import ffi_pb2

__all__ = ["Farewell", "let_the_last_words_be_said"]

_log = logging.getLogger("beluga_voice.livekit")

# Later than anything: the timer is never to ring, only to be let go of.
_NEVER_S = 1e9

# How long what the SDK tells last may take, in seconds: some events, each a fraction of a millisecond.
_LAST_WORDS_S = 0.1


@functools.cache
def let_the_last_words_be_said() -> None:
    """At exit the SDK ends itself, and then the interpreter waits a moment.

    The SDK does not wait for what its threads tell at that time. A thread that wants an interpreter which is ending is
    ended by it, in the middle of the SDK's code, which answers by aborting the process.
    """
    atexit.register(_end_the_sdk)


def _end_the_sdk() -> None:
    # As the SDK would itself, sooner or later; it does so once.
    try:
        client: Any = getattr(_ffi_client.FfiClient, "_instance", None)
        if client is None or client._pid != os.getpid():
            return
        client._dispose()
    except AttributeError as error:  # another version: it ends itself, as it always did
        _log.debug("the SDK was not ended before the interpreter: %r", error)
    else:
        time.sleep(_LAST_WORDS_S)


class Farewell:
    """Leaves a room when the loop is closed that it was made on; until `done` is called.

    Its calls in the core are ended by their loop's link.
    """

    def __init__(self) -> None:
        self._left_behind = _LeftBehind()
        anchor = _Anchor()
        # The loop's timers alone hold the anchor, and closing a loop is the end of its timers.
        self._timer = weakref.ref(asyncio.get_running_loop().call_later(_NEVER_S, anchor.hold))
        self._finalizer = weakref.finalize(anchor, self._left_behind.leave)
        self._finalizer.atexit = False

    def room(self, room: Any) -> None:
        """It is this livekit.rtc Room that is to be left."""
        self._left_behind.room = room

    def done(self) -> None:
        """The room was left."""
        self._finalizer.detach()
        timer = self._timer()
        if timer is not None:
            timer.cancel()


class _Anchor:
    def hold(self) -> None:
        """Never called: a timer has to have something to hold."""


class _LeftBehind:
    """What a closed loop leaves behind. Nothing is waited for here: it may be any thread that finds out."""

    def __init__(self) -> None:
        self.room: Any = None

    def leave(self) -> None:
        try:
            client = _ffi_client.FfiClient.instance
            _forget_closed_loops(client.queue)
            if self.room is not None and self.room.isconnected():
                request = ffi_pb2.FfiRequest()
                request.disconnect.room_handle = self.room._ffi_handle.handle
                client.request(request)
        except (AssertionError, AttributeError, RuntimeError) as error:  # it is gone already, or this is a forked child
            _log.debug("a room of a closed loop was not left: %r", error)


def _forget_closed_loops(queue: Any) -> None:
    """The SDK would go on to offer them every event, and keep alive all that waits for one."""
    with queue._lock:
        queue._subscribers[:] = [each for each in queue._subscribers if not each[1].is_closed()]
