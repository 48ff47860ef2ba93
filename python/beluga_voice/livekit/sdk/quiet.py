"""Keeps the SDK from turning libwebrtc's log into Python records: forty thousand in ten seconds with ten rooms.

Whether it does is a literal `True` in the SDK, the second argument of one call into its library. That argument, and
nothing else, is changed on the way; if the call is not the one we know, it passes as it is, and a warning says so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["quieten"]

_log = logging.getLogger("beluga_voice.livekit")

# livekit_ffi_initialize(callback, capture_logs, "python", version)
_ARGUMENTS = 4
_INITIALIZE = "livekit_ffi_initialize"

_done = False


def quieten() -> None:
    """To be called before the SDK is first used; after that it warns and changes nothing."""
    global _done
    if _done:
        return
    _done = True
    try:
        from livekit.rtc import _ffi_client as client

        get_library: Any = client.get_ffi_lib
        if getattr(client.FfiClient, "_instance", None) is not None:
            _log.warning("livekit was used before beluga_voice: libwebrtc's log goes through Python, which costs CPU")
            return
    except (ImportError, AttributeError):
        _log.warning("this version of livekit is not known: libwebrtc's log goes through Python, which costs CPU")
        return

    def get_quiet_library() -> Any:
        return _QuietLibrary(get_library())

    client.get_ffi_lib = get_quiet_library


class _QuietLibrary:
    """The SDK's library, whose initialisation is told to keep its log to itself."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._initialize = _QuietInitialize(library)

    def __getattr__(self, name: str) -> Any:
        return self._initialize if name == _INITIALIZE else getattr(self._library, name)


class _QuietInitialize:
    def __init__(self, library: Any) -> None:
        self._function: Any = getattr(library, _INITIALIZE)

    @property
    def argtypes(self) -> Any:
        """The function's own."""
        return self._function.argtypes

    @argtypes.setter
    def argtypes(self, types: Any) -> None:
        self._function.argtypes = types

    def __call__(self, *arguments: Any) -> Any:
        if len(arguments) == _ARGUMENTS and arguments[1] is True:
            with _silent_stderr():
                return self._function(arguments[0], False, *arguments[2:])
        _log.warning("this version of livekit is not known: libwebrtc's log goes through Python, which costs CPU")
        return self._function(*arguments)


@contextmanager
def _silent_stderr() -> Generator[None]:
    """What the library no longer tells Python it writes on the terminal, each refused connection as an error.

    It looks at RUST_LOG once, when it starts; who has set it wants to see.
    """
    if "RUST_LOG" in os.environ:
        yield
        return
    os.environ["RUST_LOG"] = "off"
    try:
        yield
    finally:
        del os.environ["RUST_LOG"]
