//! Data packets: what comes in, and streams that go out.

use super::Room;
use crate::command::{ChatMessage, CommandId, StreamContent, StreamOptions, TranscriptionSegment};
use crate::data::incoming::Arrived;
use crate::data::outgoing::Receipt;
use crate::data::stream_out::Abilities;
use crate::error::{ErrorCode, RoomError};
use crate::event::{Data, Event, Outcome};
use crate::peer_port::RELIABLE;
use crate::stream::StreamInfo;
use beluga_webrtc::Channel;
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use prost::Message as _;

/// Clients that know it put a whole stream into one packet.
const INLINE_PROTOCOL: i32 = 2;

impl Room {
    /// A message came on a channel for data.
    pub(super) fn data_received(&mut self, channel: Channel, message: &[u8]) {
        let Ok(packet) = proto::DataPacket::decode(message) else {
            self.out.counters.packets_unreadable += 1;
            return;
        };
        let reliable = channel == RELIABLE;
        let now_us = self.now_us();
        let sid = packet.participant_sid;
        if reliable && !self.received.is_new(now_us, &sid, packet.sequence) {
            self.out.counters.packets_repeated += 1;
            return;
        }
        let sender = packet.participant_identity;
        let identity = Some(sender.clone()).filter(|identity| !identity.is_empty());
        match packet.value {
            Some(Value::User(user)) => self.out.say(Event::Data(Data {
                payload: user.payload,
                topic: user.topic,
                reliable,
                identity,
            })),
            Some(Value::SipDtmf(dtmf)) => self.out.say(Event::Dtmf {
                identity,
                code: dtmf.code,
                digit: dtmf.digit,
            }),
            Some(Value::Transcription(transcription)) => self.out.say(Event::Transcription {
                identity: transcription.transcribed_participant_identity,
                track_sid: transcription.track_id,
                segments: transcription.segments.into_iter().map(segment).collect(),
            }),
            Some(Value::ChatMessage(chat)) => self.out.say(Event::Chat {
                identity,
                message: ChatMessage {
                    id: chat.id,
                    timestamp_ms: chat.timestamp,
                    edited_ms: chat.edit_timestamp,
                    message: chat.message,
                    deleted: chat.deleted,
                    generated: chat.generated,
                },
            }),
            Some(Value::RpcRequest(request)) => self.called(&sender, request),
            Some(Value::RpcAck(ack)) => self.rpc.receipt(&ack.request_id, &sender),
            Some(Value::RpcResponse(response)) => self.call_answered(&sender, response),
            Some(Value::StreamHeader(header)) => self.stream_opened(&sender, &sid, &header),
            Some(Value::StreamChunk(chunk)) => {
                let arrived = self.incoming.piece(now_us, &sid, &chunk);
                self.arrived(&sender, arrived);
            }
            Some(Value::StreamTrailer(trailer)) => {
                let arrived = self.incoming.closed(&sid, trailer);
                self.arrived(&sender, arrived);
            }
            Some(Value::EncryptedPacket(_)) => self.out.counters.packets_encrypted += 1,
            // Metrics, and who speaks, which signalling says.
            _ => {}
        }
    }

    fn stream_opened(&mut self, sender: &str, sid: &str, header: &proto::data_stream::Header) {
        let rpc = match self.rpc_stream(sender, header) {
            Ok(rpc) => rpc,
            // Part of a call, and refused.
            Err(()) => return,
        };
        // A call was refused where it had to be, and the answer to one of ours brings nothing that was not asked for.
        if rpc.is_none() && self.out.desk.is_crowded() {
            self.incoming.ignored += 1;
            return;
        }
        let arrived = self.incoming.opened(self.out.now_us, sid, header, rpc);
        self.arrived(sender, arrived);
    }

