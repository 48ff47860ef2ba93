//! The jitter buffer: packets pushed as they come, 10 ms pulled at each tick.

use beluga_codec::{Decoder, MAX_PACKET_MS};

use crate::carry::Carry;
use crate::concealment::Concealment;
use crate::config::{JitterConfig, JitterConfigError};
use crate::history::{History, Past};
use crate::media_clock::MediaClock;
use crate::numbering::{Numbering, Place};
use crate::packet::{MAX_PAYLOAD_BYTES, Packet, PushOutcome};
use crate::playout::{Cursor, Playout, Step};
use crate::sample_axis::SampleAxis;
use crate::stats::JitterStats;
use crate::store::{Held, PacketStore};

/// For how long, in milliseconds of arrival time, every new packet may come after its time has begun before the spurt is begun
/// anew with the whole target. Less than [`CONCEAL_LIMIT_MS`](crate::CONCEAL_LIMIT_MS), which ends a spurt of which nothing
/// comes in time; this one is for packets of which a part still does.
pub const LATE_LIMIT_MS: u32 = 100;

/// For how long, in milliseconds, packets of the `ssrc` that was left count as late: they were overtaken on their way, and must
/// not bring the old stream back.
pub const RETIRED_SSRC_MS: u32 = 200;

/// What a pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullOutcome {
    /// Sound that was received, perhaps with the silence before or after a spurt.
    Decoded,
    /// Some of it, or all, is made up by the decoder in place of what is missing.
    Concealed,
    /// Zeros: nobody speaks, or too much is missing.
    Silence,
}

/// Puts packets in order and in time, and decodes them when they are due. See the crate's description for what it does with
/// loss, pauses and streams that break the rules.
///
/// `push` and `pull` allocate nothing, and no input makes them panic but an `out` of the wrong length.
#[derive(Debug)]
pub struct JitterBuffer {
    decoder: Box<dyn Decoder>,
    sample_rate_hz: u32,
    frame_samples: usize,
    target_us: u64,
    axis: SampleAxis,
    clock: MediaClock,
    store: PacketStore,
    carry: Carry,
    concealment: Concealment,
    numbering: Numbering,
    history: History,
    playout: Playout,
    ssrc: Option<u32>,
    retired: Option<RetiredSsrc>,
    /// Arrival of the first of the newest packets that have been late without a break.
    late_since_us: Option<u64>,
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy)]
struct RetiredSsrc {
    ssrc: u32,
    at_us: u64,
}

/// Where samples that were given come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Received,
    MadeUp,
    Nothing,
}

impl JitterBuffer {
    /// A buffer that plays what `decoder` makes of the packets. Everything it will ever need is allocated here.
    ///
    /// # Errors
    /// A field of `config`, or the decoder's rate, out of its range.
    pub fn new(config: JitterConfig, decoder: Box<dyn Decoder>) -> Result<Self, JitterConfigError> {
        let sample_rate_hz = decoder.sample_rate_hz();
        config.check(sample_rate_hz)?;
        Ok(Self {
            decoder,
            sample_rate_hz,
            frame_samples: sample_rate_hz as usize / 100,
            target_us: u64::from(config.target_ms) * 1_000,
            axis: SampleAxis::new(config.rtp_clock_hz, sample_rate_hz),
            clock: MediaClock::default(),
            store: PacketStore::new(config.capacity_packets),
            carry: Carry::new(sample_rate_hz as usize / 100 * MAX_PACKET_MS as usize / 10),
            concealment: Concealment::new(sample_rate_hz),
            numbering: Numbering::default(),
            history: History::default(),
            playout: Playout::Waiting { since_us: None },
            ssrc: None,
            retired: None,
            late_since_us: None,
            stats: JitterStats {
                target_ms: config.target_ms,
                ..JitterStats::default()
            },
        })
    }

    /// Rate of the sound, in Hz: the decoder's.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Samples of each pull: 10 ms.
    pub fn frame_samples(&self) -> usize {
        self.frame_samples
    }

    /// What has happened so far, and the level now.
    pub fn stats(&self) -> JitterStats {
        let level_samples = self.carry.len() + self.store.held_samples();
        JitterStats {
            held_packets: self.store.len(),
            // Slots and packet lengths are bounded: minutes at most.
            level_ms: (level_samples as u64 * 1_000 / u64::from(self.sample_rate_hz)) as u32,
            ..self.stats
        }
    }

    /// Takes a packet: it is copied to a slot, or dropped and counted.
    pub fn push(&mut self, packet: Packet<'_>) -> PushOutcome {
        let outcome = self.admit(packet);
        match outcome {
            PushOutcome::Queued => {}
            PushOutcome::Duplicate => self.stats.duplicate_packets += 1,
            PushOutcome::Late => self.stats.late_packets += 1,
            PushOutcome::Overflow => self.stats.overflow_packets += 1,
            PushOutcome::Malformed => self.stats.malformed_packets += 1,
        }
        outcome
    }

