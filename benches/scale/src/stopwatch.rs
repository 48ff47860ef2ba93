//! Doors that look at the clock, so that a tick can be told apart without touching the shard: it pulls from every input,
//! then judges all windows, then sends to every output. The two looks of an input are part of the row: some 0.05 us.

use beluga_codec::Effort;
use beluga_engine::{Counters, EarFrame, InDoor, OutDoor, PacketIn, PcmOut, SendTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// This tick has begun to send, or has pulled nothing.
const NOT_PULLED: u64 = 0;

#[derive(Debug)]
pub(crate) struct Stopwatch {
    origin: Instant,
    inputs_ns: AtomicU64,
    /// When the last input of this tick was done, until the first output.
    pulled_at_ns: AtomicU64,
    between_ns: AtomicU64,
}

/// What a shard pulls from.
#[derive(Debug)]
pub(crate) struct TimedIn {
    pub(crate) door: PacketIn,
    pub(crate) watch: Arc<Stopwatch>,
}

/// What a shard sends to.
#[derive(Debug)]
pub(crate) struct TimedOut {
    pub(crate) door: PcmOut,
    pub(crate) watch: Arc<Stopwatch>,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            inputs_ns: AtomicU64::new(0),
            pulled_at_ns: AtomicU64::new(NOT_PULLED),
            between_ns: AtomicU64::new(0),
        }
    }

    /// Time spent in the packet doors: jitter buffer, decoding, bringing to 16 kHz.
    pub(crate) fn inputs(&self) -> Duration {
        Duration::from_nanos(self.inputs_ns.load(Ordering::Relaxed))
    }

    /// Time from the last input to the first output of each tick: the voice activity detector's.
    pub(crate) fn between(&self) -> Duration {
        Duration::from_nanos(self.between_ns.load(Ordering::Relaxed))
    }

    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

impl InDoor for TimedIn {
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        let began_ns = self.watch.now_ns();
        let room = self.door.pull(now_us, frame, counters);
        let ended_ns = self.watch.now_ns();
        let inputs_ns = &self.watch.inputs_ns;
        inputs_ns.fetch_add(ended_ns - began_ns, Ordering::Relaxed);
        self.watch.pulled_at_ns.store(ended_ns, Ordering::Relaxed);
        room
    }
}

impl OutDoor for TimedOut {
    fn sample_rate_hz(&self) -> u32 {
        self.door.sample_rate_hz()
    }

    fn lead_ms(&self) -> u32 {
        self.door.lead_ms()
    }

    fn send(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        let watch = &self.watch;
        let pulled_at_ns = watch.pulled_at_ns.load(Ordering::Relaxed);
        if pulled_at_ns != NOT_PULLED {
            let between_ns = watch.now_ns() - pulled_at_ns;
            watch.between_ns.fetch_add(between_ns, Ordering::Relaxed);
            watch.pulled_at_ns.store(NOT_PULLED, Ordering::Relaxed);
        }
        self.door.send(frame, time, counters)
    }

    fn skip(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        self.door.skip(frame, time, counters)
    }

    fn set_effort(&mut self, effort: Effort) {
        self.door.set_effort(effort);
    }
}
