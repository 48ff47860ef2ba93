//! The delay follows the network: how far, how fast, and what is not mistaken for lateness.

use beluga_jitter::{CONCEAL_LIMIT_MS, DelayBounds, JitterStats, PullOutcome};

use crate::harness::{RATE_HZ, Sender, Sent, Session};

const MIN_MS: u64 = 20;
const MAX_MS: u64 = 200;
const CONCEALED_AT_END: u64 = CONCEAL_LIMIT_MS as u64 / 10;

/// How long after it was spoken each packet of 20 ms was first heard, in milliseconds, if it was.
fn delays_ms(session: &Session, sent: &[Sent], spoken_ms: impl Fn(usize) -> u64) -> Vec<i64> {
    let delay_ms = |(index, sent): (usize, &Sent)| {
        let at = session.heard.iter().position(|&sample| sample == sent.id)?;
        Some((at * 1_000 / RATE_HZ as usize) as i64 - spoken_ms(index) as i64)
    };
    sent.iter().enumerate().filter_map(delay_ms).collect()
}

fn without_pause(index: usize) -> u64 {
    index as u64 * 20
}

/// The network holds everything that is sent from `from_ms` on for `ms`, and lets it go at once.
fn hold(sent: &mut [Sent], from_ms: u64, ms: u64) {
    let held_us = from_ms * 1_000..(from_ms + ms) * 1_000;
    for packet in sent {
        if held_us.contains(&packet.arrival_us) {
            packet.arrival_us = held_us.end;
        }
    }
}

#[test]
fn on_a_perfect_network_sound_waits_for_the_floor_and_no_longer() {
    let sent = Sender::new().speak_often(200, 20);
    let mut session = Session::adaptive();
    session.play(&sent, 4_020);
    let mut expected = vec![(0, MIN_MS as usize)];
    expected.extend((1..=200).map(|id| (id, 20)));
    assert_eq!(session.runs_ms(), expected);
    let stats = session.buffer.stats();
    assert_eq!((stats.target_ms, stats.target_changes), (20, 0));
    assert_eq!((stats.dropped_periods, stats.repeated_periods), (0, 0));
}

#[test]
fn a_hold_of_300_ms_loses_no_word_and_is_worked_off_in_less_than_three_seconds_without_a_gap() {
    let mut sent = Sender::new().speak_often(400, 20);
    hold(&mut sent, 2_000, 300);
    let mut session = Session::adaptive();
    session.play(&sent, 8_000);
    assert!(session.heard_all(1..=399));
    // The hold itself is heard, at most for its own length; what is worked off is not.
    let gap = |range: std::ops::Range<usize>| {
        let outcomes = &session.outcomes[range];
        outcomes
            .iter()
            .filter(|&&outcome| outcome != PullOutcome::Decoded)
            .count()
    };
    assert_eq!(gap(2..200), 0);
    assert!((26..=30).contains(&gap(200..231)));
    assert_eq!(gap(231..800), 0);
    let delays = delays_ms(&session, &sent, without_pause);
    assert_eq!(delays[99], MIN_MS as i64);
    assert_eq!(delays[100], 300);
    // Packet 245 is said 2.6 s after the hold ended.
    let most_ms = MIN_MS as i64 + 15;
    assert!(delays[245..].iter().all(|&ms| ms <= most_ms), "{delays:?}");
    assert_eq!(session.buffer.stats().late_packets, 0);
}

#[test]
fn the_delay_of_a_hold_is_gone_with_the_next_pause() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(100, 20);
    hold(&mut sent, 1_500, 300);
    let first = sent.len();
    sender.pause(5_000);
    sent.extend(sender.speak_often(100, 20));
    let mut session = Session::adaptive();
    session.play(&sent, 9_500);
    let spoken_ms = |index| without_pause(index) + if index < first { 0 } else { 5_000 };
    let delays = delays_ms(&session, &sent, spoken_ms);
    // What is remembered of the hold is still in the target.
    let target_ms = MAX_MS as i64;
    assert!(delays[first] <= target_ms, "{}", delays[first]);
    assert!(delays[first + 99] <= MIN_MS as i64 + 10, "{delays:?}");
}

/// Packets come in bunches of four: the first of each is late by three times as much as the last but one, by `late_ms` of its
/// index.
fn bunch(sent: &mut [Sent], late_ms: impl Fn(usize) -> u64) {
    for (index, packet) in sent.iter_mut().enumerate() {
        packet.arrival_us += late_ms(index - index % 4) * 1_000 * (3 - index as u64 % 4) / 3;
    }
}

