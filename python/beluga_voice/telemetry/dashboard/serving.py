"""The dashboard on its own address, served by the loop that starts it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from beluga_voice.errors import ConfigError
from beluga_voice.telemetry.dashboard.app import dashboard_app

if TYPE_CHECKING:
    from collections.abc import Generator

    from beluga_voice.telemetry.call_board import CallBoard
    from beluga_voice.telemetry.options import DashboardOptions

__all__ = ["Dashboard"]

_CLOSE_TIMEOUT_S = 5


class _Server(uvicorn.Server):
    """One that leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Dashboard:
    """Serves `board` until `aclose`."""

    def __init__(self, options: DashboardOptions, board: CallBoard) -> None:
        self._options = options
        self._app = dashboard_app(options, board)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.url = ""
        """Where it is, once it is served."""

    async def start(self) -> None:
        """Begins to serve. Raises ConfigError where the address cannot be had."""
        options = self._options
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((options.host, options.port))
            listening.listen()  # who asks before the server looks is answered when it does
        except OSError as error:
            listening.close()
            raise ConfigError(
                f"telemetry.dashboard: {options.host}:{options.port} cannot be listened on ({error.strerror}): "
                "allowed: an address of this machine and a free port; 0: any port",
                details={"field": "telemetry.dashboard.port", "value": options.port},
            ) from None
        port = listening.getsockname()[1]
        host = f"[{options.host}]" if family == socket.AF_INET6 else options.host
        self.url = f"http://{host}:{port}/"
        # No access log: what clients show must be in no line.
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_TIMEOUT_S,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="beluga-voice dashboard")

    async def aclose(self) -> None:
        """Ends it."""
        server, serving = self._server, self._serving
        self._server = self._serving = None
        if server is None or serving is None:
            return
        server.should_exit = True
        await asyncio.wait({serving}, timeout=_CLOSE_TIMEOUT_S + 1)
        if not serving.done():
            serving.cancel()
            await asyncio.wait({serving})
