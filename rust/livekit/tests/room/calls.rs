//! Remote procedure calls.

use crate::support::{World, config, infos};
use beluga_livekit::{Command, CommandId, ErrorCode, Event, Outcome, RELIABLE, RpcError, RpcId};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use livekit_protocol::rpc_response::Value as Answer;

/// A room with somebody whose client understands as much.
fn with_caller(client_protocol: i32) -> World {
    let mut caller = infos::participant("caller", &[]);
    caller.client_protocol = client_protocol;
    let mut world = World::joined_with(config(), infos::join(&[caller]));
    world.take_events();
    world
}

fn call_to(world: &mut World, destination: &str, payload: &str) -> CommandId {
    world.ask(Command::Call {
        destination: destination.to_owned(),
        method: "greet".to_owned(),
        payload: payload.to_owned(),
        response_timeout_ms: 15_000,
        round_trip_ms: 7_000,
    })
}

fn call(world: &mut World, payload: &str) -> CommandId {
    call_to(world, "caller", payload)
}

fn from(identity: &str, value: Value) -> proto::DataPacket {
    proto::DataPacket {
        participant_identity: identity.to_owned(),
        participant_sid: format!("PA_{identity}"),
        value: Some(value),
        ..Default::default()
    }
}

fn says(world: &mut World, identity: &str, value: Value) {
    world.packet(RELIABLE, &from(identity, value));
}

fn request(id: &str, version: u32) -> Value {
    Value::RpcRequest(proto::RpcRequest {
        id: id.to_owned(),
        method: "greet".to_owned(),
        payload: "hi".to_owned(),
        response_timeout_ms: 5_000,
        version,
        ..Default::default()
    })
}

fn answer(id: &str, value: Answer) -> Value {
    Value::RpcResponse(proto::RpcResponse {
        request_id: id.to_owned(),
        value: Some(value),
    })
}

fn values(world: &mut World) -> Vec<Value> {
    let packets = world.take_packets();
    packets
        .into_iter()
        .filter_map(|(_, packet)| packet.value)
        .collect()
}

/// The one request that was sent as a packet.
fn sent(world: &mut World) -> proto::RpcRequest {
    match values(world).as_slice() {
        [Value::RpcRequest(request)] => request.clone(),
        other => panic!("{other:?}"),
    }
}

fn failed(world: &World, id: CommandId) -> u32 {
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::RpcFailed);
    error.rpc.unwrap().code
}

fn error_code(value: &Value) -> Option<u32> {
    match value {
        Value::RpcResponse(proto::RpcResponse {
            value: Some(Answer::Error(error)),
            ..
        }) => Some(error.code),
        _ => None,
    }
}

/// The requests that were told.
fn told(world: &mut World) -> Vec<RpcId> {
    let events = world.take_events();
    events
        .into_iter()
        .filter_map(|event| match event {
            Event::RpcRequest { id, .. } => Some(id),
            _ => None,
        })
        .collect()
}

fn register(world: &mut World) {
    world.ask(Command::RegisterMethod("greet".to_owned()));
}

#[test]
fn a_call_is_answered() {
    let mut world = with_caller(0);
    let id = call(&mut world, "hi");
    let request = sent(&mut world);
    assert_eq!((request.version, request.response_timeout_ms), (1, 8_000));
    let receipt = proto::RpcAck {
        request_id: request.id.clone(),
    };
    says(&mut world, "caller", Value::RpcAck(receipt));
    world.keep_alive_ms(10_000);
    assert!(world.result(id).is_none());
    let payload = Answer::Payload("hello".to_owned());
    // Somebody else cannot answer for him.
    says(&mut world, "thief", answer(&request.id, payload.clone()));
    assert!(world.result(id).is_none());
    says(&mut world, "caller", answer(&request.id, payload));
    assert_eq!(
        world.result(id),
        Some(&Ok(Outcome::Reply("hello".to_owned())))
    );
}

