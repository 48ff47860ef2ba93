"""The compiled core. Private: use the names of `beluga_voice` and `beluga_voice.audio`.

Sound is mono int16 (any buffer of int16, or bytes of little-endian int16) and comes back as bytes of the same.
Positions count samples since the start of the call; `..._s` are seconds on the same axis; `now_us` is microseconds on
the clock of `time.monotonic()`.
"""

from typing import Any, Final, Literal, final

from typing_extensions import Buffer

__version__: Final[str]

class CoreError(Exception):
    """A failure of the core: `args` are the code of requirements.md, the message and the field ('' if none)."""

@final
class Event:
    """One event; fields that its kind does not have are None."""

    @property
    def kind(self) -> str: ...
    @property
    def at_s(self) -> float:
        """Seconds heard by the end of the tick: as long as the call had lasted, less what of 'live_pcm' is late."""

    @property
    def now_us(self) -> int:
        """The clock when the tick began."""

    @property
    def turn(self) -> int | None: ...
    @property
    def utterance(self) -> int | None: ...
    @property
    def mark(self) -> int | None: ...
    @property
    def onset_s(self) -> float | None:
        """First voiced sample."""

    @property
    def voiced_end_s(self) -> float | None:
        """One past the last voiced sample."""

    @property
    def read_from(self) -> int | None:
        """Where a turn's sound begins, with as much of the pre-roll as is not the turn before: samples at 16 kHz."""

    @property
    def played_s(self) -> float | None:
        """Seconds of the utterance that were played."""

    @property
    def old_state(self) -> str | None: ...
    @property
    def new_state(self) -> str | None: ...
    @property
    def action(self) -> str | None:
        """What an interruption does to the sound: 'pause', 'duck' or 'await_words'."""

    @property
    def timed_out(self) -> bool | None:
        """Whether a paused utterance goes on by itself."""

    @property
    def interrupted(self) -> bool | None:
        """Whether an utterance was cut short."""

@final
class Wakeup:
    """Wakes one event loop: a descriptor that becomes readable when a call of `engine` has something for it."""

    def __new__(cls, engine: Engine) -> Wakeup: ...
    def fileno(self) -> int: ...
    def bell(self) -> Bell:
        """For a call or a room: how it says that it has something for the loop."""

    def clear(self) -> list[int]:
        """Call before draining: what comes from now on wakes again. The bells that have rung, by ascending number."""

    def notify(self) -> None:
        """Makes the descriptor readable."""

    def lag_us(self) -> tuple[int, int, int]:
        """From a wake-up to the `clear` that answered it, microseconds: how many, their sum, the longest."""

@final
class Bell:
    """One call's or room's at its loop's `Wakeup`."""

    @property
    def number(self) -> int:
        """What `Wakeup.clear` gives when it has rung, 0 to 4095; more bells than that share numbers."""

    def ring(self) -> None:
        """Wakes the loop, and has it look here."""

