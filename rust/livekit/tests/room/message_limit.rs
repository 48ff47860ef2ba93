//! No message is longer than the other side takes, whatever it is part of, and whoever asked for it hears why.

use crate::support::{World, config, infos};
use beluga_livekit::{
    ChatMessage, Command, CommandId, ErrorCode, Event, Outcome, RELIABLE, RoomError, RpcError,
    StreamContent, StreamOptions, TranscriptionSegment,
};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use livekit_protocol::leave_request::Action;
use livekit_protocol::rpc_response::Value as Answer;
use livekit_protocol::signal_response::Message as Response;
use prost::Message as _;

const LIMIT: usize = 1_000;

/// A room with a caller whose client understands as much, on a server that takes messages of 1,000 bytes.
fn with_caller(client_protocol: i32) -> World {
    let mut caller = infos::participant("caller", &[]);
    caller.client_protocol = client_protocol;
    let mut world = World::new(config());
    world.answers = format!("v=0\r\na=max-message-size:{LIMIT}\r\n");
    world.join_with(infos::join(&[caller]));
    world.take_events();
    world
}

fn data(bytes: usize, reliable: bool) -> Command {
    Command::SendData {
        payload: vec![0; bytes],
        reliable,
        topic: None,
        destinations: vec!["caller".to_owned()],
    }
}

fn stream(attribute_bytes: usize) -> StreamOptions {
    StreamOptions {
        attributes: [("a".to_owned(), "x".repeat(attribute_bytes))].into(),
        destinations: vec!["caller".to_owned()],
        ..Default::default()
    }
}

fn refusal(world: &World, id: CommandId) -> RoomError {
    match world.result(id) {
        Some(Err(error)) => error.clone(),
        other => panic!("{other:?}"),
    }
}

fn opened(world: &mut World, options: StreamOptions) -> String {
    let id = world.ask(Command::OpenStream(options));
    match world.result(id) {
        Some(Ok(Outcome::Stream(info))) => info.stream_id.clone(),
        other => panic!("{other:?}"),
    }
}

/// Somebody calls, by a packet.
fn called(world: &mut World, id: &str) -> Vec<Event> {
    world.ask(Command::RegisterMethod("greet".to_owned()));
    let request = Value::RpcRequest(proto::RpcRequest {
        id: id.to_owned(),
        method: "greet".to_owned(),
        response_timeout_ms: 5_000,
        version: 1,
        ..Default::default()
    });
    let packet = proto::DataPacket {
        participant_identity: "caller".to_owned(),
        participant_sid: "PA_caller".to_owned(),
        value: Some(request),
        ..Default::default()
    };
    world.packet(RELIABLE, &packet);
    world.take_events()
}

#[test]
fn what_is_longer_than_the_other_side_takes_is_refused_on_every_way_there_is() {
    let mut world = with_caller(0);
    let long = "x".repeat(LIMIT);
    let destinations = vec!["caller".to_owned()];
    let stream_id = opened(&mut world, stream(1));
    world.take_packets();
    let commands = [
        data(LIMIT, true),
        data(LIMIT, false),
        Command::SendDtmf {
            code: 1,
            digit: long.clone(),
            destinations: destinations.clone(),
        },
        Command::SendChat {
            message: ChatMessage {
                message: long.clone(),
                ..Default::default()
            },
            destinations: destinations.clone(),
        },
        Command::SendTranscription {
            identity: "caller".to_owned(),
            track_sid: "TR_a".to_owned(),
            segments: vec![TranscriptionSegment {
                text: long.clone(),
                ..Default::default()
            }],
            destinations,
        },
        Command::Call {
            destination: "caller".to_owned(),
            method: "greet".to_owned(),
            payload: long.clone(),
            response_timeout_ms: 15_000,
            round_trip_ms: 7_000,
        },
        Command::OpenStream(stream(LIMIT)),
        Command::SendStream {
            options: stream(LIMIT),
            content: b"hello".to_vec(),
        },
        Command::CloseStream {
            stream_id: stream_id.clone(),
            reason: long,
            attributes: [].into(),
        },
    ];
    for command in commands {
        let what = format!("{command:?}").chars().take(40).collect::<String>();
        let id = world.ask(command);
        let error = refusal(&world, id);
        assert_eq!(error.code, ErrorCode::InvalidInput, "{what}");
        assert!(
            error.message.contains("at most 1000"),
            "{what}: {}",
            error.message
        );
    }
    assert!(world.take_packets().is_empty());
    // What fits goes, and a stream whose end was refused is still open.
    for command in [
        data(800, true),
        data(800, false),
        Command::CloseStream {
            stream_id,
            reason: String::new(),
            attributes: [].into(),
        },
    ] {
        let id = world.ask(command);
        assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    }
    assert_eq!(world.take_packets().len(), 3);
}