#[test]
fn the_error_of_whoever_was_called_is_the_callers() {
    let mut world = with_caller(0);
    let id = call(&mut world, "hi");
    let request = sent(&mut world);
    let error = Answer::Error(proto::RpcError {
        code: 42,
        message: "no".to_owned(),
        data: "because".to_owned(),
    });
    says(&mut world, "caller", answer(&request.id, error));
    let error = world.result(id).cloned().unwrap().unwrap_err();
    let rpc = error.rpc.unwrap();
    assert_eq!((rpc.code, rpc.data.as_str()), (42, "because"));
}

#[test]
fn whoever_does_not_answer_is_given_up_and_it_is_said_at_which_step() {
    let mut world = with_caller(0);
    let (silent, slow, nobody) = (
        call(&mut world, "1"),
        call(&mut world, "2"),
        call_to(&mut world, "nobody", "3"),
    );
    let requests = values(&mut world);
    let Value::RpcRequest(second) = &requests[1] else {
        panic!("{requests:?}");
    };
    let receipt = proto::RpcAck {
        request_id: second.id.clone(),
    };
    says(&mut world, "caller", Value::RpcAck(receipt));
    world.keep_alive_ms(7_100);
    assert_eq!(failed(&world, silent), RpcError::CONNECTION_TIMEOUT);
    assert_eq!(failed(&world, nobody), RpcError::RECIPIENT_NOT_FOUND);
    assert!(world.result(slow).is_none());
    world.keep_alive_ms(8_000);
    assert_eq!(failed(&world, slow), RpcError::RESPONSE_TIMEOUT);
}

#[test]
fn whoever_leaves_fails_the_calls_of_him() {
    let mut world = with_caller(0);
    let id = call(&mut world, "hi");
    let mut caller = infos::participant("caller", &[]);
    caller.client_protocol = 0;
    world.update(&[infos::left(&caller)]);
    assert_eq!(failed(&world, id), RpcError::RECIPIENT_DISCONNECTED);
}

#[test]
fn a_payload_over_15_kb_needs_somebody_who_takes_streams() {
    let long = "x".repeat(15_361);
    let mut world = with_caller(0);
    let id = call(&mut world, &long);
    assert_eq!(failed(&world, id), RpcError::REQUEST_PAYLOAD_TOO_LARGE);
    let mut world = with_caller(1);
    call(&mut world, &long);
    let values = values(&mut world);
    let Value::StreamHeader(header) = &values[0] else {
        panic!("{values:?}");
    };
    assert_eq!(header.topic, "lk.rpc_request");
    assert_eq!(header.attributes["lk.rpc_request_method"], "greet");
    assert_eq!(header.attributes["lk.rpc_request_version"], "2");
    assert_eq!(
        header.attributes["lk.rpc_request_response_timeout_ms"],
        "8000"
    );
    assert!(
        header.inline_content.is_none(),
        "1 means RPC, 2 streams of one packet"
    );
    assert_eq!(values.len(), 4, "header, two pieces, trailer");
}

#[test]
fn a_server_that_carries_no_calls_is_named() {
    let mut join = infos::join(&[infos::participant("caller", &[])]);
    join.server_info.as_mut().unwrap().version = "1.7.2".to_owned();
    let mut world = World::joined_with(config(), join);
    let id = call(&mut world, "hi");
    assert_eq!(failed(&world, id), RpcError::UNSUPPORTED_SERVER);
}

#[test]
fn a_call_by_stream_is_answered_by_stream() {
    let mut world = with_caller(2);
    let id = call(&mut world, "hi");
    let values = values(&mut world);
    let Value::StreamHeader(header) = &values[0] else {
        panic!("{values:?}");
    };
    assert_eq!(header.inline_content.as_deref(), Some(&b"hi"[..]));
    let request_id = header.attributes["lk.rpc_request_id"].clone();
    let mut response = header.clone();
    response.topic = "lk.rpc_response".to_owned();
    response.inline_content = Some(b"hello".to_vec());
    response.total_length = Some(5);
    response.attributes = [("lk.rpc_request_id".to_owned(), request_id)].into();
    says(&mut world, "thief", Value::StreamHeader(response.clone()));
    assert!(world.result(id).is_none());
    says(&mut world, "caller", Value::StreamHeader(response));
    assert_eq!(
        world.result(id),
        Some(&Ok(Outcome::Reply("hello".to_owned())))
    );
    assert!(
        world.take_events().is_empty(),
        "such streams are nobody's business"
    );
}

