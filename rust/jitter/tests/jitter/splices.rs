//! What a dropped or a repeated period sounds like.

use beluga_jitter::{DelayBounds, JitterBuffer, JitterConfig, JitterStats, Packet, PullOutcome};

use crate::voice::{Plain, Room, plain_packets};

/// What is heard of `samples`, of which packet `n` comes at `arrival_us(n)`, up to the end of the last.
fn heard(
    samples: &[i16],
    arrival_us: impl Fn(u64) -> u64,
) -> (Vec<i16>, Vec<PullOutcome>, JitterStats) {
    let config = JitterConfig {
        delay: DelayBounds::default(),
        capacity_packets: 64,
        rtp_clock_hz: 48_000,
    };
    let mut buffer = JitterBuffer::new(config, Box::new(Plain)).unwrap();
    let (mut heard, mut outcomes) = (Vec::new(), Vec::new());
    let packets = plain_packets(samples);
    let mut next = 0;
    let mut frame = [0; 160];
    while next < packets.len() {
        let now_us = outcomes.len() as u64 * 10_000;
        while next < packets.len() && arrival_us(next as u64) <= now_us {
            buffer.push(Packet {
                arrival_us: arrival_us(next as u64),
                sequence: next as u16,
                timestamp: next as u32 * 960,
                ssrc: 1,
                payload: &packets[next],
            });
            next += 1;
        }
        outcomes.push(buffer.pull(now_us, &mut frame));
        heard.extend(frame);
    }
    (heard, outcomes, buffer.stats())
}

/// A clock that is off by so much, so that a period is dropped or repeated several times in a second.
fn off_by(percent: i64) -> impl Fn(u64) -> u64 {
    move |packet| (packet as i64 * (20_000 - 200 * percent)) as u64
}

/// Largest difference between two samples that follow one another.
fn steepest(samples: &[i16]) -> i32 {
    let steps = samples
        .windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
    steps.max().unwrap()
}

fn level_db(samples: &[i16]) -> f64 {
    let power: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    10.0 * (power / samples.len() as f64).log10()
}

/// Of pieces of 25 ms, wherever they begin: the quietest and the loudest.
fn levels_db(samples: &[i16]) -> (f64, f64) {
    let levels = samples.windows(400).step_by(17).map(level_db);
    levels.fold((f64::MAX, f64::MIN), |(low, high), level| {
        (low.min(level), high.max(level))
    })
}

#[test]
fn a_vowel_that_is_spliced_fifty_times_neither_clicks_nor_wavers() {
    for pitch_hz in [75.0, 110.0, 190.0, 310.0] {
        let vowel = Room::new(-80.0).held_vowel(40_000, pitch_hz).samples;
        let (quietest, loudest) = levels_db(&vowel);
        for percent in [1, -1] {
            let (heard, outcomes, stats) = heard(&vowel, off_by(percent));
            let splices = stats.dropped_periods + stats.repeated_periods;
            assert!(splices > 25, "{pitch_hz}: {stats:?}");
            let first = outcomes
                .iter()
                .position(|&outcome| outcome == PullOutcome::Decoded);
            let heard = &heard[first.unwrap() * 160..];
            assert!(steepest(heard) <= steepest(&vowel) * 11 / 10, "{pitch_hz}");
            let (low, high) = levels_db(heard);
            assert!(
                low > quietest - 0.25 && high < loudest + 0.25,
                "{pitch_hz}: {low} to {high}"
            );
        }
    }
}

#[test]
fn noise_that_is_spliced_stays_as_loud() {
    // A loud room, or music on hold: nothing in it repeats itself.
    let noise = Room::new(-25.0).pause(40_000).samples;
    let (quietest, loudest) = levels_db(&noise);
    for percent in [1, -1] {
        let (heard, outcomes, stats) = heard(&noise, off_by(percent));
        assert!(
            stats.dropped_periods + stats.repeated_periods > 25,
            "{stats:?}"
        );
        let first = outcomes
            .iter()
            .position(|&outcome| outcome == PullOutcome::Decoded);
        let (low, high) = levels_db(&heard[first.unwrap() * 160..]);
        assert!(
            low > quietest - 0.5 && high < loudest + 0.5,
            "{low} to {high}"
        );
    }
}

/// The network holds everything for `ms` at 2 s. How much later than the hold's end, in milliseconds, the delay is within
/// `most_ms` for good; and that nothing is made up or missing meanwhile.
fn worked_off_ms(samples: &[i16], ms: u64, most_ms: u64) -> u64 {
    let end_us = 2_000_000 + ms * 1_000;
    let arrival_us = |packet: u64| match packet * 20_000 {
        at_us if at_us >= 2_000_000 => at_us.max(end_us),
        at_us => at_us,
    };
    let mut late_until = 0;
    let lengths = (1..).map(|tenth| end_us / 20_000 + tenth * 5);
    for packets in lengths.take_while(|&packets| packets * 320 <= samples.len() as u64) {
        let (_, outcomes, stats) = heard(&samples[..packets as usize * 320], arrival_us);
        let after = &outcomes[end_us as usize / 10_000 + 1..];
        assert!(after.iter().all(|&outcome| outcome == PullOutcome::Decoded));
        if u64::from(stats.delay_ms) > most_ms {
            late_until = packets * 20 - end_us / 1_000;
        }
    }
    late_until
}

/// Of holds of 150, 300 and 900 ms: for so long, most of which is what the holds are remembered for, the delay is above a
/// packet and a half over the floor, or what is said.
#[test]
fn a_hold_is_worked_off_in_any_sound() {
    let words = || (0..20).fold(Room::new(-50.0), |room, _| room.voice(800).pause(300));
    let in_time_ms = [
        ("words with pauses", words(), [2_000, 2_200, 3_300]),
        (
            "words without a pause",
            Room::new(-50.0).voice(12_000),
            [2_000, 2_600, 4_000],
        ),
        (
            "a held vowel",
            Room::new(-80.0).held_vowel(12_000, 120.0),
            [2_000, 2_500, 3_700],
        ),
        (
            "a loud room",
            Room::new(-25.0).pause(12_000),
            [2_000, 2_500, 5_000],
        ),
        (
            "silence",
            Room::new(-200.0).pause(12_000),
            [2_000, 2_000, 2_000],
        ),
    ];
    for (name, room, in_time_ms) in in_time_ms {
        let samples = &room.samples[..12_000 * 16];
        let took_ms = [150, 300, 900].map(|ms| worked_off_ms(samples, ms, 50));
        let in_time = took_ms
            .iter()
            .zip(&in_time_ms)
            .all(|(took, wanted)| took <= wanted);
        assert!(in_time, "{name}: {took_ms:?}");
    }
}