@final
class Engine:
    """What serves calls: the shard threads of this process, which sleep while there is no call.

    Raises CoreError: `invalid_config`, `model_load_failed`; `invalid_state` in a forked child and after `stop`.
    """

    def __new__(cls, *, shards: int, max_sessions_per_shard: int, silero: bytes | None = None) -> Engine: ...
    @staticmethod
    def stepped(*, now_us: int, max_sessions: int, silero: bytes | None = None) -> Engine:
        """An engine without threads, on a clock that `advance` moves."""

    def advance(self, until_us: int) -> int:
        """Serves every tick that is due until then, or until one of them woke a loop; returns the time reached.

        Raises CoreError `invalid_state` for an engine that runs on the machine's clock.
        """

    def open_call(
        self,
        bell: Bell,
        *,
        input: Literal["pcm", "live_pcm", "opus", "pcmu", "pcma"],
        input_hz: int,
        output: Literal["pcm", "opus"],
        output_hz: int,
        jitter_min_delay_ms: int,
        jitter_max_delay_ms: int,
        vad: Literal["silero", "energy"],
        activation_threshold: float,
        deactivation_threshold: float,
        min_speech_ms: int,
        min_silence_ms: int,
        prefix_padding_ms: int,
        min_delay_ms: int,
        discard_audio_if_uninterruptible: bool,
        false_interruption_timeout_ms: int | None,
        user_away_timeout_ms: int | None,
        interruptible_while_thinking: bool,
        min_interruption_ms: int,
        duck_gain_db: float,
        complexity: int = 5,
        bitrate_bps: int = 24_000,
        room: Room | None = None,
    ) -> Call:
        """A call, served from the next tick on. One with a `room` leaves its doors there (`Call.doors_in_room`), as yet
        without a way to and from them; it has input 'opus' and output 'opus'.

        `input_hz` is read for samples alone, 8000 to 192000: who writes 'pcm' may write ahead of time; 'live_pcm' is
        waited for where it is late, for up to 100 ms, and what waits of it was held up: pauses are shortened until
        nothing does; the jitter delays are read for packets alone, 0 to 2000:
        the sound waits for the least on a perfect network, and for more, up to the largest, as packets come unevenly;
        `output_hz` is a multiple of 400 from 8000 to 48000, for 'opus' 8000, 12000, 16000, 24000 or 48000.
        `complexity` and `bitrate_bps` are Opus's.

        Raises CoreError: `invalid_config` with the field, `model_not_found`, `session_limit_exceeded`: there is no
        place, or the machine is overloaded and has no time for another call.
        """

    def join_room(
        self,
        bell: Bell,
        *,
        url: str,
        token: str,
        auto_subscribe: bool,
        connect_timeout_ms: int,
        media_timeout_ms: int,
        reconnect: bool,
        renews_token: bool,
        epoch_ms: int,
        seed: int,
        user_agent: str,
        ca_pem: bytes | None = None,
    ) -> Room:
        """Begins to join a LiveKit room; its events tell what comes of it.

        `media_timeout_ms`: how long a way for sound is looked for; `renews_token`: whether `token_needed` is answered;
        `epoch_ms`: milliseconds since 1970 when `time.monotonic()` was 0; `ca_pem`: certificates that are trusted
        beside the system's.

        Raises CoreError: `invalid_input` for a URL that is none, `invalid_config` with the field,
        `session_limit_exceeded`, `invalid_state` for an engine on a virtual clock.
        """

    @property
    def sessions(self) -> int:
        """How many calls are being served; `stats` without the rest."""

    def stats(self) -> dict[str, object]:
        """What the engine did.

        - `sessions`: being served; `healthy`: whether every shard lives; `calls_refused`: for want of a place or of
          time.
        - `cgroup`: None, or of the group whose CPU quota held this process back most: `periods`, `throttled_periods`
          and `throttled_us`, since the group was made.
        - `shards`, for each:
            - `ticks`: served; `busy_us`: microseconds spent in them.
            - `late_ticks`: begun 10 ms late or later; `max_late_us`, `sum_late_us`: how late ticks began.
            - `late_us_counts`: ticks by lateness, one more than `late_us_bounds`: the nth is later than bound n - 1 and
              no later than bound n.
            - `ticks_skipped`: whose frames were owed for over 20 ms and not sent; `frames_skipped`: the same, over
              sessions.
            - `overload_step`: 0; 1: no calls are taken on; 2: codecs encode with less effort; 3: even so frames come
              too late; 4: data waits for sound. `overload_steps_entered`: how often each of the four was entered from
              below.
        """

    def stop(self) -> None:
        """Ends every call and joins the threads."""

