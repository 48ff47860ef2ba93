"""Who may look: whoever shows the token; without one, this machine alone."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Gate"]

# Whose pages name another host may be somebody else's, to which a name server was made to give our address.
_OURS = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Gate:
    """Lets requests through to `app`. The token is a bearer token, or a password with any name, which browsers ask for;
    it is compared in constant time and never logged. Without a token only requests to a loopback name pass."""

    def __init__(self, app: ASGIApp, token: SecretStr | None, host: str) -> None:
        self._app = app
        self._token = None if token is None else token.get_secret_value().encode()
        self._hosts = _OURS | {host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http":
            refused = self._refusal(Headers(scope=scope))
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        if self._token is None:
            host = headers.get("host", "")
            name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
            return None if name in self._hosts else PlainTextResponse("a loopback address is needed", 403)
        if hmac.compare_digest(_shown(headers.get("authorization", "")), self._token):
            return None
        challenge = {"www-authenticate": 'Basic realm="beluga-voice", charset="UTF-8"'}
        return PlainTextResponse("a token is needed", 401, challenge)


def _shown(authorization: str) -> bytes:
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
