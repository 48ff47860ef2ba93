"""What happened in a call, gathered from the session's events alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beluga_voice.events import (
    AgentFalseInterruption,
    AgentStateChanged,
    CloseEvent,
    ConversationItemAdded,
    ErrorEvent,
    FunctionToolsExecuted,
    FunctionToolStarted,
    Interruption,
    PlayoutFinished,
    PlayoutStarted,
    SessionEvent,
    SpeechCreated,
    UserInputTranscribed,
    UserStateChanged,
    UserTurnEnded,
    UserTurnStarted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CallLog", "Speech", "StateBand", "ToolUse", "TurnLog"]

# livekit-agents' names of delays -> the stages of a report, in the order in which they pass.
STAGES = {
    "end_of_turn_delay": "end_of_turn",
    "transcription_delay": "stt",
    "llm_node_ttft": "agent",
    "tts_node_ttfb": "tts",
    "playback_latency": "playout",
    "e2e_latency": "total",
}


@dataclass(slots=True)
class ToolUse:
    """A tool that the agent said it used. Neither `result` nor `error`: it said no more of it."""

    name: str
    arguments: Mapping[str, Any]
    result: Any = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {"name": self.name, "arguments": dict(self.arguments), "result": self.result, "error": self.error}


@dataclass(slots=True)
class Speech:
    """One thing that the agent said. `text` is what was heard of it; times are seconds of the session."""

    id: str
    turn_id: int | None
    text: str = ""
    start_s: float | None = None
    end_s: float | None = None
    interrupted: bool = False
    onset_s: float | None = None
    """First voiced sample of the caller that talked over it."""
    stopped_at_s: float | None = None
    """When the core decided that he does, and began to fade it out."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(slots=True)
class TurnLog:
    """A turn of the caller, and the agent's answer to it."""

    id: int
    start_s: float
    end_s: float | None = None
    heard: str = ""
    partial: str = ""
    """What the recogniser believes while the turn goes on."""
    tools: list[ToolUse] = field(default_factory=list[ToolUse])
    speeches: list[Speech] = field(default_factory=list[Speech])
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def said(self) -> str:
        """What the caller heard of the answer."""
        return " ".join(speech.text for speech in self.speeches if speech.text)

    @property
    def interrupted(self) -> bool:
        """Whether the answer was cut short."""
        return any(speech.interrupted for speech in self.speeches)

    @property
    def interrupted_at_s(self) -> float | None:
        """When the core decided that the caller talks over the answer, and began to fade it out."""
        return next((speech.stopped_at_s for speech in self.speeches if speech.interrupted), None)

    @property
    def first_audio_s(self) -> float | None:
        """When the answer's first sample was sent."""
        return min((speech.start_s for speech in self.speeches if speech.start_s is not None), default=None)

    @property
    def stages_ms(self) -> dict[str, float]:
        """Where the time between the caller's last voiced sample and the answer's first sample went."""
        first = next((speech.metrics for speech in self.speeches if speech.start_s is not None), None)
        measured = {**self.metrics, **(first or {})}
        return {stage: round(measured[name] * 1000, 1) for name, stage in STAGES.items() if name in measured}


@dataclass(frozen=True, slots=True)
class StateBand:
    """Somebody was in one state for a while."""

    state: str
    start_s: float
    end_s: float


