//! Voices made of packets, whoever says which packets hold sound.

use crate::tape::FRAME_US;
use beluga_engine::{ENCODED_SILENT_FRAMES, Packet};

/// A voice has ended when it was not heard for so long: between two words it is silent for less.
const ENDED_US: u64 = 200_000;
/// What comes later than the packets before it by more than this is missed by a listener.
const PATIENCE_US: u64 = 60_000;
/// RTP time in a millisecond.
const RTP_PER_MS: u64 = 48;
/// Frames of silence that a sender encodes before he rests.
const TAIL_FRAMES: usize = ENCODED_SILENT_FRAMES as usize;

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
    /// A voice is over, which shows with the next packet 200 ms after its end or later.
    Ended(Voice),
}

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Sound,
    Silence,
    /// The sender rests: the frames before it were silence, whatever they were taken for.
    Rest,
}

#[derive(Debug)]
struct Open {
    voice: Voice,
    /// RTP time of the packet that the others are measured by, and when it came.
    timestamp: u32,
    at_us: u64,
    /// When the newest packets with sound came, the newest first.
    newest_us: [u64; TAIL_FRAMES + 1],
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    open: Option<Open>,
}

impl Voices {
    /// A packet in the order of numbers, behind `missing` that are not there. Gives what shows with it.
    pub(crate) fn take(
        &mut self,
        packet: &Packet<'_>,
        missing: u64,
        content: Content,
        tell: &mut dyn FnMut(Heard),
    ) {
        let over = |open: &mut Open| packet.arrival_us > open.voice.last_us + ENDED_US + FRAME_US;
        if let Some(open) = self.open.take_if(over) {
            tell(Heard::Ended(open.voice));
        }
        match (content, &mut self.open) {
            (Content::Sound, Some(open)) => open.go_on(packet, missing),
            (Content::Sound, none) => {
                *none = Some(Open::new(packet));
                tell(Heard::Began(packet.arrival_us));
            }
            (Content::Rest, Some(open)) => open.forget_tail(),
            _ => {}
        }
    }

    /// The voice that is heard, or was until now.
    pub(crate) fn open(&self) -> Option<Voice> {
        self.open.as_ref().map(|open| open.voice)
    }
}

impl Open {
    fn new(packet: &Packet<'_>) -> Self {
        let at_us = packet.arrival_us;
        Self {
            voice: Voice {
                first_us: at_us,
                last_us: at_us,
                packets: 1,
                gaps: 0,
            },
            timestamp: packet.timestamp,
            at_us,
            newest_us: [at_us; TAIL_FRAMES + 1],
        }
    }

    fn go_on(&mut self, packet: &Packet<'_>, missing: u64) {
        let elapsed = packet.timestamp.wrapping_sub(self.timestamp);
        let due_us = self.at_us + u64::from(elapsed) * 1_000 / RTP_PER_MS;
        let late = packet.arrival_us > due_us + PATIENCE_US;
        if late {
            // He waits once and is behind from then on.
            (self.timestamp, self.at_us) = (packet.timestamp, packet.arrival_us);
        }
        self.voice.gaps += u64::from(late || missing > 0);
        self.voice.packets += 1;
        self.voice.last_us = packet.arrival_us;
        self.newest_us.rotate_right(1);
        self.newest_us[0] = packet.arrival_us;
    }

    fn forget_tail(&mut self) {
        if self.voice.packets > TAIL_FRAMES as u64 {
            self.voice.packets -= TAIL_FRAMES as u64;
            self.voice.last_us = self.newest_us[TAIL_FRAMES];
            self.newest_us = [self.voice.last_us; TAIL_FRAMES + 1];
        }
    }
}
