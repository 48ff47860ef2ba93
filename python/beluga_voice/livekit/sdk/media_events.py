"""What the SDK tells of sound, taken on the thread that tells it.

The SDK's own streams and sources hand each 10 ms from that thread to a loop and from task to task: three turns of the
loop for what is heard; a task, a subscription and two turns for what is said. Each turn waits for the interpreter, and
with several rooms in a process an answer comes later by it. So this is subscribed once, for all, and nothing of it
reaches a loop.

It goes by names that the SDK does not promise to keep. Where they are others, `media_events` is None, a warning says
so, and the SDK's own classes are used.
"""

from __future__ import annotations

import ctypes
import logging
from typing import TYPE_CHECKING, Any

from beluga_voice.livekit.sdk.sound_thread import sound_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["MediaEvents", "media_events"]

_log = logging.getLogger("beluga_voice.livekit")


class MediaEvents:
    """See the module. Callbacks come on a thread of the SDK's, one after another, and must not wait."""

    def __init__(self, client: Any, ffi: Any, audio: Any) -> None:
        self.client = client
        self._new_request: Callable[[], Any] = ffi.FfiRequest
        self._native_stream: int = audio.AudioStreamType.AUDIO_STREAM_NATIVE
        # Held while something is asked for and entered: what is told of it waits until it is known whose it is. It is
        # the lock under which the SDK tells, and which whatever is collected in between may want: of two, one thread
        # could want the second under the first, and another the first under the second.
        self._lock: AbstractContextManager[Any] = client.queue._lock
        self._drop_handle: Callable[[ctypes.c_uint64], Any] = client._ffi_lib.livekit_ffi_drop_handle
        self._streams: dict[int, Callable[[Any], None]] = {}
        self._captures: dict[int, Callable[[str], None]] = {}
        # Nothing is ever delivered to the loop: `_take` keeps all of it.
        client.queue.subscribe(sound_thread().loop, filter_fn=self._take)

    def open_stream(
        self, track: Any, told: Callable[[Any], None], *, sample_rate_hz: int, most_waiting_frames: int
    ) -> int:
        """Asks for a mono stream of a track; `told` gets each AudioStreamEvent of it, the last one an `eos`.

        Returns its handle.
        """
        request = self._new_request()
        stream = request.new_audio_stream
        stream.track_handle = track._ffi_handle.handle
        stream.type = self._native_stream
        stream.sample_rate = sample_rate_hz
        stream.num_channels = 1
        stream.queue_size_frames = most_waiting_frames
        with self._lock:
            handle: int = self.client.request(request).new_audio_stream.stream.handle.id
            self._streams[handle] = told
        return handle

    def drop(self, handle: int) -> None:
        """Lets go of a stream, which then ends, or of a frame."""
        self._drop_handle(ctypes.c_uint64(handle))

    def capture_request(self, source: Any, pcm: Any) -> Any:
        """What to ask for to have `pcm`, a ctypes array of int16, go out by `source`."""
        request = self._new_request()
        capture = request.capture_audio_frame
        capture.source_handle = source._ffi_handle.handle
        capture.buffer.data_ptr = ctypes.addressof(pcm)
        capture.buffer.num_channels = 1
        capture.buffer.sample_rate = source.sample_rate
        capture.buffer.samples_per_channel = len(pcm)
        return request

    def capture(self, request: Any, confirmed: Callable[[str], None]) -> None:
        """Hands a frame over, whose memory must stay until `confirmed` is called, with the error or nothing."""
        with self._lock:
            number: int = self.client.request(request).capture_audio_frame.async_id
            self._captures[number] = confirmed

    def _take(self, event: Any) -> bool:
        """Whether the event is for the loop: never. Called under the SDK's lock."""
        try:
            kind = event.WhichOneof("message")
            if kind == "audio_stream_event":
                self._told_of_stream(event.audio_stream_event)
            elif kind == "capture_audio_frame":
                self._told_of_capture(event.capture_audio_frame)
        except Exception:  # on a thread of the SDK's, that would take it for a wish to have the event
            _log.exception("the SDK's sound could not be taken")
        return False

    def _told_of_stream(self, event: Any) -> None:
        over = event.HasField("eos")
        told = self._streams.pop(event.stream_handle, None) if over else self._streams.get(event.stream_handle)
        if told is not None:
            told(event)

    def _told_of_capture(self, event: Any) -> None:
        confirmed = self._captures.pop(event.async_id, None)
        if confirmed is not None:
            confirmed(event.error)


_known: MediaEvents | None = None
_warned = False


def media_events(sounding: Any) -> MediaEvents | None:
    """This process's, for a track or a source of the SDK's; None where its inside is not the one we know."""
    global _known, _warned
    try:
        from livekit.rtc import _ffi_client
        from livekit.rtc._proto import audio_frame_pb2, ffi_pb2

        _ = sounding._ffi_handle.handle, sounding._ffi_handle.disposed
        client: Any = _ffi_client.FfiClient.instance
        if _known is None or _known.client is not client:
            _known = MediaEvents(client, ffi_pb2, audio_frame_pb2)
    except (ImportError, AttributeError, TypeError):
        if not _warned:
            _warned = True
            _log.warning("this version of livekit is not known: sound over the SDK takes a longer way, and more CPU")
        return None
    return _known
