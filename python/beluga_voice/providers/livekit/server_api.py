"""A LiveKit server's API: its rooms and who is in them, tokens, webhooks. Over `livekit-api`, in our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from livekit import api

from beluga_voice.errors import (
    AuthError,
    BelugaVoiceError,
    ConfigError,
    RateLimitError,
    SessionError,
    TransportError,
)

if TYPE_CHECKING:
    from beluga_voice.providers.livekit.options import LiveKitOptions

__all__ = ["AgentDispatch", "LiveKitRoom", "ServerApi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitRoom:
    """A room on the server."""

    name: str
    sid: str
    metadata: str = ""
    num_participants: int = 0
    max_participants: int = 0
    """0: any number."""
    created_at_s: float = 0.0
    """Since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDispatch:
    """That an agent of that name is wanted in a room: a worker of livekit-agents is asked to come."""

    id: str
    agent_name: str
    room: str
    metadata: str = ""


class ServerApi:
    """See the module. Belongs to the loop on which it is first used.

    Raises, whatever is asked: TransportError connection_failed and connection_timeout, AuthError
    authentication_failed and authorization_failed, SessionError session_not_found (no such room or participant) and
    session_limit_exceeded, RateLimitError; ConfigError where there is no key and no secret.
    """

    def __init__(self, options: LiveKitOptions, *, timeout_s: float) -> None:
        self._options = options
        self.timeout_s = timeout_s
        """For each answer of the server, in seconds."""
        self._client: api.LiveKitAPI | None = None

    # -- rooms ----------------------------------------------------------------------------------------------------

    async def create_room(
        self,
        name: str,
        *,
        metadata: str = "",
        empty_timeout: float | None = None,
        departure_timeout: float | None = None,
        max_participants: int = 0,
    ) -> LiveKitRoom:
        """Creates a room; one that is there already is returned as it is. Timeouts in seconds; None: the server's."""
        request = api.CreateRoomRequest(name=name, metadata=metadata, max_participants=max_participants)
        if empty_timeout is not None:
            request.empty_timeout = round(empty_timeout)
        if departure_timeout is not None:
            request.departure_timeout = round(departure_timeout)
        async with self._asked("create_room"):
            return _room(await self._api.room.create_room(request))

    async def list_rooms(self, names: Sequence[str] = ()) -> list[LiveKitRoom]:
        """The rooms that there are, or those of these names."""
        async with self._asked("list_rooms"):
            found = await self._api.room.list_rooms(api.ListRoomsRequest(names=list(names)))
        return [_room(each) for each in found.rooms]

    async def delete_room(self, name: str) -> None:
        """Ends a room: everybody in it is sent out."""
        async with self._asked("delete_room"):
            await self._api.room.delete_room(api.DeleteRoomRequest(room=name))

    async def remove_participant(self, room: str, identity: str) -> None:
        """Sends somebody out of a room."""
        async with self._asked("remove_participant"):
            await self._api.room.remove_participant(api.RoomParticipantIdentity(room=room, identity=identity))

    # -- agents of workers ----------------------------------------------------------------------------------------

    async def dispatch_agent(self, room: str, agent_name: str, *, metadata: str = "") -> AgentDispatch:
        """Wants a worker's agent in a room, which is created if it is not there."""
        request = api.CreateAgentDispatchRequest(room=room, agent_name=agent_name, metadata=metadata)
        async with self._asked("dispatch_agent"):
            return _dispatch(await self._api.agent_dispatch.create_dispatch(request))

    async def list_dispatches(self, room: str) -> list[AgentDispatch]:
        """The agents that are wanted in a room; one with no name is the server's own, for workers that gave none."""
        async with self._asked("list_dispatches"):
            found = await self._api.agent_dispatch.list_dispatch(room)
        return [_dispatch(each) for each in found]

    async def delete_dispatch(self, dispatch: AgentDispatch) -> None:
        """It is wanted no longer."""
        async with self._asked("delete_dispatch"):
            await self._api.agent_dispatch.delete_dispatch(dispatch.id, dispatch.room)

    async def aclose(self) -> None:
        """Ends its connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @asynccontextmanager
    async def _asked(self, operation: str) -> AsyncGenerator[None]:
        # The library's own timeout does not count: it asks with `timeout=None`, which is none to aiohttp.
        with _translated(operation):
            async with asyncio.timeout(self.timeout_s):
                yield

    @property
    def _api(self) -> api.LiveKitAPI:
        if self._client is None:
            key, secret = self._key()
            self._client = api.LiveKitAPI(self._options.url, key, secret)
        return self._client

    # -- tokens ---------------------------------------------------------------------------------------------------

    def mint_token(
        self,
        room: str,
        identity: str,
        *,
        name: str = "",
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
        is_agent: bool = False,
        ttl: float | None = None,
        grants: Mapping[str, Any] | None = None,
    ) -> str:
        """A token to join `room` with. `ttl` in seconds, else `token_ttl`; `grants`: more of livekit-api's VideoGrants.

        An agent's also lets it change its own attributes, and speak for others in transcripts.
        """
        key, secret = self._key()
        allowed: dict[str, Any] = {"room_join": True, "room": room, **(grants or {})}
        if is_agent:
            allowed = {"can_update_own_metadata": True, **allowed}
        try:
            videos = api.VideoGrants(**allowed)
        except TypeError as error:
            raise ConfigError(f"grants: {error}; allowed: the names of livekit-api's VideoGrants") from None
        seconds = ttl if ttl is not None else self._options.token_ttl
        token = (
            api.AccessToken(key, secret)
            .with_identity(identity)
            .with_name(name)
            .with_metadata(metadata)
            .with_attributes(dict(attributes or {}))
            .with_ttl(timedelta(seconds=seconds))
            .with_grants(videos)
        )
        if is_agent:
            token = token.with_kind("agent")
        return token.to_jwt()

    def verify_webhook(self, body: str | bytes, authorization: str) -> Any:
        """The event of a webhook, livekit-api's `WebhookEvent`, if the server sent it and nobody has changed it.

        `body` as it came; `authorization`: the header of that name. Raises AuthError authentication_failed.
        """
        key, secret = self._key()
        receiver = api.WebhookReceiver(api.TokenVerifier(key, secret))
        try:
            text = body.decode() if isinstance(body, bytes) else body
            return receiver.receive(text, authorization.removeprefix("Bearer "))
        except Exception as error:  # the library raises whatever it comes upon; its words may quote the token
            raise AuthError(
                f"the webhook is not from this server, or was changed on its way ({type(error).__name__})",
                code="authentication_failed",
                provider="livekit",
                operation="verify_webhook",
            ) from None

    def _key(self) -> tuple[str, str]:
        if not self._options.has_key:
            raise ConfigError(
                "this needs api_key and api_secret, or LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment",
                provider="livekit",
            )
        return self._options.api_key, self._options.api_secret.get_secret_value()


def _room(room: Any) -> LiveKitRoom:
    return LiveKitRoom(
        name=room.name,
        sid=room.sid,
        metadata=room.metadata,
        num_participants=room.num_participants,
        max_participants=room.max_participants,
        created_at_s=float(room.creation_time),
    )


def _dispatch(dispatch: Any) -> AgentDispatch:
    return AgentDispatch(id=dispatch.id, agent_name=dispatch.agent_name, room=dispatch.room, metadata=dispatch.metadata)


@contextmanager
def _translated(operation: str) -> Generator[None]:
    try:
        yield
    except api.ServerError as error:
        raise _error(error, operation) from None
    except TimeoutError:
        raise TransportError(
            "the server does not answer", code="connection_timeout", provider="livekit", operation=operation
        ) from None
    except aiohttp.ClientError as error:
        raise TransportError(
            f"the server cannot be reached: {type(error).__name__}",
            code="connection_failed",
            provider="livekit",
            operation=operation,
        ) from None


def _error(error: api.ServerError, operation: str) -> BelugaVoiceError:
    where: dict[str, Any] = {"provider": "livekit", "operation": operation}
    message = error.message.removeprefix("twirp error unknown: ")
    match error.status:
        case 401:
            return AuthError("the server does not know this key, or the secret is wrong", **where)
        case 403:
            return AuthError("the key may not do this", code="authorization_failed", **where)
        case 404:
            return SessionError(message, code="session_not_found", **where)
        case 408 | 504:
            return TransportError(message, code="connection_timeout", **where)
        case 429:
            return RateLimitError(message, **where)
        case 400 | 409 | 412:
            return ConfigError(message, **where)
        case 503:
            return TransportError(message or "the server is not available", code="connection_failed", **where)
        case status:
            return TransportError(f"the server failed: {message} (HTTP {status})", code="protocol_error", **where)
