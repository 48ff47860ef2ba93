"""What is told of a backend's calls, as its settings say."""

from __future__ import annotations

import importlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from beluga_voice.errors import MissingDependencyError
from beluga_voice.telemetry.call_board import CallBoard
from beluga_voice.telemetry.log_lines import log_json
from beluga_voice.telemetry.options import TelemetryOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from beluga_voice.session import VoiceSession
    from beluga_voice.telemetry.dashboard.serving import Dashboard
    from beluga_voice.telemetry.meters import Meters

__all__ = ["Telemetry"]

SCOPE = "beluga_voice"


class Telemetry:
    """Watches sessions and operations. A backend has one of its own; without a backend:

        telemetry = Telemetry(metrics=True, traces=True)
        telemetry.watch(session)                   # before `session.start`

    - `options`: what is on; keyword arguments instead of it are its fields.
    - `meter_provider`, `tracer_provider`: OpenTelemetry's; without them the process's own, as `set_meter_provider`,
      `set_tracer_provider` or `opentelemetry-instrument` made them. With a dashboard and no meter provider of yours,
      metrics go to Prometheus' registry, which /metrics shows.

    What is off is not imported. Raises MissingDependencyError for what is on and not installed.
    """

    def __init__(
        self,
        options: TelemetryOptions | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        **fields: Any,
    ) -> None:
        self.options = options if options is not None else TelemetryOptions(**fields)
        self.board: CallBoard | None = CallBoard() if self.options.dashboard is not None else None
        self.dashboard: Dashboard | None = None
        self._meters: Meters | None = None
        self._tracer: Tracer | None = None
        if self.options.metrics:
            _needed("opentelemetry.metrics", extra="telemetry")
            from beluga_voice.telemetry.meters import Meters

            self._meters = Meters.of(meter_provider, for_prometheus=self.options.dashboard is not None)
        if self.options.traces:
            _needed("opentelemetry.trace", extra="telemetry")
            from opentelemetry import trace

            self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        if self.options.logs == "json":
            log_json()
        if self.options.dashboard is not None:
            _needed("starlette", extra="dashboard")
            _needed("uvicorn", extra="dashboard")

    def watch(self, session: VoiceSession, provider: str = "none", *, latency_target: float | None = None) -> None:
        """Tells of this session until it is over. `provider`: the backend's name; `latency_target`: seconds."""
        for handlers in self._watchers(session, provider, latency_target):
            for name, handler in handlers.items():
                session.on(name, handler)

    def _watchers(
        self, session: VoiceSession, provider: str, latency_target_s: float | None
    ) -> Generator[Mapping[str, Callable[[Any], None]]]:
        if self._tracer is not None:  # first: what others log is logged under its spans
            from beluga_voice.telemetry.call_trace import CallTrace

            yield CallTrace(session, provider, self._tracer, latency_target_s=latency_target_s).handlers
        if self._meters is not None:
            yield self._meters.watch(session, provider)
        if self.board is not None:
            yield self.board.add(session, provider).handlers

    @contextmanager
    def operation(self, provider: str, name: str) -> Generator[None]:
        """Around an operation of a backend: counted, timed, and a span `backend.<provider>.<name>`."""
        if self._meters is None and self._tracer is None:
            yield
            return
        from beluga_voice.telemetry.operation import measured, traced

        with ExitStack() as stack:
            if self._tracer is not None:
                stack.enter_context(traced(self._tracer, provider, name))
            if self._meters is not None:
                stack.enter_context(measured(self._meters.instruments, provider, name))
            yield

    async def start(self) -> None:
        """Serves the dashboard, if one is wanted. Raises ConfigError where its address is taken."""
        if self.options.dashboard is None or self.board is None or self.dashboard is not None:
            return
        from beluga_voice.telemetry.dashboard.serving import Dashboard

        dashboard = Dashboard(self.options.dashboard, self.board)
        await dashboard.start()
        self.dashboard = dashboard

    async def aclose(self) -> None:
        """Serves it no more."""
        dashboard, self.dashboard = self.dashboard, None
        if dashboard is not None:
            await dashboard.aclose()


def _needed(module: str, *, extra: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"beluga-voice[{extra}]", operation="telemetry") from error
