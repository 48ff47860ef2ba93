"""The agent: the user's code that answers, in whatever form they have it.

    async def agent(turn): yield "..."          an async generator function
    async def agent(turn): return "..."         a coroutine function, returning text or an iterator of it
    def agent(turn): ...                        the same without async: it runs on a thread of a bounded pool
    class Agent: def respond(self, turn)        a class, made anew for each session, or a factory of such objects
    Agent()                                     one object, for one session; `share(Agent())` for all

What an iterator yields is text or a `Command`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.clock import in_flight, now
from beluga_voice.commands import COMMANDS, Command, TokensUsed, ToolFinished, ToolStarted
from beluga_voice.errors import AgentError, BelugaVoiceError, DeadlineError
from beluga_voice.foreign_calls import ForeignCalls
from beluga_voice.sharing import Shared, claims
from beluga_voice.signal_exit import is_of_a_signal
from beluga_voice.worker_pool import PoolFullError, WorkerPool

if TYPE_CHECKING:
    from beluga_voice.errors import ToolDeniedError
    from beluga_voice.hooks.tool_gate import ToolGate
    from beluga_voice.turn import Turn

__all__ = ["AgentFactory", "AgentHost", "AgentRun"]

_ACCEPTED = (
    "allowed: a function of one argument, the Turn (def or async def, returning or yielding text), "
    "an object with respond(turn), or a class or factory of such objects that takes no arguments"
)

# Pieces that an agent may be ahead of what is spoken.
_AHEAD = 1

_END = object()


def of_text(callback: Callable[[str], Any]) -> Callable[[Turn], Any]:
    """An agent of a function that knows the turn's text alone."""
    if not callable(callback):
        raise _refused(callback, "it is no function of text")
    if _is_async(callback):

        async def answer(turn: Turn) -> Any:
            given = callback(turn.text)
            return await given if inspect.isawaitable(given) else given

        answer.__qualname__ = _name(callback)
        return answer

    def answer_on_thread(turn: Turn) -> Any:
        return callback(turn.text)

    answer_on_thread.__qualname__ = _name(callback)
    return answer_on_thread


class AgentFactory:
    """An agent as a user gave it, checked: gives each session what answers it.

    Raises AgentError agent_invalid for what cannot be an agent, agent_not_set for None.
    """

    def __init__(self, agent: object) -> None:
        self.name = _name(agent)
        self._make = _maker(agent)

    def create(self) -> Callable[[Turn], Any]:
        """What answers one session's turns. Makes the object where a class or factory was given."""
        return self._make()


@dataclass(slots=True, eq=False)
class AgentRun:
    """What is measured of one answer while it is given.

    `on_tokens` is called with what the agent says that it used, `on_end` when its code has ended.
    """

    on_tokens: Callable[[TokensUsed], None]
    on_end: Callable[[AgentRun], None]
    began_at: float = field(default_factory=now)
    first_piece_at: float | None = None
    tokens: list[TokensUsed] = field(default_factory=list[TokensUsed])
    cancelled: bool = False
    error: str | None = None
    """The code of what it failed with."""

    def takes(self, piece: object) -> bool:
        """Notes a piece of the answer; whether it was meant for us, and is no part of it."""
        if isinstance(piece, TokensUsed):
            self.tokens.append(piece)
            self.on_tokens(piece)
            return True
        if self.first_piece_at is None:
            self.first_piece_at = now()
        return False

    def ended(self, driver: asyncio.Task[None]) -> None:
        """The task that ran the agent has ended."""
        if self.error is None:
            self.cancelled = driver.cancelled()
            error = None if driver.cancelled() else driver.exception()
            if error is not None:
                self.error = error.code if isinstance(error, BelugaVoiceError) else "agent_error"
        self.on_end(self)


