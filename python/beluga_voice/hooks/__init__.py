"""Where a backend asks its owner: who may, how often, what is kept, what becomes of sound, tools, calls and words."""

from __future__ import annotations

from beluga_voice.hooks.admission import Admission, Admitted
from beluga_voice.hooks.audio_processor import AudioProcessor, Stage
from beluga_voice.hooks.auth import AuthHook, AuthResult
from beluga_voice.hooks.caller import Caller, acting_as, current_caller
from beluga_voice.hooks.data_retention import DataRetentionHook, DataType
from beluga_voice.hooks.rate_limiter import RateLimiter
from beluga_voice.hooks.redactor import PersonalDataRedactor, Redactor, StreamRedactor
from beluga_voice.hooks.redis_token_bucket import RedisTokenBucket
from beluga_voice.hooks.retention import RetainedSession
from beluga_voice.hooks.telephony import TelephonyHook
from beluga_voice.hooks.token_bucket import TokenBucket
from beluga_voice.hooks.tool_hook import ToolCall, ToolHook

__all__ = [
    "Admission",
    "Admitted",
    "AudioProcessor",
    "AuthHook",
    "AuthResult",
    "Caller",
    "DataRetentionHook",
    "DataType",
    "PersonalDataRedactor",
    "RateLimiter",
    "Redactor",
    "RedisTokenBucket",
    "RetainedSession",
    "Stage",
    "StreamRedactor",
    "TelephonyHook",
    "TokenBucket",
    "ToolCall",
    "ToolHook",
    "acting_as",
    "current_caller",
]
