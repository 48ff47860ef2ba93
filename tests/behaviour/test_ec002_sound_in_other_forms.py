"""EC-002, FR-019: sound that comes in another form than is needed is converted, at every door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.answering import codes
from support.call import on_call

from beluga_voice import AudioFormat, LocalCall, VoiceSession
from beluga_voice.audio_format import AudioConverter
from beluga_voice.errors import AudioFormatError
from beluga_voice.events import PlayoutFinished
from beluga_voice.speech_to_text import SpeechToText, Transcript
from beluga_voice.testing import FakeSpeechToSpeech, FakeSpeechToText, FakeTextToSpeech
from beluga_voice.testing.tone_words import spoken, understood

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beluga_voice import Turn
    from beluga_voice.handles import Ear, Mouth

FORMS = {
    "telephone": AudioFormat(8_000, 1, "pcmu"),
    "European telephone": AudioFormat(8_000, 1, "pcma"),
    "record": AudioFormat(44_100, 2),
    "studio": AudioFormat(96_000, 2, "float32"),
    "same rate in stereo": AudioFormat(16_000, 2, "float32"),
}
EACH_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


async def agent(turn: Turn) -> str:
    return "zero yard"


def _in(form: AudioFormat, text: str) -> bytes:
    converter = AudioConverter(AudioFormat(form.sample_rate), form)
    return converter.convert(spoken(text, form.sample_rate).tobytes()) + converter.flush()


def _words(sound: bytes, form: AudioFormat) -> list[str]:
    converter = AudioConverter(form, AudioFormat(form.sample_rate))
    return understood(np.frombuffer(converter.convert(sound) + converter.flush(), "<i2"), form.sample_rate)


@EACH_FORM
async def test_a_caller_is_understood_in_any_form_and_hears_the_agent_in_it(form: AudioFormat) -> None:
    call = LocalCall()
    async with on_call(agent, call=call) as tried:
        sound = _in(form, "able bake calm")
        step = form.frame_bytes * 137
        for start in range(0, len(sound), step):  # in pieces, whose edges must not be heard
            await call.write(sound[start : start + step], audio_format=form)
        await tried.heard(PlayoutFinished)
        assert tried.session.history[0].text == "able bake calm"
        assert tried.agent_words == ["zero", "yard"]
    assert not codes(tried)


@EACH_FORM
async def test_what_the_caller_hears_can_be_read_in_any_form(form: AudioFormat) -> None:
    call = LocalCall()
    async with VoiceSession(agent=agent, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), vad="energy") as session:
        await session.start(call)
        session.say("zero yard")
        heard = b""
        ends_s = 0.0
        while len(heard) < 1.0 * form.sample_rate * form.frame_bytes:
            chunk = await call.read(0.03, audio_format=form)
            assert chunk is not None
            assert chunk.start_s == pytest.approx(ends_s, abs=1e-6)
            assert (chunk.sample_rate, chunk.channels, chunk.sample_format) == (
                form.sample_rate,
                form.channels,
                form.sample_format,
            )
            ends_s = chunk.end_s
            heard += chunk.pcm
    assert _words(heard, form) == ["zero", "yard"]


class _FormedVoice(FakeTextToSpeech):
    def __init__(self, form: AudioFormat) -> None:
        super().__init__()
        self._form = form

    async def synthesize(self, text: str, mouth: Mouth) -> None:
        await mouth.write(_in(self._form, text), audio_format=self._form)


@EACH_FORM
async def test_a_voice_may_write_in_any_form(form: AudioFormat) -> None:
    async with on_call(agent, tts=_FormedVoice(form)) as tried:
        await tried.say("able")
        await tried.heard(PlayoutFinished)
        assert tried.agent_words == ["zero", "yard"]
    assert not codes(tried)


async def test_arrays_say_themselves_what_they_are() -> None:
    class Arrays(FakeTextToSpeech):
        async def synthesize(self, text: str, mouth: Mouth) -> None:
            floats = (spoken("zero", 24_000) / 32_768).astype(np.float32)
            await mouth.write(floats, sample_rate=24_000)
            await mouth.write(np.stack([spoken("yard", 24_000)] * 2, axis=1), sample_rate=24_000)

    async with on_call(agent, tts=Arrays()) as tried:
        await tried.call.write((spoken("able", 16_000) / 32_768).astype(np.float32))
        await tried.heard(PlayoutFinished)
        assert tried.session.history[0].text == "able"
        assert tried.agent_words == ["zero", "yard"]


class _FormedRecogniser(SpeechToText):
    """Understands tone words of sound in a form of its own, by turns or read through."""

    def __init__(self, form: AudioFormat, *, by_turns: bool) -> None:
        self._form = form
        self._by_turns = by_turns

    async def stream(self, ear: Ear) -> AsyncIterator[Transcript]:
        if self._by_turns:
            async for utterance in ear.utterances(audio_format=self._form):
                sound = b"".join([chunk.pcm async for chunk in utterance])
                yield Transcript(" ".join(_words(sound, self._form)), is_final=True, turn_id=utterance.turn_id)
            return
        sound = b""
        while (chunk := await ear.read(0.05, audio_format=self._form)) is not None:
            sound += chunk.pcm
            words = _words(sound, self._form)
            if len(words) == 3:
                yield Transcript(" ".join(words), is_final=True)
                sound = b""


@EACH_FORM
@pytest.mark.parametrize("by_turns", [True, False], ids=["by turns", "read through"])
async def test_a_recogniser_hears_in_the_form_that_it_asks_for(form: AudioFormat, *, by_turns: bool) -> None:
    async with on_call(agent, stt=_FormedRecogniser(form, by_turns=by_turns)) as tried:
        await tried.say("able bake calm")
        await tried.agent_heard("zero", "yard")
        assert tried.session.history[0].text == "able bake calm"
    assert not codes(tried)


async def test_a_model_of_speech_may_write_floats() -> None:
    floats = (spoken("gold hand", 24_000) / 32_768).astype(np.float32)
    async with on_call(None, s2s=FakeSpeechToSpeech([[floats]])) as tried:
        await tried.say("able")
        await tried.agent_heard("gold", "hand")
    assert not codes(tried)


@pytest.mark.parametrize(
    ("sound", "form", "code"),
    [
        (bytes(6), AudioFormat(16_000, 2), "invalid_format"),
        (np.zeros(4, np.int16), AudioFormat(16_000, 1, "float32"), "invalid_format"),
        (np.full(4, np.nan, np.float32), AudioFormat(16_000, 1, "float32"), "conversion_failed"),
        (np.full(4, np.inf, np.float32), AudioFormat(48_000, 1, "float32"), "conversion_failed"),
        ("able", AudioFormat(48_000), "invalid_format"),
    ],
)
async def test_what_is_not_in_the_form_that_is_said_is_refused(sound: Any, form: AudioFormat, code: str) -> None:
    async with on_call(agent) as tried:
        with pytest.raises(AudioFormatError, match="allowed: ") as refused:
            await tried.call.write(sound, audio_format=form)
        assert refused.value.code == code
        await tried.say("able")
        await tried.agent_heard("zero")
