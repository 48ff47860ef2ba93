"""What a call used: seconds of the call and of recognised sound, letters spoken, tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beluga_voice.commands import TokensUsed

__all__ = ["TokenUsage", "Usage", "UsageMeter"]

# Models that are told apart in one call; what further ones use is added up under the name "".
_MODELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """What an agent or a model of speech said that it used. `input_cached_tokens` are part of `input_tokens`."""

    provider: str = ""
    model: str = ""
    input_tokens: int = 0
    input_cached_tokens: int = 0
    output_tokens: int = 0

    def plus(self, used: TokensUsed) -> TokenUsage:
        """This, and what was used now."""
        return TokenUsage(
            provider=self.provider,
            model=self.model,
            input_tokens=self.input_tokens + used.input_tokens,
            input_cached_tokens=self.input_cached_tokens + used.input_cached_tokens,
            output_tokens=self.output_tokens + used.output_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call used so far.

    - `call_seconds`: how long it lasted. `stt`, `tts`: the components' names; a model of speech is both.
    - `stt_seconds`: of sound that the recogniser was handed; what it was handed again counts again.
    - `tts_characters`: of text that the voice was handed; `tts_seconds`: of sound that it made.
    - `tokens`: by model, as far as they were told (`TokensUsed`).
    - `cost`: at the configured prices, None without any; `currency`: theirs.
    """

    call_seconds: float = 0.0
    stt: str = ""
    stt_seconds: float = 0.0
    tts: str = ""
    tts_characters: int = 0
    tts_seconds: float = 0.0
    tokens: tuple[TokenUsage, ...] = ()
    cost: float | None = None
    currency: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {**asdict(self), "tokens": [asdict(each) for each in self.tokens]}


class UsageMeter:
    """Counts while the call lasts; the pipeline tells it."""

    def __init__(self) -> None:
        self.stt_samples = 0
        """At the ear's 16 kHz."""
        self.tts_characters = 0
        self.tts_seconds = 0.0
        self._tokens: dict[tuple[str, str], TokenUsage] = {}

    def heard(self, samples: int) -> None:
        """The recogniser, or the model of speech, was handed so much sound."""
        self.stt_samples += samples

    def spoken(self, characters: int) -> None:
        """The voice was handed so many letters."""
        self.tts_characters += characters

    def sounded(self, seconds: float) -> None:
        """The voice, or the model of speech, made so much sound."""
        self.tts_seconds += seconds

    def thought(self, used: TokensUsed) -> None:
        """The agent, or the model of speech, says what it used."""
        key = (used.provider, used.model)
        if key not in self._tokens and len(self._tokens) >= _MODELS:
            key = ("", "")
        before = self._tokens.get(key) or TokenUsage(provider=key[0], model=key[1])
        self._tokens[key] = before.plus(used)

    @property
    def tokens(self) -> tuple[TokenUsage, ...]:
        """By model, in the order in which they were first used."""
        return tuple(self._tokens.values())
