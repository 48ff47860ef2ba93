"""Speech to speech: what a model has to do that hears the caller and answers him by itself.

class MyModel(SpeechToSpeech):
    async def converse(self, ear, conversation):
        async with connected() as server, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear(ear, server))              # await ear.read(0.1) -> server
            tasks.create_task(self._obey(conversation, server))     # async for request in conversation.requests()
            async for message in server:
                if message.begins_a_reply:
                    reply = conversation.begin_reply(message.request)
                elif message.is_sound:
                    await reply.write(message.pcm, sample_rate=24_000)
                ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from beluga_voice.handles import Mouth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import BaseModel

    from beluga_voice.commands import EndCall, TokensUsed, ToolFinished, ToolStarted
    from beluga_voice.handles import Ear
    from beluga_voice.speech_to_text import Transcript
    from beluga_voice.turn import ChatMessage

__all__ = ["Conversation", "GiveUp", "Reply", "Request", "Respond", "Speak", "SpeechToSpeech"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """The caller has finished: answer him now.

    - `id`: what `begin_reply` is given.
    - `turn_id`: the turn of `ear.utterances()` that is to be answered; None: what he wrote.
    - `text`: what he wrote instead of speaking.
    - `instructions`: what the agent wants of this answer, and of no other; "" where there is no agent.
    """

    id: int
    turn_id: int | None = None
    text: str = ""
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Say `text`, word for word. `id`: what `begin_reply` is given."""

    id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The caller talked over a reply, or nobody wants it any more: what is written to it from now on is dropped.

    - `reply_id`: the reply's, which is its request's.
    - `heard_s`: how much of its sound was heard, in seconds: the model is not to believe that he knows the rest.
    - `heard_text`: the same in words, where the model gave some.
    """

    reply_id: int
    heard_s: float
    heard_text: str = ""


Request = Respond | Speak | GiveUp


class Reply(Mouth, Protocol):
    """What is written here is one answer of the model's. Nothing is played of what comes after its end."""

    @property
    def id(self) -> int:
        """That of its request, or a number of its own."""
        ...

    @property
    def given_up(self) -> bool:
        """Whether what is written is dropped: a `GiveUp` of it is among the requests."""
        ...

    def text(self, words: str) -> None:
        """The words of the sound that is written next, or if none follows of what was written last. Whole words."""
        ...

    def end(self) -> None:
        """All of it is written."""
        ...


class Conversation(Protocol):
    """The model's side of one call, beside the ear."""

    @property
    def replies_on_request(self) -> bool:
        """Whether the model is to answer when it is asked to (`Respond`), and not when it thinks that it should."""
        ...

    @property
    def detects_turns(self) -> bool:
        """Whether the model finds out by itself when the caller has finished (`end_turn`)."""
        ...

    @property
    def history(self) -> tuple[ChatMessage, ...]:
        """What was said so far, oldest first: a model that is started again in mid-call does not begin anew."""
        ...

    def requests(self) -> AsyncIterator[Request]:
        """What the session wants, one after another, until the call is over."""
        ...

    def begin_reply(self, request: Respond | Speak | None = None) -> Reply:
        """A reply to `request`, or one that the model gives of its own accord. It ends the reply before it."""
        ...

    def end_turn(self) -> None:
        """The caller has finished, as the model's own turn detection has it. Needed where it `replies_on_request`."""
        ...

    def heard(self, transcript: Transcript) -> None:
        """What the caller said, as far as it is understood."""
        ...

    def tell(self, command: ToolStarted | ToolFinished | TokensUsed | EndCall) -> None:
        """What the model does besides speaking."""
        ...


class SpeechToSpeech(ABC):
    """A model that hears and speaks; one instance serves one session.

    A subclass with options names their pydantic model `Options` and takes one instance of it as its only argument.
    """

    Options: ClassVar[type[BaseModel] | None] = None

    transcribes: bool = False
    """Whether each turn of the caller gets a final transcript (`conversation.heard`). If not, every turn counts."""
    detects_turns: bool = False
    """Whether it can find the end of the caller's turns by itself: `turn_detection="realtime_llm"` needs it."""

    async def start(self) -> None:  # noqa: B027 - an empty hook, not a forgotten @abstractmethod
        """Loads and connects what must be ready before the call is answered."""

    @abstractmethod
    async def converse(self, ear: Ear, conversation: Conversation) -> None:
        """Hears and answers as long as the ear is open; then it returns.

        When it raises, the session calls `converse` again, with the turn that was not answered once more.
        `ComponentError(component="s2s", ...)` says best what happened.
        """

    async def aclose(self) -> None:  # noqa: B027 - an empty hook
        """Lets go of everything; called once, at the end of the session, whether or not `start` was."""
