"""Settings, checked whole when they are given. Durations are float seconds.

    BackendConfig          a YAML file's root, the environment's BELUGA_VOICE_...
     ├─ stt, tts, vad      which components, see registry.resolve
     └─ turn_handling      TurnHandling: endpointing, interruption
    SessionConfig          one session: the same, and its agent

Names and defaults follow livekit-agents where it has them. Every key here is read by something: a setting that
nothing heeds would be a lie.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import yaml
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from beluga_voice.agent import AgentFactory
from beluga_voice.errors import ConfigError, masked
from beluga_voice.hooks.audio_processor import ProcessorFactory, processor_factories
from beluga_voice.hooks.auth import AuthHook
from beluga_voice.hooks.data_retention import DataRetentionHook
from beluga_voice.hooks.hook_spec import made_hook
from beluga_voice.hooks.rate_limit import RateLimit
from beluga_voice.hooks.rate_limiter import RateLimiter
from beluga_voice.hooks.redaction import Redaction
from beluga_voice.hooks.redactor import Redactor
from beluga_voice.hooks.telephony import TelephonyHook
from beluga_voice.hooks.tool_hook import ToolHook
from beluga_voice.prices import Prices
from beluga_voice.registry import ComponentFactory, Kind, resolve
from beluga_voice.session_store import SessionStore
from beluga_voice.telemetry.options import TelemetryOptions
from beluga_voice.validation import Options, checked, closest

__all__ = [
    "COMPONENT_FIELDS",
    "BackendConfig",
    "Endpointing",
    "Interruption",
    "PipelineConfig",
    "SessionConfig",
    "SessionParts",
    "TurnHandling",
    "VadOptions",
]

ENV_PREFIX = "BELUGA_VOICE_"

# Silero's authors put the release threshold this far below the activation threshold.
_HYSTERESIS = 0.15
_LOWEST_THRESHOLD = 0.01

_CORE_VADS = ("silero", "energy")

PipelineType = Literal["stt_tts", "s2s"]
ComponentKind = Literal["stt", "tts", "s2s"]
"""What a session makes one of for itself."""

# Which fields name components.
COMPONENT_FIELDS: tuple[Kind, ...] = ("stt", "tts", "s2s", "vad")
# By their fields, what the hooks of a backend have to be.
_HOOKS: dict[str, type[Any]] = {
    "auth_hook": AuthHook,
    "data_retention_hook": DataRetentionHook,
    "telephony_hook": TelephonyHook,
}
# What a repr must not show: objects of the user's, and options that were not looked at yet.
_MASKED = ("provider_config", "session_store", "tool_hook", *_HOOKS)
# In which ones a change leaves what it does not name.
_LAID_ON = ("turn_handling", "provider_config")

Probability = Annotated[float, Field(ge=_LOWEST_THRESHOLD, le=0.99)]


class VadOptions(Options):
    """When sound counts as speech."""

    min_speech_duration: float = Field(
        0.05, ge=0.032, le=2.0, description="Seconds of speech before a turn of the caller begins."
    )
    min_silence_duration: float = Field(
        0.25, ge=0.1, le=5.0, description="Seconds of silence before the caller counts as no longer speaking."
    )
    prefix_padding_duration: float = Field(
        0.5, ge=0.0, le=2.0, description="Seconds of sound from before its speech that a turn starts with."
    )
    activation_threshold: Probability = Field(0.5, description="Probability of speech from which it is speech.")
    deactivation_threshold: Probability | None = Field(
        None, description="Probability of speech below which it is silence; without it activation_threshold - 0.15."
    )

    @model_validator(mode="after")
    def _release_below_activation(self) -> Self:
        if self.deactivation_threshold is None:
            release = max(self.activation_threshold - _HYSTERESIS, _LOWEST_THRESHOLD)
            object.__setattr__(self, "deactivation_threshold", release)
        elif self.deactivation_threshold > self.activation_threshold:
            raise ValueError(
                f"deactivation_threshold = {self.deactivation_threshold}: "
                f"allowed: at most activation_threshold ({self.activation_threshold})"
            )
        return self

    @property
    def release_threshold(self) -> float:
        """`deactivation_threshold`, which has a value once the options are made."""
        assert self.deactivation_threshold is not None
        return self.deactivation_threshold


class Endpointing(Options):
    """When the caller's turn is over."""

    mode: Literal["fixed"] = Field("fixed", description="fixed: always after min_delay of silence.")
    min_delay: float = Field(
        0.5,
        ge=0.1,
        le=5.0,
        description="Seconds of silence, from the true end of the voice, that end a turn.",
    )