@final
class Call:
    """One call's handles. Thread-safe; nothing here waits for the engine. A call that is dropped is closed.

    All of it raises CoreError `invalid_state` in a forked child.
    """

    def drain(self) -> tuple[list[Event], list[tuple[str, int]]]:
        """Events since the last time, in order, and who is to look again: (who, n).

        `who` is 'mouth', 'input', 'ear', 'out' or 'packets'.
        """

    @property
    def doors_in_room(self) -> tuple[int, int] | None:
        """What the room that has them calls this call's input and output."""

    @property
    def closed(self) -> bool: ...
    def close(self) -> None:
        """Ends the call; the event `closed` is its last."""

    def drop_utterance(self, utterance: int) -> None:
        """Gives up this utterance, heard or waiting, and no other; what is heard of it fades out."""

    def resume(self) -> None:
        """What was paused goes on."""

    def reply_done(self, through: int) -> None:
        """The answers to the turns up to and including this one are written to their end, or there are none."""

    def begin_utterance(
        self,
        *,
        allow_interruptions: bool,
        min_interruption_ms: int,
        interruption_action: Literal["pause", "duck", "await_words"],
    ) -> int:
        """Opens the next utterance and returns its number, from 1."""

    def write_mouth(self, pcm: Buffer, sample_rate: int) -> int:
        """Queues as much as there is room for and returns how much that was."""

    def want_mouth(self, samples: int) -> bool:
        """True if there is room for `samples`; if not, `drain` says ('mouth', 0) when there is."""

    def mark(self, mark: int) -> None:
        """Puts a mark behind what is written: the event `mark_reached` tells when it was played."""

    def end_utterance(self) -> None:
        """Closes the open utterance, if there is one."""

    @property
    def ear_written(self) -> int:
        """Samples heard so far, at 16 kHz."""

    def read_ear(self, start: int, max_samples: int) -> tuple[bytes, int, int]:
        """The caller's sound from position `start` on: samples, position of the first, samples lost before it."""

    def want_ear(self, reader: int, position: int) -> bool:
        """True if `position` was heard; if not, `drain` says ('ear', reader) when it was. Readers: 0 to 7."""

    @property
    def output_hz(self) -> int: ...
    @property
    def output_written(self) -> int:
        """Samples sent so far, at `output_hz`."""

    def read_output(self, start: int, max_samples: int) -> tuple[bytes, int, int]:
        """The agent's sound as sent, like `read_ear`."""

    def notify_output(self, bell: Bell) -> None:
        """From now on `bell` rings with every tick, once its 10 ms can be read, and at the end.

        Raises CoreError `invalid_state` when another one is.
        """

    def want_output(self, reader: int, position: int) -> bool:
        """Like `want_ear`; readers: 0 to 3."""

    def write_input(self, pcm: Buffer) -> int:
        """The caller's sound, for input 'pcm': queues what there is room for and returns how much that was."""

    def want_input(self, samples: int) -> bool:
        """True if there is room for `samples`; if not, `drain` says ('input', 0) when there is."""

    def push_packet(self, payload: bytes, *, sequence: int, timestamp: int, ssrc: int) -> bool:
        """An RTP packet of the caller's, received now; False if it was dropped because too many wait."""

    def read_packet(self) -> tuple[bytes, int, int, bool] | None:
        """The next packet, for output 'opus', to be sent now; None if there is none yet.

        Payload, sequence number, RTP timestamp (both from 0), and whether it is the first of a talk spurt.
        """

    def want_packet(self) -> bool:
        """True if a packet is there; if not, `drain` says ('packets', 0) when one is."""

    def stats(self) -> dict[str, int]:
        """What was measured of the call, by name. `..._max` is the most ever; ages are microseconds.

        - `ticks`: served; `vad_windows`: judged.
        - `input_starved_samples`: of silence put in because the caller's side had nothing, at 16 kHz;
          `input_caught_up_samples`: of quiet left out because it had been late and had made up for it.
        - `packets_refused`: the queue of packets was full; `packets_dropped`: late, duplicate, malformed, too many
          for the jitter buffer, or of a stream that ended; `frames_concealed`: of 10 ms, made up for lost packets.
        - `packets_received`: of the caller's sound, each once; `packets_missed`: not there when their turn came;
          `packets_late`: those of them that came after all. The others are lost.
        - `jitter_dropped_samples`: of the caller, left out to lower the jitter buffer's delay, a period of the sound
          at a time; `jitter_repeated_samples`: given twice to raise it. At 16 kHz.
        - `jitter_target_ms`: by how much the caller is to be delayed over the quickest packet; `jitter_delay_ms`: by
          how much he was, when last something was heard; `jitter_level_ms`: of his sound that the jitter buffer
          holds. Each as the last tick saw it, and with `_max`.
        - `playout_gaps`: ticks in which an utterance in progress had nothing to play.
        - `frames_skipped`: of 10 ms, owed for over 20 ms and not sent; `audible_frames_skipped`: those with the
          agent's sound; `audible_gaps`: unbroken runs of these.
        - `packets_out_encoded`: of the agent; `packets_out_silent`: of the agent, standing for silence that was not
          encoded; `packets_out_dropped`: of both, those that the sender was too slow to take.
        - `events_dropped`: nobody drained them; `commands_refused`: too many waited; `illegal_transitions`: 0, or a
          bug.
        - `frame_age_in_us_count`, `_sum`, `_max`: from a packet's arrival, or a sample's being written, to the tick
          that read it.
        - `frame_age_out_us_count`, `_sum`, `_max`: from when a frame was due to its being sent; of a packet, to its
          being read.
        - `input_waiting_samples`: of the caller, in the door; `packets_waiting`: of the caller, not yet in the jitter
          buffer; `mouth_waiting_samples`: of the agent, to be played; `packets_out_waiting`: of the agent, to be
          sent; `events_waiting`: to be drained. Each as the last tick saw it, and with `_max`.
        """

