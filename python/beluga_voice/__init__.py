"""Puts an AI agent on a voice call.

    from beluga_voice import Turn, VoiceSession

Names are imported when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# A wheel has the core more than once. The one that is made for this processor is found before the one for all.
if os.path.isdir(f"{__path__[0]}/_cores"):  # noqa: PTH112 - pathlib costs more than all else here
    from beluga_voice._processor import levels

    __path__[:0] = [f"{__path__[0]}/_cores/{level}" for level in levels()]

# Modules that are public under their own names.
_MODULES = ("livekit",)

# Where each public name lives. `__all__` is made of it by hand: type checkers read no other.
_HOMES = {
    "AgentError": "errors",
    "AgentHost": "agent",
    "AudioChunk": "audio_chunk",
    "AudioFormat": "audio_format",
    "AudioFormatError": "errors",
    "AuthError": "errors",
    "BackendConfig": "config",
    "BackendProvider": "backend",
    "BackendRegistry": "backend",
    "BelugaVoiceError": "errors",
    "CanceledError": "errors",
    "ChatMessage": "turn",
    "Command": "commands",
    "ComponentError": "errors",
    "ConfigError": "errors",
    "Conversation": "speech_to_speech",
    "DeadlineError": "errors",
    "Ear": "handles",
    "EndCall": "commands",
    "GiveUp": "speech_to_speech",
    "InternalError": "errors",
    "InvalidStateError": "errors",
    "LocalCall": "providers.local.call",
    "MemorySessionStore": "stores.memory",
    "MissingDependencyError": "errors",
    "Mouth": "handles",
    "PipelineConfig": "config",
    "PipelineError": "errors",
    "Prices": "prices",
    "ProviderCapabilities": "backend",
    "ProviderError": "errors",
    "ProviderInfo": "backend",
    "ProviderNotFoundError": "errors",
    "RateLimitError": "errors",
    "Reply": "speech_to_speech",
    "Respond": "speech_to_speech",
    "Say": "commands",
    "SessionConfig": "config",
    "SessionError": "errors",
    "SessionRecord": "session_store",
    "SessionStore": "session_store",
    "Speak": "speech_to_speech",
    "SpeechHandle": "pipeline.speech",
    "SpeechToSpeech": "speech_to_speech",
    "SpeechToText": "speech_to_text",
    "TextToSpeech": "text_to_speech",
    "TokensUsed": "commands",
    "ToolDeniedError": "errors",
    "ToolFinished": "commands",
    "ToolStarted": "commands",
    "Transcript": "speech_to_text",
    "Transport": "transport",
    "TransportError": "errors",
    "Turn": "turn",
    "TurnHandling": "config",
    "Usage": "usage",
    "Utterance": "handles",
    "VadOptions": "config",
    "VoiceBackend": "voice_backend",
    "VoiceSession": "session",
    "get_registry": "backend",
    "register": "registry",
    "share": "sharing",
}

if TYPE_CHECKING:
    from beluga_voice import livekit as livekit
    from beluga_voice.agent import AgentHost as AgentHost
    from beluga_voice.audio_chunk import AudioChunk as AudioChunk
    from beluga_voice.audio_format import AudioFormat as AudioFormat
    from beluga_voice.backend import (
        BackendProvider as BackendProvider,
        BackendRegistry as BackendRegistry,
        ProviderCapabilities as ProviderCapabilities,
        ProviderInfo as ProviderInfo,
        get_registry as get_registry,
    )
    from beluga_voice.commands import (
        Command as Command,
        EndCall as EndCall,
        Say as Say,
        TokensUsed as TokensUsed,
        ToolFinished as ToolFinished,
        ToolStarted as ToolStarted,
    )
    from beluga_voice.config import (
        BackendConfig as BackendConfig,
        PipelineConfig as PipelineConfig,
        SessionConfig as SessionConfig,
        TurnHandling as TurnHandling,
        VadOptions as VadOptions,
    )
    from beluga_voice.errors import (
        AgentError as AgentError,
        AudioFormatError as AudioFormatError,
        AuthError as AuthError,
        BelugaVoiceError as BelugaVoiceError,
        CanceledError as CanceledError,
        ComponentError as ComponentError,
        ConfigError as ConfigError,
        DeadlineError as DeadlineError,
        InternalError as InternalError,
        InvalidStateError as InvalidStateError,
        MissingDependencyError as MissingDependencyError,
        PipelineError as PipelineError,
        ProviderError as ProviderError,
        ProviderNotFoundError as ProviderNotFoundError,
        RateLimitError as RateLimitError,
        SessionError as SessionError,
        ToolDeniedError as ToolDeniedError,
        TransportError as TransportError,
    )
    from beluga_voice.handles import Ear as Ear, Mouth as Mouth, Utterance as Utterance
    from beluga_voice.pipeline.speech import SpeechHandle as SpeechHandle
    from beluga_voice.prices import Prices as Prices
    from beluga_voice.providers.local.call import LocalCall as LocalCall
    from beluga_voice.registry import register as register
    from beluga_voice.session import VoiceSession as VoiceSession
    from beluga_voice.session_store import SessionRecord as SessionRecord, SessionStore as SessionStore
    from beluga_voice.sharing import share as share
    from beluga_voice.speech_to_speech import (
        Conversation as Conversation,
        GiveUp as GiveUp,
        Reply as Reply,
        Respond as Respond,
        Speak as Speak,
        SpeechToSpeech as SpeechToSpeech,
    )
    from beluga_voice.speech_to_text import SpeechToText as SpeechToText, Transcript as Transcript
    from beluga_voice.stores.memory import MemorySessionStore as MemorySessionStore
    from beluga_voice.text_to_speech import TextToSpeech as TextToSpeech
    from beluga_voice.transport import Transport as Transport
    from beluga_voice.turn import ChatMessage as ChatMessage, Turn as Turn
    from beluga_voice.usage import Usage as Usage
    from beluga_voice.voice_backend import VoiceBackend as VoiceBackend

__all__ = [
    "AgentError",
    "AgentHost",
    "AudioChunk",
    "AudioFormat",
    "AudioFormatError",
    "AuthError",
    "BackendConfig",
    "BackendProvider",
    "BackendRegistry",
    "BelugaVoiceError",
    "CanceledError",
    "ChatMessage",
    "Command",
    "ComponentError",
    "ConfigError",
    "Conversation",
    "DeadlineError",
    "Ear",
    "EndCall",
    "GiveUp",
    "InternalError",
    "InvalidStateError",
    "LocalCall",
    "MemorySessionStore",
    "MissingDependencyError",
    "Mouth",
    "PipelineConfig",
    "PipelineError",
    "Prices",
    "ProviderCapabilities",
    "ProviderError",
    "ProviderInfo",
    "ProviderNotFoundError",
    "RateLimitError",
    "Reply",
    "Respond",
    "Say",
    "SessionConfig",
    "SessionError",
    "SessionRecord",
    "SessionStore",
    "Speak",
    "SpeechHandle",
    "SpeechToSpeech",
    "SpeechToText",
    "TextToSpeech",
    "TokensUsed",
    "ToolDeniedError",
    "ToolFinished",
    "ToolStarted",
    "Transcript",
    "Transport",
    "TransportError",
    "Turn",
    "TurnHandling",
    "Usage",
    "Utterance",
    "VadOptions",
    "VoiceBackend",
    "VoiceSession",
    "get_registry",
    "livekit",
    "register",
    "share",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
