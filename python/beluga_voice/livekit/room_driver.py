"""What a `Room` asks of whoever carries it, and what it is told.

There is one `Room` and two drivers: `SdkDriver` translates livekit.rtc's room, the native one the Rust core's. A driver
keeps no state that a user sees: it carries out commands, in the order in which they were given, and tells of what
happens (`beluga_voice.livekit.room_events`), in order, on the loop that called `connect`. Acknowledging calls at once,
cutting streams into packets and putting them together, and restoring connections are the driver's business.

A command returns its result or raises: TransportError (`not_connected`, `disconnected`, `connection_failed`,
`connection_timeout`, `protocol_error`, `invalid_input`, `not_found`), RateLimitError (too many are under way),
DeadlineError (the server did not answer), InvalidStateError, AuthError (`authorization_failed`: the token does not
allow it), RpcError for `perform_rpc`, StreamError for streams. A command that is cancelled may still be carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from beluga_voice.call_link import CallLink
    from beluga_voice.livekit.audio_frame import AudioFrame
    from beluga_voice.livekit.options import Media, ParticipantTrackPermission, RoomOptions, TrackPublishOptions
    from beluga_voice.livekit.room_events import RoomEvent, TranscriptionPart
    from beluga_voice.livekit.room_state import Joined, StreamInfo, TrackInfo
    from beluga_voice.livekit.rpc import RpcCallInfo, RpcError
    from beluga_voice.transport import CallSettings, TransportStats

__all__ = ["AudioFeed", "AudioSink", "CallMedia", "NeedsSdkError", "RoomDriver"]


class NeedsSdkError(Exception):
    """The native participant cannot join, and the SDK, which can do more, may; says why."""


class AudioSink(Protocol):
    """Where the sound of a published track goes."""

    async def capture(self, frame: AudioFrame) -> None:
        """Queues a frame; waits while there is no room."""
        ...

    def clear(self) -> None:
        """Drops what is queued."""
        ...


class AudioFeed(Protocol):
    """The sound of a remote track."""

    async def read(self) -> AudioFrame | None:
        """The next frame; None when the track is gone."""
        ...

    async def aclose(self) -> None:
        """Lets go of it."""
        ...


class CallMedia(Protocol):
    """The sound of one session in a room: a call of the core, between a remote track and a published one."""

    @property
    def link(self) -> CallLink:
        """The call."""
        ...

    @property
    def track(self) -> TrackInfo:
        """What is published: the agent's voice."""
        ...

    def listen(self, sid: str | None) -> None:
        """From now on the caller's sound is that of this subscribed track; None: silence."""
        ...

    def stats(self) -> dict[str, int]:
        """What was counted on this path."""
        ...

    async def transport_stats(self) -> TransportStats:
        """What is measured on this path. Raises TransportError."""
        ...

    async def aclose(self) -> None:
        """Unpublishes the track and lets go of everything; the call of the core was closed before."""
        ...


