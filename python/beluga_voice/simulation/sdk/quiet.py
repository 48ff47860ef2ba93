"""The SDK's native library, loaded without its log capture.

As shipped every record of libwebrtc crosses into Python to be thrown away there: 40,000 in ten seconds with ten rooms,
and there is no option for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["load_quietly"]


class _Initialize:
    """`livekit_ffi_initialize(callback, capture_logs, sdk, version)` with the second argument always false."""

    def __init__(self, function: Any) -> None:
        self._function = function

    @property
    def argtypes(self) -> Sequence[Any]:
        return self._function.argtypes

    @argtypes.setter
    def argtypes(self, types: Sequence[Any]) -> None:
        self._function.argtypes = types

    def __call__(self, callback: Any, _capture_logs: bool, *rest: Any) -> Any:  # noqa: FBT001 - theirs
        return self._function(callback, False, *rest)


def load_quietly() -> bool:
    """Loads it now, in this process. False if it was loaded already or is not built as expected: it then logs."""
    ffi: Any = importlib.import_module("livekit.rtc._ffi_client")
    if ffi.FfiClient._instance is not None:
        return False
    original = ffi.get_ffi_lib
    try:
        library = original()
        library.livekit_ffi_initialize = _Initialize(library.livekit_ffi_initialize)
        ffi.get_ffi_lib = lambda: library
        return ffi.FfiClient.instance is not None
    except AttributeError:
        return False
    finally:
        ffi.get_ffi_lib = original
