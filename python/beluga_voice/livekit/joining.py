"""How a room is joined: which driver carries it, and why one cannot be joined."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from beluga_voice.errors import AuthError, ConfigError, MissingDependencyError, SessionError, TransportError
from beluga_voice.livekit.refusal import refusal, reworded
from beluga_voice.livekit.room_driver import NeedsSdkError

if TYPE_CHECKING:
    from beluga_voice.livekit.options import RoomOptions
    from beluga_voice.livekit.room_driver import RoomDriver
    from beluga_voice.livekit.room_events import RoomEvent
    from beluga_voice.livekit.room_state import Joined

__all__ = ["join", "media_paths"]

_log = logging.getLogger("beluga_voice.livekit")

_joined: Counter[str] = Counter()
_warned: set[str] = set()


def media_paths() -> dict[str, int]:
    """The metric `media_path`: rooms that this process has joined, by who carried them."""
    return {"native": _joined["native"], "sdk": _joined["sdk"]}


async def join(
    url: str, token: str, options: RoomOptions, on_event: Callable[[RoomEvent], None]
) -> tuple[RoomDriver, Joined]:
    """A driver that has joined. Raises as `Room.connect`."""
    _check_url(url)
    if options.media == "native":
        lacking = _native_lacks(options)
        if not lacking:
            try:
                return await _joined_by(_native_driver(), url, token, options, on_event)
            except NeedsSdkError as needs:
                lacking = str(needs)
        _warn(lacking)
    return await _joined_by(_sdk_driver(), url, token, options, on_event)


async def _joined_by(
    driver: RoomDriver, url: str, token: str, options: RoomOptions, on_event: Callable[[RoomEvent], None]
) -> tuple[RoomDriver, Joined]:
    driver.on_event = on_event
    try:
        joined = await driver.connect(url, token, options)
    except TransportError as error:
        raise await asyncio.to_thread(refusal, url, token, error) from None
    except (AuthError, SessionError) as error:
        raise reworded(error, token) from None
    _joined[driver.media_path] += 1
    return driver, joined


def _warn(lacking: str) -> None:
    # Once for each reason: a thousand rooms are no reason to say it a thousand times.
    if lacking not in _warned:
        _warned.add(lacking)
        _log.warning('media="sdk" carries this room: %s', lacking)


def _native_lacks(options: RoomOptions) -> str:
    """Why the native participant cannot serve here; '' where it can."""
    return "end-to-end encryption is the SDK's" if options.encryption is not None else ""


def _native_driver() -> RoomDriver:
    from beluga_voice.livekit.native.driver import NativeDriver

    return NativeDriver()


def _sdk_driver() -> RoomDriver:
    try:
        from beluga_voice.livekit.sdk.quiet import quieten

        quieten()
        from beluga_voice.livekit.sdk.driver import SdkDriver
        from beluga_voice.livekit.sdk.farewell import let_the_last_words_be_said

        let_the_last_words_be_said()
    except ModuleNotFoundError as error:
        raise MissingDependencyError("beluga-voice[livekit]", provider="livekit", operation="connect") from error
    return SdkDriver()


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ConfigError(
            f"url = {_shown(url)!r}: allowed: ws:// or wss:// and the server's host, such as ws://localhost:7880",
            details={"field": "url"},
        )


def _shown(url: str) -> str:
    """Without what may be a secret in it."""
    return url.partition("?")[0].rpartition("@")[2]
