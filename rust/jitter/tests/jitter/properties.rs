//! What holds for every stream.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use beluga_jitter::DelayBounds;

use crate::harness::{Sender, Sent, Session, TICK_US};

/// Long enough for the last packet of any stream here, whatever it waits for.
const TAIL_MS: u64 = 600;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A talk spurt: how long its packets are, how many there are, and the pause after it.
type Spurt = (u8, usize, u32);

fn spurts() -> impl Strategy<Value = Vec<Spurt>> {
    let packet_ms = prop_oneof![Just(10_u8), Just(20), Just(40), Just(60)];
    let pause_ms = (0_u32..60).prop_map(|tens| 10 + tens * 10);
    prop::collection::vec((packet_ms, 1_usize..30, pause_ms), 1..5)
}

/// Where a stream's numbers begin: anywhere, and often just before their wrap.
fn first_numbers() -> impl Strategy<Value = (u16, u32)> {
    let sequence = prop_oneof![any::<u16>(), (u16::MAX - 100)..=u16::MAX];
    let timestamp = prop_oneof![any::<u32>(), (u32::MAX - 100_000)..=u32::MAX];
    (sequence, timestamp)
}

fn speak(numbers: (u16, u32), spurts: &[Spurt]) -> Vec<Vec<Sent>> {
    let mut sender = Sender::counting_from(numbers.0, numbers.1);
    let speak = |&(ms, packets, pause_ms): &Spurt| {
        let spurt = sender.speak_often(packets, ms);
        sender.pause(pause_ms);
        spurt
    };
    spurts.iter().map(speak).collect()
}

fn hear(target_ms: u32, sent: &[Sent]) -> Session {
    let last_us = sent.iter().map(|sent| sent.arrival_us).max();
    let mut session = Session::new(target_ms);
    session.play(sent, last_us.unwrap_or(0) / 1_000 + TAIL_MS);
    session
}