@final
class Room:
    """A LiveKit room. Thread-safe; nothing here waits. Dropping it leaves the room.

    What is asked for returns a number at once; the event `done` with that number says what came of it. Sources, kinds,
    reasons and qualities are named as in LiveKit's protocol: 'MICROPHONE', 'CLIENT_INITIATED'. Tracks of ours have
    numbers of the core's, which stay the same when the room is joined anew; those of others go by their sid.

    Raises CoreError: `disconnected` when the room is over, `rate_limit_exceeded` when too many commands are under way,
    `invalid_config` for a name that is none, `invalid_state` in a forked child.
    """

    def drain(self) -> tuple[list[tuple[str, dict[str, Any]]], bool]:
        """Events since the last time, in order, and whether there may be more: then drain again, later.

        The first is `connected`, or `disconnected` with an `error`. `done` has `id`, `value` and `error`: None, or
        `code`, `message`, `wants_sdk` and `rpc` (code, message, data). The others have livekit's names, and further
        `participant_attributes_changed` (`changed`, `attributes`), `local_sid_changed`, `rpc_request`, `rpc_expired`,
        `stream_opened` (with a `reader`), `stream_readable`, `chat_received`, `token_needed`.
        `rust/pybind/src/room_event.rs` lists the fields.
        """

    @property
    def over(self) -> bool: ...
    def cancel(self, command: int) -> None:
        """A command is not wanted any more: it is done with `context_canceled`, unless it is done already."""

    def publish(self, *, name: str, source: str, stream: str, muted: bool) -> tuple[int, int]:
        """Publishes a track of sound: the command, and the track's number."""

    def unpublish(self, track: int) -> int: ...
    def mute(self, track: int, muted: bool) -> int: ...
    def subscribe(self, track_sid: str, subscribed: bool) -> int: ...
    def permit_subscriptions(self, all_participants: bool, permissions: list[tuple[str, bool, list[int]]]) -> int:
        """Who may subscribe to our tracks: identity, to all of them, to these."""

    def update_self(
        self, *, metadata: str | None = None, name: str | None = None, attributes: dict[str, str] = ...
    ) -> int: ...
    def send_data(self, payload: bytes, *, reliable: bool, topic: str | None, destinations: list[str]) -> int: ...
    def send_dtmf(self, code: int, digit: str, destinations: list[str]) -> int: ...
    def send_transcription(
        self,
        *,
        identity: str,
        track_sid: str,
        segments: list[tuple[str, str, int, int, bool, str]],
        destinations: list[str],
    ) -> int:
        """Segments: id, text, start and end in milliseconds, whether final, language."""

    def send_chat(
        self,
        *,
        id: str,
        timestamp_ms: int,
        edited_ms: int | None,
        message: str,
        deleted: bool,
        generated: bool,
        destinations: list[str],
    ) -> int: ...
    def call_method(
        self, *, destination: str, method: str, payload: str, response_timeout_ms: int, round_trip_ms: int
    ) -> int: ...
    def register_method(self, method: str) -> int: ...
    def unregister_method(self, method: str) -> int: ...
    def reply(self, request: int, *, payload: str = ..., error: tuple[int, str, str] | None = None) -> int:
        """Answers an `rpc_request`; `error` has code, message and data."""

    def open_stream(
        self,
        *,
        content: Literal["text", "bytes"],
        topic: str,
        attributes: dict[str, str],
        stream_id: str,
        destinations: list[str],
        sender_identity: str | None = None,
        total_bytes: int | None = None,
        reply_to: str = ...,
        attached: list[str] = ...,
        generated: bool = False,
        name: str = ...,
        mime_type: str = ...,
        whole: bytes | None = None,
    ) -> int:
        """Opens a stream, or with `whole` sends all of it."""

    def write_stream(self, stream_id: str, content: bytes) -> int: ...
    def close_stream(self, stream_id: str, reason: str, attributes: dict[str, str]) -> int: ...
    def route_input(
        self, input: int, *, track_sid: str | None = None, identity: str | None = None, source: str = "MICROPHONE"
    ) -> int:
        """What goes to a call's input: a track, whatever a participant publishes from a source, or nothing."""

    def open_caller(
        self, bell: Bell, *, quiet: Tape, silence: Literal["dtx", "continuous"], kept_packets: int
    ) -> Caller:
        """A light caller, as yet without a way to and from him: his `doors` are routed and detached as a call's.

        - `quiet`: a tape of nothing, the silence that he sends.
        - `kept_packets`: the first so many that he hears are kept for `replay`, and decoded in `drain`, so that voices
          are known by their level; 0 to 45,000. With 0 they are known by the sizes of packets.
        """

    def detach_input(self, input: int) -> int: ...
    def route_output(self, output: int, track: int | None) -> int:
        """On which track of ours a call's output is sent."""

    def detach_output(self, output: int) -> int: ...
    def set_token(self, token: str) -> int: ...
    def simulate(self, scenario: str, *, seconds: int = 0) -> int: ...
    def stats(self) -> int: ...
    def leave(self, reason: str = "CLIENT_INITIATED") -> int: ...

