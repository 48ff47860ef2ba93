"""What the SDK tells of sound is taken where it is told, in whatever order it comes, and none of it reaches a loop."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from livekit.rtc import _ffi_client
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2

from beluga_voice.livekit.sdk import media_events as module
from beluga_voice.livekit.sdk.media_events import MediaEvents, media_events
from beluga_voice.livekit.sdk.sound_outlet import EventOutlet
from beluga_voice.livekit.sdk.track_ear import TrackEar

if TYPE_CHECKING:
    from typing_extensions import Buffer

PCM = (ctypes.c_int16 * 480)(*range(480))


class Sdk:
    """The SDK's client: `tells_first` tells of what is asked for on another thread before the request returns."""

    def __init__(self, *, tells_first: bool = False) -> None:
        self.queue = self
        self.dropped: list[int] = []
        self.asked: list[Any] = []
        self.delivered = 0
        self.has_answered = asyncio.Event()
        self._lock = threading.RLock()
        self._ffi_lib = SimpleNamespace(livekit_ffi_drop_handle=self._drop)
        self._tells_first = tells_first
        self._numbers = 100
        self._filter: Callable[[Any], bool] = lambda _: True

    def subscribe(self, loop: asyncio.AbstractEventLoop, filter_fn: Callable[[Any], bool]) -> None:
        assert loop is not None
        self._filter = filter_fn

    def tell(self, event: Any) -> None:
        with self._lock:
            self.delivered += self._filter(event)

    def request(self, request: Any) -> Any:
        request.SerializeToString()
        self.asked.append(request)
        self._numbers += 1
        response = ffi_pb2.FfiResponse()
        if request.WhichOneof("message") == "new_audio_stream":
            response.new_audio_stream.stream.handle.id = self._numbers
            first = frame(self._numbers)
        else:
            response.capture_audio_frame.async_id = self._numbers
            first = confirmation(self._numbers)
        if self._tells_first:
            teller = threading.Thread(target=self.tell, args=(first,))
            teller.start()
            teller.join(0.05)
        self.has_answered.set()
        return response

    def _drop(self, dropped: ctypes.c_uint64) -> None:
        handle = dropped.value
        self.dropped.append(handle)
        # A stream that is let go of ends, and says so on its own thread.
        ended = ffi_pb2.FfiEvent()
        ended.audio_stream_event.stream_handle = handle
        ended.audio_stream_event.eos.SetInParent()
        threading.Thread(target=self.tell, args=(ended,)).start()


def frame(stream: int, *, handle: int = 7) -> Any:
    event = ffi_pb2.FfiEvent()
    event.audio_stream_event.stream_handle = stream
    received = event.audio_stream_event.frame_received.frame
    received.handle.id = handle
    received.info.data_ptr = ctypes.addressof(PCM)
    received.info.num_channels = 1
    received.info.sample_rate = 48_000
    received.info.samples_per_channel = 480
    return event


def confirmation(number: int, error: str = "") -> Any:
    event = ffi_pb2.FfiEvent()
    event.capture_audio_frame.async_id = number
    if error:
        event.capture_audio_frame.error = error
    return event


def events_of(sdk: Sdk) -> MediaEvents:
    return MediaEvents(sdk, ffi_pb2, audio_frame_pb2)


def capture(events: MediaEvents, confirmed: Callable[[str], None]) -> None:
    source = SimpleNamespace(_ffi_handle=SimpleNamespace(handle=5), sample_rate=48_000)
    events.capture(events.capture_request(source, PCM), confirmed)


def at(request: Any) -> bytes:
    """The sound that a request hands over, as it is now."""
    return ctypes.string_at(request.capture_audio_frame.buffer.data_ptr, 960)


