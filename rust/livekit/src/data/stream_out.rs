//! Streams of text and bytes that go out: a header, pieces of at most 15,000 bytes (fewer where the far side's messages hold fewer),
//! a trailer.

use crate::command::{CommandId, StreamContent, StreamOptions};
use crate::data::outgoing::{NUMBER_BYTES, Outgoing, Receipt};
use crate::error::{ErrorCode, RoomError};
use crate::stream::StreamInfo;
use livekit_protocol::DataPacket;
use livekit_protocol::data_packet::Value;
use livekit_protocol::data_stream::{
    ByteHeader, Chunk, CompressionType, Header, OperationType, TextHeader, Trailer,
    header::ContentHeader,
};
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of a piece, and of a packet that holds a whole stream.
pub(crate) const PIECE_BYTES: usize = 15_000;
/// A piece has room for a character.
const MIN_PIECE_BYTES: usize = 4;
/// What a piece's packet takes beside an empty one's: a tag, and the lengths of the content and of what holds it, as two bytes more
/// each (a message has under 2 MB).
const LENGTHS_BYTES: usize = 1 + 3 + 2;
/// What is packed at most: it is done at once, on a thread that all rooms share, and takes a millisecond or two.
const MAX_PACKED_BYTES: usize = 64 << 10;
/// Streams that may be open at the same time.
const MAX_STREAMS: usize = 256;

/// What a stream has yet to send.
#[derive(Debug)]
enum Part {
    Header(Box<Header>, Option<Receipt>),
    Content {
        bytes: Vec<u8>,
        /// So much of it was sent.
        at: usize,
        receipt: Option<Receipt>,
    },
    Trailer(Trailer, Option<Receipt>),
}

/// One stream.
#[derive(Debug)]
pub(crate) struct StreamOut {
    id: String,
    destinations: Vec<String>,
    sender_identity: String,
    /// Cut between characters.
    is_text: bool,
    parts: VecDeque<Part>,
    next_index: u64,
    begun: bool,
    /// All of it was there from the beginning.
    whole: bool,
    /// Its trailer is among the parts, or was sent: nothing follows.
    closing: bool,
    ended: bool,
}

impl StreamOut {
    /// The next packet: a piece is as long as a message of so many bytes can hold.
    pub(super) fn next(&mut self, limit_bytes: usize) -> Option<(DataPacket, Option<Receipt>)> {
        self.begun = true;
        let (packet, receipt) = match self.parts.pop_front()? {
            Part::Header(header, receipt) => (self.packet(Value::StreamHeader(*header)), receipt),
            Part::Content { bytes, at, receipt } => {
                let most = self.piece_bytes(limit_bytes).max(MIN_PIECE_BYTES);
                let end = piece_end(&bytes, at, most, self.is_text);
                let piece = self.piece(self.next_index, bytes[at..end].to_vec());
                self.next_index += 1;
                if end < bytes.len() {
                    let at = end;
                    self.parts.push_front(Part::Content { bytes, at, receipt });
                    (piece, None)
                } else {
                    (piece, receipt)
                }
            }
            Part::Trailer(trailer, receipt) => {
                self.ended = true;
                (self.packet(Value::StreamTrailer(trailer)), receipt)
            }
        };
        Some((packet, receipt))
    }

    /// What a piece can hold where a message has at most so many bytes.
    fn piece_bytes(&self, limit_bytes: usize) -> usize {
        let around = self.piece(u64::MAX, Vec::new()).encoded_len() + LENGTHS_BYTES + NUMBER_BYTES;
        limit_bytes.saturating_sub(around).min(PIECE_BYTES)
    }

    fn piece(&self, chunk_index: u64, content: Vec<u8>) -> DataPacket {
        self.packet(Value::StreamChunk(Chunk {
            stream_id: self.id.clone(),
            chunk_index,
            content,
            ..Default::default()
        }))
    }

    fn packet(&self, value: Value) -> DataPacket {
        // Whose behalf it is on is said by the header alone.
        let sender = match value {
            Value::StreamHeader(_) => self.sender_identity.clone(),
            _ => String::new(),
        };
        DataPacket {
            participant_identity: sender,
            destination_identities: self.destinations.clone(),
            value: Some(value),
            ..Default::default()
        }
    }

    pub(super) fn has_more(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Those whose commands wait for it.
    pub(super) fn commands(self) -> impl Iterator<Item = CommandId> {
        self.parts
            .into_iter()
            .filter_map(|part| Some(part.receipt()?.command))
    }
}

impl Part {
    fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Header(_, receipt)
            | Self::Content { receipt, .. }
            | Self::Trailer(_, receipt) => receipt.as_ref(),
        }
    }
}

