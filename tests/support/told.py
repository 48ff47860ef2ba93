"""What OpenTelemetry was told: metrics by name and attributes, spans by name, without leaving the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from beluga_voice.telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


@dataclass
class Told:
    """Its `telemetry` tells only this."""

    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    telemetry: Telemetry = field(init=False)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.telemetry = Telemetry(metrics=True, traces=True, meter_provider=self.meters, tracer_provider=self.tracers)

    def points(self) -> dict[str, list[Any]]:
        """Every metric's points, collected now."""
        collected = self.reader.get_metrics_data()
        if collected is None:
            return {}
        return {
            metric.name: list(metric.data.data_points)
            for resource in collected.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def value(self, name: str, **attributes: str) -> float:
        """A metric's value, or a histogram's count, added up over the series that have these attributes."""
        points = [
            point
            for point in self.points().get(name, [])
            if all(point.attributes.get(key) == value for key, value in attributes.items())
        ]
        return sum(point.count if hasattr(point, "count") else point.value for point in points)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """The spans that have ended and whose names begin so, by their beginnings."""
        found = [span for span in self.exporter.get_finished_spans() if span.name.startswith(name)]
        return sorted(found, key=lambda span: (span.start_time or 0, span.end_time or 0))

    def span(self, name: str) -> ReadableSpan:
        """The only one of that name."""
        (found,) = self.spans(name)
        return found
