"""What carries calls: the same operations whoever does it, so that a configuration alone decides."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

from beluga_voice.connection_state import Connection, ConnectionState
from beluga_voice.core_errors import translated
from beluga_voice.errors import (
    AuthError,
    BelugaVoiceError,
    ConfigError,
    InvalidStateError,
    RateLimitError,
    TransportError,
)
from beluga_voice.health import ComponentHealth, HealthStatus, SessionsWatch
from beluga_voice.hooks.backend_hooks import BackendHooks
from beluga_voice.retries import Backoff, retried
from beluga_voice.session import VoiceSession
from beluga_voice.session_book import SessionBook
from beluga_voice.session_keeper import SessionKeeper
from beluga_voice.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from beluga_voice.config import BackendConfig, SessionConfig
    from beluga_voice.hooks.admission import Admitted
    from beluga_voice.hooks.data_retention import DataRetentionHook
    from beluga_voice.hooks.rate_limiter import RateLimiter
    from beluga_voice.hooks.retention import RetainedSession

__all__ = ["VoiceBackend"]

T = TypeVar("T")

_log = logging.getLogger("beluga_voice.backend")

# Settings that a backend takes when it is created, and never again.
_TAKEN_ONCE = ("provider", "session_store", "telemetry")
# How long a backend may take to let go of what it holds once its sessions are over, in seconds.
_CLOSE_TIMEOUT_S = 15.0
# From this share of `max_concurrent_sessions` on a backend is degraded: whoever chooses among several takes another.
_NEARLY_FULL = 0.9


class VoiceBackend(ABC):
    """Makes sessions, as many at once as its configuration allows, and answers callers with them.

        async with get_registry().create("livekit", config) as backend:
            session = await backend.answer(SessionConfig(agent=agent))
            await session.wait_closed()

    What a provider derives from this gives `answer`, and as far as it needs them `_open`, `_close`, `_examine` and
    `_adopt`. Belongs to one event loop. Every error that is raised here names the backend (`provider`) and what was
    being done (`operation`).
    """

    def __init__(self, config: BackendConfig, *, provider: str) -> None:
        self.id = uuid.uuid4().hex
        self.provider = provider
        self.created_at = datetime.now(UTC)
        self._config = config
        self._book = SessionBook(config.max_concurrent_sessions)
        self._watch = SessionsWatch()
        self.telemetry = Telemetry(config.telemetry)
        self._connection = Connection(provider)
        self._phase: Literal["new", "running", "stopping", "stopped"] = "new"
        self._one_at_a_time = asyncio.Lock()
        self._hooks = BackendHooks(
            config, provider, own_limiter=self._own_rate_limiter(), own_retention=self._own_data_retention_hook()
        )
        self._keeper = (
            SessionKeeper(config.session_store, owner=self.id, provider=provider)
            if config.session_store is not None
            else None
        )

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Makes sure that what the backend stands for can be reached. The first session does it by itself; nothing if
        it is running; after `stop` it begins anew.

        Raises what reaching it raises (TransportError, AuthError, ...), tried again `max_retries` times where that may
        help, and InvalidStateError while it is being stopped.
        """
        async with self._operation("start"), self._one_at_a_time:
            if self._phase == "running":
                return
            self._refuse_if_stopping()
            self._connection.trying()
            try:
                await self.telemetry.start()
                await self._reach("start", self._open)
            except BaseException:
                self._connection.failed()
                raise
            self._refuse_if_stopping()  # `stop` waits for this to be over, and then lets go
            self._phase = "running"

    async def stop(self, *, timeout: float | None = None) -> None:
        """Takes no new sessions, lets conversations finish, for `timeout` seconds at most (without it
        `drain_timeout`), then ends what is left of them and lets go of everything.

        A second call with a shorter time, or `aclose`, ends the first one's waiting. One that was cancelled leaves the
        backend without new sessions; another one finishes.
        """
        async with self._operation("stop"):
            await self._stop(timeout)

    async def _stop(self, timeout_s: float | None) -> None:
        if self._phase != "stopped":
            self._phase = "stopping"
        await self._book.drain(self._config.drain_timeout if timeout_s is None else timeout_s)
        await self._book.aclose()
        async with self._one_at_a_time:
            if self._phase == "stopping":
                if self._keeper is not None:
                    await self._keeper.aclose()
                await self._hooks.aclose()
                await self._let_go()

    async def aclose(self) -> None:
        """Ends every session now, and lets go of everything. No hook is asked whether it may."""
        with self._named("stop"), self.telemetry.operation(self.provider, "stop"):
            await self._stop(0.0)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Left by an exception it ends what is going on, else it lets it finish."""
        with self._named("stop"), self.telemetry.operation(self.provider, "stop"):
            await self._stop(None if kind is None else 0.0)

    # -- sessions -------------------------------------------------------------------------------------------------

    async def create_session(self, config: SessionConfig) -> VoiceSession:
        """A session, not yet started: `await session.start(transport)`. It counts until it is over.

        Raises SessionError session_limit_exceeded, InvalidStateError once the backend is being stopped, what `start`
        raises, and what a wrong configuration raises. Nothing is left behind then.
        """
        async with self._operation("create_session", config) as admitted:
            # The place first: nothing remote is made for a session that there is no place for.
            with self._book.place():
                await self._ready()
                session = VoiceSession.from_config(
                    config, self._config, backend_id=self.id, user_id=admitted.user_id, metadata=admitted.metadata
                )
                self._hooks.watch(session)
                if self._keeper is not None:
                    self._keeper.watch(session)
                self._watch.watch(session)
                self.telemetry.watch(session, self.provider, latency_target=self._config.latency_target)
                self._book.add(session)
                return session

    @abstractmethod
    async def answer(self, config: SessionConfig) -> VoiceSession:
        """A session under way with the next caller who has none, or with `config.user_id`.

        Waits for him, in the transport that the session is started on, so that `stop` can end it. Raises what
        `create_session` and `VoiceSession.start` raise; nothing is left behind then.
        """

    def get_session(self, session_id: str) -> VoiceSession:
        """The open session of that id. Raises SessionError session_not_found."""
        with self._named("get_session"):
            return self._book.get(session_id)

    def list_sessions(self) -> list[VoiceSession]:
        """The open sessions, oldest first."""
        return self._book.open

    def get_active_session_count(self) -> int:
        """How many sessions are open, those that have not begun among them."""
        return len(self._book.open)

    async def close_session(self, session_id: str) -> None:
        """Ends one session; nothing of it is kept. Raises SessionError session_not_found."""
        async with self._operation("close_session"):
            await self._book.get(session_id).aclose()

    async def route_call(self, phone_number: str, metadata: Mapping[str, Any] | None = None) -> str:
        """The name of the backend that is to answer a call from this number, by the `telephony_hook`; else this one's.

        Raises ProviderNotFoundError for a name that nobody knows.
        """
        async with self._operation("route_call"):
            return await self._hooks.switchboard.route(phone_number, metadata or {})

    async def handle_sip(self, message: bytes, metadata: Mapping[str, Any] | None = None) -> bytes:
        """What the `telephony_hook` answers to a SIP message; b"" without one. Raises DeadlineError if it fails."""
        async with self._operation("handle_sip"):
            return await self._hooks.switchboard.handle_sip(message, metadata or {})

    def get_retained(self, session_id: str) -> RetainedSession | None:
        """What is kept of a session that is over, by its `data_retention_hook`; None where that is nothing."""
        return self._hooks.retention.get(session_id)

    # -- looking --------------------------------------------------------------------------------------------------

    def get_connection_state(self) -> ConnectionState:
        """Whether the backend reaches what it stands for, as of the last attempt."""
        return self._connection.state

    async def health_check(self) -> HealthStatus:
        """How it is, part by part; what is remote is asked, for `connect_timeout` seconds at most. Never raises.

        - `connection`, `engine`: unhealthy when they do not work.
        - `capacity`: degraded from 90 % of `max_concurrent_sessions` on.
        - `stt`, `tts`, `s2s`, `agent`: degraded after three failures within a minute.
        - `latency`, where there is a `latency_target`: degraded when over 5 % of the last 100 answers missed it.
        - and the backend's own.
        """
        async with self._operation("health_check"):
            own: Mapping[str, ComponentHealth] = await self._examine() if self._phase == "running" else {}
            return HealthStatus.of(
                {
                    "connection": self._connection_health(),
                    "engine": _engine_health(),
                    "capacity": self._capacity_health(),
                    **self._watch.parts(self._config.latency_target),
                    **own,
                }
            )

    def stats(self) -> dict[str, Any]:
        """What the engine did (see `_core.Engine.stats`), and what its loops and this backend's sessions did.

        `loops` holds the lag of each event loop; `totals` the counters of the open sessions, added up, and of each
        `..._max` the greatest; `backend_sessions` says how many those are. `hooks` holds what the hooks refused, by
        code, and what they did not do in time; see `BackendHooks.stats`.
        """
        return {**self._book.stats(), "hooks": self._hooks.stats()}

    # -- configuration --------------------------------------------------------------------------------------------

    def get_config(self) -> BackendConfig:
        """What it works by now."""
        return self._config

    async def update_config(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> BackendConfig:
        """Changes settings of a backend that may be running, and returns all of them.

        `turn_handling` and `provider_config` may be given in part. Everything is checked as a whole before any of it
        counts. Sessions that are open keep what they have; a lower limit ends none of them.

        Raises ConfigError, also for what cannot change while the backend runs, by name, and what names of components
        raise that cannot be resolved.
        """
        async with self._operation("update_config"):
            config = self._config.changed({**(changes or {}), **more})
            fixed = [name for name in _TAKEN_ONCE if getattr(config, name) != getattr(self._config, name)]
            if fixed:
                raise ConfigError(
                    f"{', '.join(fixed)}: allowed: another backend, for this one has taken what it was created with",
                    details={"fields": fixed},
                )
            config.check_components()
            self._adopt(config)
            self._hooks.adopt(config)
            self._config = config
            self._book.limit = config.max_concurrent_sessions
            return config

    # -- for those who derive from it -----------------------------------------------------------------------------

    async def _open(self) -> None:  # noqa: B027 - a backend without anything remote has nothing to do
        """Reaches what the backend stands for, and leaves nothing behind if it fails."""

    async def _close(self) -> None:  # noqa: B027
        """Lets go of everything that is no session; these are over."""

    async def _examine(self) -> Mapping[str, ComponentHealth]:
        """The health of the backend's own parts. Raises nothing."""
        return {}

    def _adopt(self, config: BackendConfig) -> None:
        """Takes `config.provider_config`; raises ConfigError and changes nothing if that cannot be."""
        if config.provider_config != self._config.provider_config:
            raise ConfigError(
                f"provider_config: allowed: another backend, for {self.provider!r} takes it once",
                details={"field": "provider_config"},
            )

    async def _ready(self) -> None:
        """Starts it if it was never started. Raises what `start` raises, and InvalidStateError once it is stopped."""
        if self._phase == "new":
            await self.start()
        if self._phase != "running":
            raise self._stopping()

    async def _reach(
        self,
        operation: str,
        attempt: Callable[[], Awaitable[T]],
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> T:
        """What `attempt` returns, something remote that leaves nothing behind when it fails.

        Each attempt has `timeout` seconds (without it `connect_timeout`); it is made again after failures that may pass
        (`max_retries`, `retry_delay`). The connection's state follows. Raises TransportError connection_timeout, and
        what the last attempt raised.
        """
        limit_s = self._config.connect_timeout if timeout is None else timeout

        async def once() -> T:
            self._connection.trying()
            try:
                async with asyncio.timeout(limit_s):
                    result = await attempt()
            except TimeoutError:
                self._connection.failed()
                raise TransportError(
                    f"no answer within {limit_s:g} s", code="connection_timeout", operation=operation
                ) from None
            except (TransportError, RateLimitError, AuthError):
                self._connection.failed()
                raise
            except BelugaVoiceError:  # an answer, though not the one that was hoped for
                self._connection.reached()
                raise
            self._connection.reached()
            return result

        return await retried(
            once,
            max_retries=self._config.max_retries if max_retries is None else max_retries,
            backoff=Backoff(self._config.retry_delay),
        )

    def _own_rate_limiter(self) -> RateLimiter | None:
        """The provider's own limit of how often a user may ask; asked before the one of the configuration."""
        return None

    def _own_data_retention_hook(self) -> DataRetentionHook | None:
        """The provider's own word on what is kept of sessions that are over; the configuration's goes before it."""
        return None

    @asynccontextmanager
    async def _operation(self, name: str, config: SessionConfig | None = None) -> AsyncGenerator[Admitted]:
        """Around every operation that is awaited: asks the hooks whether it may be. `config`: of the session it is for.

        Raises AuthError, RateLimitError.
        """
        with self._named(name), self.telemetry.operation(self.provider, name):
            async with self._hooks.operation(name, config) as admitted:
                yield admitted

    @contextlib.contextmanager
    def _named(self, operation: str) -> Any:
        try:
            yield
        except BelugaVoiceError as error:
            error.provider = error.provider or self.provider
            error.operation = error.operation or operation
            raise

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _let_go(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._close()
        except TimeoutError:
            _log.warning("%s: not let go of within %g s", self.provider, _CLOSE_TIMEOUT_S)
        finally:
            await self.telemetry.aclose()
            self._connection.closed()
            self._phase = "stopped"

    def _refuse_if_stopping(self) -> None:
        if self._phase == "stopping":
            raise self._stopping()

    def _stopping(self) -> InvalidStateError:
        what = "is being stopped" if self._phase == "stopping" else "was stopped: start() begins anew"
        return InvalidStateError(f"no new sessions: the backend {what}")

    def _connection_health(self) -> ComponentHealth:
        match self._phase:
            case "new":
                return ComponentHealth("unhealthy", "not started")
            case "stopping":
                return ComponentHealth("degraded", "being stopped: no new sessions")
            case "stopped":
                return ComponentHealth("unhealthy", "stopped")
            case "running" if self._connection.state == "error":
                return ComponentHealth("unhealthy", "the last attempt failed")
            case "running" if self._connection.state == "reconnecting":
                return ComponentHealth("degraded", "being restored")
            case _:
                return ComponentHealth()

    def _capacity_health(self) -> ComponentHealth:
        taken, limit = self._book.taken, self._book.limit
        if not limit or taken < limit * _NEARLY_FULL:
            return ComponentHealth()
        return ComponentHealth("degraded", f"{taken} of {limit} sessions are open (max_concurrent_sessions)")


def _engine_health() -> ComponentHealth:
    from beluga_voice._engine import engine

    try:
        with translated():
            stats = cast("dict[str, Any]", engine().stats())
    except BelugaVoiceError as error:
        return ComponentHealth("unhealthy", error.message)
    if not stats["healthy"]:
        return ComponentHealth("unhealthy", "a thread that serves calls has ended")
    step = max((int(shard["overload_step"]) for shard in stats["shards"]), default=0)
    if step:
        return ComponentHealth("degraded", f"overloaded (step {step} of 4): no calls are taken on")
    return ComponentHealth()
