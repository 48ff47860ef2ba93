"""What a model of speech is handed beside the ear: the requests to it, and its replies."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, cast

from beluga_voice.commands import EndCall, TokensUsed, ToolFinished, ToolStarted
from beluga_voice.errors import AudioFormatError, ComponentError, SessionError
from beluga_voice.pipeline.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from typing_extensions import Buffer

    from beluga_voice.audio_format import AudioFormat
    from beluga_voice.pipeline.speech import Speech
    from beluga_voice.speech_to_speech import Request, Respond, Speak
    from beluga_voice.speech_to_text import Transcript
    from beluga_voice.turn import ChatMessage

__all__ = ["CallConversation", "CallReply", "Director", "DroppedReply"]

# Requests that a model may be behind. Policy: the oldest is dropped and counted.
_REQUESTS_WAITING = 32
# Letters of one reply: what a model says beyond them is left out of the history.
_LONGEST_TEXT = 50_000


class Director(Protocol):
    """What the pipeline does about what a model says."""

    @property
    def history(self) -> list[ChatMessage]:
        """What was said."""
        ...

    @property
    def replies_on_request(self) -> bool:
        """See `Conversation.replies_on_request`."""
        ...

    @property
    def detects_turns(self) -> bool:
        """See `Conversation.detects_turns`."""
        ...

    def reply_begins(self, conversation: CallConversation, request: object) -> CallReply | DroppedReply:
        """A model begins a reply."""
        ...

    def reply_fails(self, reply: CallReply, error: ComponentError) -> None:
        """What a model says cannot be played or read: this reply is over."""
        ...

    def turn_ends(self) -> None:
        """A model found that the caller has finished."""
        ...

    def model_hears(self, transcript: object) -> None:
        """A model says what the caller said."""
        ...

    def model_tells(self, command: ToolStarted | ToolFinished | TokensUsed | EndCall) -> None:
        """A model says what it does."""
        ...

    def model_errs(self, error: ComponentError) -> None:
        """A model says what cannot be."""
        ...

    def sound_dropped(self) -> None:
        """A model wrote to a reply that nobody wants any more."""
        ...


class CallReply:
    """One reply of a model. See `beluga_voice.speech_to_speech.Reply`."""

    def __init__(self, reply_id: int, speech: Speech, director: Director, *, known_text: str = "") -> None:
        self.id = reply_id
        self.speech = speech
        self.given_up = False
        """What is written is dropped."""
        self.written = asyncio.Event()
        """All of it that will be written is."""
        self.may_sound = asyncio.Event()
        """What was said before is out of its way."""
        self.asked_at = asyncio.get_running_loop().time()
        """The loop's time since when the model is waited for."""
        self.error: str | None = None
        """The code of what it failed with."""
        self._director = director
        self._known_text = known_text
        self._letters = 0

    async def write(
        self, pcm: Buffer, *, sample_rate: int | None = None, audio_format: AudioFormat | None = None
    ) -> None:
        """Queues sound; waits while the queue is full. Of a reply that is given up or has ended nothing is played.

        What is no sound ends the reply, and is told as invalid_audio_format.
        """
        if not self._wanted:
            self._director.sound_dropped()
            await asyncio.sleep(0)  # a model that goes on and on leaves the loop to others
            return
        await self.may_sound.wait()
        try:
            await self.speech.mouth.write(pcm, sample_rate=sample_rate, audio_format=audio_format)
        except AudioFormatError as error:
            self._fails("invalid_audio_format", str(error))
        except SessionError:  # it was given up while it waited for room, or the call is over
            self._director.sound_dropped()

    def mark(self, name: str) -> None:
        """Notes the place after what has been written: an event tells when it has been heard."""
        if self._wanted:
            self.speech.mouth.mark(name)

    def text(self, words: str) -> None:
        """The words of what is written next, or if nothing follows of what was written last."""
        if not self._wanted:
            return
        if not isinstance(cast("object", words), str):
            self._fails("malformed_response", f"a reply's text is a {type(words).__name__}: allowed: str")
            return
        said = plain(words)[: _LONGEST_TEXT - self._letters]
        self._letters += len(said)
        if said.strip():
            self.speech.add_text(said)

    def end(self) -> None:
        """All of it is written."""
        if not self.written.is_set():
            if self._known_text and not self.speech.segments:
                self.speech.add_text(self._known_text)
            self.speech.end_text(complete=not self.given_up)
            self.speech.mouth.close()
            self.written.set()

    def give_up(self) -> None:
        """Nobody wants the rest."""
        self.given_up = True
        self.end()
        self.may_sound.set()

    @property
    def _wanted(self) -> bool:
        return not self.given_up and not self.written.is_set()

    def _fails(self, code: str, message: str) -> None:
        if self._wanted:  # of a reply that is over nobody is to hear
            self.error = code
            error = ComponentError(message, component="s2s", code=code, operation="reply")
            self._director.reply_fails(self, error)