#[test]
fn whoever_calls_has_his_receipt_before_anybody_looks() {
    let mut world = with_caller(0);
    register(&mut world);
    says(&mut world, "caller", request("r1", 1));
    assert!(matches!(&values(&mut world)[..], [Value::RpcAck(ack)] if ack.request_id == "r1"));
    let [id] = told(&mut world)[..] else {
        panic!("not told");
    };
    let reply = world.ask(Command::Reply {
        request: id,
        result: Ok("hello".to_owned()),
    });
    assert_eq!(world.result(reply), Some(&Ok(Outcome::Done)));
    assert_eq!(
        values(&mut world),
        [answer("r1", Answer::Payload("hello".to_owned()))]
    );
    let again = world.ask(Command::Reply {
        request: id,
        result: Ok("hello".to_owned()),
    });
    let error = world.result(again).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn a_call_that_comes_twice_is_handled_once() {
    let mut world = with_caller(0);
    register(&mut world);
    for _ in 0..2 {
        says(&mut world, "caller", request("r1", 1));
    }
    assert_eq!(told(&mut world).len(), 1);
    assert_eq!(
        values(&mut world).len(),
        2,
        "its receipt may have been lost"
    );
}

#[test]
fn what_cannot_be_called_is_refused_after_the_receipt() {
    let mut world = with_caller(0);
    says(&mut world, "caller", request("r1", 1));
    register(&mut world);
    says(&mut world, "caller", request("r2", 3));
    world.ask(Command::UnregisterMethod("greet".to_owned()));
    says(&mut world, "caller", request("r3", 1));
    let values = values(&mut world);
    let codes: Vec<Option<u32>> = values.iter().map(error_code).collect();
    assert_eq!(
        codes,
        [None, Some(1400), None, Some(1404), None, Some(1400)]
    );
    assert!(told(&mut world).is_empty());
}

#[test]
fn a_handler_that_is_late_is_answered_for() {
    let mut world = with_caller(0);
    register(&mut world);
    says(&mut world, "caller", request("r1", 1));
    let [id] = told(&mut world)[..] else {
        panic!("not told");
    };
    values(&mut world);
    world.keep_alive_ms(5_100);
    assert_eq!(
        values(&mut world)
            .iter()
            .map(error_code)
            .collect::<Vec<_>>(),
        [Some(RpcError::RESPONSE_TIMEOUT)]
    );
    let events = world.take_events();
    assert!(matches!(events[..], [Event::RpcExpired { id: expired }] if expired == id));
}

#[test]
fn a_caller_that_leaves_wants_no_answer() {
    let mut world = with_caller(0);
    register(&mut world);
    says(&mut world, "caller", request("r1", 1));
    told(&mut world);
    values(&mut world);
    let mut caller = infos::participant("caller", &[]);
    caller.client_protocol = 0;
    world.update(&[infos::left(&caller)]);
    let events = world.take_events();
    let expired = |event: &Event| matches!(event, Event::RpcExpired { .. });
    assert!(events.iter().any(expired));
    world.keep_alive_ms(6_000);
    assert!(values(&mut world).is_empty());
}

#[test]
fn more_than_64_calls_are_refused() {
    let mut world = with_caller(0);
    register(&mut world);
    for number in 0..70 {
        says(&mut world, "caller", request(&format!("r{number}"), 1));
    }
    let told = told(&mut world);
    assert_eq!(told.len(), 64);
    let refused = values(&mut world).iter().filter_map(error_code).count();
    assert_eq!(refused, 6);
    world.ask(Command::Reply {
        request: told[0],
        result: Ok(String::new()),
    });
    says(&mut world, "caller", request("later", 1));
    assert_eq!(self::told(&mut world).len(), 1);
}

#[test]
fn an_answer_over_15_kb_goes_by_stream_or_not_at_all() {
    let long = "x".repeat(16_000);
    for (client_protocol, fits) in [(0, false), (1, true)] {
        let mut world = with_caller(client_protocol);
        register(&mut world);
        says(&mut world, "caller", request("r1", 1));
        let [request] = told(&mut world)[..] else {
            panic!("not told");
        };
        values(&mut world);
        let id = world.ask(Command::Reply {
            request,
            result: Ok(long.clone()),
        });
        let values = values(&mut world);
        if fits {
            assert!(world.result(id).is_some_and(Result::is_ok));
            assert!(matches!(&values[0], Value::StreamHeader(header)
                if header.topic == "lk.rpc_response" && header.attributes["lk.rpc_request_id"] == "r1"));
        } else {
            assert_eq!(failed(&world, id), RpcError::RESPONSE_PAYLOAD_TOO_LARGE);
            assert_eq!(error_code(&values[0]), Some(1504));
        }
    }
}

#[test]
fn a_call_by_stream_is_told_when_it_is_whole() {
    let mut world = with_caller(1);
    register(&mut world);
    let attributes = |version: &str| {
        [
            ("lk.rpc_request_id".to_owned(), format!("r{version}")),
            ("lk.rpc_request_method".to_owned(), "greet".to_owned()),
            (
                "lk.rpc_request_response_timeout_ms".to_owned(),
                "5000".to_owned(),
            ),
            ("lk.rpc_request_version".to_owned(), version.to_owned()),
        ]
        .into()
    };
    let header = |version: &str| {
        Value::StreamHeader(proto::data_stream::Header {
            stream_id: format!("s{version}"),
            topic: "lk.rpc_request".to_owned(),
            attributes: attributes(version),
            content_header: Some(proto::data_stream::header::ContentHeader::TextHeader(
                proto::data_stream::TextHeader::default(),
            )),
            ..Default::default()
        })
    };
    says(&mut world, "caller", header("2"));
    assert!(matches!(&values(&mut world)[..], [Value::RpcAck(_)]));
    says(
        &mut world,
        "caller",
        Value::StreamChunk(proto::data_stream::Chunk {
            stream_id: "s2".to_owned(),
            content: b"hi".to_vec(),
            ..Default::default()
        }),
    );
    assert!(world.take_events().is_empty());
    says(
        &mut world,
        "caller",
        Value::StreamTrailer(proto::data_stream::Trailer {
            stream_id: "s2".to_owned(),
            ..Default::default()
        }),
    );
    let events = world.take_events();
    assert!(
        matches!(&events[..], [Event::RpcRequest { payload, request_id, .. }]
        if payload == "hi" && request_id == "r2")
    );
    says(&mut world, "caller", header("3"));
    let codes: Vec<Option<u32>> = values(&mut world).iter().map(error_code).collect();
    assert_eq!(codes, [None, Some(RpcError::UNSUPPORTED_VERSION)]);
}

#[test]
fn a_call_of_the_servers_own_is_answered_to_the_name_that_it_uses() {
    let mut world = with_caller(0);
    register(&mut world);
    says(&mut world, "request-17", request("request-17", 1));
    told(&mut world);
    let packets = world.take_packets();
    assert_eq!(packets[0].1.destination_identities, ["request-17"]);
}

#[test]
fn a_call_that_nobody_awaits_any_more_is_forgotten() {
    let mut world = with_caller(0);
    let id = call(&mut world, "hi");
    let request = sent(&mut world);
    world.cancel(id);
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::ContextCanceled);
    let payload = Answer::Payload("late".to_owned());
    says(&mut world, "caller", answer(&request.id, payload));
    world.keep_alive_ms(20_000);
}

