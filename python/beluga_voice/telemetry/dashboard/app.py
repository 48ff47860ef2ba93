"""The dashboard as an ASGI application, to be served by itself or mounted in another one.

GET /             the page                GET /calls.json   what it shows (see `CallBoard.shown`)
GET /metrics      Prometheus' text, where prometheus-client is installed
"""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from beluga_voice.telemetry.dashboard.gate import Gate

if TYPE_CHECKING:
    from starlette.requests import Request

    from beluga_voice.telemetry.call_board import CallBoard
    from beluga_voice.telemetry.options import DashboardOptions

__all__ = ["dashboard_app"]

# The page is one file: nothing of it comes from elsewhere, and nothing may be put into it.
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def dashboard_app(options: DashboardOptions, board: CallBoard) -> Starlette:
    """The application; `options` say who may look."""
    page = (importlib.resources.files("beluga_voice.telemetry.dashboard") / "page.html").read_text(encoding="utf-8")

    async def show(_: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    async def calls(_: Request) -> Response:
        return JSONResponse(board.shown(), headers={"cache-control": "no-store"})

    async def metrics(request: Request) -> Response:
        try:
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
        except ImportError:
            return PlainTextResponse("pip install 'beluga-voice[telemetry]'", 501)
        # Reading every call's counters takes a millisecond or so for a hundred of them: not on the calls' loop.
        text = await run_in_threadpool(generate_latest)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/", show), Route("/calls.json", calls), Route("/metrics", metrics)]
    return Starlette(routes=routes, middleware=[Middleware(Gate, token=options.token, host=options.host)])
