"""What is told of calls: metrics, traces, log lines, a dashboard. All of it is off until it is asked for.

    telemetry:                          of a backend's configuration; or Telemetry(TelemetryOptions(...)).watch(session)
      metrics: true                     OpenTelemetry metrics (docs/telemetry.md lists them)
      traces: true                      OpenTelemetry traces: session, turn, stt, agent, tool, tts, playout
      logs: json                        log lines of this package as JSON, with trace and session ids
      dashboard: {port: 9464}           a page of calls, its JSON, and /metrics for Prometheus

What is off costs nothing: OpenTelemetry, starlette and the like are imported by what is on.
"""

from __future__ import annotations

from beluga_voice.telemetry.log_lines import CallFilter, JsonFormatter, add_call_ids, log_json
from beluga_voice.telemetry.options import DashboardOptions, TelemetryOptions
from beluga_voice.telemetry.telemetry import Telemetry

__all__ = [
    "CallFilter",
    "DashboardOptions",
    "JsonFormatter",
    "Telemetry",
    "TelemetryOptions",
    "add_call_ids",
    "log_json",
]
