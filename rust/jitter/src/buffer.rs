//! The jitter buffer: packets pushed as they come, 10 ms pulled at each tick.

use beluga_codec::{Decoder, MAX_PACKET_MS};

use crate::arrivals::Arrivals;
use crate::carry::Carry;
use crate::concealment::Concealment;
use crate::config::{JitterConfig, JitterConfigError};
use crate::history::{History, Past};
use crate::media_clock::MediaClock;
use crate::numbering::{Numbering, Place};
use crate::pace::{Pace, Wish};
use crate::packet::{MAX_PAYLOAD_BYTES, Packet, PushOutcome};
use crate::period::{LONGEST_PERIOD_MS, PeriodSearch, SHORTEST_PERIOD_MS, WINDOW_MS};
use crate::playout::{Cursor, Playout, Step};
use crate::sample_axis::SampleAxis;
use crate::stats::JitterStats;
use crate::store::{Held, PacketStore};

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
    axis: SampleAxis,
    clock: MediaClock,
    store: PacketStore,
    carry: Carry,
    concealment: Concealment,
    numbering: Numbering,
    history: History,
    arrivals: Arrivals,
    pace: Pace,
    periods: PeriodSearch,
    playout: Playout,
    /// The last packet whose turn came said that the sender is silent.
    in_comfort: bool,
    ssrc: Option<u32>,
    retired: Option<RetiredSsrc>,
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
        let frame_samples = sample_rate_hz as usize / 100;
        let window = frame_samples * WINDOW_MS / 10;
        let longest_period = frame_samples * LONGEST_PERIOD_MS / 10;
        let us = |ms| u64::from(ms) * 1_000;
        Ok(Self {
            decoder,
            sample_rate_hz,
            frame_samples,
            axis: SampleAxis::new(config.rtp_clock_hz, sample_rate_hz),
            clock: MediaClock::default(),
            store: PacketStore::new(config.capacity_packets),
            carry: Carry::new(
                longest_period,
                longest_period + window,
                frame_samples * MAX_PACKET_MS as usize / 10,
            ),
            concealment: Concealment::new(sample_rate_hz),
            numbering: Numbering::default(),
            history: History::default(),
            arrivals: Arrivals::new(us(config.delay.min_ms), us(config.delay.max_ms)),
            pace: Pace::default(),
            periods: PeriodSearch::new(sample_rate_hz, window, longest_period),
            playout: Playout::Waiting,
            in_comfort: false,
            ssrc: None,
            retired: None,
            stats: JitterStats {
                target_ms: config.delay.min_ms,
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
        JitterStats {
            held_packets: self.store.len(),
            // Slots and packet lengths are bounded: minutes at most.
            level_ms: (self.level_samples() as u64 * 1_000 / u64::from(self.sample_rate_hz)) as u32,
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
        let tick_us = self.clock.tick(now_us);
        self.arrivals.believe(tick_us, now_us);
        self.note_target();
        if let Playout::Waiting = self.playout {
            // An arrival after the pull that finds the packet cannot be: a wait for it might never end.
            self.store.believe_no_arrival_after(now_us);
        }
        self.begin_if_due(tick_us);
        self.keep_pace(tick_us);
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
            Ok(samples) if (1..=self.carry.longest_packet()).contains(&samples) => samples,
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
        let past = self.history.of(numbers.sequence);
        if past == Past::Received || self.store.contains(numbers.sequence) {
            return PushOutcome::Duplicate;
        }
        let start = self.axis.sample_at(numbers.timestamp);
        let epoch = self.arrivals.note(
            packet.arrival_us,
            self.media_us(start),
            self.media_us(samples as i64),
        );
        if past == Past::Missed {
            self.stats.overdue_packets += u64::from(self.history.was_awaited(numbers.sequence));
            self.history.note_received(numbers.sequence);
            return PushOutcome::Late;
        }
        let held = Held {
            sequence: numbers.sequence,
            start,
            samples,
            arrival_us: packet.arrival_us,
            epoch,
            comfort: self.decoder.is_comfort(packet.payload),
        };
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
        self.stats.abandoned_packets += self.store.len() as u64;
        self.store.clear();
        self.carry.clear();
        self.concealment.end_run();
        self.history = History::default();
        self.arrivals.begin_epoch();
        self.playout = Playout::Waiting;
        self.in_comfort = false;
    }

    fn hold(&mut self, packet: Held, payload: &[u8]) -> PushOutcome {
        self.stats.queued_packets += 1;
        let oldest = self.store.front().filter(|_| self.store.is_full());
        let Some(oldest) = oldest else {
            self.store.insert(packet, payload);
            return PushOutcome::Queued;
        };
        let dropped = if packet.sequence < oldest.sequence {
            packet
        } else {
            self.store.pop_front();
            self.store.insert(packet, payload);
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

    /// Writes to the front of `out`: how many samples, and whence. 0 when only the state has changed; it cannot do so for ever,
    /// since a spurt ends or begins only with a packet taken or concealment exhausted in between.
    fn fill(&mut self, tick_us: u64, out: &mut [i16]) -> (Source, usize) {
        let count = self.carry.take(out);
        if count > 0 {
            self.advance(count);
            return (Source::Received, count);
        }
        match self.playout {
            Playout::Waiting => {
                if self.begin_if_due(tick_us) {
                    return (Source::Nothing, 0);
                }
                self.carry.break_off();
                out.fill(0);
                (Source::Nothing, out.len())
            }
            Playout::Playing(cursor) => {
                match self.next_step(cursor) {
                    Step::Decode { skip } => self.decode(cursor, skip),
                    Step::Conceal { samples } => return self.conceal(samples, out),
                    Step::EndSpurt => self.playout = Playout::Waiting,
                }
                (Source::Nothing, 0)
            }
        }
    }

    fn next_step(&self, cursor: Cursor) -> Step {
        let first = self.store.front();
        let missing = first.map_or(0, |held| self.history.missing_before(held.sequence));
        cursor.next_step(first, missing)
    }

    fn advance(&mut self, samples: usize) {
        if let Playout::Playing(cursor) = &mut self.playout {
            cursor.advance(samples);
        }
    }

    /// Begins the spurt that is waited for, if its time has come; its first packet is decoded at once.
    fn begin_if_due(&mut self, tick_us: u64) -> bool {
        let Playout::Waiting = self.playout else {
            return false;
        };
        self.drop_comfort();
        let Some(first) = self
            .store
            .front()
            .filter(|&first| self.is_due(first, tick_us))
        else {
            return false;
        };
        if self.in_comfort && self.is_refresh(first, tick_us) {
            self.take_refresh();
            return false;
        }
        self.in_comfort = false;
        self.stats.spurts += 1;
        self.decode(Cursor::at(first, self.sample_rate_hz), 0);
        true
    }

    /// Whether `first` begins a spurt now: as late as the target asks, and after no longer a wait than that.
    fn is_due(&self, first: Held, tick_us: u64) -> bool {
        let target_us = self.arrivals.target_us();
        let late_enough = || {
            let delay_us = self.delay_us(first.epoch, first.start, tick_us);
            delay_us.is_some_and(|us| us >= target_us as i64)
        };
        let since_us = self.store.earliest_arrival_us();
        let waited_us = since_us.and_then(|us| tick_us.checked_sub(us));
        waited_us.is_some_and(|us| us >= target_us || late_enough())
    }

    /// Packets that say that the sender is silent are heard where there is silence.
    fn drop_comfort(&mut self) {
        while let Some(first) = self.store.front().filter(|first| first.comfort) {
            self.store.pop_front();
            self.in_comfort = true;
            self.stats.comfort_packets += 1;
            self.pass(first.sequence);
        }
    }

    /// Whether `first`, which lies behind a packet of comfort, is one frame of the room between two: an encoder that is silent
    /// sends one every 400 ms, for a receiver to make its noise by. Heard by itself it would be a tick, twice a second.
    fn is_refresh(&self, first: Held, tick_us: u64) -> bool {
        self.store.second().is_some_and(|second| {
            second.comfort
                && second.sequence == first.sequence.wrapping_add(1)
                && second.start == first.end()
                && second.arrival_us <= tick_us
        })
    }

    /// The decoder hears it, which keeps it in step with the encoder, and nobody else does.
    fn take_refresh(&mut self) {
        let Some((packet, payload)) = self.store.pop_front() else {
            return;
        };
        if self.decoder.decode(payload, self.carry.room()).is_err() {
            self.stats.undecodable_packets += 1;
        } else {
            self.stats.comfort_packets += 1;
        }
        self.pass(packet.sequence);
        self.drop_comfort();
    }

    /// Decodes the first held packet for a spurt that stands at `cursor`, and keeps its sound from `skip` on, behind what is in
    /// hand.
    fn decode(&mut self, mut cursor: Cursor, skip: usize) {
        let Some((packet, payload)) = self.store.pop_front() else {
            return;
        };
        let in_hand = self.carry.len();
        if in_hand == 0 && cursor.lateness(packet) > 0 {
            self.stats.delayed_packets += 1;
        }
        cursor.take(packet, skip, in_hand);
        let samples = self.decoder.decode(payload, self.carry.room()).unwrap_or(0);
        if samples == 0 {
            self.stats.undecodable_packets += 1;
        } else {
            self.stats.decoded_packets += 1;
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
            self.playout = Playout::Waiting;
            return (Source::Nothing, 0);
        }
        self.carry.break_off();
        let count = samples.min(out.len());
        let count = self.concealment.fill(&mut *self.decoder, &mut out[..count]);
        self.advance(count);
        (Source::MadeUp, count)
    }

    /// What is decoded and not yet pulled, and what is held.
    fn level_samples(&self) -> usize {
        self.carry.len() + self.store.held_samples()
    }

    /// Time on the media axis. It wraps where a hostile sender drives it past what fits, as the axis itself does.
    fn media_us(&self, samples: i64) -> i64 {
        samples
            .wrapping_mul(1_000_000)
            .div_euclid(i64::from(self.sample_rate_hz))
    }

    /// How much later than the network would allow the sample at `position` is if it is pulled at `at_us`.
    fn delay_us(&self, epoch: u32, position: i64, at_us: u64) -> Option<i64> {
        self.arrivals
            .delay_us(epoch, self.media_us(position), at_us)
    }

    fn note_target(&mut self) {
        // At most the configuration's.
        let target_ms = (self.arrivals.target_us() / 1_000) as u32;
        self.stats.target_changes += u64::from(target_ms != self.stats.target_ms);
        self.stats.target_ms = target_ms;
    }

    /// Drops or repeats a period of the sound of a spurt whose delay is off the target.
    fn keep_pace(&mut self, tick_us: u64) {
        self.decode_ahead(1);
        let Playout::Playing(cursor) = self.playout else {
            return;
        };
        if self.carry.is_empty() {
            return;
        }
        let Some(delay_us) = self.delay_us(cursor.epoch, cursor.position, tick_us) else {
            return;
        };
        self.stats.delay_ms = u32::try_from(delay_us / 1_000).unwrap_or(0);
        let sound = self.carry.sound();
        self.pace
            .hear(&sound[..sound.len().min(self.frame_samples)]);
        let target_us = self.arrivals.target_us() as i64;
        match self.pace.wish(delay_us.saturating_sub(target_us)) {
            None => {}
            Some(Wish::Drop) => self.drop_period(target_us),
            Some(Wish::Repeat) => self.repeat_period(),
        }
    }

    /// Decodes held packets until so much can be pulled, as far as they go on from what can.
    fn decode_ahead(&mut self, samples: usize) {
        while self.carry.len() < samples {
            let (Playout::Playing(cursor), Some(first)) = (self.playout, self.store.front()) else {
                return;
            };
            if self.carry.is_empty() {
                let Step::Decode { skip } = self.next_step(cursor) else {
                    return;
                };
                self.decode(cursor, skip);
            } else if cursor.goes_on_in(first, self.history.missing_before(first.sequence)) {
                self.decode(cursor, 0);
            } else {
                return;
            }
        }
    }

    fn drop_period(&mut self, target_us: i64) {
        let (window, longest) = (self.periods.window(), self.samples(LONGEST_PERIOD_MS));
        // Not of what is needed to keep the target: the network may be holding the next packets back just now.
        let left = self.level_samples().saturating_sub(longest) as i64;
        if self.media_us(left) < target_us {
            return;
        }
        self.decode_ahead(longest + window);
        let shortest = self.samples(SHORTEST_PERIOD_MS);
        let found = self.periods.after(self.carry.sound(), shortest, longest);
        let Some(found) = found.filter(|found| self.pace.accepts(found.similarity)) else {
            return;
        };
        self.carry.drop_period(found.lag, window);
        self.advance(found.lag);
        self.pace.spliced();
        self.stats.dropped_periods += 1;
        self.stats.dropped_samples += found.lag as u64;
    }

    fn repeat_period(&mut self) {
        let window = self.periods.window();
        self.decode_ahead(window);
        let [shortest, longest] =
            [SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS].map(|ms| self.samples(ms));
        let (sound, past) = self.carry.with_past();
        let found = self.periods.before(sound, past, shortest, longest);
        let Some(found) = found.filter(|found| self.pace.accepts(found.similarity)) else {
            return;
        };
        self.carry.repeat_period(found.lag, window);
        if let Playout::Playing(cursor) = &mut self.playout {
            cursor.step_back(found.lag);
        }
        self.pace.spliced();
        self.stats.repeated_periods += 1;
        self.stats.repeated_samples += found.lag as u64;
    }

    fn samples(&self, ms: usize) -> usize {
        self.frame_samples * ms / 10
    }
}
