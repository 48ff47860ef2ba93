//! A tick of many sessions, all of them talking and spoken to: everything but codec and transport.
//!
//! Prints a line of JSON for each row: microseconds of single ticks on an otherwise idle thread.

use beluga_bench_kernels::{Caller, silero};
use beluga_engine::{
    Bells, InterruptionAction, InterruptionPolicy, PcmWriter, SessionConfig, SessionHandles, Shard,
    TurnConfig, Vad, Wake, ear_samples, pcm_in, pcm_out, session,
};
use beluga_vad::SpeechConfig;
use std::time::Instant;

/// What a voice like Piper's is written at.
const MOUTH_HZ: u32 = 22_050;
const OUT_HZ: u32 = 24_000;

/// Nothing the caller says stops the agent: both talk all the time.
const BOTH_TALK: InterruptionPolicy = InterruptionPolicy {
    allow: false,
    min_speech: 0,
    action: InterruptionAction::Pause,
};

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

struct Talking {
    input: PcmWriter,
    handles: SessionHandles,
    said: Vec<i16>,
    at: usize,
}

fn open(shard: &mut Shard, index: usize, in_hz: u32, vad: Vad) -> Talking {
    let (input, door) = pcm_in(in_hz).expect("an allowed rate");
    let (output, ring) = pcm_out(OUT_HZ);
    let config = SessionConfig {
        vad,
        speech: SpeechConfig::default(),
        turn: TurnConfig {
            min_delay: ear_samples(500),
            pre_roll: ear_samples(500),
            discard_audio_if_uninterruptible: false,
            false_interruption_timeout: None,
            away_after: None,
        },
        thinking_policy: BOTH_TALK,
        vad_phase_samples: index * 160,
    };
    let bell = Bells::new(Box::new(Nobody)).bell();
    let (session, mut handles) =
        session(config, Box::new(door), Box::new(output), ring, bell).expect("a configuration");
    shard.add(session).expect("room for all");
    handles
        .mouth
        .begin(BOTH_TALK)
        .expect("no utterance is open");
    let said = Caller::new(in_hz)
        .with(|caller| caller.pitch_hz = 90.0 + index as f64)
        .voice(2_000)
        .pcm();
    Talking {
        input,
        handles,
        said,
        at: index * in_hz as usize / 100,
    }
}

impl Talking {
    /// What comes between two ticks: ten milliseconds of either side, and events that somebody reads.
    fn go_on(&mut self, in_hz: u32, answer: &[i16], tick: usize) {
        let frame = in_hz as usize / 100;
        self.at = if self.at + frame > self.said.len() {
            0
        } else {
            self.at
        };
        self.input
            .write(tick as u64 * 10_000, &self.said[self.at..self.at + frame]);
        self.at += frame;
        if tick.is_multiple_of(10) {
            self.handles
                .mouth
                .write(answer, MOUTH_HZ)
                .expect("an allowed rate");
        }
        while self.handles.events.pop().is_ok() {}
    }
}

fn measure(sessions: usize, in_hz: u32, vad: Vad, ticks: usize) {
    let mut shard = Shard::new(Some(silero()), sessions);
    let mut calls: Vec<Talking> = (0..sessions)
        .map(|index| open(&mut shard, index, in_hz, vad))
        .collect();
    let answer = &Caller::new(MOUTH_HZ).voice(100).pcm();
    let mut took_us = Vec::with_capacity(ticks);
    for tick in 0..ticks + 200 {
        for call in &mut calls {
            call.go_on(in_hz, answer, tick);
        }
        let began = Instant::now();
        shard.tick(tick as u64 * 10_000, &mut |_| {});
        if tick >= 200 {
            took_us.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }
    let counter = |name: &str| -> u64 {
        let all = calls
            .iter()
            .map(|call| call.handles.shared.counters.snapshot());
        all.flatten()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value)
            .sum()
    };
    let starved = counter("input_starved_samples");
    assert_eq!(starved, 0, "every session talks");
    let mean = took_us.iter().sum::<f64>() / took_us.len() as f64;
    took_us.sort_by(f64::total_cmp);
    let at = |share: f64| took_us[((took_us.len() - 1) as f64 * share).round() as usize];
    let vad = if vad == Vad::Silero {
        "silero"
    } else {
        "energy"
    };
    println!(
        "{{\"sessions\": {sessions}, \"in_hz\": {in_hz}, \"vad\": \"{vad}\", \"n\": {ticks}, \"us_mean\": {mean:.1}, \
         \"us_p50\": {:.1}, \"us_p95\": {:.1}, \"us_p99\": {:.1}, \"us_max\": {:.1}}}",
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}

fn main() {
    let quick = std::env::var_os("QUICK").is_some_and(|quick| quick == "1");
    let ticks = if quick { 1_000 } else { 6_000 };
    measure(1, 16_000, Vad::Silero, ticks);
    measure(100, 16_000, Vad::Silero, ticks);
    measure(100, 48_000, Vad::Silero, ticks);
    measure(100, 16_000, Vad::Energy, ticks);
}
