"""What things cost: configured by whoever pays for them, since no list of a vendor's prices stays true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from beluga_voice.validation import Options

if TYPE_CHECKING:
    from beluga_voice.usage import Usage

__all__ = ["Prices"]

Price = Annotated[float, Field(ge=0.0)]
_MILLION = 1_000_000
_ANY = "*"


class Prices(Options):
    """Prices by the name of a component or model, as in `stt` and `TokensUsed.model`; "*": for any other one."""

    currency: str = Field("USD", min_length=1, max_length=8, description="Whose currency the prices are in.")
    call_minute: Price = Field(0.0, description="For a minute of a call.")
    stt_minute: dict[str, Price] = Field(
        default_factory=dict, description="By the recogniser's name: for a minute of sound that it is handed."
    )
    tts_million_characters: dict[str, Price] = Field(
        default_factory=dict, description="By the voice's name: for a million letters that it is handed."
    )
    input_million_tokens: dict[str, Price] = Field(
        default_factory=dict, description="By the model's name: for a million tokens that it reads."
    )
    input_cached_million_tokens: dict[str, Price] = Field(
        default_factory=dict,
        description="By the model's name: for those of them that it had in its cache; without it as for the others.",
    )
    output_million_tokens: dict[str, Price] = Field(
        default_factory=dict, description="By the model's name: for a million tokens that it writes."
    )

    def applied_to(self, usage: Usage) -> Usage:
        """`usage` with its cost."""
        cost = usage.call_seconds / 60 * self.call_minute
        cost += usage.stt_seconds / 60 * _of(self.stt_minute, usage.stt)
        cost += usage.tts_characters / _MILLION * _of(self.tts_million_characters, usage.tts)
        for used in usage.tokens:
            full = _of(self.input_million_tokens, used.model)
            cached = _of(self.input_cached_million_tokens, used.model, otherwise=full)
            fresh_tokens = used.input_tokens - used.input_cached_tokens
            cost += fresh_tokens / _MILLION * full + used.input_cached_tokens / _MILLION * cached
            cost += used.output_tokens / _MILLION * _of(self.output_million_tokens, used.model)
        return replace(usage, cost=cost, currency=self.currency)


def _of(prices: Mapping[str, float], name: str, *, otherwise: float = 0.0) -> float:
    return prices.get(name, prices.get(_ANY, otherwise))