class DroppedReply:
    """A reply that nobody wants: to a request that was given up, or of a model that was given up itself."""

    given_up = True

    def __init__(self, reply_id: int, director: Director) -> None:
        self.id = reply_id
        self._director = director

    async def write(
        self, pcm: Buffer, *, sample_rate: int | None = None, audio_format: AudioFormat | None = None
    ) -> None:
        """Nothing is played."""
        self._director.sound_dropped()
        await asyncio.sleep(0)

    def mark(self, name: str) -> None:
        """Nothing is heard."""

    def text(self, words: str) -> None:
        """Nothing is said."""

    def end(self) -> None:
        """It never began."""


class CallConversation:
    """One life of a model. See `beluga_voice.speech_to_speech.Conversation`."""

    def __init__(self, director: Director) -> None:
        self.requests_dropped = 0
        """Requests that the model did not take in time."""
        self._director = director
        self._requests: deque[Request] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._reply: CallReply | DroppedReply | None = None

    @property
    def replies_on_request(self) -> bool:
        """Whether the model is to answer when it is asked to only."""
        return self._director.replies_on_request

    @property
    def detects_turns(self) -> bool:
        """Whether the model is to find the end of turns."""
        return self._director.detects_turns

    @property
    def history(self) -> tuple[ChatMessage, ...]:
        """What was said so far, oldest first."""
        return tuple(self._director.history)

    async def requests(self) -> AsyncIterator[Request]:
        """What the session wants, one after another, until the call or this life of the model is over."""
        while self._requests or not self._closed:
            if not self._requests:
                self._changed.clear()
                await self._changed.wait()
                continue
            yield self._requests.popleft()

    def begin_reply(self, request: Respond | Speak | None = None) -> CallReply | DroppedReply:
        """A reply to `request`, or one of the model's own accord. It ends the reply before it."""
        if self._reply is not None:
            self._reply.end()
        self._reply = self._director.reply_begins(self, request)
        return self._reply

    def end_turn(self) -> None:
        """The caller has finished."""
        if not self._closed:
            self._director.turn_ends()

    def heard(self, transcript: Transcript) -> None:
        """What the caller said."""
        if not self._closed:
            self._director.model_hears(transcript)

    def tell(self, command: ToolStarted | ToolFinished | TokensUsed | EndCall) -> None:
        """What the model does besides speaking."""
        if self._closed:
            return
        if isinstance(cast("object", command), (ToolStarted, ToolFinished, TokensUsed, EndCall)):
            self._director.model_tells(command)
        else:
            message = (
                f"the model told a {type(command).__name__}: allowed: ToolStarted, ToolFinished, TokensUsed, EndCall"
            )
            self._director.model_errs(ComponentError(message, component="s2s", code="malformed_response"))

    # -- the pipeline's side --------------------------------------------------------------------------------------

    def send(self, request: Request) -> None:
        """Asks the model."""
        if self._closed:
            return
        if len(self._requests) >= _REQUESTS_WAITING:
            self._requests.popleft()
            self.requests_dropped += 1
        self._requests.append(request)
        self._changed.set()

    def close(self) -> None:
        """This life of the model is over: what it says from now on is not heeded."""
        self._closed = True
        self._reply = None
        self._changed.set()