    /// Gives the next 10 ms. It is called once per 10 ms of session time; a caller that is late calls it once for each tick
    /// that it owes, one right after another.
    ///
    /// # Panics
    /// If `out` is not [`frame_samples`](Self::frame_samples) long.
    pub fn pull(&mut self, now_us: u64, out: &mut [i16]) -> PullOutcome {
        assert_eq!(out.len(), self.frame_samples, "a pull gives 10 ms of sound");
        self.believe_no_arrival_after(now_us);
        let tick_us = self.clock.tick(now_us);
        let (mut received, mut made_up) = (false, false);
        let mut filled = 0;
        while filled < out.len() {
            let (source, count) = self.fill(tick_us, &mut out[filled..]);
            received |= source == Source::Received && count > 0;
            made_up |= source == Source::MadeUp && count > 0;
            filled += count;
        }
        if made_up {
            self.stats.concealed_frames += 1;
            PullOutcome::Concealed
        } else if received {
            self.stats.decoded_frames += 1;
            PullOutcome::Decoded
        } else {
            self.stats.silence_frames += 1;
            PullOutcome::Silence
        }
    }

    fn admit(&mut self, packet: Packet<'_>) -> PushOutcome {
        if packet.payload.len() > MAX_PAYLOAD_BYTES {
            return PushOutcome::Malformed;
        }
        let samples = match self.decoder.packet_samples(packet.payload) {
            Ok(samples) if (1..=self.carry.capacity()).contains(&samples) => samples,
            _ => return PushOutcome::Malformed,
        };
        if !self.follow_ssrc(packet.ssrc, packet.arrival_us) {
            return PushOutcome::Late;
        }
        let numbers = match self.numbering.place(packet.sequence, packet.timestamp) {
            Place::Known(numbers) => numbers,
            Place::Doubtful => return PushOutcome::Late,
            Place::Restarted(numbers) => {
                self.stats.sequence_restarts += 1;
                self.start_from_nothing();
                numbers
            }
        };
        match self.history.of(numbers.sequence) {
            Past::Ahead => {}
            Past::Received => return PushOutcome::Duplicate,
            Past::Missed => {
                self.history.note_received(numbers.sequence);
                return PushOutcome::Late;
            }
        }
        if self.store.contains(numbers.sequence) {
            return PushOutcome::Duplicate;
        }
        let held = Held {
            sequence: numbers.sequence,
            start: self.axis.sample_at(numbers.timestamp),
            samples,
            arrival_us: packet.arrival_us,
        };
        if self.is_over(held, numbers.newest) {
            return PushOutcome::Late;
        }
        if let Playout::Waiting { since_us } = &mut self.playout {
            *since_us = Some(since_us.map_or(held.arrival_us, |us| us.min(held.arrival_us)));
        }
        self.hold(held, packet.payload)
    }

    /// Whether a packet of this `ssrc` is to be played; a new one starts everything from nothing.
    fn follow_ssrc(&mut self, ssrc: u32, arrival_us: u64) -> bool {
        let Some(current) = self.ssrc else {
            self.ssrc = Some(ssrc);
            return true;
        };
        if current == ssrc {
            return true;
        }
        let overtaken = self.retired.is_some_and(|retired| {
            let age_us = arrival_us.abs_diff(retired.at_us);
            retired.ssrc == ssrc && age_us < u64::from(RETIRED_SSRC_MS) * 1_000
        });
        if overtaken {
            return false;
        }
        self.retired = Some(RetiredSsrc {
            ssrc: current,
            at_us: arrival_us,
        });
        self.ssrc = Some(ssrc);
        self.stats.ssrc_changes += 1;
        self.numbering = Numbering::default();
        self.start_from_nothing();
        true
    }

    fn start_from_nothing(&mut self) {
        self.decoder.reset();
        self.store.clear();
        self.carry.clear();
        self.concealment.end_run();
        self.history = History::default();
        self.late_since_us = None;
        self.playout = Playout::Waiting { since_us: None };
    }

    /// Whether all the time of a packet is over. Where packets do nothing but come late, the spurt ends and none is over.
    fn is_over(&mut self, packet: Held, newest: bool) -> bool {
        let Playout::Playing(cursor) = self.playout else {
            return false;
        };
        let missing = self.history.missing_before(packet.sequence);
        let late = cursor.is_late(packet, missing);
        if newest && late {
            let since_us = self.late_since_us.unwrap_or(packet.arrival_us);
            let since_us = since_us.min(packet.arrival_us);
            self.late_since_us = Some(since_us);
            if packet.arrival_us - since_us >= u64::from(LATE_LIMIT_MS) * 1_000 {
                self.stats.late_restarts += 1;
                self.end_spurt();
                return false;
            }
        } else if newest {
            self.late_since_us = None;
        }
        late && packet.end() <= cursor.position
    }

