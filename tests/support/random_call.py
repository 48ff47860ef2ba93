"""A call of which everything is drawn from a seed: what is said and when, how slow and how faulty each part is.

`random_call` carries it out on virtual time; `complaints` says what no call may ever do and this one did.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beluga_voice import LocalCall, VoiceSession, _core
from beluga_voice.commands import Command, EndCall, Say as SayCommand, ToolFinished, ToolStarted
from beluga_voice.errors import ComponentError
from beluga_voice.events import (
    EVENT_NAMES,
    AgentFalseInterruption,
    AgentStateChanged,
    CloseEvent,
    ConversationItemAdded,
    ErrorEvent,
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
from beluga_voice.testing import (
    Answered,
    FakeAgent,
    FakeSpeechToText,
    FakeTextToSpeech,
    HangUp,
    Noise,
    Say,
    ScriptedCaller,
    Silence,
    TalkOver,
    run,
    tone_words,
    word_errors,
)

if TYPE_CHECKING:
    from beluga_voice.testing import Step
    from beluga_voice.turn import ChatMessage

# The caller's words and the agent's differ, so that one that is heard in the wrong place shows.
CALLER_WORDS = tone_words.WORDS[:20]
AGENT_WORDS = tone_words.WORDS[20:]

SETTLED_S = 30.0
"""Silence at the end of a script in which every answer that is owed must have been given."""


@dataclass(slots=True)
class Outcome:
    """What came of a call."""

    seed: int
    script: list[Step]
    settled: bool
    """The script ended with enough silence for every answer."""
    events: list[SessionEvent]
    history: tuple[ChatMessage, ...]
    stats: dict[str, int]
    caller: ScriptedCaller
    agent: FakeAgent
    min_words: int
    virtual_s: float
    problems: list[str] = field(default_factory=list[str])


def events_of(outcome: Outcome) -> list[str]:
    """Its events as text: the same in every run."""
    return [re.sub(r"session_id='\w+'", "", repr(event)) for event in outcome.events]


def random_call(seed: int) -> Outcome:
    """The call of that seed."""
    return run(_call(random.Random(seed), seed), limit_s=1_200)


async def _call(draw: random.Random, seed: int) -> Outcome:
    script, settled = random_script(draw)
    failures = draw.random() < 0.25
    enabled = draw.random() < 0.9
    interim_results = draw.random() < 0.8
    min_words = draw.choice([0, 0, 0, 2]) if enabled and interim_results else 0
    stt = FakeSpeechToText(
        delay=draw.choice([0.0, 0.0, 0.1, 0.4]),
        interim_results=interim_results,
        failures={draw.randrange(4): ComponentError("drawn", component="stt", code="network_error")}
        if failures and draw.random() < 0.5
        else None,
    )
    tts = FakeTextToSpeech(
        sample_rate=draw.choice([8_000, 16_000, 24_000]),
        delay=draw.choice([0.0, 0.05, 0.3]),
        word_delay=draw.choice([0.0, 0.0, 0.02, 0.15]),
        failures={draw.randrange(6): ComponentError("drawn", component="tts", code="network_error")}
        if failures and draw.random() < 0.5
        else None,
    )
    agent = FakeAgent(
        [_reply(draw, failures=failures) for _ in range(6)],
        delay=draw.choice([0.0, 0.2, 1.0]),
        piece_delay=draw.choice([0.0, 0.1, 0.6]),
    )
    interruption: dict[str, Any] = {
        "enabled": enabled,
        "min_duration": draw.choice([0.12, 0.2, 0.5]),
        "min_words": min_words,
        "resume_false_interruption": draw.random() < 0.8,
        "duck_gain_db": draw.choice([None, None, -12.0]) if enabled and not min_words else None,
    }
    session = VoiceSession(
        agent=agent,
        stt=stt,
        tts=tts,
        vad="energy",
        turn_handling={"endpointing": {"min_delay": draw.choice([0.25, 0.3, 0.6])}, "interruption": interruption},
        user_away_timeout=draw.choice([None, 5.0]),
    )
    call = LocalCall(sample_rate=draw.choice([8_000, 16_000, 48_000]), output_sample_rate=draw.choice([16_000, 24_000]))
    events: list[SessionEvent] = []
    for name in EVENT_NAMES:
        session.on(name, events.append)
    caller = ScriptedCaller(script)
    async with session:
        await session.start(call)
        if draw.random() < 0.5:
            session.say(random_words(draw, AGENT_WORDS, 1, 4), allow_interruptions=draw.random() < 0.7)
        await caller.talk(call)
    outcome = Outcome(
        seed, script, settled, events, session.history, session.stats(), caller, agent, min_words, caller.now_s
    )
    outcome.problems = complaints(outcome)
    return outcome


def random_words(draw: random.Random, words: tuple[str, ...], least: int, most: int) -> str:
    return " ".join(draw.choice(words) for _ in range(draw.randint(least, most)))


def random_script(draw: random.Random) -> tuple[list[Step], bool]:
    script: list[Step] = [Silence(draw.uniform(0, 1))]
    for _ in range(draw.randint(1, 6)):
        match draw.randrange(7):
            case 0:
                script.append(
                    TalkOver(random_words(draw, CALLER_WORDS, 1, 4), after=draw.uniform(0.0, 1.5), timeout=4.0)
                )
            case 1:
                script += [Noise(draw.uniform(0.02, 0.6), seed=draw.randrange(100)), Silence(draw.uniform(0, 1))]
            case 2:
                # A pause inside a sentence, shorter or longer than an end of turn.
                script += [
                    Say(random_words(draw, CALLER_WORDS, 1, 3)),
                    Silence(draw.uniform(0.05, 0.9)),
                    Say(random_words(draw, CALLER_WORDS, 1, 3)),
                ]
            case _:
                script.append(Say(random_words(draw, CALLER_WORDS, 1, 4)))
        script.append(draw.choice([Answered(6.0), Answered(6.0), Silence(draw.uniform(0, 2))]))
    settled = draw.random() < 0.8
    script += [Silence(SETTLED_S)] if settled else []
    script += [HangUp()] if draw.random() < 0.5 else []
    return script, settled


def _reply(draw: random.Random, *, failures: bool) -> list[str | Command | Exception]:
    pieces: list[str | Command | Exception] = [
        f"{random_words(draw, AGENT_WORDS, 1, 4)}{draw.choice(['.', ',', ' ', '! '])} "
        for _ in range(draw.randint(0, 4))
    ]
    if draw.random() < 0.2:
        pieces[:0] = [ToolStarted("look", {"at": 1}, "call_1"), ToolFinished("look", "seen", call_id="call_1")]
    if draw.random() < 0.15:
        pieces.append(SayCommand(random_words(draw, AGENT_WORDS, 1, 3), allow_interruptions=draw.random() < 0.5))
    if failures and draw.random() < 0.3:
        pieces.append(RuntimeError("drawn"))
    elif draw.random() < 0.03:
        pieces.append(EndCall("done"))
    return pieces


# -- what no call may do --------------------------------------------------------------------------------------------


def complaints(outcome: Outcome) -> list[str]:
    """What is wrong with a call; empty if nothing is."""
    checks = (check_counted, check_states, check_turns, _lost_words, _unanswered, check_sound)
    return [problem for check in checks for problem in check(outcome)]


def _all(outcome: Outcome, kind: type[Any]) -> list[Any]:
    return [event for event in outcome.events if isinstance(event, kind)]


def check_counted(outcome: Outcome) -> list[str]:
    wanted_none = ("illegal_transitions", "events_dropped", "commands_refused", "session_events_dropped")
    return [f"{name} = {outcome.stats[name]}" for name in wanted_none if outcome.stats[name]]


def check_states(outcome: Outcome) -> list[str]:
    table = _core.transitions()
    found: list[str] = []
    for kind, name, first in (
        (AgentStateChanged, "agent_state", "initializing"),
        (UserStateChanged, "user_state", "listening"),
    ):
        state = first
        for event in _all(outcome, kind):
            if event.old_state != state or event.new_state not in table[name][state]:
                found.append(f"{name}: {state} -> ({event.old_state} ->) {event.new_state} at {event.at_s:.2f}")
            state = event.new_state
    # The end of the call makes it idle, whatever it was before.
    last = next((event.old_state for event in reversed(outcome.events) if _is_idle(event)), "listening")
    if outcome.settled and not outcome.caller.hung_up_on and last != "listening":
        found.append(f"the agent is {last} after {SETTLED_S} s of silence")
    if len(_all(outcome, CloseEvent)) != 1 or not isinstance(outcome.events[-1], CloseEvent):
        found.append("the last event is not the only close")
    return found


def _is_idle(event: SessionEvent) -> bool:
    return isinstance(event, AgentStateChanged) and event.new_state == "idle"


def check_turns(outcome: Outcome) -> list[str]:
    found: list[str] = []
    started = [event.turn_id for event in _all(outcome, UserTurnStarted)]
    ended = [event.turn_id for event in _all(outcome, UserTurnEnded)]
    if started != sorted(set(started)) or ended != started[: len(ended)] or len(started) - len(ended) > 1:
        found.append(f"turns started {started}, ended {ended}")
    begun = [event.speech_id for event in _all(outcome, PlayoutStarted)]
    done = [event.speech_id for event in _all(outcome, PlayoutFinished)]
    # What was given up before a sample of it was heard ends without having begun.
    if len(set(done)) != len(done) or set(begun) - set(done):
        found.append(f"speeches begun {begun}, finished {done}")
    return found


def _lost_words(outcome: Outcome) -> list[str]:
    """Every final transcript of a turn that counts is in the history, in order, once."""
    if not outcome.settled or outcome.caller.hung_up_on:
        return []
    discarded = {event.turn_id for event in _all(outcome, UserTurnEnded) if event.discarded}
    transcripts = [
        event.transcript
        for event in _all(outcome, UserInputTranscribed)
        if event.is_final and event.transcript and event.turn_id not in discarded
    ]
    asked = " ".join(item.text for item in outcome.history if item.role == "user").split()
    # Where in the history each transcript may end: one that is too short to interrupt may be left out.
    ends = {0}
    for transcript in transcripts:
        words = transcript.split()
        left_out = ends if outcome.min_words and len(words) < outcome.min_words else set[int]()
        ends = {end + len(words) for end in ends if asked[end : end + len(words)] == words} | left_out
        if not ends:
            return [f"{transcript!r} was understood and is not what the history has next: {asked}"]
    return [] if len(asked) in ends else [f"the history has words that nobody said: {asked[max(ends) :]}"]


def _unanswered(outcome: Outcome) -> list[str]:
    """A question of whose answer nothing was heard because the caller went on is asked again with what followed."""
    if _all(outcome, ErrorEvent) or not outcome.settled or outcome.caller.hung_up_on:
        return []
    begun = {event.speech_id for event in _all(outcome, PlayoutStarted)}
    heard = {event.turn_id for event in _all(outcome, SpeechCreated) if event.speech_id in begun}
    questions = [event for event in _all(outcome, ConversationItemAdded) if event.item.role == "user"]
    answered = {event.item.text for event in questions if event.turn_id in heard}
    asked = outcome.agent.turns
    return [
        f"{turn.text!r} was given up and not asked again"
        for number, turn in enumerate(asked)
        if any(turn is each for each in outcome.agent.cancelled)
        and turn.text not in answered
        and not any(later.text.startswith(turn.text) for later in asked[number + 1 :])
    ]


def check_sound(outcome: Outcome) -> list[str]:
    """What the caller heard is what the history says that he heard, but for a word at each cut."""
    noted = " ".join(item.text for item in outcome.history if item.role == "assistant")
    wanted = [word.lower() for word in re.findall(r"[A-Za-z]+", noted)]
    heard = outcome.caller.heard_words
    cuts = sum(event.interrupted for event in _all(outcome, PlayoutFinished))
    cuts += sum(len(_all(outcome, kind)) for kind in (Interruption, AgentFalseInterruption, ErrorEvent))
    if not outcome.settled or outcome.caller.hung_up_on:
        cuts += 3
    distance = word_errors(wanted, heard)
    return [f"{distance} words differ with {cuts} cuts: noted {wanted}, heard {heard}"] if distance > 2 * cuts else []
