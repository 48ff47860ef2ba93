//! Streams that break the rules, and how soon they are heard again.

use std::sync::atomic::Ordering;

use beluga_jitter::PushOutcome;

use crate::harness::{Sender, Sent, Session};

#[test]
fn a_new_ssrc_starts_buffer_and_decoder_from_nothing() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(5, 20);
    (sender.ssrc, sender.sequence, sender.timestamp) = (7, 60_000, 9);
    sent.extend(sender.speak_often(3, 20));
    let mut session = Session::new(60);
    session.play(&sent, 220);
    // Packets 3 to 5 of the old stream were held when the new one began.
    let expected = [
        (0, 60),
        (1, 20),
        (2, 20),
        (0, 60),
        (6, 20),
        (7, 20),
        (8, 20),
    ];
    assert_eq!(session.runs_ms(), expected);
    assert_eq!(session.buffer.stats().ssrc_changes, 1);
    assert_eq!(session.resets.load(Ordering::Relaxed), 1);
}

#[test]
fn what_was_decoded_of_the_old_ssrc_is_not_heard_after_it() {
    let mut sender = Sender::new();
    let old = sender.speak(60).at_ms(0);
    sender.ssrc = 7;
    let new = sender.speak(20).at_ms(10);
    let mut session = Session::new(0);
    session.play(&[old, new], 30);
    assert_eq!(session.runs_ms(), [(1, 10), (2, 20)]);
}

#[test]
fn an_overtaken_packet_of_the_old_ssrc_does_not_bring_it_back() {
    let mut sender = Sender::new();
    let old = sender.speak_often(3, 20);
    sender.ssrc = 7;
    let new = sender.speak_often(2, 20);
    let mut session = Session::new(0);
    assert_eq!(session.push(&old[0]), PushOutcome::Queued);
    assert_eq!(session.push(&new[0]), PushOutcome::Queued);
    assert_eq!(session.push(&old[1].clone().at_ms(70)), PushOutcome::Late);
    assert_eq!(session.push(&new[1]), PushOutcome::Queued);
    assert_eq!(session.buffer.stats().ssrc_changes, 1);
    // The sender may go back to it later.
    assert_eq!(
        session.push(&old[2].clone().at_ms(260)),
        PushOutcome::Queued
    );
}

#[test]
fn a_sequence_that_restarts_costs_one_packet() {
    for (sequence, timestamp) in [(40_000, 5), (90_u16.wrapping_sub(20_000), 1 << 31)] {
        let mut sender = Sender::new();
        let mut sent = sender.speak_often(5, 20);
        sender.pause(200);
        (sender.sequence, sender.timestamp) = (sequence, timestamp);
        sent.extend(sender.speak_often(3, 20));
        let mut session = Session::new(60);
        session.play(&sent, 420);
        let expected = [
            (0, 60),
            (1, 20),
            (2, 20),
            (3, 20),
            (4, 20),
            (5, 20),
            (-1, 120),
            (0, 100),
            (7, 20),
            (8, 20),
        ];
        assert_eq!(session.runs_ms(), expected);
        assert_eq!(session.buffer.stats().sequence_restarts, 1);
        assert_eq!(session.resets.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_sequence_that_steps_back_a_little_is_heard_within_100_packets() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(150, 20);
    sender.sequence -= 100;
    sent.extend(sender.speak_often(150, 20));
    let mut session = Session::new(60);
    session.play(&sent, 6_060);
    let runs = session.runs_ms();
    let again = runs.iter().position(|&run| run == (251, 20)).unwrap();
    assert!(runs[..again].iter().all(|&(name, _)| name <= 150));
    assert_eq!(runs[again..].len(), 50);
}

#[test]
fn timestamps_that_jump_lose_nothing_and_wait_no_longer_than_the_target() {
    let hour = 3_600 * 48_000;
    for jump in [
        hour,
        11 * hour,
        13 * hour,
        1 << 31,
        u32::MAX - hour,
        u32::MAX - 48_000,
    ] {
        let mut sender = Sender::new();
        let mut sent = sender.speak_often(5, 20);
        sender.timestamp = sender.timestamp.wrapping_add(jump);
        sent.extend(sender.speak_often(5, 20));
        let mut session = Session::new(60);
        session.play(&sent, 260);
        let mut expected = vec![(0, 60)];
        expected.extend((1..=10).map(|id| (id, 20)));
        assert_eq!(session.runs_ms(), expected, "a jump of {jump}");
    }
}

#[test]
fn timestamps_that_step_back_by_less_than_a_hold_of_the_network_lose_nothing_either() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(5, 20);
    sender.timestamp -= 60 * 48;
    sent.extend(sender.speak_often(50, 20));
    let mut session = Session::new(60);
    session.play(&sent, 1_100);
    assert!(session.heard_all(1..=50));
    assert_eq!(session.buffer.stats().concealed_frames, 0);
}

#[test]
fn one_packet_with_a_wild_timestamp_disturbs_no_other() {
    let mut sent = Sender::new().speak_often(10, 20);
    sent[4].timestamp = sent[4].timestamp.wrapping_add(1_000_000_000);
    let mut session = Session::new(60);
    session.play(&sent, 260);
    let mut expected = vec![(0, 60)];
    expected.extend((1..=10).map(|id| (id, 20)));
    assert_eq!(session.runs_ms(), expected);
}

#[test]
fn a_network_that_gets_slower_for_good_loses_nothing() {
    for extra_ms in [10, 70, 80, 100, 140, 180, 400] {
        let mut sent = Sender::new().speak_often(60, 20);
        for packet in &mut sent[10..] {
            packet.arrival_us += extra_ms * 1_000;
        }
        let mut session = Session::new(60);
        session.play(&sent, 1_200 + extra_ms);
        assert!(session.heard_all(1..=54), "after {extra_ms} ms");
        let stats = session.buffer.stats();
        assert_eq!((stats.late_packets, stats.missing_packets), (0, 0));
        // Made up is what the target did not cover, as far as anything is made up.
        let longest_ms = extra_ms.saturating_sub(60).min(120);
        assert!(stats.concealed_frames * 10 <= longest_ms + 10, "{stats:?}");
    }
}

#[test]
fn an_arrival_in_the_future_does_not_hold_the_spurt_for_ever() {
    let mut session = Session::new(60);
    let sent: Vec<Sent> = Sender::new().speak_often(3, 20);
    for packet in &sent {
        let mut packet = packet.clone();
        packet.arrival_us = u64::MAX;
        session.push(&packet);
    }
    session.play(&[], 80);
    // All are taken as of the first pull, which makes the first 40 ms later than the last.
    assert_eq!(session.runs_ms(), [(0, 20), (1, 20), (2, 20), (3, 20)]);
}
