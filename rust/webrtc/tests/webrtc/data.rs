//! Messages both ways.

use crate::support::{Call, Options, payload};
use beluga_sim::{Conditions, GilbertElliott};
use beluga_webrtc::{
    Channel, INCOMING_BYTES, LOSSY_BUFFER_BYTES, PeerCommand, PeerEvent, RELIABLE_BUFFER_BYTES,
};

const RELIABLE: Channel = Channel(0);
const LOSSY: Channel = Channel(1);
/// A chunk of a stream, as LiveKit cuts them.
const CHUNK_BYTES: usize = 15_000;

fn chunk(n: u64) -> Vec<u8> {
    let mut bytes = vec![n as u8; CHUNK_BYTES];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

fn send(call: &Call, ticket: u64, channel: Channel, message: Vec<u8>) {
    call.command(PeerCommand::Send {
        ticket,
        channel,
        message,
    });
}

/// Tickets and whether they were taken, in their order.
fn tickets(call: &Call) -> Vec<(u64, bool)> {
    call.heard(|event| match event {
        PeerEvent::Sent { ticket, taken } => Some((*ticket, *taken)),
        _ => None,
    })
}

fn messages(call: &Call) -> Vec<(Channel, Vec<u8>)> {
    call.heard(|event| match event {
        PeerEvent::Message { channel, message } => Some((*channel, message.clone())),
        _ => None,
    })
}

fn dropped(call: &Call, channel: Channel) -> u64 {
    let counts = call.heard(|event| match event {
        PeerEvent::MessagesDropped { channel: of, count } if *of == channel => Some(*count),
        _ => None,
    });
    counts.iter().sum()
}

#[test]
fn messages_go_both_ways_on_both_channels() {
    let (mut call, _, _) = Call::connected(Options::default());
    send(&call, 1, RELIABLE, b"from us, surely".to_vec());
    send(&call, 2, LOSSY, b"from us, perhaps".to_vec());
    let now = call.instant(call.now_us);
    assert!(call.far.write(now, "_reliable", b"to us, surely"));
    assert!(call.far.write(now, "_lossy", b"to us, perhaps"));
    call.run_ms(100);
    assert_eq!(tickets(&call), [(1, true), (2, true)]);
    let mut there = call.far.messages.clone();
    there.sort();
    assert_eq!(
        there,
        [
            ("_lossy".to_owned(), b"from us, perhaps".to_vec()),
            ("_reliable".to_owned(), b"from us, surely".to_vec()),
        ]
    );
    assert_eq!(
        messages(&call),
        [
            (RELIABLE, b"to us, surely".to_vec()),
            (LOSSY, b"to us, perhaps".to_vec()),
        ]
    );
}

#[test]
fn messages_that_are_sent_before_the_channel_opens_wait_for_it() {
    let mut call = Call::new(Options::default());
    send(&call, 1, RELIABLE, b"early".to_vec());
    call.run_ms(50);
    call.negotiate(beluga_webrtc::OfferRequest::default());
    call.run_until("it arrives", |call| !call.far.messages.is_empty());
    assert_eq!(call.far.messages[0].1, b"early");
}

/// Sends this many chunks, as fast as tickets come back; sound goes on meanwhile.
fn ten_megabytes_to_the_other_side(options: Options) {
    let (mut call, mid, _) = Call::connected(options);
    let mut microphone = call.microphone(1, &mid);
    let chunks = 10_000_000_u64.div_ceil(CHUNK_BYTES as u64);
    let in_flight = 40;
    let mut ticks = 0;
    let mut next = 0;
    while (call.far.messages.len() as u64) < chunks {
        let taken = tickets(&call).len() as u64;
        while next < chunks && next < taken + in_flight {
            send(&call, next, RELIABLE, chunk(next));
            next += 1;
        }
        microphone.tick(call.now_us);
        call.run_ms(10);
        ticks += 1;
        assert!(ticks < 12_000, "it takes over two minutes");
    }
    call.run_ms(100);
    assert_eq!(call.far.messages.len() as u64, chunks);
    for (n, (_, message)) in call.far.messages.iter().enumerate() {
        assert_eq!(message[..8], (n as u64).to_be_bytes());
    }
    let numbers: Vec<u64> = tickets(&call).iter().map(|ticket| ticket.0).collect();
    assert_eq!(numbers, (0..chunks).collect::<Vec<_>>());
    assert!(tickets(&call).iter().all(|ticket| ticket.1));
}

#[test]
fn ten_megabytes_arrive_in_order() {
    ten_megabytes_to_the_other_side(Options::default());
}

#[test]
fn ten_megabytes_arrive_in_order_over_a_network_that_loses() {
    let lossy = Conditions {
        delay_us: 10_000,
        loss: GilbertElliott::independent(0.01),
        ..Conditions::default()
    };
    ten_megabytes_to_the_other_side(Options {
        up: lossy,
        down: lossy,
        ..Options::default()
    });
}

#[test]
fn ten_megabytes_come_in_order_to_a_reader_who_reads_and_sound_is_unharmed() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    let chunks = 10_000_000_u64.div_ceil(CHUNK_BYTES as u64);
    let (mut next, mut said, mut ticks) = (0, 0, 0);
    let mut came = Vec::new();
    while (came.len() as u64) < chunks {
        let now = call.instant(call.now_us);
        while next < chunks && call.far.write(now, "_reliable", &chunk(next)) {
            next += 1;
        }
        if ticks % 2 == 0 {
            let timestamp = said as u32 * 960;
            call.far.say(now, &receive.0, timestamp, &payload(said));
            said += 1;
        }
        call.run_ms(10);
        speaker.tick(call.now_us);
        came.extend(messages(&call));
        call.events.clear();
        ticks += 1;
        assert!(ticks < 6_000, "it takes over a minute");
    }
    for (n, (_, message)) in came.iter().enumerate() {
        assert_eq!(*message, chunk(n as u64));
    }
    let heard = speaker.heard();
    assert!(heard.len() as u64 + 8 >= said, "{} of {said}", heard.len());
    assert_eq!(speaker.shared.counters.frames_concealed.get(), 0);
    // 2.7 MB in a second at most.
    assert!(ticks > 370, "{ticks} ticks");
}