@final
class Tape:
    """Something said, encoded once for any number of callers.

    `sample_rate`: 8,000, 12,000, 16,000, 24,000 or 48,000 Hz. Raises CoreError `invalid_config`.
    """

    def __new__(cls, pcm: Buffer, *, sample_rate: int, complexity: int = 5, bitrate_bps: int = 24_000) -> Tape: ...
    @property
    def frames(self) -> int:
        """Of 20 ms, the silence that ends it among them."""

    @property
    def voice_us(self) -> tuple[int, int] | None:
        """From the first voice to the end of the last, in microseconds from the beginning; None: it is silent."""

@final
class Caller:
    """A light caller in a room. Thread-safe; nothing here waits.

    Raises CoreError `invalid_state` when too many orders wait, and in a forked child.
    """

    @property
    def doors(self) -> tuple[int, int]:
        """What his ear and his mouth are called in the room."""

    def say(self, tape: Tape) -> None:
        """From the next frame of 20 ms on, in place of what he is saying."""

    def repeat(self, tape: Tape, *, first_us: int, every_us: int) -> None:
        """Again and again."""

    def hush(self) -> None:
        """Falls silent, and ends `repeat`."""

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """What he said and heard since the last time; times in microseconds of the machine's monotonic clock.

        `said`: `first_us`, `last_us`, `cut`. `voice_began`: `first_us`. `voice_ended`: `first_us`, `last_us`,
        `packets`, `gaps`.
        """

    def stats(self) -> dict[str, Any]:
        """`frames`, `frames_skipped`, `packets_said`, `turns_said`, `packets_heard`, `packets_expected`,
        `packets_voiced`, `news_dropped`, `kept_dropped`; `last_voice`: of the voice that was heard last, over or
        not, when its last packet came (microseconds), its packets and its gaps; None before there was one.
        """

    def replay(self) -> tuple[bytes, int, int, int]:
        """What was kept and drained, played: int16 at 16 kHz, when its first sample was heard (microseconds), frames of
        10 ms made up, packets of no use."""

@final
class StreamReader:
    """A stream that comes in. Dropping it says that nobody wants the rest."""

    def read(self) -> tuple[str, Any]:
        """'piece' and its bytes; 'nothing' (the event `stream_readable` says when there is something); 'end' and the
        attributes; 'failed' and code and message."""

    @property
    def unread(self) -> int:
        """Bytes that wait."""