class AgentHost:
    """Runs one session's agent, whatever its form, and keeps its faults in the call.

    - `agent`: see the top of this module, or an `AgentFactory`.
    - `timeout_s`: how long the agent may take for the next piece of its answer. The time that its listener takes to
      accept one does not count.
    - `tools`: is asked before a tool is used and told after; it may deny it.
    - `pool`: the threads of synchronous agents, best one for all sessions; without it a pool of four of its own.
    """

    def __init__(
        self, agent: object, *, timeout_s: float = 30.0, pool: WorkerPool | None = None, tools: ToolGate | None = None
    ) -> None:
        if timeout_s <= 0:
            raise ValueError(f"timeout_s = {timeout_s}: allowed: above 0")
        factory = agent if isinstance(agent, AgentFactory) else AgentFactory(agent)
        self.name = factory.name
        self._respond = factory.create()
        self._timeout_s = timeout_s
        self._tools = tools
        self._owned_pool = WorkerPool(4, name="beluga-voice-agent") if pool is None else None
        self._pool = pool or cast("WorkerPool", self._owned_pool)
        self._foreign = ForeignCalls()
        self._threads_left = 0

    def replace(self, agent: AgentFactory) -> None:
        """Another agent answers, from the next turn on. Raises AgentError where it cannot be made."""
        self._respond = agent.create()
        self.name = agent.name

    @property
    def abandoned(self) -> int:
        """Answers that went on after they were cancelled or late: what they do from then on is not heeded."""
        return self._foreign.abandoned + self._threads_left

    async def run(self, turn: Turn, measured: AgentRun | None = None) -> AsyncGenerator[str | Command]:
        """The agent's answer, piece by piece. Close it (`contextlib.aclosing`) or cancel it to stop the agent.

        `measured` takes what is measured, and what the agent says of tokens: that is part of no answer.

        Raises AgentError agent_error (it raised, or answered with something else than text and commands) and
        DeadlineError timeout.
        """
        run = measured or AgentRun(_ignore, _ignore)
        pieces: asyncio.Queue[object] = asyncio.Queue()  # bounded by `room`
        room = asyncio.Semaphore(_AHEAD)

        denials: list[ToolDeniedError] = []
        """What is to be raised where the agent waits."""

        def gated(answer: AsyncGenerator[str | Command]) -> AsyncGenerator[str | Command]:
            return answer if self._tools is None else _gated(self._tools, answer, denials)

        async def drive() -> None:
            try:
                async with aclosing(self._pieces(turn, denials)) as answer, aclosing(gated(answer)) as let:
                    async for piece in let:
                        if not run.takes(piece):
                            await room.acquire()
                            pieces.put_nowait(piece)
            except SystemExit as error:
                if is_of_a_signal(error):
                    raise
                # asyncio would take it out of the loop, and every other call with it.
                raise self._fault(error, "respond") from error

        # One task runs the whole answer: timeouts, cancel scopes and context variables of an agent belong to the task
        # that they were entered in.
        driver = asyncio.create_task(drive(), name=f"beluga-voice agent {self.name}")
        driver.add_done_callback(lambda _: pieces.put_nowait(_END))
        driver.add_done_callback(run.ended)
        loop = asyncio.get_running_loop()
        late_at = loop.time() + self._timeout_s
        try:
            while True:
                try:
                    async with asyncio.timeout_at(late_at):
                        piece = await pieces.get()
                except TimeoutError:
                    run.error = "timeout"
                    raise DeadlineError(
                        f"the agent {self.name} gave nothing for {self._timeout_s} s",
                        operation="respond",
                        details={"timeout_s": self._timeout_s},
                    ) from None
                if piece is _END:
                    break
                room.release()
                if piece == "":  # says nothing, nor that the agent gets anywhere
                    continue
                yield cast("str | Command", piece)
                late_at = loop.time() + self._timeout_s
            self._raise_fault(driver)
        finally:
            await self._foreign.give_up(driver)

    def close(self) -> None:
        """The session is over. Does not wait for threads that are still busy."""
        if self._owned_pool is not None:
            self._owned_pool.close()

    async def _pieces(self, turn: Turn, denials: list[ToolDeniedError]) -> AsyncGenerator[str | Command]:
        respond = self._respond
        if _is_async(respond):
            answer: object = respond(turn)
        else:
            answer = await self._on_thread(lambda: respond(turn))
        if inspect.isawaitable(answer):
            answer = await cast("Awaitable[object]", answer)
        if isinstance(answer, (str, *COMMANDS)):
            yield answer
        elif isinstance(answer, (AsyncIterator, Iterator)):
            source = self._from_async if isinstance(answer, AsyncIterator) else self._from_sync
            async with aclosing(source(cast("Any", answer), denials)) as pieces:
                async for piece in pieces:
                    yield self._checked(piece)
        else:
            raise self._wrong("answered with", answer)

    async def _from_async(
        self, answer: AsyncIterator[object], denials: list[ToolDeniedError]
    ) -> AsyncGenerator[object]:
        try:
            piece = await anext(answer, _END)
            while piece is not _END:
                yield piece
                piece = await (_raised_in(answer, denials.pop()) if denials else anext(answer, _END))
        except GeneratorExit:
            # An agent is cancelled the same way whether it waits for something or for its listener.
            athrow = getattr(answer, "athrow", None)
            if athrow is not None:
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await athrow(asyncio.CancelledError())
            raise
        finally:
            close = getattr(answer, "aclose", None)
            if close is not None:
                await close()

    async def _from_sync(self, answer: Iterator[object], denials: list[ToolDeniedError]) -> AsyncGenerator[object]:
        def following() -> object:
            return _raised_in_sync(answer, denials.pop()) if denials else next(answer, _END)

        ended = False
        try:
            while (piece := await self._on_thread(following)) is not _END:
                yield piece
            ended = True
        finally:
            close: Callable[[], None] | None = getattr(answer, "close", None)
            if close is not None and not ended:
                self._close_on_thread(close)

    def _close_on_thread(self, close: Callable[[], None]) -> None:
        def close_quietly() -> None:
            # Refused while it still runs on the thread that was left to it: it ends there, with its last reference.
            with suppress(Exception):
                close()

        with suppress(PoolFullError):
            self._pool.submit(close_quietly)

    def _checked(self, piece: object) -> str | Command:
        if isinstance(piece, (str, *COMMANDS)):
            return piece
        raise self._wrong("yielded", piece)

    def _wrong(self, did: str, value: object) -> AgentError:
        hint = '; to stay silent return ""' if value is None else ""
        names = ", ".join(command.__name__ for command in COMMANDS)
        return AgentError(
            f"the agent {self.name} {did} {type(value).__name__}: allowed: text or {names}, "
            f"or an iterator of these{hint}",
            operation="respond",
            details={"type": type(value).__name__},
        )

    async def _on_thread(self, call: Callable[[], Any]) -> Any:
        try:
            running = self._pool.submit(call)
        except PoolFullError as error:
            raise AgentError(
                f"the agent {self.name} found no thread: {error}; write it with async def, or give a larger pool",
                operation="respond",
                details={"pool_size": self._pool.size},
            ) from None
        try:
            async with in_flight("agent"):
                return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            if running.running():
                self._threads_left += 1
            raise

    def _raise_fault(self, driver: asyncio.Task[None]) -> None:
        if driver.cancelled():
            raise AgentError(f"the agent {self.name} cancelled itself", operation="respond")
        error = driver.exception()
        if isinstance(error, BelugaVoiceError):
            raise error
        if error is not None:
            raise self._fault(error, "respond") from error

    def _fault(self, error: BaseException, operation: str) -> AgentError:
        return AgentError(
            f"the agent {self.name} raised {type(error).__name__}: {error}",
            operation=operation,
            details={"type": type(error).__name__},
        )


