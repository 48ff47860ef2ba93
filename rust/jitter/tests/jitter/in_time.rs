//! Sound in order and in time, with a delay that need not change.

use std::sync::atomic::Ordering;

use beluga_jitter::{PullOutcome, PushOutcome};

use crate::harness::{FRAME, MADE_UP, Sender, Session};

#[test]
fn nothing_is_heard_until_the_target_has_passed() {
    let sent = Sender::new().speak_often(3, 20);
    let mut session = Session::new(60);
    session.play(&sent, 120);
    assert_eq!(session.runs_ms(), [(0, 60), (1, 20), (2, 20), (3, 20)]);
    assert_eq!(session.outcomes[5], PullOutcome::Silence);
    assert_eq!(session.outcomes[6], PullOutcome::Decoded);
}

#[test]
fn with_no_target_sound_comes_in_the_tick_of_its_packet() {
    let sent = Sender::new().speak_often(2, 10);
    let mut session = Session::new(0);
    session.play(&sent, 20);
    assert_eq!(session.runs_ms(), [(1, 10), (2, 10)]);
}

#[test]
fn a_packet_is_decoded_only_when_its_sound_is_needed() {
    let sent = Sender::new().speak_often(3, 20);
    let mut session = Session::new(40);
    let mut decoded = Vec::new();
    for tick in 0..10 {
        session.play(
            &sent[(tick / 2).min(2)..(tick / 2 + 1).min(3)],
            (tick as u64 + 1) * 10,
        );
        decoded.push(session.decoded.load(Ordering::Relaxed));
    }
    assert_eq!(decoded, [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]);
}

#[test]
fn the_rest_of_a_long_packet_is_carried_over() {
    let mut sender = Sender::new();
    let sent = [60, 5, 120, 15].map(|ms| sender.speak(ms));
    let mut session = Session::new(20);
    session.play(&sent, 220);
    assert_eq!(
        session.runs_ms(),
        [(0, 20), (1, 60), (2, 5), (3, 120), (4, 15)]
    );
}

#[test]
fn a_lost_packet_is_concealed_for_as_long_as_it_was() {
    let mut sent = Sender::new().speak_often(5, 20);
    sent.drain(1..3);
    let mut session = Session::new(60);
    session.play(&sent, 160);
    let expected = [(0, 60), (1, 20), (-1, 40), (4, 20), (5, 20)];
    assert_eq!(session.runs_ms(), expected);
    let stats = session.buffer.stats();
    assert_eq!((stats.missing_packets, stats.concealed_frames), (2, 4));
    assert_eq!(stats.spurts, 1);
}

#[test]
fn a_frame_that_is_made_up_in_part_is_called_concealed() {
    let mut sender = Sender::new();
    let mut sent = [5, 5, 10].map(|ms| sender.speak(ms)).to_vec();
    sent.remove(1);
    let mut session = Session::new(20);
    session.play(&sent, 40);
    assert_eq!(session.runs_ms(), [(0, 20), (1, 5), (-1, 5), (3, 10)]);
    assert_eq!(session.outcomes[2], PullOutcome::Concealed);
}

#[test]
fn a_loss_that_no_codec_conceals_to_the_sample_is_concealed_all_the_same() {
    // Codecs make multiples of 2.5 ms.
    let mut sender = Sender::new();
    let mut sent = [4, 3, 13].map(|ms| sender.speak(ms)).to_vec();
    sent.remove(1);
    let mut session = Session::new(20);
    session.play(&sent, 40);
    assert_eq!(session.runs_ms(), [(0, 20), (1, 4), (-1, 3), (3, 13)]);
}

#[test]
fn concealment_fades_out_and_ends_after_120_ms() {
    let sent = Sender::new().speak_often(1, 20);
    let mut session = Session::new(0);
    session.play(&sent, 200);
    assert_eq!(session.runs_ms(), [(1, 20), (-1, 120), (0, 60)]);
    let fade = &session.heard[13 * FRAME..14 * FRAME];
    assert_eq!(fade[0], MADE_UP);
    assert!(fade.is_sorted() && fade[FRAME / 2] == MADE_UP / 2 && fade[FRAME - 1] > -100);
}

