//! Packets of data.

use crate::support::{World, infos};
use beluga_livekit::{
    ChatMessage, Command, CommandId, Data, ErrorCode, Event, LOSSY, MAX_DATA_BYTES, RELIABLE,
    TranscriptionSegment,
};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;

fn send(world: &mut World, payload: Vec<u8>, reliable: bool) -> CommandId {
    world.ask(Command::SendData {
        payload,
        reliable,
        topic: Some("topic".to_owned()),
        destinations: vec!["caller".to_owned()],
    })
}

fn packet(sequence: u32, value: Value) -> proto::DataPacket {
    proto::DataPacket {
        participant_identity: "caller".to_owned(),
        participant_sid: "PA_caller".to_owned(),
        sequence,
        value: Some(value),
        ..Default::default()
    }
}

fn user(payload: &[u8]) -> Value {
    Value::User(proto::UserPacket {
        payload: payload.to_vec(),
        topic: Some("topic".to_owned()),
        ..Default::default()
    })
}

#[test]
fn data_goes_out_numbered_where_it_must_arrive() {
    let mut world = World::joined();
    let ids = [
        send(&mut world, b"1".to_vec(), true),
        send(&mut world, b"2".to_vec(), false),
        send(&mut world, b"3".to_vec(), true),
    ];
    for id in ids {
        assert!(world.result(id).is_some_and(Result::is_ok));
    }
    let packets = world.take_packets();
    let numbers: Vec<_> = packets
        .iter()
        .map(|(channel, packet)| (*channel, packet.sequence))
        .collect();
    assert_eq!(numbers, [(RELIABLE, 1), (LOSSY, 0), (RELIABLE, 2)]);
    let packet = &packets[0].1;
    assert_eq!(packet.destination_identities, ["caller"]);
    assert_eq!(packet.value, Some(user(b"1")));
}

#[test]
fn data_that_comes_in_says_from_whom_and_how() {
    let mut world = World::joined();
    world.take_events();
    world.packet(RELIABLE, &packet(1, user(b"a")));
    let mut from_server = packet(0, user(b"b"));
    from_server.participant_identity.clear();
    world.packet(LOSSY, &from_server);
    let events = world.take_events();
    let data: Vec<&Data> = events
        .iter()
        .filter_map(|event| match event {
            Event::Data(data) => Some(data),
            _ => None,
        })
        .collect();
    assert_eq!(data[0].identity.as_deref(), Some("caller"));
    assert_eq!(
        (data[0].reliable, data[0].topic.as_deref()),
        (true, Some("topic"))
    );
    assert_eq!((data[1].reliable, &data[1].identity), (false, &None));
}

#[test]
fn what_came_before_is_not_told_again() {
    let mut world = World::joined();
    world.take_events();
    for sequence in [1, 2, 2, 1, 3] {
        world.packet(RELIABLE, &packet(sequence, user(&[sequence as u8])));
    }
    // Lossy ones and those of the server have no numbers.
    for _ in 0..2 {
        world.packet(LOSSY, &packet(1, user(b"l")));
    }
    assert_eq!(world.take_events().len(), 5);
    assert_eq!(world.counters().packets_repeated, 2);
}

#[test]
fn keys_chat_and_transcripts_come_and_go() {
    let mut world = World::joined();
    world.take_events();
    world.ask(Command::SendDtmf {
        code: 11,
        digit: "#".to_owned(),
        destinations: Vec::new(),
    });
    world.ask(Command::SendChat {
        message: ChatMessage {
            id: "c".to_owned(),
            message: "hello".to_owned(),
            ..Default::default()
        },
        destinations: Vec::new(),
    });
    world.ask(Command::SendTranscription {
        identity: "caller".to_owned(),
        track_sid: "TR_a".to_owned(),
        segments: vec![TranscriptionSegment {
            id: "SG_1".to_owned(),
            text: "hi".to_owned(),
            is_final: true,
            ..Default::default()
        }],
        destinations: Vec::new(),
    });
    // What we send is what others understand: it comes back the same.
    for (channel, mut packet) in world.take_packets() {
        packet.participant_identity = "caller".to_owned();
        world.packet(channel, &packet);
    }
    let events = world.take_events();
    assert!(matches!(&events[0], Event::Dtmf { code: 11, digit, .. } if digit == "#"));
    assert!(matches!(&events[1], Event::Chat { message, .. } if message.message == "hello"));
    assert!(
        matches!(&events[2], Event::Transcription { segments, .. } if segments[0].is_final && segments[0].text == "hi")
    );
    let wrong = world.ask(Command::SendDtmf {
        code: 16,
        digit: String::new(),
        destinations: Vec::new(),
    });
    let error = world.result(wrong).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
}

#[test]
fn a_packet_that_is_too_long_is_refused_with_what_to_do() {
    let mut world = World::joined();
    let id = send(&mut world, vec![0; 64_000], true);
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(error.message.contains("stream"));
    assert!(world.take_packets().is_empty());
}