/// Where a piece that begins at `at` ends, of `most` bytes at most: whole characters, if it is text.
fn piece_end(bytes: &[u8], at: usize, most: usize, is_text: bool) -> usize {
    let end = (at + most).min(bytes.len());
    if !is_text || end == bytes.len() {
        return end;
    }
    // Of valid UTF-8 at most three bytes belong to a character that began before.
    let continues = |at: &usize| bytes[*at] & 0xc0 == 0x80;
    let begin = (end.saturating_sub(3)..=end)
        .rev()
        .find(|at| !continues(at));
    begin.filter(|begin| *begin > at).unwrap_or(end)
}

/// The stream that a packet is part of, if it is part of one.
pub(super) fn stream_of(packet: &DataPacket) -> Option<&str> {
    match packet.value.as_ref()? {
        Value::StreamHeader(header) => Some(&header.stream_id),
        Value::StreamChunk(chunk) => Some(&chunk.stream_id),
        Value::StreamTrailer(trailer) => Some(&trailer.stream_id),
        _ => None,
    }
}

/// The header of a stream.
pub(crate) fn header(info: &StreamInfo) -> Header {
    let content_header = match &info.content {
        StreamContent::Text {
            reply_to,
            attached,
            generated,
        } => ContentHeader::TextHeader(TextHeader {
            operation_type: OperationType::Create as i32,
            version: 0,
            reply_to_stream_id: reply_to.clone(),
            attached_stream_ids: attached.clone(),
            generated: *generated,
        }),
        StreamContent::Bytes { name, .. } => {
            ContentHeader::ByteHeader(ByteHeader { name: name.clone() })
        }
    };
    Header {
        stream_id: info.stream_id.clone(),
        timestamp: info.timestamp_ms,
        topic: info.topic.clone(),
        mime_type: info.mime_type.clone(),
        total_length: info.total_bytes,
        attributes: info.attributes.clone().into_iter().collect(),
        content_header: Some(content_header),
        ..Default::default()
    }
}

/// How a whole stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// All who get it take streams of one packet.
    pub(crate) inline: bool,
    /// All who get it can unpack it.
    pub(crate) deflate: bool,
}

impl Outgoing {
    /// Opens a stream that is written piece by piece.
    pub(crate) fn open_stream(
        &mut self,
        info: &StreamInfo,
        options: &StreamOptions,
        receipt: Receipt,
    ) -> Result<(), RoomError> {
        let header = Part::Header(Box::new(header(info)), Some(receipt));
        self.add_stream(info, options, VecDeque::from([header]), false)
    }

    /// Sends a whole stream.
    pub(crate) fn send_stream(
        &mut self,
        info: &StreamInfo,
        options: &StreamOptions,
        content: Vec<u8>,
        abilities: Abilities,
        receipt: Option<Receipt>,
    ) -> Result<(), RoomError> {
        let mut header = header(info);
        let packable = content.len() <= MAX_PACKED_BYTES;
        let packed = if packable && abilities.inline && abilities.deflate {
            super::deflate::packed(&content)
        } else {
            None
        };
        let is_packed = packed.is_some();
        let content = packed.unwrap_or(content);
        if is_packed {
            header.compression = CompressionType::DeflateRaw as i32;
        }
        if abilities.inline && content.len() < PIECE_BYTES {
            let mut whole = header.clone();
            whole.inline_content = Some(content.clone());
            let packet = DataPacket {
                participant_identity: options.sender_identity.clone().unwrap_or_default(),
                destination_identities: options.destinations.clone(),
                value: Some(Value::StreamHeader(whole)),
                ..Default::default()
            };
            if packet.encoded_len() <= PIECE_BYTES && self.check(&packet).is_ok() {
                return self.reliable(packet, receipt);
            }
        }
        let trailer = Trailer {
            stream_id: info.stream_id.clone(),
            ..Default::default()
        };
        let content = (!content.is_empty()).then_some(Part::Content {
            bytes: content,
            at: 0,
            receipt: None,
        });
        let parts = [Part::Header(Box::new(header), None)]
            .into_iter()
            .chain(content)
            .chain([Part::Trailer(trailer, receipt)])
            .collect();
        self.add_stream(info, options, parts, is_packed)
    }