#[test]
fn after_a_long_loss_a_spurt_begins_with_the_whole_target() {
    let mut sent = Sender::new().speak_often(20, 20);
    sent.drain(1..18);
    let mut session = Session::new(60);
    session.play(&sent, 460);
    let silence = 360 - 20 - 120;
    let expected = [
        (0, 60),
        (1, 20),
        (-1, 120),
        (0, silence),
        (19, 20),
        (20, 20),
    ];
    assert_eq!(session.runs_ms(), expected);
    assert_eq!(session.buffer.stats().missing_packets, 17);
}

#[test]
fn a_pause_of_the_sender_is_silence_and_not_loss() {
    let mut sender = Sender::new();
    let mut sent = vec![sender.speak(20)];
    sender.pause(30);
    sent.push(sender.speak(20));
    let mut session = Session::new(60);
    session.play(&sent, 130);
    assert_eq!(session.runs_ms(), [(0, 60), (1, 20), (0, 30), (2, 20)]);
    let stats = session.buffer.stats();
    assert_eq!((stats.missing_packets, stats.concealed_frames), (0, 0));
    assert_eq!(stats.spurts, 2);
}

#[test]
fn a_spurt_whose_first_packet_is_late_waits_the_less() {
    let mut sender = Sender::new();
    let mut sent = vec![sender.speak(20).at_ms(0)];
    sender.pause(480);
    // Spoken at 500 ms and 40 ms late: it is heard at 560 as if it had been in time.
    sent.extend([540, 545].map(|ms| sender.speak(20).at_ms(ms)));
    let mut session = Session::new(60);
    session.play(&sent, 600);
    let expected = [(0, 60), (1, 20), (-1, 120), (0, 360), (2, 20), (3, 20)];
    assert_eq!(session.runs_ms(), expected);
    assert_eq!(session.buffer.stats().missing_packets, 0);
}

#[test]
fn a_spurt_whose_first_packet_is_later_than_the_target_does_not_wait() {
    let mut sender = Sender::new();
    let mut sent = vec![sender.speak(20).at_ms(0)];
    sender.pause(480);
    sent.extend([590, 592].map(|ms| sender.speak(20).at_ms(ms)));
    let mut session = Session::new(60);
    session.play(&sent, 640);
    let expected = [(0, 60), (1, 20), (-1, 120), (0, 390), (2, 20), (3, 20)];
    assert_eq!(session.runs_ms()[..6], expected);
}

/// Four packets, one of which comes when it comes; what was heard in so many milliseconds.
fn with_one_late(number: usize, arrival_us: u64, ms: u64) -> Session {
    let mut sent = Sender::new().speak_often(4, 20);
    sent[number].arrival_us = arrival_us;
    let mut session = Session::new(60);
    session.play(&sent, ms);
    session
}

#[test]
fn a_packet_that_comes_when_the_next_one_was_played_is_dropped() {
    let session = with_one_late(1, 101_000, 140);
    let expected = [(0, 60), (1, 20), (-1, 20), (3, 20), (4, 20)];
    assert_eq!(session.runs_ms(), expected);
    let stats = session.buffer.stats();
    assert_eq!((stats.late_packets, stats.missing_packets), (1, 1));
    assert_eq!(stats.overdue_packets, 1, "it is not lost");
}

#[test]
fn a_packet_from_before_the_first_that_was_played_was_missed_by_nobody() {
    let session = with_one_late(0, 101_000, 200);
    let stats = session.buffer.stats();
    assert_eq!((stats.late_packets, stats.missing_packets), (1, 0));
    assert_eq!(stats.overdue_packets, 0);
}

#[test]
fn a_packet_that_comes_after_its_time_and_before_the_next_one_is_heard_whole() {
    let session = with_one_late(1, 90_000, 150);
    let expected = [(0, 60), (1, 20), (-1, 10), (2, 20), (3, 20), (4, 20)];
    assert_eq!(session.runs_ms(), expected);
    let stats = session.buffer.stats();
    assert_eq!((stats.delayed_packets, stats.late_packets), (1, 0));
}

