"""The instruments of each meter provider: one set for all that tell it something."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import metrics

from beluga_voice._core import __version__
from beluga_voice.telemetry.call_metrics import CallMetrics
from beluga_voice.telemetry.instruments import Instruments
from beluga_voice.telemetry.observed import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.metrics import MeterProvider

    from beluga_voice.session import VoiceSession

__all__ = ["Meters"]

_lock = threading.Lock()
_known: weakref.WeakKeyDictionary[MeterProvider, Meters] = weakref.WeakKeyDictionary()
_for_prometheus: MeterProvider | None = None


class Meters:
    """A provider's instruments and what they observe. Two backends of one process share them."""

    def __init__(self, provider: MeterProvider) -> None:
        self.observed = Observed()
        self.instruments = Instruments(provider.get_meter("beluga_voice", __version__), self.observed.readers)

    @classmethod
    def of(cls, provider: MeterProvider | None, *, for_prometheus: bool) -> Self:
        """Those of `provider`; without one those of the process's provider, or of one that Prometheus reads."""
        with _lock:
            if provider is None:
                provider = _prometheus_provider() if for_prometheus else metrics.get_meter_provider()
            known = _known.get(provider)
            if known is None:
                known = _known[provider] = cls(provider)
            return known  # type: ignore[return-value] - all are of this class

    def watch(self, session: VoiceSession, provider: str) -> Mapping[str, Callable[[Any], None]]:
        """What to call at which event."""
        return CallMetrics(session, provider, self.instruments, self.observed).handlers


def _prometheus_provider() -> MeterProvider:
    global _for_prometheus
    if _for_prometheus is None:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider

        _for_prometheus = SdkMeterProvider([PrometheusMetricReader(scope_info_enabled=False)])
    return _for_prometheus
