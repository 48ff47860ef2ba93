//! Streams of text and bytes.

use crate::support::{World, config, infos};
use beluga_livekit::{
    Command, CommandId, ErrorCode, Event, MAX_UNREAD_BYTES, Outcome, RELIABLE, StreamContent,
    StreamError, StreamOptions, StreamRead, StreamReader,
};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use livekit_protocol::data_stream::header::ContentHeader;
use livekit_protocol::data_stream::{
    ByteHeader, Chunk, CompressionType, Header, TextHeader, Trailer,
};
use proptest::prelude::*;

/// A room with somebody of whose client nothing is known.
fn with_caller() -> World {
    let mut caller = infos::participant("caller", &[]);
    caller.client_protocol = 0;
    let mut world = World::joined_with(config(), infos::join(&[caller]));
    world.take_events();
    world
}

fn text(topic: &str) -> StreamOptions {
    StreamOptions {
        topic: topic.to_owned(),
        ..Default::default()
    }
}

fn values(world: &mut World) -> Vec<Value> {
    let packets = world.take_packets();
    packets
        .into_iter()
        .filter_map(|(_, packet)| packet.value)
        .collect()
}

fn opened(world: &World, id: CommandId) -> String {
    match world.result(id) {
        Some(Ok(Outcome::Stream(info))) => info.stream_id.clone(),
        other => panic!("{other:?}"),
    }
}

fn header(id: &str) -> Header {
    Header {
        stream_id: id.to_owned(),
        topic: "topic".to_owned(),
        content_header: Some(ContentHeader::ByteHeader(ByteHeader::default())),
        ..Default::default()
    }
}

fn text_header(id: &str) -> Header {
    Header {
        content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
        ..header(id)
    }
}

fn chunk(id: &str, index: u64, content: &[u8]) -> Value {
    Value::StreamChunk(Chunk {
        stream_id: id.to_owned(),
        chunk_index: index,
        content: content.to_vec(),
        ..Default::default()
    })
}

fn trailer(id: &str, reason: &str) -> Value {
    Value::StreamTrailer(Trailer {
        stream_id: id.to_owned(),
        reason: reason.to_owned(),
        attributes: [("final".to_owned(), "true".to_owned())].into(),
    })
}

fn says(world: &mut World, identity: &str, value: Value) {
    let packet = proto::DataPacket {
        participant_identity: identity.to_owned(),
        participant_sid: format!("PA_{identity}"),
        value: Some(value),
        ..Default::default()
    };
    world.packet(RELIABLE, &packet);
}

/// Opens a stream of the caller's.
fn open(world: &mut World, header: Header) -> StreamReader {
    says(world, "caller", Value::StreamHeader(header));
    let mut events = world.take_events();
    match events.pop() {
        Some(Event::StreamOpened {
            identity, reader, ..
        }) => {
            assert_eq!(identity, "caller");
            reader
        }
        other => panic!("{other:?}"),
    }
}

fn all(reader: &StreamReader) -> (Vec<u8>, StreamRead) {
    let mut content = Vec::new();
    loop {
        match reader.read() {
            StreamRead::Piece(piece) => content.extend(piece),
            end => return (content, end),
        }
    }
}

