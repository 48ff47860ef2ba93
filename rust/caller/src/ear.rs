//! What a caller hears, by when packets come and how long they are.

use crate::arrivals::{Arrival, Arrivals};
use crate::caller::CallerCounters;
use crate::voices::{Content, Heard, Voices};
use beluga_engine::{Packet, PacketSink};
use rtrb::Producer;
use std::fmt;
use std::sync::Arc;

/// A packet of so few bytes says that its sender rests.
const RESTING_BYTES: usize = 2;
/// A packet of so few bytes holds no sound. One of more may hold silence all the same: Opus says it in 3 to 40 bytes, by what was
/// said before. So who rests is heard to the frame, and of who does not only a sampled caller knows when he is silent.
const SILENT_BYTES: usize = 8;
/// Room for a packet that is kept. Speech takes 60 to 200 bytes.
const KEPT_BYTES: usize = 400;

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
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet {
            arrival_us: self.arrival_us,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: self.payload(),
        }
    }

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

/// Takes from a peer what its caller hears. Made by [`caller`](crate::caller()).
#[derive(Debug)]
pub struct Ear {
    heard: Producer<Heard>,
    kept: Option<Producer<Kept>>,
    counters: Arc<CallerCounters>,
    arrivals: Arrivals,
    voices: Voices,
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
            voices: Voices::default(),
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
        // Who decodes is to look at once.
        self.counters.has_news();
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
        let content = if packet.payload.len() <= RESTING_BYTES {
            Content::Rest
        } else if packet.payload.len() <= SILENT_BYTES {
            Content::Silence
        } else {
            Content::Sound
        };
        if content == Content::Sound {
            self.counters.packets_voiced.add(1);
        }
        let Self {
            voices,
            heard,
            counters,
            ..
        } = self;
        voices.take(&packet, missing, content, &mut |news| {
            let told = heard.push(news).is_ok();
            counters.news_dropped.add(u64::from(!told));
            counters.has_news();
        });
        if content != Content::Silence
            && let Some(voice) = voices.open()
        {
            counters.note_voice(&voice);
        }
    }
}