    fn hold(&mut self, packet: Held, payload: &[u8]) -> PushOutcome {
        let oldest = self.store.front().filter(|_| self.store.is_full());
        let Some(oldest) = oldest else {
            self.store.insert(packet, payload);
            self.stats.queued_packets += 1;
            return PushOutcome::Queued;
        };
        let dropped = if packet.sequence < oldest.sequence {
            packet
        } else {
            self.store.pop_front();
            self.store.insert(packet, payload);
            self.stats.queued_packets += 1;
            oldest
        };
        self.pass(dropped.sequence);
        // Without its time the delay would stay, and the next packet find the slots full again.
        if let (Playout::Playing(cursor), Some(next)) = (&mut self.playout, self.store.front()) {
            cursor.skip_time(next.start.saturating_sub(dropped.start));
        }
        PushOutcome::Overflow
    }

    /// The turn of a sequence number is over.
    fn pass(&mut self, sequence: i64) {
        self.stats.missing_packets += u64::from(self.history.missing_before(sequence));
        self.history.note_received(sequence);
    }

    /// An arrival after the pull that finds the packet cannot be: a wait for it might never end.
    fn believe_no_arrival_after(&mut self, now_us: u64) {
        if let Playout::Waiting { since_us: Some(us) } = &mut self.playout {
            *us = (*us).min(now_us);
        }
    }

    /// Writes to the front of `out`: how many samples, and whence. 0 when only the state has changed; it cannot do so for ever,
    /// since a spurt ends or begins only with a packet taken or concealment exhausted in between.
    fn fill(&mut self, tick_us: u64, out: &mut [i16]) -> (Source, usize) {
        let count = self.carry.take(out);
        if count > 0 {
            self.advance(count);
            return (Source::Received, count);
        }
        match self.playout {
            Playout::Waiting { since_us } => {
                let due = since_us.is_some_and(|us| tick_us >= us.saturating_add(self.target_us));
                if due && self.begin_spurt() {
                    return (Source::Nothing, 0);
                }
                out.fill(0);
                (Source::Nothing, out.len())
            }
            Playout::Playing(cursor) => {
                let first = self.store.front();
                let missing = first.map_or(0, |held| self.history.missing_before(held.sequence));
                match cursor.next_step(first, missing) {
                    Step::Decode { skip } => self.decode(cursor, skip),
                    Step::Conceal { samples } => return self.conceal(samples, out),
                    Step::DropLate => self.drop_late(),
                    Step::NewSpurt => self.end_spurt(),
                }
                (Source::Nothing, 0)
            }
        }
    }

    fn advance(&mut self, samples: usize) {
        if let Playout::Playing(cursor) = &mut self.playout {
            cursor.advance(samples);
        }
    }

    /// Whether there was a packet to begin with; it is decoded at once.
    fn begin_spurt(&mut self) -> bool {
        let Some(first) = self.store.front() else {
            return false;
        };
        self.stats.spurts += 1;
        self.decode(Cursor::at(first, self.sample_rate_hz), 0);
        true
    }

    fn end_spurt(&mut self) {
        self.late_since_us = None;
        self.playout = Playout::Waiting {
            since_us: self.store.earliest_arrival_us(),
        };
    }

    /// Decodes the first held packet for a spurt that stands at `cursor`, and keeps its sound from `skip` on.
    fn decode(&mut self, mut cursor: Cursor, skip: usize) {
        let Some((packet, payload)) = self.store.pop_front() else {
            return;
        };
        cursor.take(packet, skip);
        let samples = self.decoder.decode(payload, self.carry.room()).unwrap_or(0);
        if samples == 0 {
            self.stats.undecodable_packets += 1;
        } else {
            self.carry.keep(skip, samples.min(packet.samples));
            self.concealment.end_run();
        }
        if samples < packet.samples {
            // What its header promised and it does not hold is loss, not a pause.
            cursor.conceal_to = packet.end();
        }
        self.playout = Playout::Playing(cursor);
        self.pass(packet.sequence);
    }

    fn conceal(&mut self, samples: usize, out: &mut [i16]) -> (Source, usize) {
        if self.concealment.is_exhausted() {
            self.end_spurt();
            return (Source::Nothing, 0);
        }
        let count = samples.min(out.len());
        let count = self.concealment.fill(&mut *self.decoder, &mut out[..count]);
        self.advance(count);
        (Source::MadeUp, count)
    }

    fn drop_late(&mut self) {
        if let Some((packet, _)) = self.store.pop_front() {
            self.stats.late_packets += 1;
            self.pass(packet.sequence);
        }
    }
}