#[test]
fn a_reliable_message_waits_while_a_megabyte_is_buffered_and_beyond_another_it_is_refused() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.link_up = false;
    let fits = (RELIABLE_BUFFER_BYTES / CHUNK_BYTES) as u64;
    for ticket in 0..150 {
        send(&call, ticket, RELIABLE, chunk(ticket));
    }
    call.run_ms(1_000);
    let taken = tickets(&call);
    let (yes, no): (Vec<_>, Vec<_>) = taken.into_iter().partition(|ticket| ticket.1);
    assert!((fits..=fits + 2).contains(&(yes.len() as u64)), "{yes:?}");
    assert_eq!(no.len() as u64, 150 - yes.len() as u64 - fits, "{no:?}");
    call.link_up = true;
    call.run_until("the rest", |call| {
        call.far.messages.len() as u64 == 150 - no.len() as u64
    });
    let numbers = call
        .far
        .messages
        .iter()
        .map(|message| message.1[..8].to_vec());
    assert!(numbers.is_sorted(), "they kept their order");
}

#[test]
fn a_lossy_message_is_dropped_when_too_much_is_buffered() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.link_up = false;
    for ticket in 0..40 {
        send(&call, ticket, LOSSY, chunk(ticket));
    }
    call.run_ms(100);
    let fits = LOSSY_BUFFER_BYTES / CHUNK_BYTES;
    let taken = tickets(&call).iter().filter(|ticket| ticket.1).count();
    assert!((fits..=fits + 5).contains(&taken), "{taken}");
    assert_eq!(tickets(&call).len(), 40);
}

#[test]
fn a_lossy_message_does_not_stand_behind_a_file() {
    let (mut call, _, _) = Call::connected(Options::default());
    for ticket in 0..60 {
        send(&call, ticket, RELIABLE, chunk(ticket));
    }
    call.run_ms(50);
    send(&call, 100, LOSSY, b"now".to_vec());
    call.run_ms(60);
    assert!(call.far.messages.iter().any(|message| message.1 == b"now"));
    assert!(call.far.messages.len() < 60);
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let (mut call, _, _) = Call::connected(Options::default());
    send(&call, 1, RELIABLE, vec![0; 64_001]);
    send(&call, 2, Channel(2), vec![0]);
    send(&call, 3, RELIABLE, Vec::new());
    send(&call, 4, RELIABLE, vec![0; 64_000]);
    call.run_ms(100);
    assert_eq!(
        tickets(&call),
        [(1, false), (2, false), (3, false), (4, true)]
    );
    assert_eq!(call.far.messages.len(), 1);
}

#[test]
fn tickets_that_wait_when_the_peer_closes_are_answered_before_it_says_goodbye() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.link_up = false;
    for ticket in 0..100 {
        send(&call, ticket, RELIABLE, chunk(ticket));
    }
    call.command(PeerCommand::Close);
    call.run_ms(100);
    assert_eq!(tickets(&call).len(), 100);
    assert!(matches!(call.events.last(), Some(PeerEvent::Closed(None))));
}