fn failed(reader: &StreamReader) -> StreamError {
    match all(reader).1 {
        StreamRead::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_written_piece_by_piece() {
    let mut world = with_caller();
    let mut options = text("lk.transcription");
    options.attributes = [("lk.segment_id".to_owned(), "SG_1".to_owned())].into();
    options.sender_identity = Some("caller".to_owned());
    options.destinations = vec!["caller".to_owned()];
    let id = world.ask(Command::OpenStream(options));
    let stream_id = opened(&world, id);
    for content in ["Hel", "lo"] {
        let id = world.ask(Command::WriteStream {
            stream_id: stream_id.clone(),
            content: content.as_bytes().to_vec(),
        });
        assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    }
    world.ask(Command::CloseStream {
        stream_id: stream_id.clone(),
        reason: String::new(),
        attributes: [("lk.transcription_final".to_owned(), "true".to_owned())].into(),
    });
    let packets = world.take_packets();
    let identities: Vec<&str> = packets
        .iter()
        .map(|(_, packet)| packet.participant_identity.as_str())
        .collect();
    assert_eq!(identities, ["caller", "", "", ""]);
    assert!(
        packets
            .iter()
            .all(|(_, packet)| packet.destination_identities == ["caller"])
    );
    let chunks: Vec<(u64, Vec<u8>)> = packets
        .iter()
        .filter_map(|(_, packet)| match &packet.value {
            Some(Value::StreamChunk(chunk)) => Some((chunk.chunk_index, chunk.content.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(chunks, [(0, b"Hel".to_vec()), (1, b"lo".to_vec())]);
    let Some(Value::StreamTrailer(trailer)) = &packets[3].1.value else {
        panic!("no trailer");
    };
    assert_eq!(trailer.attributes["lk.transcription_final"], "true");
    let late = world.ask(Command::WriteStream {
        stream_id,
        content: b"!".to_vec(),
    });
    let error = world.result(late).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidState);
}

#[test]
fn a_short_stream_is_one_packet_where_everybody_takes_that() {
    for (client_protocol, packets) in [(2, 1), (1, 3)] {
        let mut caller = infos::participant("caller", &[]);
        caller.client_protocol = client_protocol;
        let mut world = World::joined_with(config(), infos::join(&[caller]));
        let id = world.ask(Command::SendStream {
            options: text("lk.chat"),
            content: b"hello".to_vec(),
        });
        opened(&world, id);
        let values = values(&mut world);
        assert_eq!(values.len(), packets);
        let Value::StreamHeader(header) = &values[0] else {
            panic!("{values:?}");
        };
        assert_eq!(header.total_length, Some(5));
        assert_eq!(header.mime_type, "text/plain");
        assert_eq!(header.inline_content.is_some(), packets == 1);
    }
}

#[test]
fn streams_are_packed_for_those_who_can_unpack_them_and_come_back_the_same() {
    let mut caller = infos::participant("caller", &[]);
    caller.capabilities = vec![proto::client_info::Capability::CapCompressionDeflateRaw as i32];
    for length in [100, 60_000] {
        let mut world = World::joined_with(config(), infos::join(&[caller.clone()]));
        world.take_events();
        let content: Vec<u8> = (0..length).map(|n| (n / 7 % 50) as u8 + b' ').collect();
        world.ask(Command::SendStream {
            options: text("lk.chat"),
            content: content.clone(),
        });
        let values = values(&mut world);
        let Value::StreamHeader(header) = &values[0] else {
            panic!("{values:?}");
        };
        assert_eq!(header.compression(), CompressionType::DeflateRaw);
        assert_eq!(header.total_length, Some(length as u64));
        let mut reader = None;
        for value in values {
            says(&mut world, "caller", value);
            for event in world.take_events() {
                if let Event::StreamOpened { reader: opened, .. } = event {
                    reader = Some(opened);
                }
            }
        }
        let (back, end) = all(&reader.unwrap());
        assert!(back == content);
        assert!(matches!(end, StreamRead::End(_)));
    }
}

#[test]
fn streams_take_turns_and_calls_do_not_wait_for_them() {
    let mut world = with_caller();
    world.peer().get().slow = true;
    let send = |world: &mut World, byte: u8| {
        world.ask(Command::SendStream {
            options: StreamOptions {
                content: StreamContent::Bytes {
                    name: "file".to_owned(),
                    mime_type: String::new(),
                },
                ..text("files")
            },
            content: vec![byte; 600_000],
        })
    };
    let (first, second) = (send(&mut world, b'a'), send(&mut world, b'b'));
    world.ask(infos::hello());
    while world.peer().get().take_one() {
        world.turn();
    }
    assert!(world.result(first).is_some() && world.result(second).is_some());
    let values = values(&mut world);
    let hello = values
        .iter()
        .position(|value| matches!(value, Value::User(_)));
    assert!(
        hello.is_some_and(|place| place < 20),
        "{hello:?} of {}",
        values.len()
    );
    let firsts: Vec<u8> = values
        .iter()
        .filter_map(|value| match value {
            Value::StreamChunk(chunk) => Some(chunk.content[0]),
            _ => None,
        })
        .collect();
    assert_eq!(firsts.len(), 80);
    let alternations = firsts.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(alternations > 60, "{alternations}");
}

#[test]
fn a_long_write_is_done_when_the_connection_has_taken_all_of_it() {
    let mut world = with_caller();
    let id = world.ask(Command::OpenStream(text("t")));
    let stream_id = opened(&world, id);
    world.peer().get().slow = true;
    let write = world.ask(Command::WriteStream {
        stream_id,
        content: vec![b'x'; 1_000_000],
    });
    let mut taken = 0;
    while world.peer().get().take_one() {
        taken += 1;
        assert!(world.result(write).is_none());
        world.turn();
    }
    assert_eq!(taken, 67);
    assert!(world.result(write).is_some_and(Result::is_ok));
}

#[test]
fn text_must_be_text() {
    let mut world = with_caller();
    let id = world.ask(Command::OpenStream(text("t")));
    let stream_id = opened(&world, id);
    let write = world.ask(Command::WriteStream {
        stream_id,
        content: vec![0xff],
    });
    let whole = world.ask(Command::SendStream {
        options: text("t"),
        content: vec![0xff],
    });
    for id in [write, whole] {
        let error = world.result(id).cloned().unwrap().unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
    }
}

#[test]
fn a_stream_that_nobody_awaits_any_more_is_ended() {
    let mut world = with_caller();
    world.peer().get().slow = true;
    let id = world.ask(Command::SendStream {
        options: text("t"),
        content: vec![b'x'; 1_000_000],
    });
    world.peer().get().take_one();
    world.cancel(id);
    while world.peer().get().take_one() {
        world.turn();
    }
    let values = values(&mut world);
    assert!(values.len() < 15);
    let Some(Value::StreamTrailer(trailer)) = values.last() else {
        panic!("it is left open");
    };
    assert_eq!(trailer.reason, "cancelled");
}

#[test]
fn a_stream_comes_in_piece_by_piece() {
    let mut world = with_caller();
    let reader = open(&mut world, header("s"));
    assert_eq!(reader.read(), StreamRead::Nothing);
    says(&mut world, "caller", chunk("s", 0, b"ab"));
    says(&mut world, "caller", chunk("s", 1, b"cd"));
    let shown = world.take_shown();
    assert_eq!(shown.len(), 1, "whoever waits is told once: {shown:?}");
    assert_eq!(reader.read(), StreamRead::Piece(b"ab".to_vec()));
    says(&mut world, "caller", trailer("s", ""));
    let (content, end) = all(&reader);
    assert_eq!(content, b"cd");
    let StreamRead::End(attributes) = end else {
        panic!("{end:?}");
    };
    assert_eq!(attributes["final"], "true");
}

#[test]
fn what_is_wrong_with_a_stream_is_said() {
    let mut world = with_caller();
    let gap = open(&mut world, header("gap"));
    says(&mut world, "caller", chunk("gap", 1, b"x"));
    assert_eq!(failed(&gap), StreamError::Gap);

    let long = Header {
        total_length: Some(3),
        ..header("long")
    };
    let reader = open(&mut world, long.clone());
    says(&mut world, "caller", chunk("long", 0, b"abcd"));
    let (expected, got) = (3, 4);
    assert_eq!(failed(&reader), StreamError::Length { expected, got });

    let short = open(&mut world, long);
    says(&mut world, "caller", chunk("long", 0, b"ab"));
    says(&mut world, "caller", trailer("long", ""));
    let (expected, got) = (3, 2);
    assert_eq!(failed(&short), StreamError::Length { expected, got });

    let aborted = open(&mut world, header("aborted"));
    says(&mut world, "caller", trailer("aborted", "interrupted"));
    let reason = "interrupted".to_owned();
    assert_eq!(failed(&aborted), StreamError::Aborted(reason));

    for compression in [1, 9] {
        let packed = Header {
            compression,
            inline_content: Some(b"\xff\xff\xff".to_vec()),
            ..header("packed")
        };
        let reader = open(&mut world, packed);
        assert_eq!(failed(&reader), StreamError::Compression);
    }

    let left = open(&mut world, header("left"));
    let mut caller = infos::participant("caller", &[]);
    caller.client_protocol = 0;
    world.update(&[infos::left(&caller)]);
    assert_eq!(failed(&left), StreamError::SenderLeft);
}

#[test]
fn a_stream_that_nobody_reads_fails_and_the_others_go_on() {
    let mut world = with_caller();
    let slow = open(&mut world, header("slow"));
    let piece = vec![0; 15_000];
    for index in 0..300 {
        says(&mut world, "caller", chunk("slow", index, &piece));
    }
    let read = open(&mut world, header("read"));
    let mut total = 0;
    for index in 0..700 {
        says(&mut world, "caller", chunk("read", index, &piece));
        while let StreamRead::Piece(piece) = read.read() {
            total += piece.len();
        }
    }
    says(&mut world, "caller", trailer("read", ""));
    assert!(matches!(read.read(), StreamRead::End(_)));
    assert_eq!(total, 700 * 15_000, "10 MB through a reader that keeps up");
    assert!(slow.unread() <= MAX_UNREAD_BYTES);
    let (content, end) = all(&slow);
    assert_eq!(end, StreamRead::Failed(StreamError::Unread));
    assert_eq!(content.len(), MAX_UNREAD_BYTES / 15_000 * 15_000);
}

/// A stream of the caller's that holds so many zeros, and what became of it.
fn packed_zeros(world: &mut World, id: &str, bytes: usize) -> (usize, StreamRead) {
    let header = Header {
        compression: CompressionType::DeflateRaw as i32,
        ..header(id)
    };
    let reader = open(world, header);
    let packed = miniz_oxide::deflate::compress_to_vec(&vec![0; bytes], 9);
    assert!(packed.len() < 15_000, "one packet");
    says(world, "caller", chunk(id, 0, &packed));
    says(world, "caller", trailer(id, ""));
    world.take_events();
    let (content, end) = all(&reader);
    (content.len(), end)
}

#[test]
fn a_bomb_is_a_stream_that_nobody_reads() {
    let mut world = with_caller();
    let (_, end) = packed_zeros(&mut world, "bomb", 8 << 20);
    assert_eq!(end, StreamRead::Failed(StreamError::Unread));
}

#[test]
fn what_is_unpacked_within_a_second_is_limited() {
    const MB: usize = 1 << 20;
    let mut world = with_caller();
    for id in ["1", "2", "3", "4", "5"] {
        let (bytes, end) = packed_zeros(&mut world, id, 3 * MB);
        assert!(matches!(end, StreamRead::End(_)), "{id}: {end:?}");
        assert_eq!(bytes, 3 * MB);
    }
    let (_, end) = packed_zeros(&mut world, "6", 3 * MB);
    assert_eq!(end, StreamRead::Failed(StreamError::Unread));
    world.pass_ms(1_000);
    let (bytes, _) = packed_zeros(&mut world, "7", 3 * MB);
    assert_eq!(bytes, 3 * MB);
}

#[test]
fn a_long_stream_is_not_packed() {
    let mut caller = infos::participant("caller", &[]);
    caller.capabilities = vec![proto::client_info::Capability::CapCompressionDeflateRaw as i32];
    let mut world = World::joined_with(config(), infos::join(&[caller]));
    world.ask(Command::SendStream {
        options: text("t"),
        content: vec![b'x'; (64 << 10) + 1],
    });
    let values = values(&mut world);
    let Value::StreamHeader(header) = &values[0] else {
        panic!("{values:?}");
    };
    assert_eq!(header.compression(), CompressionType::None);
}

#[test]
fn a_stream_that_nobody_wants_is_not_kept() {
    let mut world = with_caller();
    let reader = open(&mut world, header("s"));
    drop(reader);
    for index in 0..1_000 {
        says(&mut world, "caller", chunk("s", index, &[0; 15_000]));
    }
    assert!(world.take_events().is_empty());
    // Its name is free again.
    open(&mut world, header("s"));
}

#[test]
fn nobody_can_write_into_somebody_elses_stream() {
    let mut world = with_caller();
    let reader = open(&mut world, header("s"));
    says(&mut world, "thief", chunk("s", 0, b"forged"));
    says(&mut world, "thief", trailer("s", ""));
    says(&mut world, "caller", chunk("s", 0, b"true"));
    says(&mut world, "caller", trailer("s", ""));
    assert_eq!(all(&reader).0, b"true");
}

#[test]
fn streams_of_which_nothing_is_known_and_repeated_pieces_are_ignored() {
    let mut world = with_caller();
    says(&mut world, "caller", chunk("unknown", 0, b"x"));
    says(&mut world, "caller", trailer("unknown", ""));
    let reader = open(&mut world, header("s"));
    for index in [0, 0, 1, 0] {
        says(&mut world, "caller", chunk("s", index, &[index as u8]));
    }
    says(&mut world, "caller", trailer("s", ""));
    assert_eq!(all(&reader).0, [0, 1]);
    says(&mut world, "caller", Value::StreamHeader(header("")));
    says(&mut world, "caller", Value::StreamHeader(Header::default()));
    assert!(world.take_events().is_empty());
}

#[test]
fn a_thousand_open_streams_are_too_many() {
    let mut world = with_caller();
    let mut readers = Vec::new();
    for number in 0..1_000 {
        says(
            &mut world,
            "caller",
            Value::StreamHeader(header(&format!("s{number}"))),
        );
        readers.extend(world.take_events());
    }
    assert_eq!(readers.len(), 256);
    assert_eq!(world.counters().ignored, 744);
}

#[test]
fn readers_are_told_when_the_room_is_over() {
    let mut world = with_caller();
    let reader = open(&mut world, header("s"));
    world.say(livekit_protocol::signal_response::Message::Leave(
        proto::LeaveRequest::default(),
    ));
    assert_eq!(failed(&reader), StreamError::RoomOver);
}

proptest! {
    #[test]
    fn text_goes_out_and_comes_in_as_whole_characters(
        words in prop::collection::vec("[aéж語😀]{0,9000}", 1..4),
        shift in 0_usize..4,
    ) {
        let mut world = with_caller();
        let id = world.ask(Command::OpenStream(text("t")));
        let stream_id = opened(&world, id);
        for word in &words {
            world.ask(Command::WriteStream {
                stream_id: stream_id.clone(),
                content: word.as_bytes().to_vec(),
            });
        }
        let mut sent = Vec::new();
        for value in values(&mut world) {
            if let Value::StreamChunk(chunk) = value {
                prop_assert!(chunk.content.len() <= 15_000);
                prop_assert!(std::str::from_utf8(&chunk.content).is_ok());
                sent.extend(chunk.content);
            }
        }
        prop_assert!(sent == words.concat().into_bytes());
        // Back from somebody who cuts anywhere.
        let reader = open(&mut world, text_header("in"));
        for (index, piece) in sent.chunks(1_000 + shift).enumerate() {
            says(&mut world, "caller", chunk("in", index as u64, piece));
        }
        says(&mut world, "caller", trailer("in", ""));
        let mut back = Vec::new();
        while let StreamRead::Piece(piece) = reader.read() {
            prop_assert!(std::str::from_utf8(&piece).is_ok());
            back.extend(piece);
        }
        prop_assert!(back == sent);
    }
}