#[test]
fn on_an_uneven_network_sound_waits_for_the_late_packets() {
    let mut sent = Sender::new().speak_often(1_000, 20);
    bunch(&mut sent, |index| if index < 500 { 60 } else { 0 });
    let mut session = Session::adaptive();
    session.play(&sent[..500], 10_000);
    let unevenly = session.buffer.stats();
    assert_eq!(unevenly.target_ms, 70);
    assert!((65..=100).contains(&unevenly.delay_ms), "{unevenly:?}");
    session.play(&sent[500..], 20_000);
    let evenly = session.buffer.stats();
    assert_eq!(evenly.target_ms, 20);
    assert!(evenly.delay_ms <= 50, "{evenly:?}");
    // Made up is what was late before it was known that this is how they come: in the first half second.
    assert!(evenly.concealed_frames <= 12, "{evenly:?}");
    assert_eq!((evenly.late_packets, evenly.missing_packets), (0, 0));
}

#[test]
fn packets_that_are_often_overtaken_are_waited_for() {
    let mut sent = Sender::new().speak_often(1_000, 20);
    for packet in sent.iter_mut().step_by(8) {
        packet.arrival_us += 70_000;
    }
    let mut session = Session::adaptive();
    session.play(&sent, 20_000);
    let stats = session.buffer.stats();
    assert_eq!(stats.target_ms, 80);
    // In the first second; then none.
    assert!((1..=6).contains(&stats.late_packets), "{stats:?}");
}

#[test]
fn a_network_that_gets_more_uneven_by_and_by_is_waited_for_before_its_packets_are_late() {
    let mut sent = Sender::new().speak_often(1_000, 20);
    // 3 ms more in each second.
    bunch(&mut sent, |index| (index as u64 * 3) / 50);
    let mut session = Session::adaptive();
    session.play(&sent, 20_000);
    let stats = session.buffer.stats();
    assert!(stats.repeated_periods > 2, "{stats:?}");
    assert_eq!(stats.delayed_packets, 0);
}

#[test]
fn a_network_that_gets_slower_for_good_is_no_more_delayed_by_us_than_before() {
    let mut sent = Sender::new().speak_often(500, 20);
    for packet in &mut sent[200..] {
        packet.arrival_us += 150_000;
    }
    let mut session = Session::adaptive();
    session.play(&sent, 10_000);
    let stats = session.buffer.stats();
    assert!(stats.delay_ms <= 35 && stats.target_ms == 20, "{stats:?}");
    // And one that gets quicker: what was held back is worked off.
    for packet in &mut sent[200..] {
        packet.arrival_us -= 150_000;
    }
    for packet in &mut sent[..200] {
        packet.arrival_us += 150_000;
    }
    sent.sort_by_key(|packet| packet.arrival_us);
    let mut session = Session::adaptive();
    session.play(&sent, 10_000);
    let stats = session.buffer.stats();
    assert!(stats.delay_ms <= 35 && stats.target_ms == 20, "{stats:?}");
}

/// An hour of a sender whose clock is so much faster than ours.
fn an_hour(ppm: i64) -> JitterStats {
    let mut session = Session::adaptive();
    let mut sender = Sender::new();
    for minute in 1..=60 {
        let mut sent = sender.speak_often(3_000, 20);
        for packet in &mut sent {
            let at_us = packet.arrival_us as i64;
            packet.arrival_us = (at_us - at_us * ppm / 1_000_000) as u64;
        }
        let end_ms = minute * 60_000;
        session.play(&sent, (end_ms - end_ms * ppm / 1_000_000) as u64);
        session.heard.clear();
        let stats = session.buffer.stats();
        assert!(
            (5..=50).contains(&stats.delay_ms),
            "minute {minute}: {stats:?}"
        );
        assert!(stats.level_ms <= 60, "minute {minute}: {stats:?}");
    }
    session.buffer.stats()
}

