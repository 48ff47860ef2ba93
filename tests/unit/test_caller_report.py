"""What follows from what a light caller said and heard."""

from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.errors import AudioFormatError, ConfigError, InvalidStateError
from beluga_voice.testing import Caller, CallerReport, CallerTurn, HeardVoice, Tape


def report(turns: list[tuple[float, float]], voices: list[tuple[float, float]]) -> CallerReport:
    return CallerReport(
        turns=tuple(CallerTurn(first_s, last_s, cut=False) for first_s, last_s in turns),
        voices=tuple(HeardVoice(first_s, last_s, packets=1, gaps=0) for first_s, last_s in voices),
        packets_said=0,
        packets_heard=0,
        packets_voiced=0,
        packets_lost=0,
        frames_skipped=0,
        news_dropped=0,
    )


def test_an_answer_is_the_first_voice_after_a_turn_and_before_the_next() -> None:
    heard = report([(1.0, 2.0), (6.0, 7.0), (9.0, 10.0)], [(2.4, 3.0), (3.5, 4.0), (10.25, 11.0)])
    assert heard.answer_delays_s == (pytest.approx(0.4), None, pytest.approx(0.25))


def test_a_voice_that_is_talked_over_falls_silent_after_the_turn_began() -> None:
    heard = report([(1.0, 2.0), (3.0, 4.0)], [(2.4, 3.35), (4.5, 5.0)])
    assert heard.silence_delays_s == (pytest.approx(0.35),)


@pytest.mark.parametrize(
    ("settings", "field"), [({"complexity": 11}, "complexity"), ({"bitrate_bps": 1_000}, "bitrate_bps")]
)
def test_a_tape_says_what_it_does_not_allow(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        Tape(b"\0\0", sample_rate=16_000, **settings)


def test_a_tape_takes_any_rate_and_lasts_as_long_as_its_sound_and_the_silence_behind_it() -> None:
    assert Tape(bytes(2 * 22_050), sample_rate=22_050).duration_s == pytest.approx(1.08, abs=0.021)


def test_half_a_sample_is_no_sound() -> None:
    with pytest.raises(AudioFormatError):
        Tape(b"\0", sample_rate=16_000)


def test_a_caller_who_is_not_in_his_room_can_do_nothing() -> None:
    caller = Caller(url="ws://localhost:1", token="")
    with pytest.raises(InvalidStateError, match="enter him"):
        caller.hush()
    with pytest.raises(InvalidStateError, match="sampled_s"):
        caller.sound()
    with pytest.raises(ConfigError, match="sampled_s"):
        Caller(url="ws://localhost:1", token="", sampled_s=1_000.0)
