//! Sound both ways, to the byte.

use crate::support::{Call, Options, payload};
use beluga_engine::{PacketSink, PacketSource};
use beluga_webrtc::{InputId, Mid, OutputId, PeerCommand, PeerEvent};

/// The far side says packets from `first` on, 20 ms apart.
fn say(call: &mut Call, receive: &Mid, first: u64, count: u64, mut tick: impl FnMut(&mut Call)) {
    for n in first..first + count {
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n as u32 * 960, &payload(n));
        for _ in 0..2 {
            call.run_ms(10);
            tick(call);
        }
    }
}

#[test]
fn what_the_caller_sends_is_heard_to_the_byte() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    say(&mut call, &receive, 0, 100, |call| {
        speaker.tick(call.now_us)
    });
    let heard = speaker.heard();
    assert!(heard.len() >= 95, "{} packets", heard.len());
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(*packet, payload(n as u64));
    }
    let (count, _, oldest_us) = speaker.shared.counters.frame_age_in_us.get();
    assert_eq!(count, 100);
    // Since it came, not since it was taken.
    assert!((1_000..=10_000).contains(&oldest_us), "{oldest_us}");
}

#[test]
fn what_the_agent_says_arrives_to_the_byte_numbered_and_timed_without_a_gap() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    for _ in 0..200 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    let packets = &call.far.packets;
    assert_eq!(packets.len(), 100);
    let first = &packets[0];
    assert!(first.header.marker);
    assert!(*first.seq_no < 65_536);
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(*packet.payload, *payload(n as u64));
        assert_eq!(*packet.seq_no, *first.seq_no + n as u64);
        let elapsed = packet.header.timestamp.wrapping_sub(first.header.timestamp);
        assert_eq!(elapsed, n as u32 * 960);
        assert_eq!(packet.header.marker, n == 0);
        assert_eq!(packet.header.ext_vals.audio_level, Some(-20));
        assert_eq!(packet.header.ext_vals.voice_activity, Some(true));
    }
    let (count, sum_us, _) = microphone.shared.counters.frame_age_out_us.get();
    // Due in the tick in which it was sent.
    assert_eq!((count, sum_us), (100, 100 * 10_000));
}

#[test]
fn how_loud_the_agent_is_stands_on_each_packet() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    for sample in [i16::MIN, 328, 0, 3_277] {
        microphone.sample = sample;
        for _ in 0..4 {
            microphone.tick(call.now_us);
            call.run_ms(10);
        }
    }
    call.run_ms(20);
    let levels: Vec<i8> = call
        .far
        .packets
        .iter()
        .filter_map(|packet| packet.header.ext_vals.audio_level)
        .collect();
    let speaks: Vec<bool> = call
        .far
        .packets
        .iter()
        .filter_map(|packet| packet.header.ext_vals.voice_activity)
        .collect();
    assert_eq!(levels, [0, 0, -40, -40, -127, -127, -20, -20]);
    let heard = |level: &i8| *level > -127;
    assert_eq!(speaks, levels.iter().map(heard).collect::<Vec<_>>());
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
    let first = |seed| {
        let (mut call, send, _) = Call::connected(Options {
            seed,
            ..Options::default()
        });
        let mut microphone = call.microphone(1, &send);
        for _ in 0..4 {
            microphone.tick(call.now_us);
            call.run_ms(10);
        }
        let header = &call.far.packets[0].header;
        (header.sequence_number, header.timestamp)
    };
    assert_eq!(first(5), first(5));
    assert_ne!(first(5), first(6));
}

#[test]
fn packets_that_nothing_is_bound_to_are_told_once_and_again_after_a_door_has_gone() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let unbound = |call: &Call| {
        call.heard(|event| match event {
            PeerEvent::Unbound(mid) => Some(mid.clone()),
            _ => None,
        })
    };
    say(&mut call, &receive, 0, 10, |_| {});
    assert_eq!(unbound(&call), std::slice::from_ref(&receive));
    let mut speaker = call.loudspeaker(1, &receive);
    say(&mut call, &receive, 10, 10, |call| {
        speaker.tick(call.now_us)
    });
    assert_eq!(speaker.heard()[0], payload(10));
    call.command(PeerCommand::BindInput(InputId(1), None));
    call.run_ms(10);
    say(&mut call, &receive, 20, 10, |_| {});
    assert_eq!(unbound(&call), [receive.clone(), receive.clone()]);
}

#[test]
fn a_section_goes_to_the_door_that_was_bound_to_it_last() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut first = call.loudspeaker(1, &receive);
    say(&mut call, &receive, 0, 10, |call| first.tick(call.now_us));
    let mut second = call.loudspeaker(2, &receive);
    say(&mut call, &receive, 10, 10, |call| {
        first.tick(call.now_us);
        second.tick(call.now_us);
    });
    assert!(!first.heard().contains(&payload(10)));
    assert_eq!(second.heard()[0], payload(10));
}

#[test]
fn another_participant_on_the_same_section_is_heard() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    say(&mut call, &receive, 0, 20, |call| speaker.tick(call.now_us));
    call.far.change_speaker(&receive.0);
    say(&mut call, &receive, 1_000, 20, |call| {
        speaker.tick(call.now_us);
    });
    let heard = speaker.heard();
    assert!(heard.contains(&payload(0)) && heard.contains(&payload(1_010)));
}