class Interruption(Options):
    """What happens when the caller talks while the agent speaks."""

    enabled: bool = Field(True, description="Whether the caller's speech stops the agent's.")
    min_duration: float = Field(
        0.5, ge=0.05, le=5.0, description="Seconds of the caller's speech before the agent falls silent."
    )
    min_words: int = Field(
        0, ge=0, le=20, description="Recognised words before the agent falls silent; 0: speech alone is enough."
    )
    resume_false_interruption: bool = Field(
        True, description="Whether the agent goes on where it was cut off when no words followed."
    )
    false_interruption_timeout: float | None = Field(
        2.0,
        ge=0.1,
        le=30.0,
        description="Seconds without words after which an interruption was a false one; null: never.",
    )
    discard_audio_if_uninterruptible: bool = Field(
        True, description="Whether the caller's speech is dropped while the agent may not be interrupted."
    )
    duck_gain_db: float | None = Field(
        None,
        ge=-60.0,
        lt=0.0,
        description="Decibels by which the agent is lowered until the interruption is certain; null: it is stopped.",
    )

    @model_validator(mode="after")
    def _nothing_is_without_effect(self) -> Self:
        if self.duck_gain_db is not None and not self.enabled:
            raise ValueError(f"duck_gain_db = {self.duck_gain_db}: allowed: only with enabled = true")
        if self.min_words and not self.enabled:
            raise ValueError(f"min_words = {self.min_words}: allowed: only with enabled = true")
        # The default beside it is no contradiction: nobody asked for it.
        waited_for = self.false_interruption_timeout if "false_interruption_timeout" in self.model_fields_set else None
        if waited_for is not None and not self.resume_false_interruption:
            raise ValueError(
                f"false_interruption_timeout = {waited_for}: allowed: only with resume_false_interruption = true"
            )
        return self


class TurnHandling(Options):
    """Whose turn it is."""

    turn_detection: Literal["vad", "realtime_llm"] = Field(
        "vad",
        description="vad: by the sound's speech and silence alone; realtime_llm: by the model of speech (s2s) itself.",
    )
    endpointing: Endpointing = Field(default_factory=Endpointing, description="When the caller's turn is over.")
    interruption: Interruption = Field(
        default_factory=Interruption, description="What happens when the caller talks over the agent."
    )


class PipelineConfig(Options):
    """What hears, answers and speaks, and how long each may take: a backend has it as the defaults of its sessions, a
    session for itself."""

    stt: Any = Field("pocketsphinx", description="Speech to text: name, provider/model, mapping, class or instance.")
    tts: Any = Field("piper", description="Text to speech: name, provider/model, mapping, class or instance.")
    s2s: Any = Field(
        None, description="Speech to speech, in place of stt and tts: name, provider/model, mapping, class or instance."
    )
    pipeline_type: PipelineType | None = Field(
        None, description="stt_tts or s2s, where both are given; null: s2s if that is given, else stt_tts."
    )
    vad: Any = Field("silero", description="Voice activity detector: name or mapping.")
    turn_handling: TurnHandling = Field(default_factory=TurnHandling, description="Whose turn it is.")
    timeout: float = Field(
        30.0, ge=1.0, le=300.0, description="Seconds that the agent may take for the next piece of its answer."
    )
    transcript_timeout: float = Field(
        10.0, ge=0.5, le=60.0, description="Seconds that the recogniser may take for its text after a turn has ended."
    )
    tts_timeout: float = Field(
        10.0, ge=0.5, le=60.0, description="Seconds that the voice may give no sound while there is room for some."
    )
    s2s_timeout: float = Field(
        10.0,
        ge=0.5,
        le=60.0,
        description="Seconds that the model of speech may give no sound of an answer while there is room for some.",
    )
    start_timeout: float = Field(30.0, ge=1.0, le=600.0, description="Seconds that components may take to be ready.")
    user_away_timeout: float | None = Field(
        15.0, ge=1.0, le=3600.0, description="Seconds of silence after which the caller is away; null: never."
    )
    audio_processors: list[Any] = Field(
        default_factory=list[Any],
        description="What sound goes through: AudioProcessor classes, instances, module:Class, or mappings with order.",
    )
    audio_processor_timeout: float = Field(
        0.05, ge=0.005, le=0.1, description="Seconds that audio processors may take for a chunk, together."
    )
    tool_hook: Any = Field(
        None, description="What is asked before the agent uses a tool: a ToolHook, its class or module:Class."
    )
    redaction: Any = Field(
        None,
        description="What is taken out of words that leave the process: entities, patterns, transcription, or a "
        "Redactor; null: nothing.",
    )
    hook_timeout: float = Field(
        5.0, ge=0.1, le=60.0, description="Seconds that a hook may take, after which its answer is no."
    )

    @field_validator("tool_hook", mode="plain")
    @classmethod
    def _tool_hook(cls, value: object) -> Any:
        return None if value is None else made_hook(value, ToolHook)

    @field_validator("redaction", mode="plain")
    @classmethod
    def _redaction(cls, value: object) -> Any:
        if value is None or isinstance(value, Redaction):
            return value
        if not isinstance(value, Mapping):
            return Redaction(redactor=made_hook(value, Redactor))
        values = cast("Mapping[str, Any]", value)
        return checked(Redaction, lambda: Redaction.model_validate(values), where="redaction")

    prices: Prices | None = Field(None, description="What a call's usage costs; null: usage is told without a cost.")

    def pipeline(self) -> PipelineType:
        """Which pipeline is meant. Raises ConfigError where that is not clear."""
        if self.pipeline_type == "s2s" and self.s2s is None:
            raise _contradiction("s2s", None, "a model of speech with pipeline_type = 's2s'")
        if self.pipeline_type is not None:
            return self.pipeline_type
        if self.s2s is None:
            return "stt_tts"
        beside = next((name for name in ("stt", "tts") if name in self.model_fields_set), None)
        if beside is not None:
            raise _contradiction("pipeline_type", None, f"'stt_tts' or 's2s' where both {beside} and s2s are given")
        return "s2s"