#[test]
fn a_stream_is_cut_into_pieces_that_the_other_side_takes() {
    let mut world = with_caller(0);
    let text = "é".repeat(2_000);
    let mut options = stream(1);
    options.content = StreamContent::Text {
        reply_to: String::new(),
        attached: Vec::new(),
        generated: false,
    };
    let stream_id = opened(&mut world, options);
    world.ask(Command::WriteStream {
        stream_id,
        content: text.clone().into_bytes(),
    });
    let mut content = String::new();
    for (_, packet) in world.take_packets() {
        let bytes = packet.encoded_len();
        assert!(bytes <= LIMIT, "{bytes} bytes");
        if let Some(Value::StreamChunk(chunk)) = packet.value {
            assert!(bytes > LIMIT - 30 || content.len() + chunk.content.len() == text.len());
            content += std::str::from_utf8(&chunk.content).expect("whole characters");
        }
    }
    assert_eq!(content, text);
}

#[test]
fn whoever_calls_hears_that_the_answer_is_too_long() {
    let mut world = with_caller(0);
    let events = called(&mut world, "1");
    let [Event::RpcRequest { id, .. }] = events[..] else {
        panic!("{events:?}");
    };
    let reply = world.ask(Command::Reply {
        request: id,
        result: Ok("x".repeat(LIMIT)),
    });
    assert_eq!(refusal(&world, reply).code, ErrorCode::InvalidInput);
    let packets = world.take_packets();
    let Some((_, packet)) = packets.last() else {
        panic!("nothing was answered");
    };
    assert!(
        matches!(&packet.value, Some(Value::RpcResponse(proto::RpcResponse { value: Some(Answer::Error(error)), .. }))
            if error.code == RpcError::APPLICATION_ERROR && error.message.contains("at most 1000")),
        "{packet:?}"
    );
}

#[test]
fn a_call_whose_name_fills_a_message_stops_nothing_else() {
    let mut world = World::joined();
    world.take_events();
    let events = called(&mut world, &"x".repeat(64_000));
    assert!(events.is_empty(), "nobody could answer it: {events:?}");
    assert_eq!(world.counters().answers_unsent, 1);
    let id = world.ask(data(1, true));
    assert_eq!(world.result(id), Some(&Ok(Outcome::Done)));
    assert_eq!(world.take_packets().len(), 1);
}

#[test]
fn what_waited_for_a_server_that_takes_less_is_refused_then() {
    let mut world = World::joined();
    world.peer().get().slow = true;
    let waiting: Vec<CommandId> = (0..12).map(|_| world.ask(data(5_000, true))).collect();
    let short = world.ask(data(1, true));
    world.say(Response::Leave(proto::LeaveRequest {
        action: Action::Reconnect as i32,
        ..Default::default()
    }));
    world.answers = format!("v=0\r\na=max-message-size:{LIMIT}\r\n");
    world.accept();
    world.say(Response::Join(infos::join(&[])));
    world.answer(&[]);
    world.peer().get().connect();
    world.turn();
    for id in waiting {
        assert!(refusal(&world, id).message.contains("at most 1000"));
    }
    assert_eq!(world.result(short), Some(&Ok(Outcome::Done)));
    assert_eq!(world.take_packets().len(), 1);
}