#[test]
fn a_clock_that_is_off_by_300_ppm_neither_starves_nor_delays_a_call_of_an_hour() {
    let fast = an_hour(300);
    // 1,080 ms in an hour.
    assert!(
        (1_040..=1_110).contains(&(fast.dropped_samples / 16)),
        "{fast:?}"
    );
    let slow = an_hour(-300);
    assert!(
        (1_040..=1_110).contains(&(slow.repeated_samples / 16)),
        "{slow:?}"
    );
    for stats in [fast, slow] {
        assert_eq!(
            (stats.concealed_frames, stats.silence_frames),
            (0, 2),
            "{stats:?}"
        );
        assert_eq!((stats.spurts, stats.overflow_packets), (1, 0), "{stats:?}");
    }
}

#[test]
fn comfort_packets_are_silence_that_nobody_made_up_and_no_spurt() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(10, 20);
    for _ in 0..5 {
        sent.push(sender.speak(20).comfort());
        sender.pause(380);
    }
    sent.extend(sender.speak_often(10, 20));
    let mut session = Session::adaptive();
    session.play(&sent, 2_420);
    let mut expected = vec![(0, 20)];
    expected.extend((1..=10).map(|id| (id, 20)));
    expected.push((0, 5 * 400));
    expected.extend((16..=25).map(|id| (id, 20)));
    assert_eq!(session.runs_ms(), expected);
    let stats = session.buffer.stats();
    assert_eq!((stats.concealed_frames, stats.missing_packets), (0, 0));
    assert_eq!((stats.spurts, stats.comfort_packets), (2, 5));
}

#[test]
fn the_noise_that_is_sent_between_comfort_packets_is_no_spurt() {
    // As libwebrtc sends what Opus makes of a silent room: 20 ms of it every 420 ms, and one packet of comfort behind it.
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(10, 20);
    sent.push(sender.speak(20).comfort());
    for _ in 0..5 {
        sender.pause(380);
        sent.push(sender.speak(20));
        sent.push(sender.speak(20).comfort());
    }
    sent.extend(sender.speak_often(10, 20));
    let mut session = Session::adaptive();
    session.play(&sent, 2_540);
    let mut expected = vec![(0, 20)];
    expected.extend((1..=10).map(|id| (id, 20)));
    expected.push((0, 20 + 5 * 420));
    expected.extend((22..=31).map(|id| (id, 20)));
    assert_eq!(session.runs_ms(), expected);
    let stats = session.buffer.stats();
    assert_eq!((stats.spurts, stats.comfort_packets), (2, 11));
    assert_eq!((stats.concealed_frames, stats.missing_packets), (0, 0));
}

#[test]
fn a_lost_packet_is_made_up_for_before_comfort_too() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(3, 20);
    sent.push(sender.speak(20).comfort());
    sent.remove(1);
    let mut session = Session::adaptive();
    session.play(&sent, 200);
    let expected = [(0, 20), (1, 20), (-1, 20), (3, 20), (0, 120)];
    assert_eq!(session.runs_ms(), expected);
}

#[test]
fn a_sender_whose_clock_stands_still_while_it_is_silent_is_not_thought_late() {
    // libwebrtc's sender counts the samples that it is fed.
    let mut sender = Sender::new();
    let (mut sent, mut spoken_ms) = (Vec::new(), Vec::new());
    for round in 0..20 {
        let packets = sender.speak_often(50, 20);
        spoken_ms.extend(packets.iter().map(|packet| packet.arrival_us / 1_000));
        sent.extend(packets);
        sender.now_us += [400_000, 700_000, 1_000_000, 2_000_000, 8_000_000][round % 5];
    }
    let mut session = Session::adaptive();
    session.play(&sent, spoken_ms.last().unwrap() + 200);
    let delays = delays_ms(&session, &sent, |index| spoken_ms[index]);
    assert_eq!(delays.len(), sent.len());
    let longest_ms = delays.iter().max().unwrap();
    assert!(*longest_ms <= MIN_MS as i64 + 10, "{longest_ms}");
    let stats = session.buffer.stats();
    assert_eq!((stats.target_ms, stats.target_changes), (20, 0));
}

#[test]
fn a_muted_track_is_heard_again_as_soon_as_before() {
    // A LiveKit server sends a second of silence for a muted track, then nothing, and its clock goes on.
    let mut sender = Sender::new();
    let (mut sent, mut spoken_ms) = (Vec::new(), Vec::new());
    for mute_ms in [200, 900, 5_000, 60_000] {
        let packets = sender.speak_often(150, 20);
        spoken_ms.extend(packets.iter().map(|packet| packet.arrival_us / 1_000));
        sent.extend(packets);
        sender.pause(mute_ms);
    }
    let mut session = Session::adaptive();
    session.play(&sent, spoken_ms.last().unwrap() + 200);
    let delays = delays_ms(&session, &sent, |index| spoken_ms[index]);
    assert_eq!(delays, vec![MIN_MS as i64; sent.len()]);
}