#[test]
fn padding_and_empty_packets_are_nobodys_sound() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    for n in 0..20 {
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n * 960, &[]);
        call.run_ms(20);
        speaker.tick(call.now_us);
    }
    assert_eq!(speaker.shared.counters.frame_age_in_us.get().0, 0);
    assert!(!call.has(|event| matches!(event, PeerEvent::Unbound(_))));
}

#[test]
fn a_door_that_nobody_empties_refuses_and_counts() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let speaker = call.loudspeaker(1, &receive);
    say(&mut call, &receive, 0, 80, |_| {});
    // 64 wait.
    assert_eq!(speaker.shared.counters.packets_refused.get(), 16);
}

#[test]
fn a_muted_door_is_emptied_and_nothing_is_sent() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    call.command(PeerCommand::BindOutput(OutputId(1), None));
    call.run_ms(10);
    for _ in 0..100 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    assert!(call.far.packets.is_empty());
    assert_eq!(microphone.shared.counters.packets_out_dropped.get(), 0);
    assert_eq!(microphone.shared.counters.frame_age_out_us.get().0, 50);
}

#[test]
fn sound_leaves_before_data_and_alone_when_there_is_no_time() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    let is_rtp = |sent: &&(u8, u64)| (128..192).contains(&sent.0);
    let is_data = |sent: &&(u8, u64)| (20..64).contains(&sent.0);
    for ticket in 0..40 {
        call.command(PeerCommand::Send {
            ticket,
            channel: beluga_webrtc::Channel(0),
            message: vec![1; 50_000],
        });
    }
    call.urgency = beluga_engine::Urgency::SoundOnly;
    call.sent.clear();
    for _ in 0..100 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    assert!(call.sent.iter().filter(is_rtp).count() >= 50);
    assert_eq!(call.sent.iter().filter(is_data).count(), 0);
    assert!(call.far.messages.is_empty());
    call.urgency = beluga_engine::Urgency::All;
    call.sent.clear();
    for _ in 0..100 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    let mut both = 0;
    for tick in call.sent.chunk_by(|a, b| a.1 == b.1) {
        let rtp = tick.iter().rposition(|sent| is_rtp(&sent));
        let data = tick.iter().position(|sent| is_data(&sent));
        if let (Some(rtp), Some(data)) = (rtp, data) {
            both += 1;
            assert!(rtp < data, "{tick:?}");
        }
    }
    assert!(both > 10, "{both}");
    call.run_ms(20);
    assert_eq!(call.far.packets.len(), 100);
}

#[test]
fn doors_that_are_released_go_on_at_another_peer() {
    let (mut old, send, receive) = Call::connected(Options::default());
    let mut microphone = old.microphone(3, &send);
    let mut speaker = old.loudspeaker(4, &receive);
    say(&mut old, &receive, 0, 10, |call| {
        microphone.tick(call.now_us);
        speaker.tick(call.now_us);
    });
    old.command(PeerCommand::Release);
    old.run_ms(10);
    let released = old
        .events
        .iter()
        .position(|event| matches!(event, PeerEvent::Released { .. }));
    let released = old.events.remove(released.expect("they were asked for"));
    let PeerEvent::Released {
        mut inputs,
        mut outputs,
    } = released
    else {
        unreachable!()
    };
    let (input, door_in): (InputId, Box<dyn PacketSink>) = inputs.remove(0);
    let (output, door_out): (OutputId, Box<dyn PacketSource>) = outputs.remove(0);
    assert_eq!((input, output), (InputId(4), OutputId(3)));

    let (mut new, send, receive) = Call::connected(Options {
        seed: 9,
        ..Options::default()
    });
    new.command(PeerCommand::AttachInput(input, door_in));
    new.command(PeerCommand::BindInput(input, Some(receive.clone())));
    new.command(PeerCommand::AttachOutput(output, door_out));
    new.command(PeerCommand::BindOutput(output, Some(send)));
    new.run_ms(10);
    say(&mut new, &receive, 500, 10, |call| {
        microphone.tick(call.now_us);
        speaker.tick(call.now_us);
    });
    assert!(speaker.heard().contains(&payload(505)));
    // The one that waited in the door was not lost.
    assert_eq!(*new.far.packets[0].payload, *payload(9));
}

#[test]
fn a_connection_that_ends_gives_its_doors_back_first() {
    for far_side_ends_it in [true, false] {
        let (mut call, send, receive) = Call::connected(Options::default());
        let _microphone = call.microphone(3, &send);
        let _speaker = call.loudspeaker(4, &receive);
        call.run_ms(10);
        if far_side_ends_it {
            call.far.rtc.close().expect("it is open");
            call.far.drain();
        } else {
            call.command(PeerCommand::Close);
        }
        call.run_ms(100);
        let [
            ..,
            PeerEvent::Released { inputs, outputs },
            PeerEvent::Closed(None),
        ] = &call.events[..]
        else {
            panic!("{:?}", call.events);
        };
        assert_eq!(inputs[0].0, InputId(4));
        assert_eq!(outputs[0].0, OutputId(3));
    }
}

#[test]
fn what_a_peer_that_is_over_was_asked_comes_back() {
    let (mut call, ..) = Call::connected(Options::default());
    call.command(PeerCommand::Close);
    call.run_ms(100);
    call.command(PeerCommand::DetachInput(InputId(4)));
    call.run_ms(10);
    let handle = call.handle.as_ref().expect("a handle");
    assert!(matches!(
        handle.unobeyed(),
        Some(PeerCommand::DetachInput(InputId(4)))
    ));
    assert!(handle.unobeyed().is_none());
}