@asynccontextmanager
async def listening(sdk: Sdk, take: Callable[[Buffer], None], monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[None]:
    """An ear on track 3, whose stream is 101."""
    events = events_of(sdk)
    monkeypatch.setattr("beluga_voice.livekit.sdk.track_ear.media_events", lambda _: events)
    ear = TrackEar(SimpleNamespace(_ffi_handle=SimpleNamespace(handle=3)), take, sample_rate_hz=48_000)
    task = asyncio.get_running_loop().create_task(ear.run())
    async with asyncio.timeout(5.0):
        await sdk.has_answered.wait()
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("tells_first", [False, True])
def test_a_confirmation_finds_its_capture_though_it_comes_before_the_number_is_known(tells_first: bool) -> None:
    sdk = Sdk(tells_first=tells_first)
    events = events_of(sdk)
    told: list[str] = []
    confirmed = threading.Semaphore(0)

    def on_confirmed(error: str) -> None:
        told.append(error)
        confirmed.release()

    capture(events, on_confirmed)
    asked = sdk.asked[0].capture_audio_frame
    assert (asked.source_handle, asked.buffer.samples_per_channel, asked.buffer.sample_rate) == (5, 480, 48_000)
    if not tells_first:
        sdk.tell(confirmation(99, "of somebody else's frame"))
        sdk.tell(confirmation(101, "no such source"))
    assert confirmed.acquire(timeout=5.0)
    sdk.tell(confirmation(101, "once more"))
    assert told == ["" if tells_first else "no such source"]
    assert sdk.delivered == 0


@pytest.mark.parametrize("tells_first", [False, True])
async def test_a_track_is_heard_from_its_first_frame_and_every_frame_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch, tells_first: bool
) -> None:
    sdk = Sdk(tells_first=tells_first)
    heard: list[bytes] = []
    frames = 2 if tells_first else 1
    all_heard = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take(pcm: Buffer) -> None:
        heard.append(bytes(pcm))
        if len(heard) == frames:
            loop.call_soon_threadsafe(all_heard.set)

    async with listening(sdk, take, monkeypatch):
        sdk.tell(frame(101, handle=8))
        sdk.tell(frame(55, handle=9))
        async with asyncio.timeout(5.0):
            await all_heard.wait()
    assert heard == [bytes(PCM)] * frames
    # A frame of a stream that is not ours is not ours to let go of; the stream itself is.
    assert sorted(sdk.dropped) == [*([7] if tells_first else []), 8, 101]
    sdk.tell(frame(101, handle=10))
    assert len(heard) == frames
    assert sdk.delivered == 0


async def test_an_error_while_sound_is_taken_is_logged_and_the_frame_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sdk = Sdk()

    def fails(_: Buffer) -> None:
        raise RuntimeError("the call went away")

    async with listening(sdk, fails, monkeypatch):
        sdk.tell(frame(101))
        assert "the call went away" in caplog.text
        assert sdk.dropped == [7]
        assert sdk.delivered == 0


def test_an_outlet_counts_what_is_not_confirmed_and_hands_nothing_to_a_source_that_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sdk = Sdk()
    source = SimpleNamespace(_ffi_handle=SimpleNamespace(handle=5, disposed=False), sample_rate=48_000)
    outlet = EventOutlet(source, events_of(sdk))
    for value in range(3):
        outlet.capture(bytes([value]) * 960)
    assert outlet.unconfirmed == 3
    # What is not confirmed is left as it was handed over.
    assert [at(asked) for asked in sdk.asked] == [bytes([value]) * 960 for value in range(3)]
    sdk.tell(confirmation(101))
    sdk.tell(confirmation(103, "the track is gone"))
    assert outlet.unconfirmed == 1
    outlet.capture(bytes([9]) * 960)
    assert at(sdk.asked[1]) == bytes([1]) * 960
    assert "the track is gone" in caplog.text
    source._ffi_handle.disposed = True
    outlet.capture(bytes(PCM))
    assert len(sdk.asked) == 4


KNOWN_TRACK = SimpleNamespace(_ffi_handle=SimpleNamespace(handle=1, disposed=False))


@pytest.mark.parametrize(
    ("client", "track"),
    [
        pytest.param(SimpleNamespace(), KNOWN_TRACK, id="another client"),
        pytest.param(Sdk(), SimpleNamespace(), id="another track"),
        pytest.param(Sdk(), SimpleNamespace(_ffi_handle=SimpleNamespace(handle=1)), id="another handle"),
    ],
)
def test_an_sdk_that_is_not_the_one_we_know_is_warned_of_once(
    client: Any, track: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_known", None)
    monkeypatch.setattr(module, "_warned", False)
    monkeypatch.setattr(_ffi_client, "FfiClient", SimpleNamespace(instance=client))
    with caplog.at_level(logging.WARNING):
        assert media_events(track) is None
        assert media_events(track) is None
    assert caplog.text.count("not known") == 1