@dataclass(frozen=True, slots=True)
class SessionParts:
    """A session's settings with every name resolved: what the session is built from."""

    agent: AgentFactory | None
    """None: a model of speech answers by itself."""
    components: Mapping[ComponentKind, ComponentFactory]
    """stt and tts, or s2s."""
    vad: ComponentFactory
    vad_options: VadOptions
    turn_handling: TurnHandling
    timeout: float
    transcript_timeout: float
    tts_timeout: float
    s2s_timeout: float
    start_timeout: float
    user_away_timeout: float | None
    audio_processors: tuple[ProcessorFactory, ...]
    audio_processor_timeout: float
    tool_hook: ToolHook | None
    redaction: Redaction | None
    hook_timeout: float
    user_id: str | None
    prices: Prices | None
    metadata: Mapping[str, Any]


class SessionConfig(PipelineConfig):
    """One session: who answers, what hears and speaks for it, and whose turn it is."""

    user_id: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="Whom it is for: the identity of the caller that a backend answers; null: the next one.",
    )
    agent: Any = Field(
        None,
        description="A function of a Turn, an object with respond(turn), or a class or factory of one; "
        "with s2s null: the model answers by itself.",
    )
    auth_token: SecretStr | None = Field(
        None, description="By what a backend's auth_hook knows who the session is for; null: by user_id alone."
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="What the agent finds in turn.metadata.")

    def over(self, backend: BackendConfig) -> SessionConfig:
        """This configuration with the backend's defaults for what it leaves unsaid."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if not {"pipeline_type", "stt", "tts", "s2s"} & said.keys():
            said["pipeline_type"] = backend.pipeline()
        elif "pipeline_type" not in said:
            # Of what is given here one pipeline is meant, whatever the backend has.
            said["pipeline_type"] = self.pipeline()
        return SessionConfig(**{**backend.session_defaults(), **said})

    def resolve(self) -> SessionParts:
        """Looks up and checks every part.

        Raises ConfigError, ProviderNotFoundError, MissingDependencyError, AgentError.

        Nothing is opened, loaded or made: an object that is not shared is taken by the first `create`.
        """
        vad = resolve("vad", self.vad)
        if vad.name not in _CORE_VADS or not isinstance(vad.options, VadOptions):
            raise ConfigError(
                f"vad = {_shown(self.vad)}: allowed: {' or '.join(_CORE_VADS)}, which run in the core",
                details={"field": "vad", "value": _shown(self.vad), "allowed": list(_CORE_VADS)},
            )
        vad_options = vad.options
        _check_delays(self.turn_handling, vad_options)
        components = self._components()
        return SessionParts(
            agent=AgentFactory(self.agent) if self.agent is not None or "s2s" not in components else None,
            components=components,
            vad=vad,
            vad_options=vad_options,
            turn_handling=self.turn_handling,
            timeout=self.timeout,
            transcript_timeout=self.transcript_timeout,
            tts_timeout=self.tts_timeout,
            s2s_timeout=self.s2s_timeout,
            start_timeout=self.start_timeout,
            user_away_timeout=self.user_away_timeout,
            audio_processors=processor_factories(self.audio_processors),
            audio_processor_timeout=self.audio_processor_timeout,
            tool_hook=self.tool_hook,
            redaction=self.redaction,
            hook_timeout=self.hook_timeout,
            user_id=self.user_id,
            prices=self.prices,
            metadata=self.metadata,
        )

    def _components(self) -> dict[ComponentKind, ComponentFactory]:
        """Those of the pipeline that is meant, and no others: what is not used need not be installed."""
        turns = self.turn_handling
        if self.pipeline() == "stt_tts":
            if turns.turn_detection == "realtime_llm":
                raise _contradiction("turn_handling.turn_detection", turns.turn_detection, "'vad' without s2s")
            stt = resolve("stt", self.stt)
            _check_words(turns, stt)
            return {"stt": stt, "tts": resolve("tts", self.tts)}
        s2s = resolve("s2s", self.s2s)
        if turns.turn_detection == "realtime_llm" and not s2s.component.detects_turns:
            allowed = f"'vad' with s2s.{s2s.name}, which does not detect turns"
            raise _contradiction("turn_handling.turn_detection", turns.turn_detection, allowed)
        words = turns.interruption.min_words
        if words and not s2s.component.transcribes:
            allowed = f"0 with s2s.{s2s.name}, which does not say what it hears"
            raise _contradiction("turn_handling.interruption.min_words", words, allowed)
        return {"s2s": s2s}


def _contradiction(field: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"{field} = {value!r}: allowed: {allowed}", details={"field": field, "value": value})


def _shown(spec: object) -> str:
    return spec.__name__ if isinstance(spec, type) else repr(spec)


def _check_delays(turn_handling: TurnHandling, vad: VadOptions) -> None:
    delay = turn_handling.endpointing.min_delay
    if delay < vad.min_silence_duration:
        raise ConfigError(
            f"turn_handling.endpointing.min_delay = {delay}: "
            f"allowed: at least vad.min_silence_duration ({vad.min_silence_duration})",
            details={"field": "turn_handling.endpointing.min_delay", "value": delay},
        )
    shortest = turn_handling.interruption.min_duration
    if shortest < vad.min_speech_duration:
        raise ConfigError(
            f"turn_handling.interruption.min_duration = {shortest}: "
            f"allowed: at least vad.min_speech_duration ({vad.min_speech_duration})",
            details={"field": "turn_handling.interruption.min_duration", "value": shortest},
        )


def _check_words(turn_handling: TurnHandling, stt: ComponentFactory) -> None:
    words = turn_handling.interruption.min_words
    if words and getattr(stt.options, "interim_results", True) is False:
        raise ConfigError(
            f"turn_handling.interruption.min_words = {words}: allowed: 0 with stt.{stt.name}.interim_results = False, "
            f"which leaves the words unknown until the caller has finished",
            details={"field": "turn_handling.interruption.min_words", "value": words},
        )


class BackendConfig(PipelineConfig, BaseSettings):
    """A backend and the defaults of its sessions.

    Values come from the call, then from the environment (`BELUGA_VOICE_TURN_HANDLING__ENDPOINTING__MIN_DELAY=0.4`),
    then, with `BackendConfig.load(path)`, from a YAML file whose root this is.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, allow_inf_nan=False
    )

    provider: str = Field("local", description="The backend's name in the registry.")
    telemetry: TelemetryOptions = Field(
        default_factory=TelemetryOptions, description="What is told of calls, and to whom; without it nothing is."
    )
    provider_config: dict[str, Any] = Field(
        default_factory=dict, description="The backend's own options, checked by the backend."
    )
    max_concurrent_sessions: int = Field(
        100, ge=0, le=100_000, description="Sessions at the same time, above which none is opened; 0: no limit."
    )
    connect_timeout: float = Field(
        10.0, ge=1.0, le=60.0, description="Seconds that each attempt to reach the backend's server may take."
    )
    max_retries: int = Field(
        3, ge=0, le=10, description="Further attempts after one that failed and may succeed later."
    )
    retry_delay: float = Field(
        1.0,
        ge=0.1,
        le=30.0,
        description="Seconds before the first further attempt, at most; twice that before the next, up to 30.",
    )
    drain_timeout: float = Field(
        1_800.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds that conversations may go on for once the backend is stopped.",
    )
    session_store: Any = Field(
        None,
        description="What keeps of active sessions what must survive the process, a SessionStore; null: nothing does.",
    )
    latency_target: float | None = Field(
        None,
        ge=0.1,
        le=5.0,
        description="Seconds from the caller's last sound to the agent's first that 95 of 100 answers are to keep, or "
        "the backend is degraded; null: not watched.",
    )

    auth_hook: Any = Field(
        None, description="Who may do what: an AuthHook, its class or module:Class; null: whoever has the backend."
    )
    rate_limiter: Any = Field(
        default_factory=RateLimit,
        description="How often each user may ask: requests_per_second and burst, redis_url to share them, or a "
        "RateLimiter; null: without a limit.",
    )
    data_retention_hook: Any = Field(
        None, description="What is kept of a session that is over: a DataRetentionHook, its class or module:Class."
    )
    telephony_hook: Any = Field(
        None, description="Which backend answers a telephone's call: a TelephonyHook, its class or module:Class."
    )

    @field_validator("auth_hook", "data_retention_hook", "telephony_hook", mode="plain")
    @classmethod
    def _hook(cls, value: object, info: ValidationInfo) -> Any:
        return None if value is None else made_hook(value, _HOOKS[str(info.field_name)])

    @field_validator("rate_limiter", mode="plain")
    @classmethod
    def _limiter(cls, value: object) -> Any:
        if isinstance(value, Mapping):
            values = cast("Mapping[str, Any]", value)
            return checked(RateLimit, lambda: RateLimit.model_validate(values), where="rate_limiter")
        return value if value is None or isinstance(value, RateLimit) else made_hook(value, RateLimiter)

    @model_validator(mode="after")
    def _pipeline_is_clear(self) -> Self:
        self.pipeline()
        return self

    @field_validator("session_store")
    @classmethod
    def _is_a_store(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, SessionStore):
            raise ValueError("allowed: nothing, or an object with the methods of SessionStore")
        return value

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # What the backend has not looked at yet may hold its secrets in the clear.
        for name, value in super().__repr_args__():
            yield name, masked(value) if name in _MASKED else value

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, **values: Any) -> Self:
        """From a YAML file (if given), the environment over it, and `values` over both.

        Other than the constructor it refuses variables beginning with BELUGA_VOICE_ that name no setting.
        """
        _check_environment(set(cls.model_fields))
        from_file = _read_yaml(Path(path)) if path is not None else {}
        from_environment = checked(cls, lambda: EnvSettingsSource(cls)())
        return cls(**_merged(_merged(from_file, from_environment), values))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """This configuration with `changes`, checked as a whole; `turn_handling` and `provider_config` laid on group by
        group. Raises ConfigError."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        for name, change in changes.items():
            if name in _LAID_ON and isinstance(change, Mapping):
                below: object = getattr(self, name)
                under = below.model_dump(exclude_unset=True) if isinstance(below, Options) else below
                values[name] = _merged(cast("Mapping[str, Any]", under), cast("Mapping[str, Any]", change))
            else:
                values[name] = change
        return type(self)(**values)

    def check_components(self) -> None:
        """Resolves the names of the components that were said, as each session will. What was left unsaid is checked
        when a session leaves it unsaid too.

        Raises ConfigError, ProviderNotFoundError, MissingDependencyError.
        """
        for kind in COMPONENT_FIELDS:
            if kind in self.model_fields_set and (kind != "s2s" or self.s2s is not None):
                resolve(kind, getattr(self, kind))
        processor_factories(self.audio_processors)

    def session_defaults(self) -> dict[str, Any]:
        """What a session of this backend has unless its own config says otherwise."""
        return {name: getattr(self, name) for name in PipelineConfig.model_fields}


def _check_environment(known: set[str]) -> None:
    for variable in sorted(os.environ):
        if not variable.upper().startswith(ENV_PREFIX):
            continue
        name = variable[len(ENV_PREFIX) :].lower().split("__")[0]
        if name not in known:
            allowed = ", ".join(sorted(ENV_PREFIX + field.upper() for field in known))
            guess = closest(name, known)
            raise ConfigError(f"environment variable {variable}: no such setting{guess or ';'} allowed: {allowed}")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        root: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if root is None:
        return {}
    if not isinstance(root, dict):
        raise ConfigError(f"{path}: its root is a {type(root).__name__}: allowed: a mapping of settings")
    return {str(name): value for name, value in cast("dict[object, Any]", root).items()}


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`, group by group."""
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[name] = _merged(cast("Mapping[str, Any]", below), cast("Mapping[str, Any]", value))
        else:
            result[name] = value
    return result
