//! Packets of sound that were sent, for an other side that missed some.
//!
//! str0m repeats packets on a stream of their own (RFC 4588) and not otherwise; LiveKit's server offers none for sound and wants
//! the packet as it was. So the datagrams are kept as they were encrypted: sent again to the byte, no key is used twice for
//! different things.

use std::collections::VecDeque;
use str0m::net::Transmit;
use str0m::rtp::rtcp::Nack;

/// Datagrams that are kept: over a second of four voices.
const CAPACITY: usize = 256;
/// Sound older than that is of no use to anybody.
const KEPT_US: u64 = 1_000_000;
/// A packet that was asked for again so soon is under way.
const REPEAT_US: u64 = 10_000;
/// How often one is repeated.
const MAX_REPEATS: u8 = 5;

#[derive(Debug)]
struct Kept {
    ssrc: u32,
    number: u16,
    sent_us: u64,
    repeats: u8,
    repeated_us: u64,
    transmit: Transmit,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    kept: VecDeque<Kept>,
    /// Packets that were sent again.
    pub(crate) count: u64,
}

/// Number and source of an RTP packet; none of anything else. RFC 3550, section 5.1; RFC 5761, section 4.
fn rtp(payload: &[u8]) -> Option<(u32, u16)> {
    let header = payload.first_chunk::<12>()?;
    let is_rtp = (128..192).contains(&header[0]) && !(64..96).contains(&(header[1] & 0x7f));
    is_rtp.then(|| {
        let number = u16::from_be_bytes([header[2], header[3]]);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        (ssrc, number)
    })
}

impl Repeats {
    /// Keeps what was sent, if it is sound.
    pub(crate) fn keep(&mut self, now_us: u64, transmit: Transmit) {
        let Some((ssrc, number)) = rtp(&transmit.contents) else {
            return;
        };
        let old = |kept: &Kept| kept.sent_us + KEPT_US < now_us;
        while self.kept.len() == CAPACITY || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept {
            ssrc,
            number,
            sent_us: now_us,
            repeats: 0,
            repeated_us: 0,
            transmit,
        });
    }

    /// Gives what the other side misses.
    pub(crate) fn answer(&mut self, now_us: u64, missed: &Nack, give: &mut impl FnMut(Transmit)) {
        let Some(newest) = self.kept.back() else {
            return;
        };
        // The connection may go another way than it did.
        let way = (
            newest.transmit.proto,
            newest.transmit.source,
            newest.transmit.destination,
        );
        for entry in missed.reports.iter() {
            let bits = (0..16).filter(|bit| entry.blp & (1 << bit) != 0);
            let numbers = std::iter::once(0).chain(bits.map(|bit| bit + 1));
            for number in numbers.map(|ahead| entry.pid.wrapping_add(ahead)) {
                let found = self
                    .kept
                    .iter_mut()
                    .rev()
                    .find(|kept| kept.number == number && kept.ssrc == *missed.ssrc);
                let Some(kept) = found else {
                    continue;
                };
                let under_way = kept.repeats > 0 && now_us < kept.repeated_us + REPEAT_US;
                if under_way || kept.repeats == MAX_REPEATS || kept.sent_us + KEPT_US < now_us {
                    continue;
                }
                kept.repeats += 1;
                kept.repeated_us = now_us;
                self.count += 1;
                give(Transmit {
                    proto: way.0,
                    source: way.1,
                    destination: way.2,
                    contents: kept.transmit.contents.to_vec().into(),
                });
            }
        }
    }
}