    fn add_stream(
        &mut self,
        info: &StreamInfo,
        options: &StreamOptions,
        parts: VecDeque<Part>,
        is_packed: bool,
    ) -> Result<(), RoomError> {
        if self.streams.contains_key(&info.stream_id) {
            return Err(RoomError::new(
                ErrorCode::InvalidState,
                "a stream of this id is open",
            ));
        }
        if self.streams.len() >= MAX_STREAMS {
            return Err(RoomError::new(
                ErrorCode::RateLimitExceeded,
                format!("{MAX_STREAMS} streams are open in this room: close some of them"),
            ));
        }
        let closing = matches!(parts.back(), Some(Part::Trailer(..)));
        let stream = StreamOut {
            id: info.stream_id.clone(),
            destinations: options.destinations.clone(),
            sender_identity: options.sender_identity.clone().unwrap_or_default(),
            is_text: !is_packed && matches!(info.content, StreamContent::Text { .. }),
            parts,
            next_index: 0,
            begun: false,
            whole: closing,
            closing,
            ended: false,
        };
        for part in &stream.parts {
            self.check_part(&stream, part)?;
        }
        self.streams.insert(info.stream_id.clone(), stream);
        self.take_turns(info.stream_id.clone());
        Ok(())
    }

    /// Whether a part's packets fit into messages, the shortest where it can be cut.
    fn check_part(&self, stream: &StreamOut, part: &Part) -> Result<(), RoomError> {
        self.check(&match part {
            Part::Header(header, _) => stream.packet(Value::StreamHeader((**header).clone())),
            Part::Trailer(trailer, _) => stream.packet(Value::StreamTrailer(trailer.clone())),
            Part::Content { .. } => stream.piece(u64::MAX, vec![0; MIN_PIECE_BYTES]),
        })
    }

    /// Writes to an open stream.
    pub(crate) fn write_stream(
        &mut self,
        stream_id: &str,
        bytes: Vec<u8>,
        receipt: Receipt,
    ) -> Result<(), RoomError> {
        let stream = self.open_one(stream_id)?;
        if stream.is_text && std::str::from_utf8(&bytes).is_err() {
            return Err(RoomError::new(
                ErrorCode::InvalidInput,
                "text must be UTF-8 and end with a whole character",
            ));
        }
        let part = Part::Content {
            bytes,
            at: 0,
            receipt: Some(receipt),
        };
        self.append(stream_id, part)
    }

    /// Ends an open stream.
    pub(crate) fn close_stream(
        &mut self,
        stream_id: &str,
        reason: String,
        attributes: BTreeMap<String, String>,
        receipt: Receipt,
    ) -> Result<(), RoomError> {
        let trailer = Trailer {
            stream_id: stream_id.to_owned(),
            reason,
            attributes: attributes.into_iter().collect(),
        };
        self.append(stream_id, Part::Trailer(trailer, Some(receipt)))
    }

    fn open_one(&self, stream_id: &str) -> Result<&StreamOut, RoomError> {
        self.streams
            .get(stream_id)
            .filter(|stream| !stream.closing)
            .ok_or_else(|| {
                RoomError::new(
                    ErrorCode::InvalidState,
                    "no stream of this id is open: it was closed, or broke when the room was joined anew",
                )
            })
    }

    fn append(&mut self, stream_id: &str, part: Part) -> Result<(), RoomError> {
        let stream = self.open_one(stream_id)?;
        self.check_part(stream, &part)?;
        let Some(stream) = self.streams.get_mut(stream_id) else {
            return Ok(());
        };
        let idle = !stream.has_more();
        stream.closing = matches!(part, Part::Trailer(..));
        stream.parts.push_back(part);
        if idle {
            self.take_turns(stream_id.to_owned());
        }
        Ok(())
    }

    /// Nobody awaits this command any more: what has not begun is not sent, a whole stream that is half sent is ended, and a
    /// piece that is half sent is sent to its end. Gives the commands that fail with it.
    pub(super) fn cancel_stream(&mut self, command: CommandId) -> Vec<CommandId> {
        let is = |part: &Part| part.receipt().is_some_and(|of| of.command == command);
        let Some((id, stream)) = self
            .streams
            .iter_mut()
            .find(|(_, stream)| stream.parts.iter().any(is))
        else {
            return Vec::new();
        };
        let (whole, begun, parts) = (stream.whole, stream.begun, stream.parts.len());
        match stream.parts.iter_mut().find(|part| is(part)) {
            Some(Part::Content { at, receipt, .. }) if *at > 0 => *receipt = None,
            Some(Part::Content { .. }) => stream.parts.retain(|part| !is(part)),
            Some(Part::Trailer(trailer, receipt)) if !whole || begun => {
                *receipt = None;
                if whole && parts > 1 {
                    "cancelled".clone_into(&mut trailer.reason);
                    let is_trailer = |part: &Part| matches!(part, Part::Trailer(..));
                    stream.parts.retain(is_trailer);
                }
            }
            // It was not even opened.
            _ => {
                let id = id.clone();
                let others = self.streams.remove(&id);
                return others
                    .into_iter()
                    .flat_map(StreamOut::commands)
                    .filter(|other| *other != command)
                    .collect();
            }
        }
        Vec::new()
    }
}
