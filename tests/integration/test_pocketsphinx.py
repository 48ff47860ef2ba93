from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beluga_voice.components.stt.pocketsphinx import PocketSphinx, PocketSphinxOptions
from beluga_voice.errors import ComponentError, ConfigError, InvalidStateError
from beluga_voice.registry import resolve
from beluga_voice.testing import word_errors

from .conftest import SENTENCES, FakeEar, FakeUtterance, loop_use, room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.speech_to_text import Transcript

    Spoken = dict[str, NDArray[np.int16]]


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pid_of(component: PocketSphinx) -> int:
    assert component._child is not None
    return component._child.pid


async def heard(component: PocketSphinx, ear: FakeEar) -> list[Transcript]:
    async with aclosing(component.stream(ear)) as transcripts:
        return [transcript async for transcript in transcripts]


async def test_it_understands_and_guesses_while_the_caller_speaks(spoken: Spoken) -> None:
    component = PocketSphinx()
    await component.start()
    try:
        turns = [FakeUtterance(7 + n, spoken[text], start_s=10.0 * n) for n, text in enumerate(SENTENCES)]
        transcripts = await heard(component, FakeEar(*turns))
    finally:
        await component.aclose()
    finals = [transcript for transcript in transcripts if transcript.is_final]
    assert [final.turn_id for final in finals] == [7, 8, 9, 10]
    wrong = sum(word_errors(text.split(), final.text.split()) for text, final in zip(SENTENCES, finals, strict=True))
    assert wrong <= 0.4 * sum(len(text.split()) for text in SENTENCES)
    for number, final in enumerate(finals):
        length_s = len(spoken[SENTENCES[number]]) / 16000
        assert final.start_s is not None
        assert final.end_s is not None
        # 0.5 s of room come before the voice, 0.3 s after it.
        assert 0.3 < final.start_s - 10.0 * number < 0.9
        assert length_s - 1.0 < final.end_s - 10.0 * number <= length_s + 0.1
        assert final.language == "en-US"
        assert final.confidence is not None
        assert 0 < final.confidence <= 1
    guesses = [transcript for transcript in transcripts if not transcript.is_final and transcript.turn_id == 8]
    assert len(guesses) > 1
    assert all(one.text != two.text for one, two in itertools.pairwise(guesses))


async def test_interim_results_can_be_left_out(spoken: Spoken) -> None:
    component = resolve("stt", {"provider": "pocketsphinx", "interim_results": False, "language": "en"}).create()
    await component.start()
    transcripts = await heard(component, FakeEar(FakeUtterance(0, spoken[SENTENCES[0]])))
    await component.aclose()
    assert [(transcript.is_final, transcript.language) for transcript in transcripts] == [(True, "en")]


async def test_a_turn_with_nothing_in_it_is_final_and_empty() -> None:
    component = PocketSphinx()
    await component.start()
    turns = [FakeUtterance(number, room(seconds)) for number, seconds in enumerate((1.0, 0.05, 0.0, 2.0))]
    transcripts = await heard(component, FakeEar(*turns))
    await component.aclose()
    finals = [transcript for transcript in transcripts if transcript.is_final]
    assert [(final.turn_id, final.text) for final in finals] == [(0, ""), (1, ""), (2, ""), (3, "")]


@pytest.mark.parametrize(
    ("signal_number", "code"), [(signal.SIGKILL, "stream_closed"), (signal.SIGSTOP, "stream_timeout")]
)
async def test_a_process_that_dies_or_hangs_costs_one_turn(
    spoken: Spoken, signal_number: signal.Signals, code: str
) -> None:
    component = PocketSphinx(PocketSphinxOptions(response_timeout=4.0))
    await component.start()
    first = pid_of(component)
    broken = FakeUtterance(1, spoken[SENTENCES[0]])
    broken.gate, broken.gate_at = asyncio.Event(), 15
    ear = FakeEar(broken, FakeUtterance(2, spoken[SENTENCES[1]]))
    listening = asyncio.create_task(heard(component, ear))
    os.kill(first, signal_number)
    broken.gate.set()
    with pytest.raises(ComponentError) as caught:
        await listening
    assert caught.value.code == code
    assert caught.value.retryable
    assert caught.value.details["turn_id"] == 1
    transcripts = await heard(component, ear)
    assert transcripts[-1].turn_id == 2
    assert transcripts[-1].text != ""
    second = pid_of(component)
    assert second != first
    await component.aclose()
    assert not alive(first)
    assert not alive(second)