/// The header of a stream that is a call, or the answer to one.
fn rpc_header(topic: &str, request_id: &str) -> proto::data_stream::Header {
    let attributes = [
        ("lk.rpc_request_id", request_id),
        ("lk.rpc_request_method", "greet"),
        ("lk.rpc_request_response_timeout_ms", "5000"),
        ("lk.rpc_request_version", "2"),
    ];
    proto::data_stream::Header {
        stream_id: format!("s-{request_id}"),
        topic: topic.to_owned(),
        attributes: attributes
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        content_header: Some(proto::data_stream::header::ContentHeader::TextHeader(
            proto::data_stream::TextHeader::default(),
        )),
        ..Default::default()
    }
}

/// A call by stream, of which no piece has come.
fn begun(request_id: &str) -> Value {
    Value::StreamHeader(rpc_header("lk.rpc_request", request_id))
}

fn chunk(request_id: &str, content: Vec<u8>) -> Value {
    Value::StreamChunk(proto::data_stream::Chunk {
        stream_id: format!("s-{request_id}"),
        content,
        ..Default::default()
    })
}

fn trailer(request_id: &str) -> Value {
    Value::StreamTrailer(proto::data_stream::Trailer {
        stream_id: format!("s-{request_id}"),
        ..Default::default()
    })
}

