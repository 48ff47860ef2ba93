//! Remote procedure calls, both ways.

use super::Room;
use crate::command::{CommandId, RpcId, StreamOptions};
use crate::data::deflate::Unpacker;
use crate::data::outgoing::Receipt;
use crate::data::rpc::{
    ID_KEY, Late, MAX_PACKET_PAYLOAD, MAX_REQUESTS, METHOD_KEY, REQUEST_TOPIC, RESPONSE_TOPIC,
    RpcStream, TIMEOUT_KEY, VERSION_KEY, fitted, is_older,
};
use crate::error::{ErrorCode, RoomError, RpcError};
use crate::event::{Event, Outcome};
use crate::stream::{MAX_UNREAD_BYTES, StreamError};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use livekit_protocol::data_stream::header::ContentHeader;
use livekit_protocol::rpc_response::Value as Answer;

/// Clients that take calls as streams.
const STREAM_PROTOCOL: i32 = 1;
/// What a handler is told at least.
const MIN_TIMEOUT_MS: u32 = 1_000;
/// The first server that carries calls.
const FIRST_SERVER: [u32; 3] = [1, 8, 0];

impl Room {
    // Ours.

    pub(super) fn call(
        &mut self,
        id: CommandId,
        destination: String,
        method: String,
        payload: String,
        (response_timeout_ms, round_trip_ms): (u32, u32),
    ) -> Result<(), RoomError> {
        let failed = |code| Err(RoomError::rpc(RpcError::built_in(code)));
        if is_older(&self.server.version, FIRST_SERVER) {
            return failed(RpcError::UNSUPPORTED_SERVER);
        }
        let by_stream = self.takes_streams(&destination);
        if !by_stream && payload.len() > MAX_PACKET_PAYLOAD {
            return failed(RpcError::REQUEST_PAYLOAD_TOO_LARGE);
        }
        let request_id = self.random.uuid();
        // The handler has what is left when the way there and back is taken off.
        let left_ms = response_timeout_ms
            .saturating_sub(round_trip_ms)
            .max(MIN_TIMEOUT_MS);
        if by_stream {
            let attributes = [
                (ID_KEY, request_id.clone()),
                (METHOD_KEY, method),
                (TIMEOUT_KEY, left_ms.to_string()),
                (VERSION_KEY, "2".to_owned()),
            ];
            self.send_text(REQUEST_TOPIC, &destination, &attributes, payload, None)?;
        } else {
            let request = Value::RpcRequest(proto::RpcRequest {
                id: request_id.clone(),
                method,
                payload,
                response_timeout_ms: left_ms,
                version: 1,
                ..Default::default()
            });
            self.outgoing.reliable(to(&destination, request), None)?;
        }
        self.rpc.called(
            request_id,
            id,
            destination,
            self.out.in_ms(round_trip_ms),
            self.out.in_ms(response_timeout_ms),
        );
        Ok(())
    }

    fn takes_streams(&self, identity: &str) -> bool {
        let info = self.roster.remote(identity);
        info.is_some_and(|info| info.client_protocol >= STREAM_PROTOCOL)
    }

    fn send_text(
        &mut self,
        topic: &str,
        destination: &str,
        attributes: &[(&str, String)],
        text: String,
        receipt: Option<Receipt>,
    ) -> Result<(), RoomError> {
        let options = StreamOptions {
            topic: topic.to_owned(),
            attributes: attributes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
            destinations: vec![destination.to_owned()],
            total_bytes: Some(text.len() as u64),
            ..Default::default()
        };
        let info = self.stream_info(&options);
        let abilities = self.abilities(&options.destinations);
        self.outgoing
            .send_stream(&info, &options, text.into_bytes(), abilities, receipt)
    }

    /// The answer to a call of ours, in a packet.
    pub(super) fn call_answered(&mut self, from: &str, response: proto::RpcResponse) {
        let Some(command) = self.rpc.answered(&response.request_id, from) else {
            return;
        };
        let result = match response.value {
            Some(Answer::Payload(payload)) => Ok(payload),
            Some(Answer::CompressedPayload(packed)) => unpacked(&packed),
            Some(Answer::Error(error)) => Err(RpcError {
                code: error.code,
                message: error.message,
                data: error.data,
            }),
            None => Ok(String::new()),
        };
        self.call_done(command, result.map_err(fitted));
    }

    fn call_done(&mut self, command: CommandId, result: Result<String, RpcError>) {
        let result = result.map(Outcome::Reply).map_err(RoomError::rpc);
        self.out.done(command, result);
    }

    // Others'.

    /// Somebody calls, by a packet.
    pub(super) fn called(&mut self, caller: &str, request: proto::RpcRequest) {
        if !self.acknowledge(caller, &request.id) {
            return;
        }
        if !self.rpc.is_new(caller, &request.id) {
            return;
        }
        let payload = if request.compressed_payload.is_empty() {
            Ok(request.payload)
        } else {
            unpacked(&request.compressed_payload)
        };
        let refused = if request.version == 1 {
            payload
        } else {
            Err(RpcError::built_in(RpcError::UNSUPPORTED_VERSION))
        };
        match refused {
            Ok(payload) => self.handle(
                caller.to_owned(),
                request.id,
                request.method,
                payload,
                request.response_timeout_ms,
            ),
            Err(error) => self.refuse(caller, &request.id, error),
        }
    }