class RoomDriver(Protocol):
    """One connection to one room, made once."""

    @property
    def media_path(self) -> Media:
        """Which driver this is."""
        ...

    @property
    def on_event(self) -> Callable[[RoomEvent], None]:
        """Called with each event; set before `connect`."""
        ...

    @on_event.setter
    def on_event(self, callback: Callable[[RoomEvent], None]) -> None: ...

    async def connect(self, url: str, token: str, options: RoomOptions) -> Joined:
        """Joins. Events come from when this has returned, with nothing lost in between.

        Raises AuthError, TransportError, SessionError `session_not_found` (the server has no such room) and
        `session_limit_exceeded` (the room or the node is full).
        """
        ...

    async def disconnect(self, reason: int) -> None:
        """Leaves; `Disconnected` is told before this returns. Does nothing on a connection that is gone."""
        ...

    def stats(self) -> dict[str, int]:
        """What was counted of this connection."""
        ...

    # -- tracks ---------------------------------------------------------------------------------------------------

    async def publish_track(
        self, name: str, *, sample_rate: int, num_channels: int, queue_size_ms: int, options: TrackPublishOptions
    ) -> tuple[TrackInfo, AudioSink]:
        """Publishes a track of sound."""
        ...

    async def unpublish_track(self, sid: str) -> None:
        """Takes a track of ours back."""
        ...

    def set_track_muted(self, sid: str, *, muted: bool) -> None:
        """Mutes or unmutes a track of ours."""
        ...

    def set_subscribed(self, identity: str, sid: str, *, subscribed: bool) -> None:
        """Asks for a remote track, or no longer."""
        ...

    def set_subscription_permissions(
        self, *, allow_all: bool, permissions: Sequence[ParticipantTrackPermission]
    ) -> None:
        """Who may subscribe to our tracks; holds after a reconnect too."""
        ...

    def open_audio(self, sid: str, *, sample_rate: int, num_channels: int, frame_size_ms: int | None) -> AudioFeed:
        """The sound of a subscribed remote track from now on."""
        ...

    async def open_call(
        self, settings: CallSettings, *, track_name: str, sample_rate: int, options: TrackPublishOptions
    ) -> CallMedia:
        """Opens a call in the core and publishes its output as a track, at `sample_rate`; its input is silence."""
        ...

    # -- data -----------------------------------------------------------------------------------------------------

    async def publish_data(
        self, payload: bytes, *, reliable: bool, destination_identities: Sequence[str], topic: str
    ) -> None:
        """Sends a packet to these, or to all."""
        ...

    async def publish_dtmf(self, *, code: int, digit: str) -> None:
        """Presses a key towards telephones."""
        ...

    async def publish_transcription(
        self, *, identity: str, track_sid: str, segments: Sequence[TranscriptionPart]
    ) -> None:
        """Sends a transcription packet (legacy) to all."""
        ...

    async def open_stream(
        self,
        stream: StreamInfo,
        *,
        destination_identities: Sequence[str],
        sender_identity: str | None,
        reply_to_id: str | None,
    ) -> StreamInfo:
        """Begins a stream; an empty `stream_id` is filled in. Returns the header that was sent."""
        ...

    async def write_stream(self, stream_id: str, content: bytes) -> None:
        """Sends a piece, whole UTF-8 letters for text; waits while too much is buffered."""
        ...

    async def close_stream(self, stream_id: str, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Ends a stream; with a reason it is broken off."""
        ...

    async def send_whole(
        self,
        stream: StreamInfo,
        content: bytes,
        *,
        destination_identities: Sequence[str],
        reply_to_id: str | None,
        compress: bool,
    ) -> StreamInfo:
        """A stream whose content is all there; waits until it is sent."""
        ...

    def accept_streams(self, topic: str, *, is_text: bool, accepted: bool) -> None:
        """Whether streams of this topic are told of; the others are dropped where they arrive."""
        ...

    def drop_stream(self, stream_id: str) -> None:
        """Nothing more is wanted of an incoming stream."""
        ...

    # -- calls ----------------------------------------------------------------------------------------------------

    async def perform_rpc(self, call: RpcCallInfo) -> str:
        """Calls a method of somebody's. Raises RpcError."""
        ...

    def serve_rpc(self, method: str, *, served: bool) -> None:
        """Whether calls of this method are told of; the others are refused where they arrive."""
        ...

    def respond_rpc(self, invocation_id: int, payload: str | None, error: RpcError | None) -> None:
        """Answers a call."""
        ...

    # -- ourselves ------------------------------------------------------------------------------------------------

    async def set_metadata(self, metadata: str) -> None:
        """Changes our metadata, if the token allows it."""
        ...

    async def set_name(self, name: str) -> None:
        """Changes our name, if the token allows it."""
        ...

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Changes these attributes of ours, if the token allows it; '' removes one."""
        ...

    # -- looking --------------------------------------------------------------------------------------------------

    async def rtc_stats(self) -> Any:
        """What the peer connections measured, as the path has it."""
        ...

    async def simulate_scenario(self, scenario: int) -> None:
        """Has something go wrong, for tests."""
        ...

    def sdk_room(self) -> Any:
        """livekit.rtc's own room, on the path that has one."""
        ...

    def sdk_track(self, sid: str) -> Any:
        """livekit.rtc's own track, on the path that has one."""
        ...
