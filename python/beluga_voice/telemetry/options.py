"""What is told of calls, as settings."""

from __future__ import annotations

import ipaddress
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from beluga_voice.validation import Options

__all__ = ["DashboardOptions", "TelemetryOptions", "is_loopback"]

_SHORTEST_TOKEN = 16


class DashboardOptions(Options):
    """A page of calls for people, its JSON for `beluga-voice top`, and /metrics for Prometheus."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; a token is required off loopback.")
    port: int = Field(9464, ge=0, le=65_535, description="Port; 0: any that is free.")
    token: SecretStr | None = Field(
        None, description="What clients have to show, as a bearer token or as the password of basic authentication."
    )

    @model_validator(mode="after")
    def _guarded_where_others_come(self) -> Self:
        if self.token is not None and len(self.token.get_secret_value()) < _SHORTEST_TOKEN:
            raise ValueError(f"token: allowed: at least {_SHORTEST_TOKEN} letters")
        if self.token is None and not is_loopback(self.host):
            raise ValueError(f"host = {self.host!r}: allowed: a loopback address, or a token beside it")
        return self


class TelemetryOptions(Options):
    """What is told of calls. Nothing of it says what was said in them."""

    metrics: bool = Field(False, description="Whether OpenTelemetry metrics are made.")
    traces: bool = Field(False, description="Whether OpenTelemetry traces are made.")
    logs: Literal["json"] | None = Field(
        None, description="json: this package's log lines as JSON on standard error, with trace and session ids."
    )
    dashboard: DashboardOptions | None = Field(
        None, description="Where the page of calls is served while the backend runs; null: nowhere."
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
