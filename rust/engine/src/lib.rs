//! One call, or a hundred: session, turn machine, playout, shard, doors, events, counters.
//!
//! Nothing here reads a clock, opens a socket or starts a thread: a tick of 10 ms is told what time it is, so hours replay
//! in seconds and the same input gives the same events. Nothing in [`Shard::tick`] allocates.

mod bells;
mod catching_up;
mod connection;
mod counters;
mod door;
mod event;
mod gauge;
mod lateness;
mod measure;
mod mouth;
mod overload;
mod owed;
mod packet_end;
mod packet_in;
mod packet_out;
mod pcm_in;
mod pcm_out;
mod peer;
mod playout;
mod session;
mod shard;
mod shard_counters;
mod shared;
mod sound_ring;
mod state;
mod talk_spurts;
mod time;
mod turn;
mod voice;
mod wire;

pub use bells::{Bell, Bells};
pub use beluga_codec::Effort;
pub use beluga_jitter::{DelayBounds, MAX_PAYLOAD_BYTES, Packet};
pub use connection::Connection;
pub use counters::Counters;
pub use door::{EarFrame, InDoor, MOST_FRAMES_PER_TICK, OutDoor, SendTime};
pub use event::{Event, EventKind, InterruptionAction, TurnId, UtteranceId};
pub use gauge::Gauge;
pub use lateness::{LATENESS_BOUNDS_US, Lateness};
pub use measure::{Age, Counter, Depth, Peak};
pub use mouth::{MOUTH_CAPACITY_SAMPLES, MouthError, MouthWriter, mouth};
pub use overload::{LATEST_FRAME_US, OverloadLadder, OverloadStep};
pub use packet_end::{PacketSink, PacketSource};
pub use packet_in::{PacketIn, PacketInError, PacketWriter, PayloadTooLong, packet_in};
pub use packet_out::{EncodedPacket, PACKET_OUT_CAPACITY, PacketOut, PacketReader, packet_out};
pub use pcm_in::{PCM_IN_CAPACITY_MS, PcmIn, PcmWriter, live_pcm_in, pcm_in};
pub use pcm_out::{PCM_OUT_CAPACITY_MS, PcmOut, pcm_out};
pub use peer::{Carrier, Datagram, Link, Peer, Urgency};
pub use playout::{MAX_OUT_FRAME_SAMPLES, Played, Playout};
pub use session::{
    Command, EAR_CAPACITY_SAMPLES, Session, SessionConfig, SessionHandles, Vad, session,
};
pub use shard::{Retired, Shard};
pub use shard_counters::ShardCounters;
pub use shared::{EAR_READERS, LoopWake, OUT_READERS, Ready, Shared, Wake};
pub use sound_ring::{SoundRead, SoundRing, SoundWriter, sound_ring};
pub use state::{AgentState, SessionState, UserState};
pub use talk_spurts::{ENCODED_SILENT_FRAMES, SILENCE_PACKET_FRAMES};
pub use time::{EAR_FRAME_SAMPLES, EAR_HZ, TICK_MS, ear_samples};
pub use turn::{InterruptionPolicy, Outbox, PlayoutOrder, PlayoutView, TurnConfig, TurnMachine};
pub use wire::{Fetched, Secret, Wire, WireEnd, WireOrder};