/// A call of ours by stream: its id, and the one that its answer must name.
fn call_by_stream(world: &mut World) -> (CommandId, String) {
    let id = call(world, "hi");
    match values(world).as_slice() {
        [Value::StreamHeader(header), ..] => (id, header.attributes["lk.rpc_request_id"].clone()),
        other => panic!("{other:?}"),
    }
}

/// How many streams are taken that are no part of a call.
fn taken_streams(world: &mut World, count: usize) -> usize {
    for number in 0..count {
        let header = proto::data_stream::Header {
            topic: "topic".to_owned(),
            ..rpc_header("", &format!("plain-{number}"))
        };
        says(world, "caller", Value::StreamHeader(header));
    }
    let opened = |event: &Event| matches!(event, Event::StreamOpened { .. });
    world.events.iter().filter(|event| opened(event)).count()
}

/// As many events wait as make a room careful.
fn crowd(world: &mut World) {
    for _ in 0..4_096 {
        let digit = Value::SipDtmf(proto::SipDtmf::default());
        world.packet_unheard(RELIABLE, &from("caller", digit));
    }
}

#[test]
fn what_there_is_of_calls_is_limited_for_all_of_them_together() {
    let mut world = with_caller(1);
    for number in 0..40 {
        let id = format!("r{number}");
        says(&mut world, "caller", begun(&id));
        says(&mut world, "caller", chunk(&id, vec![b'x'; 1 << 20]));
    }
    let refused = values(&mut world).iter().filter_map(error_code).count();
    assert_eq!(refused, 8, "32 MB are there");
    // With the calls their payloads go, and others' streams have room again.
    for number in 0..32 {
        says(&mut world, "caller", trailer(&format!("r{number}")));
    }
    says(&mut world, "caller", begun("later"));
    says(&mut world, "caller", chunk("later", vec![b'x'; 4 << 20]));
    register(&mut world);
    says(&mut world, "caller", trailer("later"));
    assert_eq!(told(&mut world).len(), 1);
}

#[test]
fn answers_by_stream_that_nobody_waits_for_are_not_taken() {
    let mut world = with_caller(2);
    let (id, request_id) = call_by_stream(&mut world);
    let answer = |id: &str| rpc_header("lk.rpc_response", id);
    let mut whole = answer(&request_id);
    whole.inline_content = Some(b"hello".to_vec());
    says(&mut world, "caller", Value::StreamHeader(whole));
    assert!(world.result(id).is_some_and(Result::is_ok));
    for request_id in (0..300)
        .map(|number| format!("r{number}"))
        .chain([request_id])
    {
        says(
            &mut world,
            "caller",
            Value::StreamHeader(answer(&request_id)),
        );
    }
    assert_eq!(taken_streams(&mut world, 256), 256);
}

