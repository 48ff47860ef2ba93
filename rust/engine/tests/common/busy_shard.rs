//! A shard on a virtual clock whose ticks cost time: what each door does moves the clock on.

use super::call::{UNINTERRUPTIBLE, config};
use beluga_engine::{
    Bells, Counters, EarFrame, Effort, Event, InDoor, OutDoor, OverloadStep, PcmIn, PcmOut,
    PcmWriter, SendTime, SessionHandles, Shard, Vad, Wake, pcm_in, pcm_out, session,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rate of the agent's sound: low, so that distinct samples last long.
pub const OUT_HZ: u32 = 8_000;
pub const OUT_FRAME: usize = 80;
/// After so many samples the ramp begins again: eight seconds of the agent, four of the caller.
const DISTINCT: u64 = 65_000;

/// The `n`th sample of a sound whose samples are all different and never 0.
pub fn ramp(n: u64) -> i16 {
    let n = (n % DISTINCT) as i32;
    (if n < 32_500 { n + 1 } else { 32_499 - n }) as i16
}

/// The clock, and what taking and giving a frame costs on it.
#[derive(Debug, Default)]
pub struct Machine {
    now_us: AtomicU64,
    in_us: AtomicU64,
    out_us: AtomicU64,
}

impl Machine {
    pub fn now_us(&self) -> u64 {
        self.now_us.load(Ordering::Relaxed)
    }

    pub fn spend(&self, us: u64) {
        self.now_us.fetch_add(us, Ordering::Relaxed);
    }

    /// From now on each frame of each session costs so much; one encoded with the least effort a third less.
    pub fn set_costs(&self, in_us: u64, out_us: u64) {
        self.in_us.store(in_us, Ordering::Relaxed);
        self.out_us.store(out_us, Ordering::Relaxed);
    }

    fn sleep_until(&self, due_us: u64) {
        self.now_us.fetch_max(due_us, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct CostlyIn(PcmIn, Arc<Machine>);

impl InDoor for CostlyIn {
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        self.1.spend(self.1.in_us.load(Ordering::Relaxed));
        self.0.pull(now_us, frame, counters)
    }
}

#[derive(Debug)]
struct CostlyOut(PcmOut, Arc<Machine>, Effort);

impl OutDoor for CostlyOut {
    fn sample_rate_hz(&self) -> u32 {
        self.0.sample_rate_hz()
    }

    fn lead_ms(&self) -> u32 {
        self.0.lead_ms()
    }

    fn send(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        let whole_us = self.1.out_us.load(Ordering::Relaxed);
        self.1.spend(match self.2 {
            Effort::Configured => whole_us,
            Effort::Least => whole_us * 2 / 3,
        });
        let now_us = self.1.now_us();
        self.0.send(frame, SendTime { now_us, ..time }, counters)
    }

    fn skip(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool {
        self.0.skip(frame, time, counters)
    }

    fn set_effort(&mut self, effort: Effort) {
        self.2 = effort;
    }
}

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// One session: a caller who says a ramp without a pause, an agent who does so too.
pub struct BusyCall {
    input: PcmWriter,
    pub handles: SessionHandles,
    pub events: Vec<Event>,
    /// All that the caller said, and the sample of it that came at each position of the ear.
    pub said: u64,
    pub heard: Vec<i16>,
    /// All that the agent's side sent, position by position.
    pub sent: Vec<i16>,
}

impl BusyCall {
    /// What the agent says from the first tick on: `samples` of the ramp.
    pub fn say(&mut self, samples: u64) {
        let mouth = &mut self.handles.mouth;
        mouth.begin(UNINTERRUPTIBLE).expect("no utterance is open");
        let sound: Vec<i16> = (0..samples).map(ramp).collect();
        let taken = mouth.write(&sound, OUT_HZ).expect("a rate");
        assert_eq!(taken, sound.len());
        mouth.end().expect("room for the end");
    }

    /// Runs of frames that are silent though the agent spoke, each by its first frame and its length.
    pub fn gaps(&self, spoken: usize) -> Vec<(usize, usize)> {
        let mut gaps: Vec<(usize, usize)> = Vec::new();
        for (frame, sound) in self.sent[..spoken].chunks(OUT_FRAME).enumerate() {
            if sound.iter().any(|&sample| sample != 0) {
                continue;
            }
            match gaps.last_mut() {
                Some((first, length)) if *first + *length == frame => *length += 1,
                _ => gaps.push((frame, 1)),
            }
        }
        gaps
    }

    /// Every sample that was sent is the one that belongs to its position, or silence: none twice, none out of order, and
    /// the position is session time. Every sample that the caller said was heard, in order, with nothing between.
    pub fn check(&self) {
        assert_eq!(
            (self.sent_at_wrong_places(), self.heard_at_wrong_places()),
            (0, 0)
        );
    }

    /// Samples that were sent where they do not belong: a second time, too late or too early.
    pub fn sent_at_wrong_places(&self) -> usize {
        misplaced(
            self.sent
                .iter()
                .map(|&sample| (sample != 0).then_some(sample)),
        )
    }

    /// Samples of the caller that were not heard at their place.
    pub fn heard_at_wrong_places(&self) -> usize {
        misplaced(self.heard.iter().map(|&sample| Some(sample)))
    }
}

/// How many of the samples that are there are not those of the ramp at their position.
fn misplaced(samples: impl Iterator<Item = Option<i16>>) -> usize {
    samples
        .enumerate()
        .filter(|&(position, sample)| sample.is_some_and(|sample| sample != ramp(position as u64)))
        .count()
}

/// See the module.
pub struct BusyShard {
    pub machine: Arc<Machine>,
    pub shard: Shard,
    pub calls: Vec<BusyCall>,
    pub due_us: u64,
    /// The highest step so far, and each change of the step with its time.
    pub steps: Vec<(u64, OverloadStep)>,
}

impl BusyShard {
    pub fn new(sessions: usize) -> Self {
        let machine = Arc::new(Machine::default());
        let mut shard = Shard::new(None, sessions);
        let calls = (0..sessions)
            .map(|_| {
                let (input, door) = pcm_in(16_000).expect("a rate");
                let (output, ring) = pcm_out(OUT_HZ);
                let (session, handles) = session(
                    config(Vad::Energy),
                    Box::new(CostlyIn(door, machine.clone())),
                    Box::new(CostlyOut(output, machine.clone(), Effort::Configured)),
                    ring,
                    Bells::new(Box::new(Nobody)).bell(),
                )
                .expect("a configuration");
                shard.add(session).expect("room");
                BusyCall {
                    input,
                    handles,
                    events: Vec::new(),
                    said: 0,
                    heard: Vec::new(),
                    sent: Vec::new(),
                }
            })
            .collect();
        Self {
            machine,
            shard,
            calls,
            due_us: 0,
            steps: vec![(0, OverloadStep::None)],
        }
    }

    /// One tick as a shard's thread does it: sleeps until it is due, unless that is past.
    pub fn tick(&mut self) {
        self.due_us += 10_000;
        self.machine.sleep_until(self.due_us);
        let now_us = self.machine.now_us();
        for call in &mut self.calls {
            // The caller does not wait for a late shard.
            let due = now_us / 10_000 * 160;
            let sound: Vec<i16> = (call.said..due).map(ramp).collect();
            assert_eq!(
                call.input.write(now_us, &sound),
                sound.len(),
                "input is lost"
            );
            call.said = due;
        }
        let machine = self.machine.clone();
        self.shard
            .tick_owed(self.due_us, &|| machine.now_us(), &mut |_| {});
        for call in &mut self.calls {
            call.events
                .extend(std::iter::from_fn(|| call.handles.events.pop().ok()));
            let mut frame = [0; 480];
            let shared = &call.handles.shared;
            let read = shared.ear.read(call.heard.len() as u64, &mut frame);
            call.heard.extend_from_slice(&frame[..read.len]);
            let read = shared.out.read(call.sent.len() as u64, &mut frame);
            call.sent.extend_from_slice(&frame[..read.len]);
        }
        let step = self.shard.counters().step();
        if self.steps.last().is_some_and(|&(_, last)| last != step) {
            self.steps.push((self.machine.now_us(), step));
        }
    }

    /// Ticks until the clock has reached `until_us`.
    pub fn run_until(&mut self, until_us: u64) {
        while self.machine.now_us().max(self.due_us) < until_us {
            self.tick();
        }
    }

    /// Whether the next tick will be on time.
    pub fn is_on_time(&self) -> bool {
        self.machine.now_us() <= self.due_us + 10_000
    }
}