    /// What a stream is for that belongs to a call, or that it is refused.
    pub(super) fn rpc_stream(
        &mut self,
        sender: &str,
        header: &proto::data_stream::Header,
    ) -> Result<Option<RpcStream>, ()> {
        let is_text = matches!(header.content_header, Some(ContentHeader::TextHeader(_)));
        if !is_text {
            return Ok(None);
        }
        let of = |key: &str| header.attributes.get(key).cloned().unwrap_or_default();
        let request_id = of(ID_KEY);
        match header.topic.as_str() {
            RESPONSE_TOPIC => {
                let by_us = self.rpc.awaited(&request_id, sender).ok_or(())?;
                if self.incoming.is_full() {
                    if let Some(command) = self.rpc.answered(&request_id, sender) {
                        let why = "the answer cannot be read: too many streams are open";
                        self.call_done(command, Err(malformed(why)));
                    }
                    return Err(());
                }
                Ok(Some(RpcStream::Response {
                    request_id,
                    from: sender.to_owned(),
                    by_us,
                }))
            }
            REQUEST_TOPIC => {
                if request_id.is_empty() {
                    return Err(());
                }
                if !self.acknowledge(sender, &request_id) || !self.rpc.is_new(sender, &request_id) {
                    return Err(());
                }
                let refusal = match (of(VERSION_KEY).as_str(), of(TIMEOUT_KEY).parse()) {
                    ("2", Ok(_)) if self.out.desk.is_crowded() || self.incoming.is_full() => {
                        too_many_calls()
                    }
                    ("2", Ok(timeout_ms)) => {
                        return Ok(Some(RpcStream::Request {
                            request_id,
                            caller: sender.to_owned(),
                            method: of(METHOD_KEY),
                            timeout_ms,
                            by_us: self.out.in_ms(timeout_ms),
                        }));
                    }
                    ("2", Err(_)) => malformed("the call says no timeout"),
                    _ => RpcError::built_in(RpcError::UNSUPPORTED_VERSION),
                };
                self.refuse(sender, &request_id, refusal);
                Err(())
            }
            _ => Ok(None),
        }
    }

    /// A stream that belongs to a call is whole, or will not be.
    pub(super) fn rpc_stream_ended(
        &mut self,
        stream: RpcStream,
        payload: Result<String, StreamError>,
    ) {
        match (stream, payload) {
            (
                RpcStream::Request {
                    request_id,
                    caller,
                    method,
                    timeout_ms,
                    ..
                },
                Ok(payload),
            ) => self.handle(caller, request_id, method, payload, timeout_ms),
            (
                RpcStream::Request {
                    request_id, caller, ..
                },
                Err(error),
            ) => {
                let error = malformed(&format!("the call cannot be read: {error}"));
                self.refuse(&caller, &request_id, error);
            }
            (
                RpcStream::Response {
                    request_id, from, ..
                },
                payload,
            ) => {
                if let Some(command) = self.rpc.answered(&request_id, &from) {
                    let result = payload
                        .map_err(|error| malformed(&format!("the answer cannot be read: {error}")));
                    self.call_done(command, result);
                }
            }
        }
    }

    /// Hands a call to whoever handles it.
    fn handle(
        &mut self,
        caller: String,
        request_id: String,
        method: String,
        payload: String,
        timeout_ms: u32,
    ) {
        if !self.rpc.methods.contains(&method) {
            let error = RpcError::built_in(RpcError::UNSUPPORTED_METHOD);
            self.refuse(&caller, &request_id, error);
            return;
        }
        let deadline_us = self.out.in_ms(timeout_ms);
        let admitted = if self.out.desk.is_crowded() {
            None
        } else {
            let (id, who) = (request_id.clone(), caller.clone());
            self.rpc.admit(id, who, deadline_us, payload.len())
        };
        let Some(id) = admitted else {
            self.refuse(&caller, &request_id, too_many_calls());
            return;
        };
        self.out.say(Event::RpcRequest {
            id,
            request_id,
            identity: caller,
            method,
            payload,
            response_timeout_ms: timeout_ms,
            deadline_us,
        });
    }

