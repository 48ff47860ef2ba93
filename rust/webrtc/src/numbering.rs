//! Sequence numbers and timestamps of what one section sends, whichever door it comes from.

use crate::command::OutputId;
use beluga_engine::EncodedPacket;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

/// RTP time of Opus, whatever it encodes. RFC 7587, section 4.1.
const CLOCK_HZ: u64 = 48_000;
/// The least by which time goes on between two doors' packets: one tick.
const MIN_STEP_US: u64 = 10_000;

/// Numbers are contiguous and time is the wall clock, also where one door takes over from another. RFC 3550, section 5.1.
#[derive(Debug)]
pub(crate) struct Numbering {
    /// The next packet's number. Extended: SRTP counts how often 16 bits were full.
    next: u64,
    /// The last packet's timestamp, and when it was due.
    last: Option<(u32, u64)>,
    /// The first packet's timestamp.
    origin: u32,
    /// Whose packets these are, and what is added to their time.
    speaker: Option<(OutputId, u32)>,
}

impl Numbering {
    /// Begins at random, as RFC 3550 asks for, but in the lower half of the numbers: the other side must not think that the
    /// first wrap lies behind (RFC 3711, section 3.3.1).
    pub(crate) fn new(random: &mut Pcg64) -> Self {
        let random = random.next_u64();
        Self {
            next: (random >> 32) & 0x7fff,
            last: None,
            origin: random as u32,
            speaker: None,
        }
    }

    /// The door of that name is another one now.
    pub(crate) fn forget(&mut self, output: OutputId) {
        if self.speaker.is_some_and(|(speaker, _)| speaker == output) {
            self.speaker = None;
        }
    }

    /// Number and timestamp for a packet of that door.
    pub(crate) fn place(&mut self, output: OutputId, packet: &EncodedPacket) -> (u64, u32) {
        let offset = match self.speaker {
            Some((speaker, offset)) if speaker == output => offset,
            _ => self.time_at(packet.due_us).wrapping_sub(packet.timestamp),
        };
        self.speaker = Some((output, offset));
        let timestamp = packet.timestamp.wrapping_add(offset);
        self.last = Some((timestamp, packet.due_us));
        let number = self.next;
        self.next += 1;
        (number, timestamp)
    }

    fn time_at(&self, due_us: u64) -> u32 {
        let Some((timestamp, last_us)) = self.last else {
            return self.origin;
        };
        let elapsed_us = due_us.saturating_sub(last_us).max(MIN_STEP_US);
        timestamp.wrapping_add((elapsed_us * CLOCK_HZ / 1_000_000) as u32)
    }
}