async def test_no_more_processes_than_allowed() -> None:
    options = PocketSphinxOptions(max_processes=1)
    one, two = PocketSphinx(options), PocketSphinx(options)
    await one.start()
    with pytest.raises(
        ComponentError, match=r"all 1 PocketSphinx processes are in use: raise .*max_processes"
    ) as caught:
        await two.start()
    assert caught.value.code == "quota_exceeded"
    await one.aclose()
    await two.aclose()
    three = PocketSphinx(options)
    await three.start()
    await three.aclose()


async def test_nothing_of_a_call_is_left_for_the_next(spoken: Spoken) -> None:
    options = PocketSphinxOptions(max_processes=1)
    turns = [spoken[text] for text in SENTENCES[:2]]

    async def call(*sounds: Any) -> tuple[int, list[Transcript]]:
        component = PocketSphinx(options)
        await component.start()
        pid = pid_of(component)
        transcripts = await heard(component, FakeEar(*(FakeUtterance(n, sound) for n, sound in enumerate(sounds))))
        await component.aclose()
        return pid, transcripts

    async with PocketSphinx.keep_warm(options):
        fresh_pid, fresh = await call(*turns)
        # Much louder and noisier: means that would spoil the next call's first words.
        await call(room(3.0, seed=5) * 40, spoken[SENTENCES[2]] // 8)
        reused_pid, reused = await call(*turns)
        assert reused_pid == fresh_pid
        assert reused == fresh
        assert alive(reused_pid)
    assert not alive(reused_pid)


async def test_a_call_that_is_cut_off_in_a_turn_spoils_nothing(spoken: Spoken) -> None:
    async with PocketSphinx.keep_warm():
        component = PocketSphinx()
        await component.start()
        async with aclosing(component.stream(FakeEar(FakeUtterance(0, spoken[SENTENCES[0]])))) as transcripts:
            await anext(transcripts)
        (final, *_) = [t for t in await heard(component, FakeEar(FakeUtterance(1, spoken[SENTENCES[1]]))) if t.is_final]
        assert word_errors(SENTENCES[1].split(), final.text.split()) <= 4
        await component.aclose()


async def test_the_loop_ticks_on_while_it_recognises(spoken: Spoken) -> None:
    component = PocketSphinx()
    async with loop_use() as use:
        await component.start()
        for text in SENTENCES:
            await heard(component, FakeEar(FakeUtterance(0, spoken[text])))
        await component.aclose()
    # In this thread it would take over 0.15 s for each of ten seconds of sound, and leave gaps as long as a turn's end.
    assert use.wall_s > 0.5
    assert use.longest_gap_s < 0.5
    assert use.cpu_s < 0.5


async def test_it_says_when_it_is_used_out_of_turn() -> None:
    component = PocketSphinx()
    with pytest.raises(InvalidStateError, match="not started"):
        await heard(component, FakeEar(FakeUtterance(0, room(0.1))))
    await component.aclose()


def test_paths_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stt\.pocketsphinx\.lm = '/no/such': allowed: a file that exists"):
        resolve("stt", {"provider": "pocketsphinx", "lm": "/no/such"})
    with pytest.raises(ConfigError, match=r"hmm = .*: allowed: a folder that exists"):
        resolve("stt", {"provider": "pocketsphinx", "hmm": "/no/such"})


async def test_a_model_that_cannot_be_loaded_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "broken.lm.bin"
    broken.write_bytes(b"nonsense")
    component = resolve("stt", {"provider": "pocketsphinx", "lm": broken}).create()
    with pytest.raises(ComponentError) as caught:
        await component.start()
    assert caught.value.code in {"internal_error", "stream_closed"}
    await component.aclose()


async def test_a_dictionary_of_ones_own_is_used(tmp_path: Path, spoken: Spoken) -> None:
    dictionary = tmp_path / "bowls.dict"
    dictionary.write_text("rice R AY S\nbowls B OW L Z\nround R AW N D\n")
    component = resolve("stt", {"provider": "pocketsphinx", "dictionary": dictionary}).create()
    await component.start()
    transcripts = await heard(component, FakeEar(FakeUtterance(0, spoken[SENTENCES[0]])))
    await component.aclose()
    assert set(transcripts[-1].text.split()) <= {"rice", "bowls", "round"}
    assert "rice" in transcripts[-1].text


def test_processes_die_with_their_parent() -> None:
    code = (
        "import asyncio, os, signal\n"
        "from beluga_voice.components.stt.pocketsphinx import PocketSphinx\n"
        "async def main():\n"
        "    component = PocketSphinx()\n"
        "    await component.start()\n"
        "    print(component._child.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    # It holds no pipe of its parent's: `run` has returned, so the child's end of input has come too. Bounded by the
    # test's own time limit.
    pid = int(done.stdout)
    while alive(pid):
        os.sched_yield()