class CallLog:
    """Feed it a session's events in their order; it never looks anywhere else.

    What a turn heard comes from the recogniser's events, its tools from the agent's, and what was said from the items
    that the history got, which hold only text whose sound was played.
    """

    def __init__(self) -> None:
        self.turns: list[TurnLog] = []
        self.unprompted: list[Speech] = []
        """What the agent said by itself."""
        self.errors: list[dict[str, Any]] = []
        self.discarded_turns = 0
        """Turns that were too short or came at the wrong moment, in which nothing was heard."""
        self.false_interruptions = 0
        self.close_reason: str | None = None
        self.agent_state = "initializing"
        self.user_state = "listening"
        self._bands: dict[str, list[StateBand]] = {"agent": [], "user": []}
        self._since_s = {"agent": 0.0, "user": 0.0}
        self._speeches: dict[str, Speech] = {}
        self._interrupting: Speech | None = None
        self._tools: dict[str, ToolUse] = {}

    def take(self, event: SessionEvent) -> None:
        """Notes an event."""
        match event:
            case UserStateChanged() | AgentStateChanged():
                self._take_state(event)
            case UserTurnStarted() | UserTurnEnded() | UserInputTranscribed():
                self._take_turn(event)
            case FunctionToolStarted() | FunctionToolsExecuted():
                self._take_tool(event)
            case SpeechCreated() | PlayoutStarted() | PlayoutFinished() | Interruption() | AgentFalseInterruption():
                self._take_speech(event)
            case ConversationItemAdded():
                self._take_item(event)
            case ErrorEvent():
                self.errors.append({"at_s": event.at_s, "source": event.source, **event.error.to_dict()})
            case CloseEvent():
                self.close_reason = event.reason
            case _:
                return

    def turn(self, turn_id: int | None) -> TurnLog | None:
        """The turn of that id, as far as it is known."""
        return next((turn for turn in reversed(self.turns) if turn.id == turn_id), None)

    @property
    def speeches(self) -> list[Speech]:
        """All that the agent said and that was heard, oldest first."""
        answers = [speech for turn in self.turns for speech in turn.speeches]
        started = [speech for speech in [*self.unprompted, *answers] if speech.start_s is not None]
        return sorted(started, key=lambda speech: speech.start_s or 0.0)

    def bands(self, who: str, end_s: float) -> list[StateBand]:
        """The states of "agent" or "user" one after another, until `end_s`."""
        state = self.agent_state if who == "agent" else self.user_state
        bands = [*self._bands[who], StateBand(state, self._since_s[who], end_s)]
        return [band for band in bands if band.end_s > band.start_s]

    def _take_state(self, event: UserStateChanged | AgentStateChanged) -> None:
        who = "agent" if isinstance(event, AgentStateChanged) else "user"
        self._bands[who].append(StateBand(event.old_state, self._since_s[who], event.at_s))
        self._since_s[who] = event.at_s
        if isinstance(event, AgentStateChanged):
            self.agent_state = event.new_state
        else:
            self.user_state = event.new_state

    def _take_turn(self, event: UserTurnStarted | UserTurnEnded | UserInputTranscribed) -> None:
        if isinstance(event, UserTurnStarted):
            self.turns.append(TurnLog(event.turn_id, event.onset_s))
            return
        turn = self.turn(event.turn_id)
        if turn is None:
            return
        if isinstance(event, UserInputTranscribed):
            turn.partial = event.transcript
            if event.is_final:
                turn.heard = event.transcript
        elif event.discarded:
            self.turns.remove(turn)
            self.discarded_turns += 1
        else:
            turn.end_s = event.voiced_end_s

    def _take_tool(self, event: FunctionToolStarted | FunctionToolsExecuted) -> None:
        key = event.call_id or event.name
        if isinstance(event, FunctionToolStarted):
            # Which turn it serves is said when it is done; until then it is the newest one's.
            self._tools[key] = tool = ToolUse(event.name, event.arguments)
            if self.turns:
                self.turns[-1].tools.append(tool)
            return
        tool = self._tools.pop(key, None) or ToolUse(event.name, event.arguments)
        tool.result, tool.error = event.result, event.error
        turn = self.turn(event.turn_id)
        if turn is not None and not any(each is tool for each in turn.tools):
            for other in self.turns:
                other.tools[:] = [each for each in other.tools if each is not tool]
            turn.tools.append(tool)

    def _take_speech(
        self, event: SpeechCreated | PlayoutStarted | PlayoutFinished | Interruption | AgentFalseInterruption
    ) -> None:
        match event:
            case SpeechCreated():
                speech = self._speeches[event.speech_id] = Speech(event.speech_id, event.turn_id)
                turn = self.turn(event.turn_id)
                (turn.speeches if turn is not None else self.unprompted).append(speech)
            case PlayoutStarted():
                self._speech(event.speech_id).start_s = event.at_s
            case PlayoutFinished():
                speech = self._speech(event.speech_id)
                speech.end_s, speech.interrupted = event.at_s, event.interrupted
                if not event.interrupted:
                    speech.onset_s = speech.stopped_at_s = None
            case Interruption():
                if event.speech_id is not None:
                    self._interrupting = self._speech(event.speech_id)
                    self._interrupting.onset_s, self._interrupting.stopped_at_s = event.onset_s, event.at_s
            case AgentFalseInterruption():
                self.false_interruptions += 1
                if self._interrupting is not None:
                    self._interrupting.onset_s = self._interrupting.stopped_at_s = None

    def _take_item(self, event: ConversationItemAdded) -> None:
        if event.item.role == "user":
            turn = self.turn(event.turn_id)
            if turn is not None:
                turn.metrics = event.metrics
        elif event.speech_id is not None:
            speech = self._speech(event.speech_id)
            speech.text, speech.interrupted, speech.metrics = event.item.text, event.item.interrupted, event.metrics
            speech.start_s = event.started_speaking_at_s if event.started_speaking_at_s is not None else speech.start_s
            speech.end_s = event.stopped_speaking_at_s if event.stopped_speaking_at_s is not None else speech.end_s

    def _speech(self, speech_id: str) -> Speech:
        speech = self._speeches.get(speech_id)
        if speech is None:  # begun before the log was
            speech = self._speeches[speech_id] = Speech(speech_id, None)
            self.unprompted.append(speech)
        return speech
