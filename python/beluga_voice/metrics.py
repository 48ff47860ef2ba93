"""What one piece of a component's work took: what `metrics_collected` brings.

livekit-agents' names. Durations are seconds, on the clock of the event's `created_at`, which is the work's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["ComponentMetrics", "LLMMetrics", "RealtimeModelMetrics", "STTMetrics", "TTSMetrics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class STTMetrics:
    """A turn of the caller, recognised or given up.

    - `label`: the recogniser's name. `audio_duration`: of the turn's sound.
    - `duration`: from the end of the turn to its final text, or to when nobody waited for one any more.
    - `error`: None, or the code of what it failed with.
    """

    type: ClassVar[str] = "stt_metrics"
    label: str
    turn_id: int
    audio_duration: float
    duration: float
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMMetrics:
    """An answer of the agent's, given, cut off or failed.

    - `label`: the agent's name. `duration`: from its being asked to its end, however long speaking then takes.
    - `ttft`: to its first piece; None if there was none.
    - `prompt_tokens`, `completion_tokens`: as far as it told them (`TokensUsed`); `model`: whose.
    - `cancelled`: it was cut off; `error`: None, or the code of what it failed with.
    """

    type: ClassVar[str] = "llm_metrics"
    label: str
    turn_id: int
    duration: float
    ttft: float | None = None
    cancelled: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    provider: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TTSMetrics:
    """A sentence, made into sound, cut off or failed.

    - `label`: the voice's name. `turn_id`: of the turn that it answers, None where nobody asked.
    - `duration`: until all of it was handed over, which waits for what is played before it.
    - `ttfb`: to its first sound; None if there was none. `audio_duration`: of the sound that was made.
    - `cancelled`: it was cut off; `error`: None, or the code of what it failed with.
    """

    type: ClassVar[str] = "tts_metrics"
    label: str
    speech_id: str
    turn_id: int | None
    characters_count: int
    audio_duration: float
    duration: float
    ttfb: float | None = None
    cancelled: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeModelMetrics:
    """A reply of a model of speech, written, cut off or failed.

    - `label`: the model's name. `turn_id`: of the turn that it answers, None where nobody asked.
    - `duration`: from when it was asked, or began of its own accord, until all of it was written, which waits for what
      is played before it.
    - `ttft`: to its first sound; None if there was none. `audio_duration`: of the sound that was made.
    - `cancelled`: it was cut off; `error`: None, or the code of what it failed with.
    """

    type: ClassVar[str] = "realtime_model_metrics"
    label: str
    speech_id: str
    turn_id: int | None
    audio_duration: float
    duration: float
    ttft: float | None = None
    cancelled: bool = False
    error: str | None = None


ComponentMetrics = STTMetrics | LLMMetrics | TTSMetrics | RealtimeModelMetrics