    /// What came of streams.
    pub(super) fn arrived(&mut self, sender: &str, arrived: impl IntoIterator<Item = Arrived>) {
        for arrived in arrived {
            match arrived {
                Arrived::Opened(info, reader) => self.out.say(Event::StreamOpened {
                    identity: sender.to_owned(),
                    info,
                    reader,
                }),
                Arrived::Readable(stream_id) => self.out.say(Event::StreamReadable { stream_id }),
                Arrived::Rpc(rpc, payload) => self.rpc_stream_ended(rpc, payload),
            }
        }
    }

    /// Somebody left: his streams break off, and so do calls from and to him.
    pub(super) fn sender_left(&mut self, identity: &str, sid: &str) {
        let arrived = self.incoming.sender_left(sid);
        self.arrived(identity, arrived);
        self.caller_left(identity);
    }

    // Streams that go out.

    /// What a stream that is to be opened will be.
    pub(super) fn stream_info(&mut self, options: &StreamOptions) -> StreamInfo {
        let stream_id = if options.stream_id.is_empty() {
            self.random.uuid()
        } else {
            options.stream_id.clone()
        };
        let mime_type = match &options.content {
            StreamContent::Text { .. } => "text/plain",
            StreamContent::Bytes { mime_type, .. } if mime_type.is_empty() => {
                "application/octet-stream"
            }
            StreamContent::Bytes { mime_type, .. } => mime_type,
        };
        StreamInfo {
            stream_id,
            topic: options.topic.clone(),
            timestamp_ms: self.config.epoch_ms + (self.now_us() / 1_000) as i64,
            mime_type: mime_type.to_owned(),
            total_bytes: options.total_bytes,
            attributes: options.attributes.clone(),
            content: options.content.clone(),
        }
    }

    pub(super) fn open_stream(
        &mut self,
        id: CommandId,
        options: StreamOptions,
    ) -> Result<(), RoomError> {
        let info = self.stream_info(&options);
        let receipt = Receipt {
            command: id,
            outcome: Outcome::Stream(info.clone()),
        };
        self.outgoing.open_stream(&info, &options, receipt)
    }

    pub(super) fn send_stream(
        &mut self,
        id: CommandId,
        mut options: StreamOptions,
        content: Vec<u8>,
    ) -> Result<(), RoomError> {
        let is_text = matches!(options.content, StreamContent::Text { .. });
        if is_text && std::str::from_utf8(&content).is_err() {
            return Err(RoomError::new(
                ErrorCode::InvalidInput,
                "text must be UTF-8",
            ));
        }
        options.total_bytes = Some(content.len() as u64);
        let info = self.stream_info(&options);
        let abilities = self.abilities(&options.destinations);
        let receipt = Some(Receipt {
            command: id,
            outcome: Outcome::Stream(info.clone()),
        });
        self.outgoing
            .send_stream(&info, &options, content, abilities, receipt)
    }

    /// What all who would get a stream can do.
    pub(super) fn abilities(&self, destinations: &[String]) -> Abilities {
        let able = |able: &dyn Fn(&crate::ParticipantInfo) -> bool| {
            if destinations.is_empty() {
                self.roster.remotes().all(able)
            } else {
                destinations
                    .iter()
                    .all(|identity| self.roster.remote(identity).is_some_and(able))
            }
        };
        Abilities {
            inline: able(&|info| info.client_protocol >= INLINE_PROTOCOL),
            deflate: able(&|info| info.unpacks),
        }
    }

    /// Commands that will not come to what they were meant to.
    pub(super) fn commands_failed(&mut self, commands: &[CommandId], why: &str) {
        for command in commands {
            let error = RoomError::new(ErrorCode::Disconnected, why);
            self.out.done(*command, Err(error));
        }
    }
}

fn segment(segment: proto::TranscriptionSegment) -> TranscriptionSegment {
    TranscriptionSegment {
        id: segment.id,
        text: segment.text,
        start_time: segment.start_time,
        end_time: segment.end_time,
        is_final: segment.r#final,
        language: segment.language,
    }
}