/// Every packet was heard, in order and once, but for the periods that were dropped and repeated; and all is counted.
fn check_heard(session: &Session, sent: &[Sent]) -> Result<(), TestCaseError> {
    let stats = session.buffer.stats();
    prop_assert_eq!((stats.late_packets, stats.held_packets), (0, 0));
    prop_assert_eq!(stats.decoded_packets, sent.len() as u64);
    let spoken: usize = sent.iter().map(|sent| usize::from(sent.ms) * 16).sum();
    let heard = session.heard.iter().filter(|&&sample| sample > 0).count() as u64;
    let expected = spoken as u64 + stats.repeated_samples - stats.dropped_samples;
    prop_assert_eq!(heard, expected);
    // Packets have rising names, and a fade from one to another is between them.
    let mut highest = 0;
    for &sample in session.heard.iter().filter(|&&sample| sample > 0) {
        prop_assert!(sample + 2 >= highest, "{} after {}", sample, highest);
        highest = highest.max(sample);
    }
    prop_assert_eq!(session.heard.len() as u64 * 1_000, session.now_us * 16);
    session.check_counts();
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn duplicates_change_nothing(
        spurts in spurts(),
        target_ms in 0_u32..200,
        lost in prop::collection::vec(prop::bool::weighted(0.1), 1..200),
        copies in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..800_000), 1..60),
    ) {
        let mut sent = speak((65_000, 7), &spurts).concat();
        let mut kept = lost.iter().cycle();
        sent.retain(|_| !kept.next().unwrap());
        prop_assume!(!sent.is_empty());
        let copy = |(of, after_us): &(prop::sample::Index, u64)| {
            let mut copy = of.get(&sent).clone();
            copy.arrival_us += after_us;
            copy
        };
        let with_copies: Vec<Sent> = sent.iter().cloned().chain(copies.iter().map(copy)).collect();
        let once = hear(target_ms, &sent);
        let mut twice = Session::new(target_ms);
        twice.play(&with_copies, once.now_us / 1_000);
        prop_assert_eq!(&twice.heard, &once.heard);
        prop_assert_eq!(&twice.outcomes, &once.outcomes);
    }

    #[test]
    fn a_wrap_anywhere_changes_nothing(
        spurts in spurts(),
        numbers in first_numbers(),
        target_ms in 0_u32..200,
        lost in prop::collection::vec(prop::bool::weighted(0.1), 1..200),
    ) {
        let hear_from = |numbers| {
            let mut kept = lost.iter().cycle();
            let mut sent = speak(numbers, &spurts).concat();
            sent.retain(|_| !kept.next().unwrap());
            hear(target_ms, &sent)
        };
        let (plain, wrapped) = (hear_from((1_000, 0)), hear_from(numbers));
        prop_assert_eq!(&plain.heard, &wrapped.heard);
        prop_assert_eq!(plain.buffer.stats(), wrapped.buffer.stats());
    }

    #[test]
    fn any_order_within_a_tick_less_than_the_target_is_heard_in_order(
        spurts in spurts(),
        numbers in first_numbers(),
        target_ms in 0_u32..200,
        loss in 0.0..0.6_f64,
        draws in prop::collection::vec((0.0..1.0_f64, any::<u32>()), 1..200),
    ) {
        let mut draws = draws.iter().cycle();
        let mut sent = speak(numbers, &spurts).concat();
        sent.retain_mut(|sent| {
            let &(chance, delay_us) = draws.next().unwrap();
            sent.arrival_us += u64::from(delay_us % (target_ms.saturating_sub(10) * 1_000 + 1));
            chance >= loss
        });
        let session = hear(target_ms, &sent);
        check_heard(&session, &sent)?;
        prop_assert_eq!(session.buffer.stats().delayed_packets, 0);
    }

    #[test]
    fn what_comes_at_all_before_the_next_one_is_heard_and_its_delay_worked_off(
        packets in 50_usize..200,
        min_ms in 0_u32..100,
        more_ms in 0_u32..200,
        holds in prop::collection::vec((0_u64..3_000, 0_u64..600), 0..5),
    ) {
        let mut sender = Sender::new();
        // Six seconds of calm: two until the holds are forgotten, and four for what they cost.
        let mut sent = sender.speak_often(packets + 300, 20);
        for (from_ms, ms) in holds {
            let from_ms = from_ms.min(packets as u64 * 20);
            let held_us = from_ms * 1_000..(from_ms + ms) * 1_000;
            for packet in &mut sent {
                if held_us.contains(&packet.arrival_us) {
                    packet.arrival_us = held_us.end;
                }
            }
        }
        let delay = DelayBounds { min_ms, max_ms: min_ms + more_ms };
        let mut session = Session::with(delay, 64);
        session.play(&sent, sender.now_us / 1_000);
        let at_last = session.buffer.stats();
        prop_assert!(at_last.delay_ms <= min_ms.max(10) + 20, "{:?}", at_last);
        session.play(&[], sender.now_us / 1_000 + TAIL_MS);
        check_heard(&session, &sent)?;
        prop_assert_eq!(session.buffer.stats().late_packets, 0);
    }

    #[test]
    fn a_shard_however_late_gives_the_same_voices(
        spurts in spurts(),
        target_ms in 0_u32..200,
        owed in prop::collection::vec(1_u64..12, 1..50),
    ) {
        let sent = speak((1, 1), &spurts).concat();
        let in_time = hear(target_ms, &sent);
        let mut late = Session::new(target_ms);
        let mut arrivals = sent.iter().peekable();
        late.push(arrivals.next().unwrap());
        late.pull();
        let mut owed = owed.iter().cycle();
        while late.now_us + TICK_US < in_time.now_us {
            let ticks = *owed.next().unwrap().min(&(in_time.now_us / TICK_US - 1 - late.now_us / TICK_US));
            late.now_us += ticks * TICK_US;
            while let Some(sent) = arrivals.next_if(|sent| sent.arrival_us <= late.now_us) {
                late.push(sent);
            }
            for _ in 0..ticks {
                late.pull();
            }
        }
        // Concealment at the end of a spurt is for those who cannot see yet that it was a pause.
        let voices = |session: &Session| -> Vec<i16> {
            session.heard.iter().map(|&sample| sample.max(0)).collect()
        };
        prop_assert_eq!(voices(&late), voices(&in_time));
    }

    #[test]
    fn no_packets_panic_whatever_they_hold(
        packets in prop::collection::vec(
            (any::<u64>(), any::<u16>(), any::<u32>(), 0_u32..3, prop::collection::vec(any::<u8>(), 0..1_600), any::<u64>()),
            0..60,
        ),
        capacity in 1_usize..8,
    ) {
        let mut session = Session::with_capacity(40, capacity);
        for (arrival_us, sequence, timestamp, ssrc, payload, now_us) in packets {
            let (id, ms) = (0, 0);
            session.push(&Sent { arrival_us, sequence, timestamp, ssrc, payload, id, ms });
            session.now_us = now_us;
            session.pull();
            prop_assert!(session.buffer.stats().held_packets <= capacity);
            session.check_counts();
        }
    }
}