#[test]
fn a_new_ssrc_does_not_inherit_what_a_hold_has_cost() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(100, 20);
    hold(&mut sent, 1_500, 490);
    sender.ssrc += 1;
    sent.extend(sender.speak_often(100, 20));
    let mut session = Session::adaptive();
    session.play(&sent, 4_000);
    let delays = delays_ms(&session, &sent[100..], |index| 2_000 + without_pause(index));
    assert!(delays[0] <= MAX_MS as i64, "{delays:?}");
    assert!(*delays.last().unwrap() <= MIN_MS as i64 + 10, "{delays:?}");
}

#[test]
fn a_fixed_delay_is_kept_whatever_the_network_does() {
    let mut sent = Sender::new().speak_often(400, 20);
    bunch(&mut sent, |_| 60);
    let delay = DelayBounds {
        min_ms: 100,
        max_ms: 100,
    };
    let mut session = Session::with(delay, 64);
    session.play(&sent, 8_000);
    let stats = session.buffer.stats();
    assert_eq!((stats.target_ms, stats.delay_ms), (100, 100));
    assert_eq!((stats.dropped_periods, stats.repeated_periods), (0, 0));
}

#[test]
fn what_is_said_of_the_delay_is_what_is_heard() {
    let mut sent = Sender::new().speak_often(600, 20);
    hold(&mut sent, 3_000, 400);
    bunch(&mut sent[300..], |_| 50);
    let mut session = Session::adaptive();
    for tick in 0..1_200 {
        let of_tick: Vec<Sent> = sent
            .iter()
            .filter(|packet| (packet.arrival_us / 10_000) == tick)
            .cloned()
            .collect();
        session.play(&of_tick, (tick + 1) * 10);
        let frame = &session.heard[session.heard.len() - 160..];
        // A frame in which a packet begins or goes on, and nothing else is.
        let id = frame[0];
        if id > 0 && frame.iter().all(|&sample| sample == id) {
            let said_ms = i64::from(session.buffer.stats().delay_ms);
            let spoken_ms = (i64::from(id) - 1) * 20;
            let heard_ms = tick as i64 * 10 - spoken_ms;
            // The packet's own 20 ms: where in it the frame lies is not heard.
            assert!(
                (0..=20).contains(&(heard_ms - said_ms)),
                "{heard_ms}, not {said_ms}"
            );
        }
    }
    assert!(session.buffer.stats().dropped_periods > 20);
}

#[test]
fn a_late_shard_drops_and_repeats_what_one_in_time_does() {
    let mut sent = Sender::new().speak_often(300, 20);
    hold(&mut sent, 1_000, 200);
    bunch(&mut sent[150..], |_| 18);
    let mut in_time = Session::adaptive();
    in_time.play(&sent, 6_000);
    let mut late = Session::adaptive();
    let mut arrivals = sent.iter().peekable();
    // It wakes for one tick, then for the three that it owes, and so on; where packets are missing it never is late.
    for tick in 0..600_u64 {
        let owes = (tick / 20) % 2 == 1 && !(95..140).contains(&tick);
        if owes && tick % 4 != 3 {
            continue;
        }
        late.now_us = tick * 10_000;
        while let Some(packet) = arrivals.next_if(|packet| packet.arrival_us <= late.now_us) {
            late.push(packet);
        }
        while (late.outcomes.len() as u64) <= tick {
            late.pull();
        }
    }
    assert_eq!(late.buffer.stats(), in_time.buffer.stats());
    assert!(late.heard == in_time.heard);
    assert!(late.buffer.stats().dropped_periods > 10);
}

#[test]
fn the_end_of_a_stream_is_made_up_once_and_leaves_nothing() {
    let sent = Sender::new().speak_often(50, 20);
    let mut session = Session::adaptive();
    session.play(&sent, 3_000);
    let stats = session.buffer.stats();
    assert_eq!((stats.held_packets, stats.level_ms), (0, 0));
    assert_eq!(stats.concealed_frames, CONCEALED_AT_END);
    let frames = stats.decoded_frames + stats.concealed_frames + stats.silence_frames;
    assert_eq!(frames, 300);
}
