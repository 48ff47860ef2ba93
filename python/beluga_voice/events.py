"""What a session tells its owner: `session.on(name, callback)` and `async for event in session.events()`.

livekit-agents' names where it has one. `at_s` is session time, the axis of the sound: seconds that the call had
lasted. `created_at` is `time.monotonic()`, or the clock of a loop that keeps virtual time.

    user_state_changed             UserStateChanged
    agent_state_changed            AgentStateChanged
    user_turn_started              UserTurnStarted
    user_turn_ended                UserTurnEnded
    user_input_transcribed         UserInputTranscribed
    speech_created                 SpeechCreated
    playout_started                PlayoutStarted
    playout_finished               PlayoutFinished
    playout_mark                   PlayoutMark
    interruption                   Interruption
    agent_false_interruption       AgentFalseInterruption
    function_tool_started          FunctionToolStarted
    function_tools_executed        FunctionToolsExecuted
    agent_output_transcribed       AgentOutputTranscribed
    conversation_item_added        ConversationItemAdded
    metrics_collected              MetricsCollected
    session_state_changed          SessionStateChanged
    sip_dtmf_received              SipDtmfReceived
    error                          ErrorEvent
    close                          CloseEvent
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from beluga_voice.clock import now

if TYPE_CHECKING:
    from beluga_voice.errors import BelugaVoiceError
    from beluga_voice.metrics import ComponentMetrics
    from beluga_voice.turn import ChatMessage
    from beluga_voice.usage import Usage

__all__ = [
    "EVENT_NAMES",
    "AgentFalseInterruption",
    "AgentOutputTranscribed",
    "AgentStateChanged",
    "CloseEvent",
    "ConversationItemAdded",
    "ErrorEvent",
    "FunctionToolStarted",
    "FunctionToolsExecuted",
    "Interruption",
    "MetricsCollected",
    "PlayoutFinished",
    "PlayoutMark",
    "PlayoutStarted",
    "SessionEvent",
    "SessionState",
    "SessionStateChanged",
    "SipDtmfReceived",
    "SpeechCreated",
    "UserInputTranscribed",
    "UserStateChanged",
    "UserTurnEnded",
    "UserTurnStarted",
]

AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]
UserState = Literal["listening", "speaking", "away"]
SessionState = Literal["initial", "active", "reconnecting", "ended", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """What every event has."""

    type: ClassVar[str]
    at_s: float
    created_at: float = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStateChanged(SessionEvent):
    """The caller began or ceased to speak, or went away."""

    type: ClassVar[str] = "user_state_changed"
    old_state: UserState
    new_state: UserState


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStateChanged(SessionEvent):
    """The agent listens, thinks or speaks."""

    type: ClassVar[str] = "agent_state_changed"
    old_state: AgentState
    new_state: AgentState


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStateChanged(SessionEvent):
    """The call began, lost its connection to the caller, has it again, or is over."""

    type: ClassVar[str] = "session_state_changed"
    old_state: SessionState
    new_state: SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class SipDtmfReceived(SessionEvent):
    """The caller pressed a key of his telephone: `digit` "0" to "9", "*", "#", "A" to "D"; `code` 0 to 15."""

    type: ClassVar[str] = "sip_dtmf_received"
    digit: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTurnStarted(SessionEvent):
    """The caller has begun to speak; `onset_s` is his first voiced sample."""

    type: ClassVar[str] = "user_turn_started"
    turn_id: int
    onset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTurnEnded(SessionEvent):
    """The caller's turn is over. `discarded`: it was too short, or came when the agent may not be interrupted."""

    type: ClassVar[str] = "user_turn_ended"
    turn_id: int
    onset_s: float
    voiced_end_s: float | None = None
    discarded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInputTranscribed(SessionEvent):
    """What was understood so far (`is_final` false) or for good."""

    type: ClassVar[str] = "user_input_transcribed"
    transcript: str
    is_final: bool
    turn_id: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCreated(SessionEvent):
    """The agent is about to say something: by itself (`say`) or as an answer (`reply`)."""

    type: ClassVar[str] = "speech_created"
    speech_id: str
    source: Literal["say", "reply"]
    turn_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutStarted(SessionEvent):
    """The first sample of a speech was handed to the transport."""

    type: ClassVar[str] = "playout_started"
    speech_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutFinished(SessionEvent):
    """All that will be played of a speech was handed to the transport: `played_s` seconds of it."""

    type: ClassVar[str] = "playout_finished"
    speech_id: str
    played_s: float
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutMark(SessionEvent):
    """A mark that a voice put into a speech (`mouth.mark(name)`) was reached, after `played_s` seconds of it."""

    type: ClassVar[str] = "playout_mark"
    speech_id: str
    name: str
    played_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOutputTranscribed(SessionEvent):
    """The next words of a speech, told as they are heard: what was told of it before does not come again.

    The last one of a speech has `is_final`, and maybe no words. Where in its sentence a word lies is estimated from its
    share of the letters; where a sentence begins is exact.
    """

    type: ClassVar[str] = "agent_output_transcribed"
    speech_id: str
    transcript: str
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption(SessionEvent):
    """The caller speaks over the agent for long enough; `onset_s` is the first voiced sample of that.

    `action`: the sound was paused, is ducked, or goes on until words are recognised. `speech_id` is None where the
    agent was still thinking.
    """

    type: ClassVar[str] = "interruption"
    speech_id: str | None
    onset_s: float
    action: Literal["pause", "duck", "await_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFalseInterruption(SessionEvent):
    """An interruption without words. `resumed`: the agent goes on where it was cut off."""

    type: ClassVar[str] = "agent_false_interruption"
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionToolStarted(SessionEvent):
    """The agent said that it uses a tool."""

    type: ClassVar[str] = "function_tool_started"
    name: str
    arguments: Mapping[str, Any]
    call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionToolsExecuted(SessionEvent):
    """The agent said that a tool gave its result, or failed with `error`."""

    type: ClassVar[str] = "function_tools_executed"
    name: str
    arguments: Mapping[str, Any]
    result: Any = None
    error: str | None = None
    call_id: str = ""
    turn_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationItemAdded(SessionEvent):
    """The history grew. An agent's item comes when it was played, with what was heard of it. What the caller wrote
    instead of speaking has a negative `turn_id`.

    `metrics`, in seconds, as far as they apply. Of the caller's: `end_of_turn_delay` (last voiced sample to the end of
    the turn), `transcription_delay` (end of the turn to the final transcript). Of the agent's: `llm_node_ttft` (agent
    asked to its first text), `tts_node_ttfb` (text spoken first to its first sound), `playback_latency` (first sound to
    its first sample going out), `e2e_latency` (the caller's last voiced sample to the agent's first).
    """

    type: ClassVar[str] = "conversation_item_added"
    item: ChatMessage
    turn_id: int | None = None
    speech_id: str | None = None
    started_speaking_at_s: float | None = None
    stopped_speaking_at_s: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsCollected(SessionEvent):
    """Recogniser, agent or voice ended a piece of work: a turn's words, an answer, a sentence."""

    type: ClassVar[str] = "metrics_collected"
    metrics: ComponentMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent(SessionEvent):
    """Something failed. `recoverable`: the call goes on."""

    type: ClassVar[str] = "error"
    error: BelugaVoiceError
    source: Literal["stt", "agent", "tts", "s2s", "session"]
    recoverable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseEvent(SessionEvent):
    """The session is over; nothing follows. `detail`: what the agent gave as its reason (`EndCall.reason`).

    `usage`: what the call used in all.
    """

    type: ClassVar[str] = "close"
    reason: Literal["user_initiated", "task_completed", "participant_disconnected", "error"]
    error: BelugaVoiceError | None = None
    detail: str = ""
    usage: Usage | None = None


EVENT_NAMES: tuple[str, ...] = tuple(
    sorted(
        each.type
        for each in (
            UserStateChanged,
            AgentStateChanged,
            AgentOutputTranscribed,
            SessionStateChanged,
            SipDtmfReceived,
            UserTurnStarted,
            UserTurnEnded,
            UserInputTranscribed,
            SpeechCreated,
            PlayoutStarted,
            PlayoutFinished,
            PlayoutMark,
            Interruption,
            AgentFalseInterruption,
            FunctionToolStarted,
            FunctionToolsExecuted,
            ConversationItemAdded,
            MetricsCollected,
            ErrorEvent,
            CloseEvent,
        )
    )
)
"""What `session.on` takes."""