#[test]
fn a_channel_that_the_other_side_closes_is_closed() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.far.close_channel("_reliable");
    call.run_ms(100);
    assert!(call.has(|event| matches!(event, PeerEvent::ChannelClosed(RELIABLE))));
    send(&call, 1, RELIABLE, b"too late".to_vec());
    call.run_ms(100);
    assert_eq!(tickets(&call), [(1, false)]);
}

#[test]
fn what_comes_on_a_channel_of_the_same_label_that_the_other_side_opened_is_heard() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.far.open_channel("_lossy");
    call.run_ms(100);
    let now = call.instant(call.now_us);
    assert!(call.far.write_last(now, b"on theirs"));
    call.run_ms(100);
    assert_eq!(messages(&call), [(LOSSY, b"on theirs".to_vec())]);
}

#[test]
fn what_comes_on_a_channel_that_nobody_asked_for_is_not_heard() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.far.open_channel("strange");
    call.run_ms(100);
    let now = call.instant(call.now_us);
    assert!(call.far.write_last(now, b"hello?"));
    call.run_ms(100);
    assert!(messages(&call).is_empty());
}

#[test]
fn a_reader_who_does_not_read_loses_the_oldest_lossy_and_the_newest_reliable() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.listens = false;
    let mut next = 0;
    for n in 0..20 {
        let now = call.instant(call.now_us);
        assert!(call.far.write(now, "_lossy", &chunk(n)));
        call.run_ms(20);
    }
    while next < 150 {
        let now = call.instant(call.now_us);
        while next < 150 && call.far.write(now, "_reliable", &chunk(next)) {
            next += 1;
        }
        call.run_ms(10);
    }
    call.run_ms(5_000);
    call.listens = true;
    call.run_ms(1_000);
    let came = messages(&call);
    let bytes: usize = came.iter().map(|(_, message)| message.len()).sum();
    assert!(bytes <= INCOMING_BYTES, "{bytes}");
    assert!(bytes > INCOMING_BYTES - CHUNK_BYTES, "{bytes}");
    let of = |channel| came.iter().filter(move |message| message.0 == channel);
    let reliable: Vec<_> = of(RELIABLE).map(|message| message.1.clone()).collect();
    let expected: Vec<_> = (0..reliable.len() as u64).map(chunk).collect();
    assert!(reliable == expected, "the first ones, in order");
    // Those that had gone to the reader's queue were safe.
    let lossy: Vec<_> = of(LOSSY).map(|message| message.1.clone()).collect();
    assert!(lossy == (0..lossy.len() as u64).map(chunk).collect::<Vec<_>>());
    assert_eq!(dropped(&call, LOSSY), 20 - lossy.len() as u64);
    assert_eq!(dropped(&call, RELIABLE), 150 - reliable.len() as u64);
    // It goes on where there is room again.
    let now = call.instant(call.now_us);
    assert!(call.far.write(now, "_reliable", b"after"));
    call.run_ms(100);
    assert_eq!(messages(&call).last(), Some(&(RELIABLE, b"after".to_vec())));
}

#[test]
fn of_lossy_messages_alone_the_newest_are_kept() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.listens = false;
    for n in 0..150 {
        let now = call.instant(call.now_us);
        assert!(call.far.write(now, "_lossy", &chunk(n)));
        call.run_ms(20);
    }
    call.listens = true;
    call.run_ms(100);
    let came: Vec<Vec<u8>> = messages(&call).into_iter().map(|came| came.1).collect();
    assert_eq!(dropped(&call, LOSSY), 150 - came.len() as u64);
    assert!((60..75).contains(&came.len()), "{}", came.len());
    // The first ones had gone to the reader's queue.
    assert!(came[0] == chunk(0) && came[came.len() - 1] == chunk(149));
    assert!(came.is_sorted());
}

#[test]
fn a_reader_who_is_slow_but_reads_in_time_loses_nothing() {
    let (mut call, _, _) = Call::connected(Options::default());
    call.listens = false;
    let chunks = 200;
    let (mut next, mut came) = (0, Vec::new());
    while came.len() < chunks as usize {
        let now = call.instant(call.now_us);
        // No faster than he reads.
        if next < chunks && next < came.len() as u64 + 60 {
            next += u64::from(call.far.write(now, "_reliable", &chunk(next)));
        }
        call.run_ms(10);
        let handle = call.handle.as_ref().expect("it is there");
        came.extend(handle.events().take(1).filter_map(|event| match event {
            PeerEvent::Message { message, .. } => Some(message),
            _ => None,
        }));
    }
    assert!(came == (0..chunks).map(chunk).collect::<Vec<_>>());
}
