"""Why a room could not be joined: the server is asked once more, by plain HTTP, and its answer put into our words."""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any, cast
from urllib.parse import urlsplit

from beluga_voice.errors import AuthError, BelugaVoiceError, SessionError, TransportError

__all__ = ["refusal", "reworded"]

_TIMEOUT_S = 3.0
# What LiveKit's servers say of a room that is not there, and how much of an answer is looked at; `rust/livekit` looks
# for the same.
_NO_ROOM = b"requested room does not exist"
_BODY_BYTES = 4_096


def refusal(url: str, token: str, error: TransportError) -> BelugaVoiceError:
    """What `error`, an attempt at joining that failed, was really about. Blocks for up to 3 s: call it in a thread.

    LiveKit's servers say at /rtc/validate what they think of a token. Their words may quote it: they go nowhere.
    """
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    where = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/rtc/validate"
    request = urllib.request.Request(where, headers={"Authorization": f"Bearer {token}"})
    host = parts.hostname or ""
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return _of_answer(refused, host, token, error)
    except TimeoutError:
        return _failed(f"{host} does not answer", code="connection_timeout")
    except OSError as unreachable:
        reason: object = getattr(unreachable, "reason", unreachable)
        if isinstance(reason, TimeoutError):
            return _failed(f"{host} does not answer", code="connection_timeout")
        return _failed(f"{host} cannot be reached: {reason}", code="connection_failed")
    except http.client.HTTPException:  # no HTTP at all
        return _no_livekit(host)
    # The token is good, and yet: that a room is full shows no earlier, and is called an internal error.
    return _limit("the room is full") if " 500" in error.message else error


def reworded(error: AuthError | SessionError, token: str) -> BelugaVoiceError:
    """The same refusal, with what the token itself says about it."""
    if isinstance(error, AuthError):
        return _unauthorized(_claims(token))
    return _no_room(_claims(token)) if error.code == "session_not_found" else error


def _of_answer(refused: urllib.error.HTTPError, host: str, token: str, error: TransportError) -> BelugaVoiceError:
    match refused.code:
        case 401 | 403:
            return _unauthorized(_claims(token))
        case 404 if _NO_ROOM in _body(refused):
            return _no_room(_claims(token))
        case 404:
            return _no_livekit(host)
        case 429 | 503:
            return _limit("the server takes no more participants")
        case _:
            return error


def _body(refused: urllib.error.HTTPError) -> bytes:
    try:
        return refused.read(_BODY_BYTES)
    except (OSError, http.client.HTTPException):  # it broke off: nothing was said
        return b""


def _no_room(claims: dict[str, Any]) -> SessionError:
    room = str(cast("dict[str, Any]", claims.get("video") or {}).get("room") or "")
    return SessionError(
        f"the server has no room {room!r}, and makes none by itself: create it first",
        code="session_not_found",
        provider="livekit",
        operation="connect",
        details={"room": room},
    )


def _limit(message: str) -> SessionError:
    return SessionError(message, code="session_limit_exceeded", provider="livekit", operation="connect")


def _unauthorized(claims: dict[str, Any]) -> AuthError:
    video = cast("dict[str, Any]", claims.get("video") or {})
    expires = claims.get("exp")
    if isinstance(expires, (int, float)) and expires < time.time():
        return _refused("the token has expired: mint another one", "authentication_failed")
    if claims and not video.get("roomJoin"):
        return _refused("the token does not allow joining a room (roomJoin)", "authorization_failed")
    return _refused(
        "the server does not accept the token: it was made with another key or secret, or is none",
        "authentication_failed",
    )


def _refused(message: str, code: str) -> AuthError:
    return AuthError(message, code=code, provider="livekit", operation="connect")


def _no_livekit(host: str) -> TransportError:
    return _failed(f"what answers at {host} is no LiveKit server: look at the url", code="connection_failed")


def _failed(message: str, *, code: str) -> TransportError:
    return TransportError(message, code=code, provider="livekit", operation="connect")


def _claims(token: str) -> dict[str, Any]:
    """What a token says, unverified: only to find words for a refusal that the server has decided on."""
    try:
        payload = token.split(".")[1]
        claims: object = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else {}