#[test]
fn a_packet_is_a_duplicate_while_it_is_held_and_once_it_was_played() {
    let sent = Sender::new().speak_often(2, 20);
    let mut session = Session::new(0);
    assert_eq!(session.push(&sent[0]), PushOutcome::Queued);
    assert_eq!(session.push(&sent[0]), PushOutcome::Duplicate);
    session.pull();
    assert_eq!(session.push(&sent[0]), PushOutcome::Duplicate);
    assert_eq!(session.push(&sent[1]), PushOutcome::Queued);
    assert_eq!(session.buffer.stats().duplicate_packets, 2);
}

#[test]
fn a_late_packet_that_comes_twice_is_late_and_then_a_duplicate() {
    let sent = Sender::new().speak_often(3, 20);
    let mut session = Session::new(0);
    session.play(&[sent[0].clone(), sent[2].clone()], 60);
    assert_eq!(session.push(&sent[1]), PushOutcome::Late);
    assert_eq!(session.push(&sent[1]), PushOutcome::Duplicate);
}

#[test]
fn a_full_buffer_drops_the_oldest_and_its_time() {
    let mut session = Session::with_capacity(0, 3);
    let mut sent = Sender::new().speak_often(6, 20).into_iter();
    for packet in sent.by_ref().take(4) {
        session.push(&packet.at_ms(0));
    }
    assert_eq!(session.buffer.stats().overflow_packets, 1);
    session.pull();
    // Packet 2 is being played; 3 and 4 are held, so that 6 pushes 3 out.
    assert_eq!(session.push(&sent.next().unwrap()), PushOutcome::Queued);
    assert_eq!(session.push(&sent.next().unwrap()), PushOutcome::Overflow);
    let stats = session.buffer.stats();
    assert_eq!((stats.held_packets, stats.queued_packets), (3, 6));
    session.play(&[], 60);
    assert!(session.heard_all([2, 4, 5, 6].into_iter()));
    let stats = session.buffer.stats();
    assert_eq!((stats.decoded_packets, stats.missing_packets), (4, 0));
}

#[test]
fn what_is_older_than_all_that_a_full_buffer_holds_is_dropped_itself() {
    let mut session = Session::with_capacity(20, 2);
    let sent = Sender::new().speak_often(3, 20);
    for packet in [&sent[1], &sent[2]] {
        session.push(&packet.clone().at_ms(0));
    }
    assert_eq!(session.push(&sent[0]), PushOutcome::Overflow);
    session.play(&[], 60);
    assert!(session.heard_all([2, 3].into_iter()));
    let stats = session.buffer.stats();
    assert_eq!((stats.queued_packets, stats.overflow_packets), (3, 1));
}

#[test]
fn the_level_is_all_sound_that_is_held() {
    let mut session = Session::new(0);
    for packet in Sender::new().speak_often(3, 20) {
        session.push(&packet);
    }
    assert_eq!(session.buffer.stats().level_ms, 60);
    session.pull();
    let stats = session.buffer.stats();
    assert_eq!(
        (stats.level_ms, stats.held_packets, stats.target_ms),
        (50, 2, 0)
    );
}

#[test]
fn a_late_shard_that_pulls_what_it_owes_gives_the_same_sound() {
    let mut sender = Sender::new();
    let mut sent = sender.speak_often(4, 20);
    sender.pause(40);
    sent.extend(sender.speak_often(4, 20));
    let mut in_time = Session::new(60);
    in_time.play(&sent, 300);
    let mut late = Session::new(60);
    // The first tick is in time; then the thread sleeps for 290 ms.
    late.play(&sent[..1], 10);
    for packet in &sent[1..] {
        late.push(packet);
    }
    late.now_us = 290_000;
    for _ in 0..29 {
        late.pull();
    }
    let voices = |session: &Session| -> Vec<i16> {
        session.heard.iter().map(|&sample| sample.max(0)).collect()
    };
    assert_eq!(voices(&late), voices(&in_time));
}
