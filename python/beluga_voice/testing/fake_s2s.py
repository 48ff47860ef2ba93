"""A model of speech for tests: it answers tone words with tone words, as late and as badly as it is told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from beluga_voice.commands import COMMANDS
from beluga_voice.speech_to_speech import GiveUp, Respond, Speak, SpeechToSpeech
from beluga_voice.speech_to_text import Transcript
from beluga_voice.testing.tone_words import spoken, understood, voiced_runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.handles import Ear, Utterance
    from beluga_voice.speech_to_speech import Conversation, Reply

__all__ = ["FakeSpeechToSpeech"]

_EAR_HZ = 16_000
_READ_S = 0.02


class FakeSpeechToSpeech(SpeechToSpeech):
    """Answers turn after turn from a list, and from its beginning again; told to say something else, it says that.

    - `replies`: one for each turn: text in tone words, or a list of pieces, one after another: text, a command
      (`ToolStarted`, `ToolFinished`, `EndCall`), an exception that the model dies of, or anything else, which is
      written to the mouth as if it were sound.
    - `delay`: seconds from being asked to the first sound; `word_delay`: seconds before each further word.
    - `transcribes`: whether it tells what the caller said, `transcript_delay` seconds after his turn, and guesses
      before; `tells_text`: whether it gives the words of what it says.
    - `detects_turns`: whether it can find the end of a turn itself: after `turn_silence` seconds without sound.
    - `keeps_talking`: whether it goes on with a reply that was given up.
    - `before_word(word)`: awaited before each word: to wait there, or to raise.
    - `failures`: what it dies of when it is started, by the number of that life, from 0.
    """

    def __init__(
        self,
        replies: Sequence[Any],
        *,
        sample_rate: int = 24_000,
        delay: float = 0.0,
        word_delay: float = 0.0,
        transcribes: bool = True,
        transcript_delay: float = 0.0,
        tells_text: bool = True,
        detects_turns: bool = False,
        turn_silence: float = 0.2,
        keeps_talking: bool = False,
        before_word: Callable[[str], Awaitable[None]] | None = None,
        failures: Mapping[int, Exception] | None = None,
    ) -> None:
        if not replies:
            raise ValueError("replies is empty: allowed: at least one")
        self.transcribes = transcribes
        self.detects_turns = detects_turns
        self.heard: list[list[str]] = []
        """The words of each turn that it heard to its end."""
        self.asked: list[Respond | Speak] = []
        """What it was asked for."""
        self.given_up: list[GiveUp] = []
        """What it was told that nobody wants any more."""
        self.lives = 0
        """How often `converse` was called: more than once after a failure."""
        self.started = False
        self.closed = False
        self._replies = [_pieces(reply) for reply in replies]
        self._answers = 0
        self._sample_rate = sample_rate
        self._delay = delay
        self._word_delay = word_delay
        self._transcript_delay = transcript_delay
        self._tells_text = tells_text
        self._turn_silence = turn_silence
        self._keeps_talking = keeps_talking
        self._before_word = before_word
        self._failures = dict(failures or {})
        self._speaking: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Notes it."""
        self.started = True

    async def converse(self, ear: Ear, conversation: Conversation) -> None:
        """See `SpeechToSpeech.converse`."""
        life, self.lives = self.lives, self.lives + 1
        if life in self._failures:
            raise self._failures[life]
        self._speaking.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._obey(conversation, tasks))
            if conversation.detects_turns:
                await self._hear_all(ear, conversation, tasks)
            else:
                await self._hear_turns(ear, conversation, tasks)

    async def aclose(self) -> None:
        """Notes it."""
        self.closed = True

    # -- hearing --------------------------------------------------------------------------------------------------

    async def _hear_turns(self, ear: Ear, conversation: Conversation, tasks: asyncio.TaskGroup) -> None:
        async for utterance in ear.utterances():
            words = understood(await self._listen(utterance, conversation), _EAR_HZ)
            self.heard.append(words)
            tasks.create_task(self._tell(words, utterance.turn_id, conversation))

    async def _listen(self, utterance: Utterance, conversation: Conversation) -> NDArray[np.int16]:
        import numpy as np

        sound = np.zeros(0, np.int16)
        guess: list[str] = []
        async for chunk in utterance:
            sound = np.concatenate([sound, chunk.samples])
            words = understood(sound, chunk.sample_rate, whole=False) if self.transcribes else guess
            if words != guess:
                guess = words
                conversation.heard(Transcript(" ".join(words), is_final=False, turn_id=utterance.turn_id))
        return sound

    async def _hear_all(self, ear: Ear, conversation: Conversation, tasks: asyncio.TaskGroup) -> None:
        import numpy as np

        sound = np.zeros(0, np.int16)
        while (chunk := await ear.read(_READ_S)) is not None:
            sound = np.concatenate([sound, chunk.samples])
            runs = voiced_runs(sound, _EAR_HZ, gap_s=self._turn_silence)
            if not runs:
                sound = sound[-_EAR_HZ:]
            elif len(sound) - runs[-1][1] >= self._turn_silence * _EAR_HZ:
                words, sound = understood(sound, _EAR_HZ), sound[:0]
                self.heard.append(words)
                await self._tell(words, None, conversation)
                if conversation.replies_on_request:
                    conversation.end_turn()
                elif words:
                    tasks.create_task(self._answer(None, "", conversation))

    async def _tell(self, words: list[str], turn_id: int | None, conversation: Conversation) -> None:
        if self._transcript_delay:
            await asyncio.sleep(self._transcript_delay)
        if self.transcribes:
            conversation.heard(Transcript(" ".join(words), is_final=True, turn_id=turn_id, language="en-US"))

    # -- speaking -------------------------------------------------------------------------------------------------

    async def _obey(self, conversation: Conversation, tasks: asyncio.TaskGroup) -> None:
        async for request in conversation.requests():
            if isinstance(request, GiveUp):
                self.given_up.append(request)
                speaking = self._speaking.get(request.reply_id)
                if speaking is not None and not self._keeps_talking:
                    speaking.cancel()
                continue
            self.asked.append(request)
            wanted = request.text if isinstance(request, Speak) else request.instructions
            self._speaking[request.id] = tasks.create_task(self._answer(request, wanted, conversation))

    async def _answer(self, request: Respond | Speak | None, wanted: str, conversation: Conversation) -> None:
        if wanted:
            pieces: list[Any] = [wanted]
        else:
            pieces = self._replies[self._answers % len(self._replies)]
            self._answers += 1
        if self._delay:
            await asyncio.sleep(self._delay)
        reply = conversation.begin_reply(request)
        if request is None:
            self._speaking[reply.id] = cast("asyncio.Task[None]", asyncio.current_task())
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, str):
                await self._speak(piece, reply)
            elif isinstance(piece, COMMANDS):
                conversation.tell(cast("Any", piece))
            else:
                await reply.write(piece, sample_rate=self._sample_rate)
        reply.end()

    async def _speak(self, text: str, reply: Reply) -> None:
        for index, word in enumerate(text.split()):
            if index and self._word_delay:
                await asyncio.sleep(self._word_delay)
            if self._before_word is not None:
                await self._before_word(word)
            if self._tells_text:
                reply.text(word)
            await reply.write(spoken(word, self._sample_rate).tobytes(), sample_rate=self._sample_rate)


def _pieces(reply: Any) -> list[Any]:
    return list(cast("list[Any]", reply)) if isinstance(reply, (list, tuple)) else [reply]
