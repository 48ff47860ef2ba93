"""The process's engine: started at the first call, stopped at exit. A loop on virtual time has one of its own."""

from __future__ import annotations

import atexit
import contextlib
import importlib.resources
import threading

from beluga_voice import _core
from beluga_voice.clock import virtual_time
from beluga_voice.core_errors import translated

__all__ = ["engine", "silero_weights", "stepped_engine"]

# Sessions that one shard may be asked to serve; how many it can serve is for its measured load to say.
_MAX_SESSIONS_PER_SHARD = 10_000

_lock = threading.Lock()
_engine: _core.Engine | None = None


def silero_weights() -> bytes:
    """The bytes of Silero's weights, as the wheel ships them. Raises FileNotFoundError."""
    return (importlib.resources.files("beluga_voice") / "_models" / "silero_vad_16k.safetensors").read_bytes()


def engine() -> _core.Engine:
    """The engine of this process; the first call starts it. On a loop that keeps virtual time, that loop's engine.

    One shard: a second thread of this process would only compete with the event loop for the machine's cores.

    Raises ComponentError model_load_failed when Silero's weights are damaged.
    """
    global _engine
    virtual = virtual_time()
    if virtual is not None:
        return virtual.engine
    with _lock:
        if _engine is None:
            with translated():
                _engine = _core.Engine(
                    shards=1, max_sessions_per_shard=_MAX_SESSIONS_PER_SHARD, silero=_weights_if_there()
                )
            atexit.register(_stop, _engine)
        return _engine


def stepped_engine(now_us: int) -> _core.Engine:
    """An engine whose clock stands at `now_us` until `advance` moves it. Raises as `engine` does."""
    with translated():
        return _core.Engine.stepped(now_us=now_us, max_sessions=_MAX_SESSIONS_PER_SHARD, silero=_weights_if_there())


def _stop(running: _core.Engine) -> None:
    # A forked child that exits by itself has none of the threads: there is nothing to stop.
    with contextlib.suppress(_core.CoreError):
        running.stop()


def _weights_if_there() -> bytes | None:
    # A source checkout before its models were fetched: only a call that asks for Silero is refused.
    try:
        return silero_weights()
    except FileNotFoundError:
        return None