#[test]
fn a_call_by_stream_that_is_not_whole_in_time_is_given_up_and_so_is_an_answer() {
    let mut world = with_caller(2);
    register(&mut world);
    let (id, request_id) = call_by_stream(&mut world);
    let answer = rpc_header("lk.rpc_response", &request_id);
    says(&mut world, "caller", Value::StreamHeader(answer));
    says(&mut world, "caller", begun("r1"));
    values(&mut world);
    world.pass_ms(4_999);
    assert_eq!(values(&mut world), []);
    world.pass_ms(1);
    let codes: Vec<Option<u32>> = values(&mut world).iter().map(error_code).collect();
    assert_eq!(codes, [Some(RpcError::RESPONSE_TIMEOUT)]);
    says(&mut world, "caller", chunk("r1", b"hi".to_vec()));
    says(&mut world, "caller", trailer("r1"));
    assert!(told(&mut world).is_empty());
    world.keep_alive_ms(10_000);
    assert_eq!(failed(&world, id), RpcError::CONNECTION_TIMEOUT);
    assert_eq!(taken_streams(&mut world, 256), 256, "no place is held");
}

#[test]
fn while_too_many_events_wait_a_call_by_stream_is_refused_and_an_answer_is_taken() {
    let mut world = with_caller(2);
    register(&mut world);
    let (id, request_id) = call_by_stream(&mut world);
    crowd(&mut world);
    let unheard = |world: &mut World, value| world.packet_unheard(RELIABLE, &from("caller", value));
    unheard(&mut world, begun("r1"));
    let mut answer = rpc_header("lk.rpc_response", &request_id);
    answer.inline_content = Some(b"hello".to_vec());
    unheard(&mut world, Value::StreamHeader(answer));
    assert!(told(&mut world).is_empty());
    let codes: Vec<Option<u32>> = values(&mut world).iter().map(error_code).collect();
    assert_eq!(codes, [None, Some(RpcError::APPLICATION_ERROR)]);
    assert!(world.result(id).is_some_and(Result::is_ok));
}

#[test]
fn where_too_many_streams_are_open_calls_by_stream_fail_at_once_both_ways() {
    let mut world = with_caller(2);
    register(&mut world);
    let (id, request_id) = call_by_stream(&mut world);
    assert_eq!(taken_streams(&mut world, 300), 256);
    says(&mut world, "caller", begun("r1"));
    let codes: Vec<Option<u32>> = values(&mut world).iter().map(error_code).collect();
    assert_eq!(codes, [None, Some(RpcError::APPLICATION_ERROR)]);
    let answer = rpc_header("lk.rpc_response", &request_id);
    says(&mut world, "caller", Value::StreamHeader(answer));
    assert_eq!(failed(&world, id), RpcError::APPLICATION_ERROR);
}

#[test]
fn receipts_and_refusals_that_cannot_be_sent_do_not_pile_up_and_replies_go_all_the_same() {
    let mut world = with_caller(0);
    register(&mut world);
    says(&mut world, "caller", request("r1", 1));
    let [waiting] = told(&mut world)[..] else {
        panic!("not told");
    };
    values(&mut world);
    world.peer().get().slow = true;
    for number in 0..200 {
        let id = format!("{number}{}", "x".repeat(10_000));
        says(&mut world, "caller", request(&id, 3));
    }
    let unsent = world.counters().answers_unsent;
    let reply = world.ask(Command::Reply {
        request: waiting,
        result: Ok("hello".to_owned()),
    });
    while world.peer().get().take_one() {
        world.turn();
    }
    let sent = values(&mut world);
    let bytes = sent.len() * 10_000;
    assert!(bytes < (1 << 20) + 10 * 10_000, "{bytes} bytes waited");
    assert!(unsent > 0);
    assert_eq!(world.result(reply), Some(&Ok(Outcome::Done)));
    // There is room again.
    world.peer().get().slow = false;
    says(&mut world, "caller", request("r2", 1));
    assert_eq!(told(&mut world).len(), 1);
    assert_eq!(world.counters().answers_unsent, unsent);
}