#[test]
fn a_slow_connection_is_felt_by_whoever_sends() {
    let mut world = World::joined();
    world.peer().get().slow = true;
    let ids: Vec<CommandId> = (0..100)
        .map(|number| send(&mut world, vec![number; 1_000], true))
        .collect();
    let handed = world.peer().get().messages.len();
    assert!(handed <= 8, "{handed} messages wait in the peer");
    for (number, id) in ids.iter().enumerate() {
        assert!(world.result(*id).is_none(), "{number} was not taken yet");
        assert!(world.peer().get().take_one());
        world.turn();
        assert!(world.result(*id).is_some_and(Result::is_ok), "{number}");
    }
    let packets = world.take_packets();
    let sequences: Vec<u32> = packets.iter().map(|(_, packet)| packet.sequence).collect();
    assert_eq!(sequences, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_packet_that_nobody_awaits_any_more_is_not_sent() {
    let mut world = World::joined();
    world.peer().get().slow = true;
    let ids: Vec<CommandId> = (0..10)
        .map(|number| send(&mut world, vec![number], true))
        .collect();
    world.cancel(ids[9]);
    let error = world.result(ids[9]).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::ContextCanceled);
    while world.peer().get().take_one() {
        world.turn();
    }
    assert_eq!(world.take_packets().len(), 9);
}

#[test]
fn a_peer_that_takes_no_commands_loses_none() {
    let mut world = World::joined();
    world.peer().get().full = true;
    let ids: Vec<CommandId> = (0..5)
        .map(|number| send(&mut world, vec![number], true))
        .collect();
    assert!(ids.iter().all(|id| world.result(*id).is_none()));
    world.peer().get().full = false;
    world.turn();
    assert!(ids.iter().all(|id| world.result(*id).is_some()));
    assert_eq!(world.take_packets().len(), 5);
}

#[test]
fn of_lossy_data_that_nobody_takes_the_oldest_goes_and_of_reliable_the_newest() {
    let mut world = World::joined();
    world.take_events();
    let piece = vec![0; 60_000];
    let total = 40_u32;
    for sequence in 1..=total {
        let mut payload = piece.clone();
        payload[0] = sequence as u8;
        world.packet_unheard(LOSSY, &packet(0, user(&payload)));
    }
    let mut payload = piece.clone();
    payload[0] = 200;
    world.packet_unheard(RELIABLE, &packet(1, user(&payload)));
    for sequence in 2..=total {
        world.packet_unheard(RELIABLE, &packet(sequence, user(&piece)));
    }
    let events = world.take_events();
    let data: Vec<&Data> = events
        .iter()
        .map(|event| match event {
            Event::Data(data) => data,
            other => panic!("{other:?}"),
        })
        .collect();
    let bytes: usize = data.iter().map(|data| data.payload.len()).sum();
    assert!(bytes <= MAX_DATA_BYTES);
    // The reliable ones took the place of all lossy ones, the first of them is there, and later ones are not.
    assert!(data.iter().all(|data| data.reliable));
    assert_eq!(data[0].payload[0], 200);
    let counters = world.counters();
    assert_eq!(counters.lossy_dropped, u64::from(total));
    assert_eq!(
        counters.reliable_dropped,
        u64::from(total) - data.len() as u64
    );
    // Now that it was taken there is room again.
    world.packet(LOSSY, &packet(0, user(b"after")));
    assert_eq!(world.take_events().len(), 1);
}

#[test]
fn bytes_that_are_no_packet_are_counted_and_forgotten() {
    let mut world = World::joined();
    world.take_events();
    for message in [&b"\xff\xff"[..], b"", b"\x0a\x7f"] {
        world.peer().get().say(beluga_webrtc::PeerEvent::Message {
            channel: RELIABLE,
            message: message.to_vec(),
        });
    }
    let encrypted = Value::EncryptedPacket(proto::EncryptedPacket::default());
    world.packet(RELIABLE, &packet(1, encrypted));
    assert!(world.take_events().is_empty());
    let counters = world.counters();
    assert_eq!(counters.packets_unreadable, 2);
    assert_eq!(counters.packets_encrypted, 1);
}

#[test]
fn what_the_peer_dropped_is_counted() {
    let mut world = World::joined();
    world
        .peer()
        .get()
        .say(beluga_webrtc::PeerEvent::MessagesDropped {
            channel: LOSSY,
            count: 3,
        });
    assert_eq!(world.counters().peer_dropped, 3);
}

#[test]
fn data_asked_for_before_the_channels_are_open_waits_for_them() {
    let mut world = World::new(crate::support::config());
    let id = world.ask(infos::hello());
    world.accept();
    world.say(livekit_protocol::signal_response::Message::Join(
        infos::join(&[]),
    ));
    world.answer(&[]);
    world.peer().get().say(beluga_webrtc::PeerEvent::Connected);
    world.turn();
    assert!(world.result(id).is_none());
    world.peer().get().connect();
    world.turn();
    assert!(world.result(id).is_some_and(Result::is_ok));
}