def _ignore(_: object) -> None: ...


async def _gated(
    tools: ToolGate, answer: AsyncIterator[str | Command], denials: list[ToolDeniedError]
) -> AsyncGenerator[str | Command]:
    """The answer, with the hook asked about each tool before the agent goes on."""
    begun: dict[str, ToolStarted] = {}
    async for piece in answer:
        yield piece
        if isinstance(piece, ToolStarted):
            denied = await tools.before(piece)
            if denied is None:
                begun[piece.call_id or piece.name] = piece
            else:
                denials.append(denied)
                yield ToolFinished(piece.name, error=denied.message, call_id=piece.call_id)
        elif isinstance(piece, ToolFinished):
            started = begun.pop(piece.call_id or piece.name, None)
            await tools.after(started or ToolStarted(piece.name, call_id=piece.call_id), piece)


async def _raised_in(answer: AsyncIterator[object], denied: ToolDeniedError) -> object:
    """The next piece of an agent in which `denied` is raised where it waits."""
    athrow = getattr(answer, "athrow", None)
    if athrow is None:  # no generator: it cannot be told, and must not go on
        raise denied
    try:
        return await athrow(denied)
    except StopAsyncIteration:
        return _END


def _raised_in_sync(answer: Iterator[object], denied: ToolDeniedError) -> object:
    throw = getattr(answer, "throw", None)
    if throw is None:
        raise denied
    try:
        return throw(denied)
    except StopIteration:
        return _END


