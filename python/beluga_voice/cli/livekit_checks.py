"""What `doctor` looks at of LiveKit: the packages, and the server that the environment names, by trying it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import re
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from beluga_voice.cli import event_loop
from beluga_voice.cli.finding import Finding, distribution
from beluga_voice.errors import AuthError, BelugaVoiceError

if TYPE_CHECKING:
    from beluga_voice.providers.livekit.server_api import ServerApi

__all__ = ["livekit_findings"]

_GROUP = "LiveKit"
_EXTRA = "pip install 'beluga-voice[livekit]' (LiveKit rooms)"
# The oldest SDK whose rooms are tried, and the oldest server that the native participant can join.
_OLDEST_SDK = (1, 1, 21)
_OLDEST_SERVER = "1.9.1"
# What each look at the server may take, in seconds.
_PATIENCE_S = 5.0
_JOIN_S = 10.0


def livekit_findings() -> list[Finding]:
    """The packages; then the server, one thing after another as far as it goes.

    Where LIVEKIT_URL and the key are set a room is joined for a moment, under a name of its own, and deleted.
    """
    packages = [_sdk(), _package("livekit-api"), _package("aiohttp")]
    url = os.environ.get("LIVEKIT_URL", "")
    if not url:
        return [*packages, Finding(_GROUP, "server", "info", "LIVEKIT_URL is not set: none is looked at")]
    reached = _reached(url)
    if reached.state != "ok":
        return [*packages, reached]
    if not all(os.environ.get(name) for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")):
        remedy = "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to the server's"
        return [*packages, reached, Finding(_GROUP, "key", "missing", "not set: the server is not asked", remedy)]
    if any(package.state != "ok" for package in packages):
        return [*packages, reached, Finding(_GROUP, "key", "missing", "not tried: packages are missing", _EXTRA)]
    return [*packages, reached, *event_loop.run(_asked(url))]


def _sdk() -> Finding:
    found = _package("livekit")
    if found.state == "ok" and _numbers(found.found) < _OLDEST_SDK:
        oldest = ".".join(map(str, _OLDEST_SDK))
        remedy = f"pip install 'livekit>={oldest}' (older ones are not supported)"
        return Finding(_GROUP, "livekit", "missing", f"{found.found}, which is older than {oldest}", remedy)
    return found


def _package(name: str) -> Finding:
    return distribution(_GROUP, name, "missing", _EXTRA)


def _numbers(told: str) -> tuple[int, ...]:
    """The leading numbers of a version: 1.1.21rc1 counts as 1.1.21."""
    return tuple(int(number) for number in re.findall(r"\d+", told)[:3])


def _reached(url: str) -> Finding:
    """Whether something that speaks HTTP is at that address, as every LiveKit server does."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
            raise ValueError("no such address")
        port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    except ValueError:
        remedy = "set LIVEKIT_URL to ws:// or wss:// and the server's host, such as ws://localhost:7880"
        return Finding(_GROUP, "server", "missing", "LIVEKIT_URL is no address of a server", remedy)
    where = f"{parts.hostname}:{port}"
    try:
        _ask(parts.hostname, port, parts.path, secure=parts.scheme in ("wss", "https"))
    except (OSError, http.client.HTTPException) as error:
        why = "does not answer" if isinstance(error, TimeoutError) else f"cannot be reached: {error}"
        remedy = "start the server that LIVEKIT_URL names, or correct LIVEKIT_URL"
        return Finding(_GROUP, "server", "missing", f"{where} {why}", remedy)
    return Finding(_GROUP, "server", "ok", f"{where} answers")


def _ask(host: str, port: int, path: str, *, secure: bool) -> None:
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    with contextlib.closing(kind(host, port, timeout=_PATIENCE_S)) as connection:
        connection.request("GET", f"{path.rstrip('/')}/")
        connection.getresponse().read()


async def _asked(url: str) -> list[Finding]:
    """What the server thinks of the key, and whether the core itself can carry sound to it."""
    from beluga_voice.providers.livekit.options import LiveKitOptions
    from beluga_voice.providers.livekit.server_api import ServerApi

    api = ServerApi(LiveKitOptions(), timeout_s=_PATIENCE_S)
    try:
        key = await _key(api)
        return [key, await _native(url, api)] if key.state == "ok" else [key]
    finally:
        await api.aclose()


async def _key(api: ServerApi) -> Finding:
    remedy = "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a pair that the server knows"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await api.list_rooms()
    except AuthError as error:
        if error.code == "authorization_failed":
            remedy = "give the key the right to list and create rooms"
        return Finding(_GROUP, "key", "missing", error.message, remedy)
    except (BelugaVoiceError, TimeoutError) as error:
        told = str(error) or "the server does not answer"
        return Finding(_GROUP, "key", "missing", told, "correct LIVEKIT_URL: what answers there is no LiveKit server")
    return Finding(_GROUP, "key", "ok", "the server takes it")


async def _native(url: str, api: ServerApi) -> Finding:
    from beluga_voice.livekit.enums import DisconnectReason
    from beluga_voice.livekit.native.driver import NativeDriver
    from beluga_voice.livekit.options import RoomOptions
    from beluga_voice.livekit.room_driver import NeedsSdkError

    room = f"beluga-voice-doctor-{secrets.token_hex(4)}"
    driver = NativeDriver()
    began = time.monotonic()
    try:
        token = api.mint_token(room, "doctor", ttl=60.0)
        await driver.connect(url, token, RoomOptions(auto_subscribe=False, connect_timeout=_JOIN_S))
        took_ms = round(1000 * (time.monotonic() - began))
        return Finding(_GROUP, "native media", "ok", f"joined a room in {took_ms} ms")
    except NeedsSdkError as needs:
        remedy = (
            f"let UDP pass from here to the server's media ports, with a server of {_OLDEST_SERVER} or newer; "
            "until then the SDK carries rooms, at many times the cost"
        )
        return Finding(_GROUP, "native media", "missing", str(needs), remedy)
    except BelugaVoiceError as error:
        remedy = "look into the server's log: it takes the key and lets nobody join"
        return Finding(_GROUP, "native media", "missing", f"{error.message} ({error.code})", remedy)
    finally:
        await driver.disconnect(DisconnectReason.CLIENT_INITIATED)
        with contextlib.suppress(BelugaVoiceError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await api.delete_room(room)