/// Numbers that follow from a seed: a million of them need no strategy.
struct Draws(u64);

impl Draws {
    /// splitmix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A sender, a network and a shard that do anything: mostly sound in order, with every kind of nonsense between.
fn misbehave(
    session: &mut Session,
    sender: &mut Sender,
    draws: &mut Draws,
    capacity: usize,
    ticks: u64,
) {
    let mut kept: Vec<Sent> = Vec::new();
    for _ in 0..ticks {
        for _ in 0..draws.below(3) {
            match draws.below(400) {
                0 => sender.sequence = draws.next() as u16,
                1 => sender.timestamp = draws.next() as u32,
                2 => sender.ssrc = draws.below(3) as u32,
                3..6 => sender.pause(draws.below(2_000) as u32),
                6..12 => sender.sequence = sender.sequence.wrapping_add(draws.below(200) as u16),
                12..16 => {
                    sender.timestamp = sender.timestamp.wrapping_sub(draws.below(9_000) as u32)
                }
                _ => {}
            }
            let mut sent = sender.speak([3, 10, 20, 60][draws.below(4) as usize]);
            sent.arrival_us = match draws.below(300) {
                0 => draws.next(),
                _ => session.now_us.saturating_sub(draws.below(10_000)),
            };
            match draws.below(50) {
                0 => sent = sent.spoilt(),
                8..14 => sent = sent.comfort(),
                1 => sent.payload.truncate(draws.below(4) as usize),
                2..5 => kept.push(sent.clone()),
                5..8 => continue,
                _ => {}
            }
            session.push(&sent);
        }
        if draws.below(20) == 0 && !kept.is_empty() {
            let again = kept.swap_remove(draws.below(kept.len() as u64) as usize);
            session.push(&again);
        }
        if draws.below(50) != 0 {
            session.pull();
        }
        session.heard.clear();
        session.outcomes.clear();
        session.now_us = match draws.below(20_000) {
            0 => draws.next() >> 1,
            1..300 => session.now_us,
            _ => session.now_us + TICK_US,
        };
        assert!(session.buffer.stats().held_packets <= capacity);
        session.check_counts();
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn hours_of_misbehaviour_neither_panic_nor_exceed_the_capacity(
        seed in any::<u64>(),
        capacity in 1_usize..100,
    ) {
        let mut session = Session::with(DelayBounds::default(), capacity);
        let half_an_hour = 1_800 * 100;
        misbehave(&mut session, &mut Sender::new(), &mut Draws(seed), capacity, half_an_hour);
        let stats = session.buffer.stats();
        prop_assert!(stats.decoded_frames > 0 && stats.malformed_packets > 0);
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn after_any_misbehaviour_a_good_stream_is_heard_whole_within_seconds(
        seed in any::<u64>(),
        ticks in 1_u64..2_000,
        numbers in first_numbers(),
        same_ssrc in any::<bool>(),
        go_on in any::<bool>(),
    ) {
        let capacity = 50;
        let mut session = Session::with(DelayBounds::default(), capacity);
        let mut wild = Sender::new();
        misbehave(&mut session, &mut wild, &mut Draws(seed), capacity, ticks);
        let mut good = Sender::counting_from(numbers.0, numbers.1);
        good.now_us = session.now_us;
        if same_ssrc {
            good.ssrc = wild.ssrc;
        }
        if go_on {
            (good.sequence, good.timestamp) = (wild.sequence, wild.timestamp);
        }
        let begin_ms = session.now_us / 1_000;
        let sent = good.speak_often(300, 20);
        session.play(&sent, begin_ms + 6_000);
        // A step back by 100 packets is the worst: 2 s, then the target and half a second for what was held before.
        let last = session.heard.split_off(260 * 160);
        session.heard = last;
        let runs = session.runs();
        prop_assert!(runs.len() >= 170, "{runs:?}");
        prop_assert!(runs.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{runs:?}");
    }
}
