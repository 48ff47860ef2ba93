"""A voice session: the agent on one call."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from beluga_voice.clock import now
from beluga_voice.current_session import SessionMark, current_session
from beluga_voice.errors import (
    BelugaVoiceError,
    ConfigError,
    InternalError,
    InvalidStateError,
    SessionError,
)
from beluga_voice.events import (
    AgentState,
    AgentStateChanged,
    CloseEvent,
    ErrorEvent,
    SessionEvent,
    SessionState,
    SessionStateChanged,
    SipDtmfReceived,
    UserState,
    UserStateChanged,
)
from beluga_voice.pipeline.plain_text import plain
from beluga_voice.session_components import SessionComponents
from beluga_voice.session_events import SessionEvents
from beluga_voice.session_reports import SessionReports
from beluga_voice.usage import Usage, UsageMeter

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from beluga_voice import _core
    from beluga_voice.agent import AgentHost
    from beluga_voice.audio_chunk import AudioChunk
    from beluga_voice.audio_format import AudioFormat
    from beluga_voice.call_link import CallLink
    from beluga_voice.commands import ToolStarted
    from beluga_voice.config import (
        BackendConfig,
        PipelineType,
        SessionConfig,
        SessionParts,
        TurnHandling,
    )
    from beluga_voice.hooks.retention import Belongings
    from beluga_voice.hooks.tool_hook import ToolCall
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.speech import SpeechHandle
    from beluga_voice.pipeline.turn_taking import Pipeline
    from beluga_voice.prices import Prices
    from beluga_voice.transport import OpenCall, Transport, TransportStats
    from beluga_voice.turn import ChatMessage

__all__ = ["SessionState", "VoiceSession"]

PipelineState = Literal["idle", "listening", "processing", "speaking", "error"]
PersistenceStatus = Literal["active", "completed"]

_PIPELINE_STATES: dict[AgentState, PipelineState] = {
    "initializing": "idle",
    "idle": "idle",
    "listening": "listening",
    "thinking": "processing",
    "speaking": "speaking",
}

CloseReason = Literal["user_initiated", "task_completed", "participant_disconnected", "error"]

# Letters that the caller may write in one turn, as many as a recogniser may hear.
_LONGEST_TEXT = 50_000


class VoiceSession:
    """The agent on one call.

        session = VoiceSession(agent=agent, stt="pocketsphinx", tts="piper")
        await session.start(call)
        await session.say("Hello!")

    Everything is checked here, before anything is opened: names are resolved, options validated.

    - `agent`: answers turns; see `beluga_voice.agent`. With `s2s` it tells the model how to answer; None: the model
      answers by itself.
    - `stt`, `tts`, `s2s`, `vad`: a name, "provider/model", `{"provider": ..., option: ...}`, a class or an instance.
    - `pipeline_type`: "stt_tts" or "s2s", where `s2s` is given beside the others; None: whichever is given.
    - `turn_handling`: see `TurnHandling`; a mapping will do.
    - `timeout`: seconds that the agent may take for the next piece of its answer.
    - `transcript_timeout`: seconds that the recogniser may take for its text after a turn has ended.
    - `tts_timeout`: seconds that the voice may give no sound while there is room for some.
    - `s2s_timeout`: seconds that the model of speech may give no sound of an answer while there is room for some.
    - `start_timeout`: seconds that components may take to be ready.
    - `user_away_timeout`: seconds of silence after which the caller's state is "away"; None: never.
    - `audio_processors`: what sound goes through on its way to the recogniser or model and from the voice or model, and
      `audio_processor_timeout`: seconds that they may take for a chunk; see `AudioProcessor`.
    - `tool_hook`: is asked before the agent uses a tool and told after; see `ToolHook`, and `hook_timeout`.
    - `redaction`: what is taken out of words where they leave the process; see `Redaction`; a mapping will do.
    - `prices`: what usage costs, see `Prices`; a mapping will do.
    - `metadata`: what the agent finds in `turn.metadata`.

    Raises ConfigError, ProviderNotFoundError, MissingDependencyError, AgentError.
    """

    def __init__(
        self,
        *,
        agent: Any = None,
        stt: Any = "pocketsphinx",
        tts: Any = "piper",
        s2s: Any = None,
        pipeline_type: PipelineType | None = None,
        vad: Any = "silero",
        turn_handling: TurnHandling | Mapping[str, Any] | None = None,
        timeout: float = 30.0,
        transcript_timeout: float = 10.0,
        tts_timeout: float = 10.0,
        s2s_timeout: float = 10.0,
        start_timeout: float = 30.0,
        user_away_timeout: float | None = 15.0,
        audio_processors: Sequence[Any] = (),
        audio_processor_timeout: float = 0.05,
        tool_hook: Any = None,
        redaction: Any = None,
        hook_timeout: float = 5.0,
        prices: Prices | Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        from beluga_voice.config import SessionConfig

        settings: dict[str, Any] = {
            "agent": agent,
            "s2s": s2s,
            "pipeline_type": pipeline_type,
            "vad": vad,
            "turn_handling": turn_handling if turn_handling is not None else {},
            "timeout": timeout,
            "transcript_timeout": transcript_timeout,
            "tts_timeout": tts_timeout,
            "s2s_timeout": s2s_timeout,
            "start_timeout": start_timeout,
            "user_away_timeout": user_away_timeout,
            "audio_processors": list(audio_processors),
            "audio_processor_timeout": audio_processor_timeout,
            "tool_hook": tool_hook,
            "redaction": redaction,
            "hook_timeout": hook_timeout,
            "prices": prices,
            "metadata": dict(metadata or {}),
        }
        # The defaults are what serves without a model of speech: nobody has asked for them beside one.
        settings |= {
            name: value
            for name, value in (("stt", stt), ("tts", tts))
            if s2s is None or value != SessionConfig.model_fields[name].default
        }
        self._init(SessionConfig(**settings).resolve())

    @classmethod
    def from_config(
        cls,
        config: SessionConfig,
        backend: BackendConfig | None = None,
        *,
        backend_id: str | None = None,
        user_id: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """A session of `config`; what that leaves unsaid comes from the backend's configuration. `user_id` and
        `metadata` are what the backend knows of who it is for, besides."""
        if backend is not None:
            config = config.over(backend)
        session = cls.__new__(cls)
        parts = config.resolve()
        if user_id or metadata:
            parts = replace(parts, user_id=parts.user_id or user_id, metadata={**parts.metadata, **(metadata or {})})
        session._init(parts, backend_id)
        return session

    def _init(self, parts: SessionParts, backend_id: str | None = None) -> None:
        self.id = uuid.uuid4().hex
        self.backend_id = backend_id
        """`VoiceBackend.id` of the one that made it; None for a session that was made without."""
        self.user_id = parts.user_id
        """Whom it is for, if that was said."""
        self.created_at = datetime.now(UTC)
        self._parts = parts
        self._state: SessionState = "initial"
        self._agent_state: AgentState = "initializing"
        self._user_state: UserState = "listening"
        self._over = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._link: CallLink | None = None
        self._pipeline: Pipeline | None = None
        self._processing: Processing | None = None
        self._history: list[ChatMessage] = []
        self._pipeline_counters: dict[str, int] = {}
        """Those of a pipeline that has ended."""
        self._host: AgentHost | None = None
        self._call: OpenCall | None = None
        self._transport_counters: dict[str, int] = {}
        """Those of a transport's call that was let go of."""
        self._received_samples_lost = 0
        self._reports = SessionReports(parts, self._tool_call)
        self._events = SessionEvents(self._reports.redactor, self._reports.outgoing)
        self._components = SessionComponents(parts, self._events.tell)
        self._recordings: list[Any] = []
        self._forget_recordings: list[Callable[[], object]] = []
        self._close_asked = False
        self._usage = UsageMeter()
        self.mark = SessionMark(self.id)
        """What log lines of this call say of it."""
        self.started_at: float | None = None
        """When `start` was called, by `clock.now()`."""
        self._context = contextvars.copy_context()
        """What whoever started it had in his context variables: all that is done for the call has it too."""

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self, transport: Transport) -> None:
        """Loads the components, then answers the call.

        Raises SessionError session_already_active, session_not_active (it was closed meanwhile), and what a component
        raises that cannot start. A session that failed to start is over.
        """
        from beluga_voice.transport import Transport

        if self._state != "initial" or self._starting is not None or self._closer is not None:
            raise SessionError("this session was started before", code="session_already_active", operation="start")
        if not isinstance(cast("object", transport), Transport):
            raise ConfigError(
                f"a session cannot start on a {type(transport).__name__}: allowed: a Room, a RoomCall or a LocalCall"
            )
        self.started_at = now()
        # A task of its own, so that `aclose` can end it without cancelling whoever waits here.
        self._starting = asyncio.create_task(self._start(transport), name="beluga-voice start")
        try:
            await self._starting
        except BaseException as error:
            cause = _first_cause(error)
            if isinstance(cause, Exception):
                self._end_soon("error", cause)
            else:
                self._end_soon("user_initiated")
            await self._closed()
            if isinstance(cause, asyncio.CancelledError) and self._close_asked:
                message = "the session was closed while it started"
                raise SessionError(message, code="session_not_active", operation="start") from None
            if cause is not error:
                raise cause from None
            raise

    async def _start(self, transport: Transport) -> None:
        from beluga_voice.agent import AgentHost
        from beluga_voice.pipeline.processing import Processing
        from beluga_voice.transport import CallEvents, CallSettings

        current_session.set(self.mark)
        parts = self._parts
        self._components.make()
        self._processing = Processing(parts.audio_processors, timeout_s=parts.audio_processor_timeout)
        if parts.agent is not None:
            self._host = AgentHost(parts.agent, timeout_s=parts.timeout, tools=self._reports.tools)
        await self._components.start()
        self._call = await transport.open(
            CallSettings(
                vad=cast("Any", parts.vad.name),
                vad_options=parts.vad_options,
                turn_handling=parts.turn_handling,
                user_away_timeout=parts.user_away_timeout,
            ),
            CallEvents(
                reconnecting=lambda: self._on_reconnecting(lost=True),
                reconnected=lambda: self._on_reconnecting(lost=False),
                caller_left=lambda: self._end_soon("participant_disconnected"),
                lost=self._on_lost,
                text_received=self._on_text,
                dtmf_received=self._on_dtmf,
                telephone=self._on_telephone,
            ),
        )
        self._events.transport = self._call.take
        self._link = link = self._call.link
        self._pipeline = self._make_pipeline(link, self._processing)
        self._history = self._pipeline.history
        link.on_event = self._on_core_event
        self._become("active")
        self._context = contextvars.copy_context()  # with what callbacks made current, as traces do
        self._pipeline.start()
        self._keeper = asyncio.create_task(self._keep(), name="beluga-voice session")

    def _make_pipeline(self, link: CallLink, processing: Processing) -> Pipeline:
        from beluga_voice.pipeline.turn_taking import PipelineContext

        parts = self._parts
        context = PipelineContext(
            link=link,
            agent=self._host,
            interruption=parts.turn_handling.interruption,
            session_id=self.id,
            metadata=parts.metadata,
            transcript_timeout_s=parts.transcript_timeout,
            processing=processing,
            usage=self._usage,
            emit=self._events.tell,
            end_call=self._task_completed,
        )
        return self._components.pipeline(context)

    def _task_completed(self, reason: str) -> None:
        self._end_soon("task_completed", detail=reason)

    async def _keep(self) -> None:
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            # Whoever leaves the loop without closing, as the end of `asyncio.run` does, ends the call.
            self._end_soon("user_initiated")
            await self._closed()
            raise

    async def aclose(self) -> None:
        """Ends the call now and waits until everything is let go of. May be called twice."""
        self._close_asked = True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
        else:
            self._end_soon("user_initiated")
        await self._closed()

    async def wait_closed(self) -> None:
        """Until the session is over, whoever ended it."""
        await self._over.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # -- speaking -------------------------------------------------------------------------------------------------

    def say(self, text: str, *, allow_interruptions: bool = True) -> SpeechHandle:
        """Speaks `text` after what is being said. Await the handle to wait until it was played.

        Raises SessionError session_not_active.
        """
        return self._running().say(text, allow_interruptions=allow_interruptions)

    def interrupt(self) -> None:
        """Fades out what is being said and gives up the rest, agent included."""
        self._running().interrupt()

    def generate_reply(self, *, user_input: str) -> None:
        """Has the agent answer what the caller wrote: a turn of his without sound, which interrupts like any other.

        Raises SessionError session_not_active, ConfigError for more than 50,000 letters.
        """
        if len(user_input) > _LONGEST_TEXT:
            raise ConfigError(f"user_input has {len(user_input)} letters: allowed: up to {_LONGEST_TEXT}")
        pipeline = self._running()
        if text := plain(user_input).strip():
            pipeline.answer_typed(text)

    async def wait_for_inactive(self) -> None:
        """Until all that was said, written or asked for before is answered and played, or the session is over.

        A caller who is in the middle of a sentence is not waited for. Not for an agent in its own answer: it would wait
        for itself.
        """
        while self._pipeline is not None and self._closer is None and await self._pipeline.wait_for_work():
            pass
        if self._closer is not None:
            await self._over.wait()

    # -- sound ----------------------------------------------------------------------------------------------------

    async def process_audio(
        self, pcm: Buffer, *, sample_rate: int | None = None, audio_format: AudioFormat | None = None
    ) -> None:
        """What the caller says next, handed over instead of sent: for calls that have no line of their own.

        With `sample_rate`: int16 or float32 of shape (n,) or (n, 2), or bytes of int16 and mono; with `audio_format`:
        bytes in that form. Waits while a second of it is waiting to be heard.

        Raises SessionError session_not_active, AudioFormatError, InvalidStateError in a room, whose sound comes from
        its participants.
        """
        from beluga_voice.audio_format import AudioFormat, form_of
        from beluga_voice.transport import TakesSound

        self._running()
        if not isinstance(self._call, TakesSound):
            raise InvalidStateError(
                "the caller's sound comes from the room: allowed: on a LocalCall", operation="process_audio"
            )
        rate = AudioFormat(cast("int", sample_rate)).sample_rate if audio_format is None else audio_format.sample_rate
        form = audio_format or form_of(pcm, rate)
        await self._call.hear(pcm, audio_format=form)

    def send_audio(
        self,
        sound: Buffer | AsyncIterable[Buffer],
        *,
        sample_rate: int | None = None,
        audio_format: AudioFormat | None = None,
        allow_interruptions: bool = True,
    ) -> SpeechHandle:
        """Plays sound to the caller after what is being said; await the handle to wait until it was played.

        `sound` is a whole sound, or an asynchronous iterator of its pieces; its form as for `process_audio`.

        Raises SessionError session_not_active, AudioFormatError.
        """
        from beluga_voice.audio_format import AudioFormat, int16_mono

        pipeline = self._running()
        form = audio_format or AudioFormat(cast("int", sample_rate))
        if not isinstance(sound, AsyncIterable):
            # Here, so that whoever asks hears of what is no sound; what is played is int16 and mono then.
            sound, audio_format = int16_mono(sound, audio_format), None
        return pipeline.play(
            sound,
            sample_rate=form.sample_rate if audio_format is None else None,
            audio_format=audio_format,
            allow_interruptions=allow_interruptions,
        )

    def receive_audio(
        self, duration: float = 0.1, *, audio_format: AudioFormat | None = None
    ) -> AsyncIterator[AudioChunk]:
        """What the caller says from now on, `duration` seconds at a time, until the call is over; int16 and mono at
        16 kHz, or in another form.

        The call keeps some seconds of it for a loop that is behind; then it misses the oldest, which `stats()` counts
        as `received_samples_lost`, and the next chunk's `start_s` tells. Raises SessionError session_not_active.
        """
        from beluga_voice.caller_sound import caller_sound

        return caller_sound(
            self.link, duration=duration, audio_format=audio_format, on_lost=self._note_received_samples_lost
        )

    def _note_received_samples_lost(self, samples: int) -> None:
        self._received_samples_lost += samples

    # -- changing -------------------------------------------------------------------------------------------------

    def set_agent_instance(self, agent: Any) -> None:
        """Another agent, from the next turn on: what the present one has begun to answer it answers.

        Takes what `VoiceSession(agent=)` takes. Raises AgentError, SessionError session_not_active.
        """
        from beluga_voice.agent import AgentFactory, AgentHost

        if self._closer is not None or self._over.is_set():
            raise SessionError(f"the session is {self._state}", code="session_not_active")
        factory = AgentFactory(agent)
        if self._host is not None:
            self._host.replace(factory)
        elif self._pipeline is not None:
            host = AgentHost(factory, timeout_s=self._parts.timeout, tools=self._reports.tools)
            self._pipeline.agent = self._host = host
        self._parts = replace(self._parts, agent=factory)

    def set_agent_callback(self, callback: Callable[[str], Any]) -> None:
        """The same for a function of the turn's text that returns text, `async` or not."""
        from beluga_voice.agent import of_text

        self.set_agent_instance(of_text(callback))

    def update_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Lays `metadata` on what there is: the agent finds it in `turn.metadata` from the next turn on.

        Raises ConfigError for keys that are no text.
        """
        wrong = [key for key in cast("Mapping[object, Any]", metadata) if not isinstance(key, str)]
        if wrong:
            raise ConfigError(f"metadata has the key {wrong[0]!r}: allowed: text")
        self._parts = replace(self._parts, metadata={**self._parts.metadata, **metadata})
        if self._pipeline is not None:
            self._pipeline.metadata = self._parts.metadata

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """What has become of the call."""
        return self._state

    def get_id(self) -> str:
        """`id`."""
        return self.id

    def get_state(self) -> PipelineState:
        """What the pipeline does, in one word: `agent_state` of a call, where "thinking" is "processing"."""
        if self._state == "error":
            return "error"
        return _PIPELINE_STATES[self._agent_state] if self._state in ("active", "reconnecting") else "idle"

    def get_persistence_status(self) -> PersistenceStatus:
        """Whether there is something of it that a restart must not lose: not once it is over."""
        return "completed" if self._state in ("ended", "error") else "active"

    @property
    def agent_state(self) -> AgentState:
        """What the agent does."""
        return self._agent_state

    @property
    def user_state(self) -> UserState:
        """What the caller does."""
        return self._user_state

    @property
    def is_over(self) -> bool:
        """Whether the session has ended and everything was let go of."""
        return self._over.is_set()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the agent finds in `turn.metadata`."""
        return self._parts.metadata

    @property
    def component_names(self) -> Mapping[str, str]:
        """Who serves it by name: `stt` and `tts`, or `s2s`, and `agent`, if there is one."""
        agent = self._parts.agent
        names: dict[str, str] = {**self._components.names}
        return names | {"agent": agent.name} if agent is not None else names

    @property
    def history(self) -> tuple[ChatMessage, ...]:
        """What was said and heard, oldest first."""
        return tuple(self._history)

    @property
    def link(self) -> CallLink:
        """The call in the core, for recorders. Raises SessionError session_not_active before `start`."""
        if self._link is None:
            raise SessionError("the session was not started", code="session_not_active")
        return self._link

    def add_recording(self, recording: Any, *, forget: Callable[[], object] | None = None) -> None:
        """Something with the sound of this call, such as a path: of it the backend's `data_retention_hook` decides.

        `forget` is called when it is no longer to be kept; without a hook that is the end of the session.
        """
        self._recordings.append(recording)
        if forget is not None:
            self._forget_recordings.append(forget)

    @property
    def has_recordings(self) -> bool:
        """Whether `add_recording` was called."""
        return bool(self._recordings)

    def belongings(self) -> Belongings:
        """What there is of this session to be kept or forgotten, for its backend's `data_retention_hook`."""
        from beluga_voice.hooks.retention import Belongings

        return Belongings(
            session_id=self.id,
            user_id=self.user_id,
            transcript=tuple(replace(item, text=self.redacted(item.text)) for item in self._history),
            metadata=dict(self._parts.metadata),
            audio=tuple(self._recordings),
            forget={
                "audio": [*self._forget_recordings, self._recordings.clear],
                "transcript": [self._history.clear],
                "metadata": [self._forget_metadata],
            },
        )

    def redacted(self, text: str) -> str:
        """`text` as it may leave the process: what `redaction` says is taken out of it."""
        return self._reports.redacted(text)

    def reported_arguments(self, started: ToolStarted) -> Mapping[str, Any]:
        """The arguments of a tool as reports and traces may have them: by `tool_hook`, then by `redaction`."""
        return self._reports.arguments(started)

    def _tool_call(self, started: ToolStarted) -> ToolCall:
        from beluga_voice.hooks.tool_hook import ToolCall

        return ToolCall(
            name=started.name,
            arguments=started.arguments,
            call_id=started.call_id,
            session_id=self.id,
            user_id=self.user_id,
            metadata=self._parts.metadata,
        )

    def _on_telephone(self, known: Mapping[str, Any]) -> None:
        self._parts = replace(self._parts, metadata={**self._parts.metadata, "telephony": dict(known)})

    def _forget_metadata(self) -> None:
        self._parts = replace(self._parts, metadata={})

    def stats(self) -> dict[str, int]:
        """What was measured of the call, by name; empty before it was opened.

        Counts, ages and depths are those of `_core.Call.stats`; `loop_lag_us_count`, `_sum` and `_max` tell how long
        the session's event loop took to look when the core had woken it. `agent_calls_abandoned` counts synchronous
        agents that were past their deadline, `component_calls_abandoned` what a component did not end when it was told
        to, `turns_given_up` and `guesses_skipped` what a recogniser was too slow or too fast for,
        `typed_texts_dropped` what the caller wrote faster than the agent could be asked, `session_events_dropped` what
        a slow `events()` loop missed, `received_samples_lost` of the caller, what a slow `receive_audio()` loop did. Of
        a model of speech `s2s_restarts` counts how often it was started again, `s2s_turns_unanswered` turns that it
        found no end of or had no answer to, `s2s_sounds_dropped` pieces of sound that came when nobody wanted them any
        more, `s2s_requests_dropped` what it did not take in time. With audio processors there are theirs (see
        `Processing.stats`). A transport adds its own, such as `sdk_...` in a room that the SDK carries, and
        `media_path_native` or `media_path_sdk`, 1, in every room.
        """
        return {
            **(self._link.stats() if self._link is not None else {}),
            **(self._pipeline.stats() if self._pipeline is not None else self._pipeline_counters),
            **(self._processing.stats() if self._processing is not None else {}),
            **(self._call.stats() if self._call is not None else self._transport_counters),
            "agent_calls_abandoned": self._host.abandoned if self._host is not None else 0,
            "component_calls_abandoned": self._components.abandoned,
            "session_events_dropped": self.events_dropped,
            "received_samples_lost": self._received_samples_lost,
        }

    async def transport_stats(self) -> TransportStats | None:
        """Round trip, loss and jitter on the way to the caller, as far as they are measured; None without a call.

        Raises TransportError not_connected and connection_timeout.
        """
        return await self._call.transport_stats() if self._call is not None else None

    def usage(self) -> Usage:
        """What the call used so far, and its cost where prices are configured. A model of speech is both
        `stt`, of which the sound that it was handed counts, and `tts`."""
        names = self.component_names
        usage = Usage(
            call_seconds=self._at_s,
            stt=names.get("stt", names.get("s2s", "")),
            stt_seconds=self._usage.stt_samples / 16_000,
            tts=names.get("tts", names.get("s2s", "")),
            tts_characters=self._usage.tts_characters,
            tts_seconds=self._usage.tts_seconds,
            tokens=self._usage.tokens,
        )
        return self._parts.prices.applied_to(usage) if self._parts.prices is not None else usage

    def on(self, name: str, callback: Callable[[Any], object] | None = None) -> Any:
        """Calls `callback` (a function, or a coroutine function) for each event of that name; also a decorator.

        It runs on the session's loop; an exception in it is told as an `error` event and harms nothing else.
        """
        if callback is None:
            self._events.check_name(name)
            return functools.partial(self.on, name)
        self._events.on(name, callback)
        return callback

    def off(self, name: str, callback: Callable[[Any], object]) -> None:
        """Takes back what `on` did."""
        self._events.off(name, callback)

    def events(self) -> AsyncIterator[SessionEvent]:
        """Every event from now on, until the session is over. A loop that is 1000 behind misses the oldest."""
        return self._events.all()

    @property
    def events_dropped(self) -> int:
        """Events that an `events()` loop missed because it was too slow."""
        return self._events.dropped

    # -- inside ---------------------------------------------------------------------------------------------------

    def _running(self) -> Pipeline:
        if self._state not in ("active", "reconnecting") or self._pipeline is None or self._closer is not None:
            raise SessionError(f"the session is {self._state}", code="session_not_active")
        return self._pipeline

    def _on_core_event(self, event: _core.Event) -> None:
        try:
            # The loop calls back in the context of whichever call was the first on it.
            self._context.run(self._take_core_event, event)
        except Exception as error:  # a defect of ours: the events after this one are told all the same
            self._events.failed(error)

    def _take_core_event(self, event: _core.Event) -> None:
        match event.kind:
            case "agent_state_changed":
                old, self._agent_state = self._agent_state, cast("AgentState", event.new_state)
                self._events.tell(AgentStateChanged(at_s=event.at_s, old_state=old, new_state=self._agent_state))
            case "user_state_changed":
                before, self._user_state = self._user_state, cast("UserState", event.new_state)
                self._events.tell(UserStateChanged(at_s=event.at_s, old_state=before, new_state=self._user_state))
            case "closed":
                self._end_soon("participant_disconnected")
            case "failed":
                error = InternalError("the core failed on this call", operation="tick")
                self._events.tell(ErrorEvent(at_s=event.at_s, error=error, source="session", recoverable=False))
                self._end_soon("error", error)
            case _:
                cast("Pipeline", self._pipeline).on_event(event)

    def _on_reconnecting(self, *, lost: bool) -> None:
        if self._state in ("active", "reconnecting"):
            self._become("reconnecting" if lost else "active")

    def _on_lost(self, error: BelugaVoiceError) -> None:
        self._events.tell(ErrorEvent(at_s=self._at_s, error=error, source="session", recoverable=False))
        self._end_soon("error", error)

    def _on_text(self, text: str) -> None:
        try:
            self.generate_reply(user_input=text)
        except BelugaVoiceError as error:  # too long, or the session is ending
            self._events.tell(ErrorEvent(at_s=self._at_s, error=error, source="session", recoverable=True))

    def _on_dtmf(self, digit: str, code: int) -> None:
        self._events.tell(SipDtmfReceived(at_s=self._at_s, digit=digit, code=code))

    def _become(self, state: SessionState) -> None:
        old, self._state = self._state, state
        if old != state:
            self._events.tell(SessionStateChanged(at_s=self._at_s, old_state=old, new_state=state))

    @property
    def _at_s(self) -> float:
        return self._link.call.ear_written / 16_000 if self._link is not None else 0.0

    def _end_soon(self, reason: CloseReason, error: Exception | None = None, *, detail: str = "") -> None:
        if self._closer is None and not self._over.is_set():
            # A task of its own: who waits for the end may be cancelled, the end itself may not.
            self._closer = asyncio.create_task(self._close(reason, error, detail), name="beluga-voice close")
            self._closer.add_done_callback(lambda closer: self._close_again(closer, reason, error, detail))

    def _close_again(
        self, closer: asyncio.Task[None], reason: CloseReason, error: Exception | None, detail: str
    ) -> None:
        """The end of `asyncio.run` cancels every task, the closing one too: what that has not done is still to do."""
        if closer.cancelled() and not self._over.is_set():
            self._closer = None
            self._end_soon(reason, error, detail=detail)

    async def _closed(self) -> None:
        """Until the session is over and, except for one of its own callbacks, its tasks are gone."""
        await self._over.wait()
        if self._closer is not None and not self._events.is_callback(asyncio.current_task()):
            await asyncio.wait({self._closer})

    async def _close(self, reason: CloseReason, error: Exception | None, detail: str) -> None:
        try:
            if self._link is not None:
                # The last event first: history gets what was heard of the sentence that the end cuts off.
                await self._link.close()
        except InternalError as failure:
            error = error or failure
        try:
            if self._pipeline is not None:
                self._pipeline_counters = await self._pipeline.aclose()
        finally:
            # It holds this session, and the call: without it both go when their user lets go of them.
            self._pipeline = None
            await self._release()
            self._become("error" if error is not None else "ended")
            await self._hang_up()
            known = error if isinstance(error, BelugaVoiceError) else None
            self._events.tell(
                CloseEvent(at_s=self._at_s, reason=reason, error=known, detail=detail, usage=self.usage())
            )
            self._events.end()
            self._over.set()
            await self._events.settle()

    async def _hang_up(self) -> None:
        """The transport lets go of its call. It was shown the session's last state before."""
        call = self._call
        if call is None:
            return
        try:
            await call.aclose()
        except Exception as error:  # a defect of ours: the session ends all the same
            self._events.failed(error)
        self._transport_counters = call.stats()
        self._call = self._events.transport = None

    async def _release(self) -> None:
        """Lets go of components and agent."""
        await self._components.aclose()
        if self._processing is not None:
            await self._processing.aclose()
        if self._host is not None:
            self._host.close()


def _first_cause(error: BaseException) -> BaseException:
    """What a group of components' errors began with."""
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
