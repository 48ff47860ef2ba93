"""A call with a model of speech of which everything is drawn from a seed; see `support.random_call`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from beluga_voice import LocalCall, VoiceSession
from beluga_voice.commands import EndCall, ToolFinished, ToolStarted
from beluga_voice.errors import ComponentError
from beluga_voice.events import EVENT_NAMES, ErrorEvent
from beluga_voice.testing import FakeAgent, FakeSpeechToSpeech, ScriptedCaller, run
from support.random_call import (
    AGENT_WORDS,
    Outcome,
    check_counted,
    check_sound,
    check_states,
    check_turns,
    random_script,
    random_words,
)

if TYPE_CHECKING:
    from beluga_voice.events import SessionEvent


def random_model_call(seed: int) -> Outcome:
    """The call of that seed."""
    return run(_call(random.Random(seed), seed), limit_s=1_200)


async def _call(draw: random.Random, seed: int) -> Outcome:
    script, settled = random_script(draw)
    failures = draw.random() < 0.3
    enabled = draw.random() < 0.9
    server = draw.random() < 0.4
    model = FakeSpeechToSpeech(
        [_reply(draw, failures=failures) for _ in range(6)],
        sample_rate=draw.choice([8_000, 16_000, 24_000]),
        delay=draw.choice([0.0, 0.05, 0.4, 1.5]),
        word_delay=draw.choice([0.0, 0.0, 0.1, 0.3]),
        transcribes=draw.random() < 0.7,
        transcript_delay=draw.choice([0.0, 0.1, 1.0]),
        detects_turns=True,
        turn_silence=draw.choice([0.15, 0.3, 0.7]),
        keeps_talking=draw.random() < 0.3,
        failures={0: ComponentError("drawn", component="s2s", code="network_error")} if failures else None,
    )
    agent = (
        FakeAgent([random_words(draw, AGENT_WORDS, 1, 4) for _ in range(4)], delay=draw.choice([0.0, 0.2, 1.0]))
        if draw.random() < 0.4
        else None
    )
    interruption: dict[str, Any] = {
        "enabled": enabled,
        "min_duration": draw.choice([0.12, 0.2, 0.5]),
        "resume_false_interruption": draw.random() < 0.8,
        "duck_gain_db": draw.choice([None, None, -12.0]) if enabled else None,
    }
    session = VoiceSession(
        agent=agent,
        s2s=model,
        vad="energy",
        turn_handling={
            "turn_detection": "realtime_llm" if server else "vad",
            "endpointing": {"min_delay": draw.choice([0.25, 0.3, 0.6])},
            "interruption": interruption,
        },
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
    stats = session.stats()
    outcome = Outcome(
        seed, script, settled, events, session.history, stats, caller, agent or FakeAgent([""]), 0, caller.now_s
    )
    checks = (check_counted, check_states, check_turns, check_sound)
    outcome.problems = [problem for check in checks for problem in check(outcome)]
    if not failures:
        outcome.problems += [f"error {event.error!r}" for event in events if isinstance(event, ErrorEvent)]
    return outcome


def _reply(draw: random.Random, *, failures: bool) -> list[Any]:
    pieces: list[Any] = [random_words(draw, AGENT_WORDS, 1, 5) for _ in range(draw.randint(1, 3))]
    if draw.random() < 0.2:
        pieces[1:1] = [ToolStarted("look", {"at": 1}, "call_1"), ToolFinished("look", "seen", call_id="call_1")]
    if failures and draw.random() < 0.3:
        pieces.insert(draw.randint(0, len(pieces)), draw.choice([RuntimeError("drawn"), b"odd", None]))
    elif draw.random() < 0.03:
        pieces.append(EndCall("done"))
    return pieces
