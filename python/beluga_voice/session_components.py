"""The recogniser and the voice, or the model of speech, of one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from beluga_voice.errors import ComponentError
from beluga_voice.events import ErrorEvent
from beluga_voice.foreign_calls import ForeignCalls, LateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.config import ComponentKind, SessionParts
    from beluga_voice.events import SessionEvent
    from beluga_voice.pipeline.turn_taking import Pipeline, PipelineContext
    from beluga_voice.speech_to_speech import SpeechToSpeech
    from beluga_voice.speech_to_text import SpeechToText
    from beluga_voice.text_to_speech import TextToSpeech

__all__ = ["SessionComponents"]

# How long a component may take to let go of what it holds, in seconds.
_CLOSE_TIMEOUT_S = 5.0


class SessionComponents:
    """Made, started and let go of in time; `emit` is told of one that does not let go."""

    def __init__(self, parts: SessionParts, emit: Callable[[SessionEvent], None]) -> None:
        self._parts = parts
        self._emit = emit
        self._made: dict[ComponentKind, SpeechToText | TextToSpeech | SpeechToSpeech] = {}
        self._foreign = ForeignCalls()

    @property
    def names(self) -> Mapping[ComponentKind, str]:
        """What each is called."""
        return {kind: factory.name for kind, factory in self._parts.components.items()}

    @property
    def abandoned(self) -> int:
        """What one of them did not end when it was told to."""
        return self._foreign.abandoned

    def make(self) -> None:
        """Makes each."""
        for kind, factory in self._parts.components.items():
            self._made[kind] = factory.create()

    async def start(self) -> None:
        """Until all are ready. Raises what one of them raises, ComponentError timeout."""
        async with asyncio.TaskGroup() as starting:
            for kind in self._made:
                starting.create_task(self._start(kind))

    def pipeline(self, context: PipelineContext) -> Pipeline:
        """What a call goes through with them."""
        from beluga_voice.pipeline.cascade import Cascade
        from beluga_voice.pipeline.speech_to_speech import SpeechToSpeechPipeline

        parts, made = self._parts, self._made
        if "s2s" in made:
            return SpeechToSpeechPipeline(
                context,
                s2s=cast("SpeechToSpeech", made["s2s"]),
                s2s_name=self.names["s2s"],
                s2s_timeout_s=parts.s2s_timeout,
                detects_turns=parts.turn_handling.turn_detection == "realtime_llm",
            )
        return Cascade(
            context,
            stt=cast("SpeechToText", made["stt"]),
            stt_name=self.names["stt"],
            tts=cast("TextToSpeech", made["tts"]),
            tts_name=self.names["tts"],
            tts_timeout_s=parts.tts_timeout,
            foreign=self._foreign,
        )

    async def aclose(self) -> None:
        """Lets go of them; what one of them does keeps no other from being let go of."""
        made, self._made = self._made, {}
        await asyncio.gather(*(self._close(kind, each) for kind, each in made.items()))

    async def _start(self, kind: ComponentKind) -> None:
        timeout_s = self._parts.start_timeout
        late_at = asyncio.get_running_loop().time() + timeout_s
        try:
            await self._foreign.run(self._made[kind].start(), name=f"start {kind}", due=lambda: late_at)
        except LateError:
            raise ComponentError(
                f"not ready after {timeout_s:g} s (start_timeout)",
                component=kind,
                code="timeout",
                provider=self.names[kind],
                operation="start",
            ) from None

    async def _close(self, kind: ComponentKind, component: SpeechToText | TextToSpeech | SpeechToSpeech) -> None:
        late_at = asyncio.get_running_loop().time() + _CLOSE_TIMEOUT_S
        try:
            await self._foreign.run(component.aclose(), name=f"close {kind}", due=lambda: late_at)
        except LateError:
            self._closing_failed(kind, "timeout", f"aclose took longer than {_CLOSE_TIMEOUT_S:g} s")
        except Exception as error:
            self._closing_failed(kind, "internal_error", f"aclose raised {type(error).__name__}: {error}")

    def _closing_failed(self, kind: ComponentKind, code: str, message: str) -> None:
        error = ComponentError(message, component=kind, code=code, provider=self.names[kind], operation="aclose")
        self._emit(ErrorEvent(at_s=0.0, error=error, source=kind, recoverable=True))