@final
class Resampler:
    """A streaming resampler, aligned: output sample k lies at k / out_hz of the input. Rates: 8000 to 192000 Hz.

    Raises CoreError `invalid_config` for another rate.
    """

    def __new__(cls, in_hz: int, out_hz: int) -> Resampler: ...
    def process(self, pcm: Buffer) -> bytes: ...
    def flush(self) -> bytes:
        """What the filter still holds; afterwards the resampler is as new."""

@final
class MuLaw:
    """ITU-T G.711 mu-law, 8 kHz."""

    def __new__(cls) -> MuLaw: ...
    def encode(self, pcm: Buffer) -> bytes: ...
    def decode(self, payload: bytes) -> bytes: ...

@final
class ALaw:
    """ITU-T G.711 A-law, 8 kHz."""

    def __new__(cls) -> ALaw: ...
    def encode(self, pcm: Buffer) -> bytes: ...
    def decode(self, payload: bytes) -> bytes: ...

@final
class OpusEncoder:
    """Opus (RFC 6716), mono speech. Rates: 8000, 12000, 16000, 24000, 48000 Hz; complexity 0 to 10."""

    def __new__(cls, *, sample_rate: int, complexity: int = 5, bitrate_bps: int = 24_000) -> OpusEncoder: ...
    def encode(self, pcm: Buffer) -> bytes:
        """One frame of 20 or 10 ms. Raises CoreError `invalid_format` for another length."""

@final
class OpusDecoder:
    """Opus (RFC 6716) straight to the wanted rate, mono."""

    def __new__(cls, *, sample_rate: int) -> OpusDecoder: ...
    def decode(self, payload: bytes) -> bytes:
        """One packet. Raises CoreError `invalid_format` for bytes that are none."""

@final
class SileroVad:
    """Silero VAD on a stream of its own. `weights` are the bytes of its safetensors file."""

    def __new__(cls, weights: bytes) -> SileroVad: ...
    def process(self, pcm: Buffer) -> list[float]:
        """Takes sound at 16 kHz; the probability of speech for each window of 512 samples that it completes."""

    def reset(self) -> None:
        """Forgets everything heard."""

@final
class NetworkEmulator:
    """One way of an emulated network for RTP packets; docs: `beluga_voice.testing.NetworkConditions`.

    Times of conditions are seconds. Raises CoreError: `invalid_config` with the field.
    """

    def __new__(
        cls,
        *,
        seed: int,
        delay: float = 0.0,
        jitter_median: float = 0.0,
        jitter_sigma: float = 0.0,
        jitter_correlation: float = 0.0,
        good_to_bad: float = 0.0,
        bad_to_good: float = 0.0,
        loss_in_good: float = 0.0,
        loss_in_bad: float = 0.0,
        duplicate: float = 0.0,
        reordering: float = 0.0,
        detour: float = 0.0,
        stall_gap: float = 0.0,
        stall_shortest: float = 0.0,
        stall_longest: float = 0.0,
        bits_per_s: int = 0,
        queue_bytes: int = 0,
    ) -> NetworkEmulator: ...
    def push(self, now_us: int, payload: bytes, sequence: int, timestamp: int, ssrc: int) -> None:
        """Sends a packet."""

    def pop(self, now_us: int) -> tuple[bytes, int, int, int, int, int] | None:
        """The next packet that has arrived: payload, sequence, timestamp, SSRC, when it was sent and arrived (us)."""

    @property
    def next_due_us(self) -> int | None:
        """When the next packet arrives."""

    def stats(self) -> dict[str, int]:
        """`sent + duplicated = delivered + lost + queue_drops + in_flight_drops + held`; and `reordered`."""

def network_profiles() -> dict[str, dict[str, Any]]:
    """The named networks: the arguments of `NetworkEmulator` that make each."""

def read_wav(data: bytes) -> tuple[bytes, int, int]:
    """A WAV file as int16 samples (channels interleaved), sample rate and channels.

    8 to 32-bit integers, floats, G.711; data that is cut short is read as far as it goes.
    Raises CoreError `invalid_format` with what is wrong.
    """

def write_wav(pcm: Buffer, *, sample_rate: int, channels: int = 1) -> bytes:
    """A WAV file of int16 samples (channels interleaved)."""

def transitions() -> dict[str, dict[str, list[str]]]:
    """What may follow each state, for `agent_state`, `user_state` and `session_state`."""