def _name(agent: object) -> str:
    if isinstance(agent, Shared):
        agent = cast("Shared[object]", agent).value
    inner = _partial_of(agent)
    if inner is not None:
        return _name(inner)
    name = getattr(agent, "__qualname__", None)
    return name if isinstance(name, str) else type(agent).__name__


def _partial_of(agent: object) -> Callable[..., Any] | None:
    """What a functools.partial wraps."""
    return cast("functools.partial[Any]", agent).func if isinstance(agent, functools.partial) else None


def _refused(agent: object, reason: str) -> AgentError:
    named = callable(agent) or hasattr(agent, "respond") or isinstance(agent, Shared)
    given = _name(cast("object", agent)) if named else repr(cast("object", agent))[:80]
    return AgentError(f"agent = {given}: {reason}; {_ACCEPTED}", code="agent_invalid", operation="create")


def _maker(agent: object) -> Callable[[], Callable[[Turn], Any]]:
    """How to come by what answers one session."""
    if agent is None:
        raise AgentError(f"agent = None; {_ACCEPTED}", code="agent_not_set", operation="create")
    if isinstance(agent, Shared):
        shared = cast("Shared[object]", agent).value
        respond = _responder(shared, shared)
        return lambda: respond
    if isinstance(agent, type):
        _check_class(agent)
        return lambda: _responder(_made(agent), agent)
    inner = _partial_of(agent)
    if callable(agent) and not hasattr(agent, "respond") and (isinstance(inner, type) or _takes(agent) == 0):
        if _is_async(agent):
            raise _refused(agent, "it takes no Turn, and a factory cannot be async")
        return lambda: _responder(_made(agent), agent)
    respond = _responder(agent, agent)
    if inspect.isroutine(agent) or inner is not None:
        return lambda: respond

    def take() -> Callable[[Turn], Any]:
        if not claims.take(agent):
            raise AgentError(
                f"agent: this {_name(agent)} serves another session already: "
                f"allowed: its class, a factory, or share(agent)",
                code="agent_invalid",
                operation="create",
            )
        return respond

    return take


def _check_class(agent: type) -> None:
    if not callable(getattr(agent, "respond", None)) and not any("__call__" in vars(each) for each in agent.__mro__):
        raise _refused(agent, "the class has no respond(turn)")
    try:
        inspect.signature(agent).bind()
    except TypeError as error:
        raise _refused(agent, f"the class cannot be made without arguments ({error})") from None
    except ValueError:  # a class in C that tells no signature
        return


def _made(factory: Callable[[], object]) -> object:
    try:
        return factory()
    except Exception as error:
        raise AgentError(
            f"the agent {_name(factory)} could not be made: {type(error).__name__}: {error}",
            operation="create",
            details={"type": type(error).__name__},
        ) from error


def _responder(agent: object, given: object) -> Callable[[Turn], Any]:
    """The function that answers turns: `agent` itself, or its `respond`."""
    respond = getattr(agent, "respond", None)
    if respond is None and callable(agent) and not isinstance(agent, type):
        respond = agent
    if not callable(respond):
        what = "" if agent is given else f"it made {_name(agent)}: "
        raise _refused(given, f"{what}{type(agent).__name__} cannot answer")
    if _takes(respond) == 0:
        raise _refused(given, "it takes no Turn")
    try:
        inspect.signature(respond).bind(None)
    except TypeError as error:
        raise _refused(given, f"it cannot be called with one Turn ({error})") from None
    except ValueError:
        pass
    return cast("Callable[[Turn], Any]", respond)


def _takes(function: Callable[..., Any]) -> int:
    """How many arguments it can be given by position; 1 where that cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for each in parameters if each.kind in positional or each.kind is inspect.Parameter.VAR_POSITIONAL)


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it runs none of its body: only such a call may be made on the event loop."""
    while (inner := _partial_of(function)) is not None:
        function = inner
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004 - the method itself is wanted
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            return True
    return False