    /// Answers a call.
    pub(super) fn reply(
        &mut self,
        id: CommandId,
        request: RpcId,
        result: Result<String, RpcError>,
    ) -> Result<(), RoomError> {
        let request = self.rpc.take(request).ok_or_else(|| {
            let why = "this call was answered, was given up by its caller, or its caller has left";
            RoomError::new(ErrorCode::NotFound, why)
        })?;
        let receipt = Some(Receipt {
            command: id,
            outcome: Outcome::Done,
        });
        let payload = match result {
            Ok(payload) => payload,
            Err(error) => {
                let answer = failure(request.request_id, error);
                return self.outgoing.urgent(to(&request.caller, answer), receipt);
            }
        };
        let sent = if self.takes_streams(&request.caller) {
            let attributes = [(ID_KEY, request.request_id.clone())];
            self.send_text(
                RESPONSE_TOPIC,
                &request.caller,
                &attributes,
                payload,
                receipt,
            )
        } else if payload.len() > MAX_PACKET_PAYLOAD {
            let error = RpcError::built_in(RpcError::RESPONSE_PAYLOAD_TOO_LARGE);
            Err(RoomError::rpc(error))
        } else {
            let answer = response(request.request_id.clone(), Answer::Payload(payload));
            self.outgoing.urgent(to(&request.caller, answer), receipt)
        };
        // Whoever called need not wait for what will not come.
        sent.inspect_err(|error| {
            let rpc = error.rpc.clone();
            let why = rpc.unwrap_or_else(|| malformed(&error.message));
            self.refuse(&request.caller, &request.request_id, why);
        })
    }

    /// Whether the receipt could be sent: with a name as long as a message, a call is nobody's to answer.
    fn acknowledge(&mut self, caller: &str, request_id: &str) -> bool {
        let ack = Value::RpcAck(proto::RpcAck {
            request_id: request_id.to_owned(),
        });
        self.answer(caller, ack)
    }

    /// Answers a call that nobody here awaits with an error.
    fn refuse(&mut self, caller: &str, request_id: &str, error: RpcError) {
        self.answer(caller, failure(request_id.to_owned(), error));
    }

    /// Sends what no command is behind; false, and counted, where it is too long or too much waits.
    fn answer(&mut self, caller: &str, answer: Value) -> bool {
        let sent = self.outgoing.urgent(to(caller, answer), None).is_ok();
        self.out.counters.answers_unsent += u64::from(!sent);
        sent
    }

    // Ends.

    pub(super) fn caller_left(&mut self, identity: &str) {
        let (calls, requests) = self.rpc.left(identity);
        for command in calls {
            let error = RpcError::built_in(RpcError::RECIPIENT_DISCONNECTED);
            self.call_done(command, Err(error));
        }
        for id in requests {
            self.out.say(Event::RpcExpired { id });
        }
    }

    pub(super) fn calls_overdue(&mut self) {
        let (calls, requests) = self.rpc.late(self.now_us());
        for call in calls {
            let (command, code) = match call {
                // Whoever is hidden, or came a moment ago, is not known here either: only now is it said.
                Late::Receipt(command, destination)
                    if self.roster.remote(&destination).is_none() =>
                {
                    (command, RpcError::RECIPIENT_NOT_FOUND)
                }
                Late::Receipt(command, _) => (command, RpcError::CONNECTION_TIMEOUT),
                Late::Answer(command) => (command, RpcError::RESPONSE_TIMEOUT),
            };
            self.call_done(command, Err(RpcError::built_in(code)));
        }
        for (id, request) in requests {
            let error = RpcError::built_in(RpcError::RESPONSE_TIMEOUT);
            self.refuse(&request.caller, &request.request_id, error);
            self.out.say(Event::RpcExpired { id });
        }
        for stream in self.incoming.late(self.now_us()) {
            // A call of ours is over by then, whatever there is of its answer.
            if let RpcStream::Request {
                request_id, caller, ..
            } = stream
            {
                let error = RpcError::built_in(RpcError::RESPONSE_TIMEOUT);
                self.refuse(&caller, &request_id, error);
            }
        }
    }
}

fn to(destination: &str, value: Value) -> proto::DataPacket {
    proto::DataPacket {
        destination_identities: vec![destination.to_owned()],
        value: Some(value),
        ..Default::default()
    }
}

fn response(request_id: String, value: Answer) -> Value {
    Value::RpcResponse(proto::RpcResponse {
        request_id,
        value: Some(value),
    })
}

fn failure(request_id: String, error: RpcError) -> Value {
    let error = fitted(error);
    response(
        request_id,
        Answer::Error(proto::RpcError {
            code: error.code,
            message: error.message,
            data: error.data,
        }),
    )
}

fn too_many_calls() -> RpcError {
    malformed(&format!(
        "too many calls: at most {MAX_REQUESTS} are handled at a time"
    ))
}

fn malformed(why: &str) -> RpcError {
    RpcError {
        code: RpcError::APPLICATION_ERROR,
        message: why.to_owned(),
        data: String::new(),
    }
}

fn unpacked(packed: &[u8]) -> Result<String, RpcError> {
    let damaged = || malformed("the payload cannot be unpacked");
    let mut unpacker = Unpacker::new();
    let bytes = unpacker
        .unpack(packed, MAX_UNREAD_BYTES)
        .map_err(|_| damaged())?;
    String::from_utf8(bytes).map_err(|_| damaged())
}
