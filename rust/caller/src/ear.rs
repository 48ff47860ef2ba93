//! What a caller hears, by when packets come and how long they are.

use crate::arrivals::{Arrival, Arrivals};
use crate::caller::CallerCounters;
use crate::tape::FRAME_US;
use beluga_engine::{Packet, PacketSink};
use rtrb::Producer;
use std::fmt;
use std::sync::Arc;

/// A packet of so few bytes holds no sound: Opus says silence in one to six, and the quietest voice in more than ten.
const SILENT_BYTES: usize = 8;
/// A voice has ended when it was not heard for so long: between two words it is silent for less.
const ENDED_US: u64 = 200_000;
/// What comes later than the packets before it by more than this is missed by a listener.
const PATIENCE_US: u64 = 60_000;
/// RTP time in a millisecond.
const RTP_PER_MS: u64 = 48;
/// Room for a packet that is kept. Speech takes 60 to 200 bytes.
const KEPT_BYTES: usize = 400;

/// A voice without a pause. Times are the machine's clock in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice {
    /// When its first packet came.
    pub first_us: u64,
    /// When its last packet came.
    pub last_us: u64,
    /// Packets with sound in them.
    pub packets: u64,
    /// How often a listener who plays 60 ms behind the first packet missed something: it was lost, or too late.
    pub gaps: u64,
}

/// Something that the caller heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A voice begins: its first packet came then.
    Began(u64),
    /// A voice is over, which shows with the next packet of silence, 200 ms after its end or later.
    Ended(Voice),
}

/// A packet for [`replay`](crate::replay()).
#[derive(Clone, Copy)]
pub struct Kept {
    /// When it came.
    pub arrival_us: u64,
    /// Its number.
    pub sequence: u16,
    /// Its RTP time.
    pub timestamp: u32,
    /// Its stream.
    pub ssrc: u32,
    len: usize,
    payload: [u8; KEPT_BYTES],
}

impl Kept {
    /// Its bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload[..self.len]
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("arrival_us", &self.arrival_us)
            .field("sequence", &self.sequence)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Open {
    voice: Voice,
    /// RTP time of the packet that the others are measured by, and when it came.
    timestamp: u32,
    at_us: u64,
}

/// Takes from a peer what its caller hears. Made by [`caller`](crate::caller()).
#[derive(Debug)]
pub struct Ear {
    heard: Producer<Heard>,
    kept: Option<Producer<Kept>>,
    counters: Arc<CallerCounters>,
    arrivals: Arrivals,
    open: Option<Open>,
}

impl Ear {
    pub(crate) fn new(
        heard: Producer<Heard>,
        kept: Option<Producer<Kept>>,
        counters: Arc<CallerCounters>,
    ) -> Self {
        Self {
            heard,
            kept,
            counters,
            arrivals: Arrivals::default(),
            open: None,
        }
    }

    fn keep(&mut self, packet: &Packet<'_>) {
        let Some(kept) = &mut self.kept else { return };
        let mut payload = [0; KEPT_BYTES];
        let len = packet.payload.len();
        let fits = payload
            .get_mut(..len)
            .map(|room| room.copy_from_slice(packet.payload));
        let stays = fits.is_some_and(|()| {
            let packet = Kept {
                arrival_us: packet.arrival_us,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                ssrc: packet.ssrc,
                len,
                payload,
            };
            kept.push(packet).is_ok()
        });
        self.counters.kept_dropped.add(u64::from(!stays));
    }

    fn tell(&mut self, heard: Heard) {
        let told = self.heard.push(heard).is_ok();
        self.counters.news_dropped.add(u64::from(!told));
        self.counters.has_news();
    }

    fn end_voice(&mut self) {
        if let Some(open) = self.open.take() {
            self.tell(Heard::Ended(open.voice));
        }
    }

    fn hear_voice(&mut self, packet: &Packet<'_>, missing: u64) {
        let Some(open) = &mut self.open else {
            let voice = Voice {
                first_us: packet.arrival_us,
                last_us: packet.arrival_us,
                packets: 1,
                gaps: 0,
            };
            self.counters.voiced(&voice);
            self.open = Some(Open {
                voice,
                timestamp: packet.timestamp,
                at_us: packet.arrival_us,
            });
            self.tell(Heard::Began(packet.arrival_us));
            return;
        };
        let elapsed = packet.timestamp.wrapping_sub(open.timestamp);
        let due_us = open.at_us + u64::from(elapsed) * 1_000 / RTP_PER_MS;
        let late = packet.arrival_us > due_us + PATIENCE_US;
        if late {
            // He waits once and is behind from then on.
            (open.timestamp, open.at_us) = (packet.timestamp, packet.arrival_us);
        }
        open.voice.gaps += u64::from(late || missing > 0);
        open.voice.packets += 1;
        open.voice.last_us = packet.arrival_us;
        self.counters.voiced(&open.voice);
    }
}

impl PacketSink for Ear {
    fn take(&mut self, packet: Packet<'_>) {
        self.keep(&packet);
        let missing = match self.arrivals.take(packet.ssrc, packet.sequence) {
            Arrival::Again => return,
            Arrival::Late => {
                self.counters.packets_heard.add(1);
                return;
            }
            Arrival::Next { missing } => missing,
        };
        self.counters.packets_heard.add(1);
        self.counters.packets_expected.add(missing + 1);
        let ended = |open: &Open| packet.arrival_us > open.voice.last_us + ENDED_US + FRAME_US;
        if self.open.as_ref().is_some_and(ended) {
            self.end_voice();
        }
        if packet.payload.len() > SILENT_BYTES {
            self.hear_voice(&packet, missing);
        }
    }
}
