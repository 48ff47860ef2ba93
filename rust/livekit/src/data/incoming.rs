//! Streams of text and bytes that come in, put together from their packets.

use crate::command::StreamContent;
use crate::data::deflate::{UnpackError, Unpacker};
use crate::data::rpc::RpcStream;
use crate::stream::{
    MAX_UNREAD_BYTES, Pool, StreamError, StreamInfo, StreamReader, StreamWriter, Written,
    stream_pipe,
};
use livekit_protocol::data_stream::{
    Chunk, CompressionType, Header, Trailer, header::ContentHeader,
};
use std::collections::BTreeMap;

/// Streams that may be open at the same time; the next one is not taken.
const MAX_STREAMS: usize = 256;
/// What is unpacked within a second, of all streams of the room: a small packet can unpack to megabytes, and the thread that
/// does it is one for all rooms.
const UNPACKED_BYTES_PER_S: usize = 16 << 20;
/// Attributes of one stream; more are left out.
const MAX_ATTRIBUTES: usize = 256;

/// Where the pieces of a stream go.
#[derive(Debug)]
enum Sink {
    Reader(StreamWriter),
    /// Put together here, for a call.
    Rpc(RpcStream, Payload),
}

/// What there is of a call's payload. It is counted as unread until it is whole.
#[derive(Debug)]
struct Payload {
    bytes: Vec<u8>,
    pool: Pool,
}

impl Payload {
    fn put(&mut self, piece: &[u8]) -> Result<Written, StreamError> {
        if !self.pool.take(self.bytes.len(), piece.len()) {
            return Err(StreamError::Unread);
        }
        self.bytes.extend_from_slice(piece);
        Ok(Written::Kept)
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.pool.give_back(self.bytes.len());
    }
}

#[derive(Debug)]
struct StreamIn {
    /// Its sender's stay: pieces of anybody else are not its pieces.
    sender_sid: String,
    is_text: bool,
    next_index: u64,
    total: Option<u64>,
    got: u64,
    attributes: BTreeMap<String, String>,
    unpacker: Option<Unpacker>,
    /// The beginning of a character whose end is in the next piece.
    begun: Vec<u8>,
    sink: Sink,
}

/// What came of a packet.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A stream was opened.
    Opened(StreamInfo, StreamReader),
    /// Somebody waits for it.
    Readable(String),
    /// The payload of a call, or of an answer to one, is whole; or will not be.
    Rpc(RpcStream, Result<String, StreamError>),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    streams: BTreeMap<String, StreamIn>,
    pool: Pool,
    unpacking: Unpacking,
    /// Streams that were too many.
    pub(crate) ignored: u64,
}

/// How much was unpacked in the second that began then.
#[derive(Debug, Default)]
struct Unpacking {
    since_us: u64,
    bytes: usize,
}

impl Unpacking {
    /// What may be unpacked now.
    fn left(&mut self, now_us: u64) -> usize {
        if now_us >= self.since_us + 1_000_000 {
            (self.since_us, self.bytes) = (now_us, 0);
        }
        UNPACKED_BYTES_PER_S.saturating_sub(self.bytes)
    }
}

/// What a header says, apart from its content.
fn info_of(header: &Header) -> Option<StreamInfo> {
    let content = match header.content_header.clone()? {
        ContentHeader::TextHeader(text) => StreamContent::Text {
            reply_to: text.reply_to_stream_id,
            attached: text.attached_stream_ids,
            generated: text.generated,
        },
        ContentHeader::ByteHeader(bytes) => StreamContent::Bytes {
            name: bytes.name,
            mime_type: header.mime_type.clone(),
        },
    };
    Some(StreamInfo {
        stream_id: header.stream_id.clone(),
        topic: header.topic.clone(),
        timestamp_ms: header.timestamp,
        mime_type: header.mime_type.clone(),
        total_bytes: header.total_length,
        attributes: sorted(header.attributes.clone()),
        content,
    })
}

fn sorted(attributes: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let all: BTreeMap<String, String> = attributes.into_iter().collect();
    all.into_iter().take(MAX_ATTRIBUTES).collect()
}

impl Incoming {
    /// Whether no other stream is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.streams.len() >= MAX_STREAMS
    }

    /// A stream begins; `rpc` if it is part of a call.
    pub(crate) fn opened(
        &mut self,
        now_us: u64,
        sender_sid: &str,
        header: &Header,
        rpc: Option<RpcStream>,
    ) -> Vec<Arrived> {
        let Some(info) = info_of(header) else {
            return Vec::new();
        };
        let known = self.streams.contains_key(&header.stream_id) || header.stream_id.is_empty();
        if known || self.is_full() {
            self.ignored += 1;
            return Vec::new();
        }
        let mut arrived = Vec::new();
        let sink = match rpc {
            Some(rpc) => {
                let (bytes, pool) = (Vec::new(), self.pool.clone());
                Sink::Rpc(rpc, Payload { bytes, pool })
            }
            None => {
                let (writer, reader) = stream_pipe(self.pool.clone());
                arrived.push(Arrived::Opened(info.clone(), reader));
                Sink::Reader(writer)
            }
        };
        let packed = header.compression() == CompressionType::DeflateRaw;
        let unknown = !packed && header.compression != CompressionType::None as i32;
        let mut stream = StreamIn {
            sender_sid: sender_sid.to_owned(),
            is_text: matches!(info.content, StreamContent::Text { .. }),
            next_index: 0,
            total: header.total_length,
            got: 0,
            attributes: info.attributes,
            unpacker: packed.then(Unpacker::new),
            begun: Vec::new(),
            sink,
        };
        let id = header.stream_id.clone();
        if unknown {
            arrived.extend(stream.end(&id, Err(StreamError::Compression)));
        } else if let Some(content) = &header.inline_content {
            let taken = stream.take(now_us, content, &mut self.unpacking);
            let end = taken.and_then(|_| stream.complete());
            arrived.extend(stream.end(&id, end));
        } else {
            self.streams.insert(id, stream);
        }
        arrived
    }

    pub(crate) fn piece(
        &mut self,
        now_us: u64,
        sender_sid: &str,
        chunk: &Chunk,
    ) -> Option<Arrived> {
        let stream = self
            .streams
            .get_mut(&chunk.stream_id)
            .filter(|stream| stream.sender_sid == sender_sid)?;
        if chunk.chunk_index < stream.next_index {
            // Repeated, or rewritten, which no SDK does.
            return None;
        }
        let taken = if chunk.chunk_index > stream.next_index {
            Err(StreamError::Gap)
        } else {
            stream.next_index += 1;
            stream.take(now_us, &chunk.content, &mut self.unpacking)
        };
        match taken {
            Ok(Written::Awaited) => Some(Arrived::Readable(chunk.stream_id.clone())),
            Ok(Written::Unwanted) => {
                self.streams.remove(&chunk.stream_id);
                None
            }
            Ok(_) => None,
            Err(error) => self.end(&chunk.stream_id, Err(error)),
        }
    }

    pub(crate) fn closed(&mut self, sender_sid: &str, trailer: Trailer) -> Option<Arrived> {
        let stream = self
            .streams
            .get_mut(&trailer.stream_id)
            .filter(|stream| stream.sender_sid == sender_sid)?;
        stream.attributes.extend(sorted(trailer.attributes));
        let end = if trailer.reason.is_empty() {
            stream.complete()
        } else {
            Err(StreamError::Aborted(
                trailer.reason.chars().take(256).collect(),
            ))
        };
        self.end(&trailer.stream_id, end)
    }

    /// Somebody left: his streams break off.
    pub(crate) fn sender_left(&mut self, sender_sid: &str) -> Vec<Arrived> {
        let of: Vec<String> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.sender_sid == sender_sid)
            .map(|(id, _)| id.clone())
            .collect();
        of.iter()
            .filter_map(|id| self.end(id, Err(StreamError::SenderLeft)))
            .collect()
    }

    /// Gives up the payloads that are not whole in time: what they are of.
    pub(crate) fn late(&mut self, now_us: u64) -> Vec<RpcStream> {
        let mut late = Vec::new();
        self.streams.retain(|_, stream| match &stream.sink {
            Sink::Rpc(rpc, _) if rpc.by_us() <= now_us => {
                late.push(rpc.clone());
                false
            }
            _ => true,
        });
        late
    }

    pub(crate) fn due_us(&self) -> Option<u64> {
        let by_us = |stream: &StreamIn| match &stream.sink {
            Sink::Rpc(rpc, _) => Some(rpc.by_us()),
            Sink::Reader(_) => None,
        };
        self.streams.values().filter_map(by_us).min()
    }

    /// The room is over: all streams break off.
    pub(crate) fn room_over(&mut self) {
        for (id, mut stream) in std::mem::take(&mut self.streams) {
            stream.end(&id, Err(StreamError::RoomOver));
        }
    }

    fn end(&mut self, id: &str, end: Result<(), StreamError>) -> Option<Arrived> {
        self.streams.remove(id)?.end(id, end)
    }
}

impl StreamIn {
    /// Takes a piece of the content.
    fn take(
        &mut self,
        now_us: u64,
        piece: &[u8],
        unpacking: &mut Unpacking,
    ) -> Result<Written, StreamError> {
        let content = match &mut self.unpacker {
            Some(unpacker) => {
                let limit = unpacking.left(now_us).min(MAX_UNREAD_BYTES);
                let content = unpacker.unpack(piece, limit);
                unpacking.bytes += content.as_ref().map_or(limit, Vec::len);
                content.map_err(|error| match error {
                    UnpackError::Damaged => StreamError::Compression,
                    UnpackError::TooLong => StreamError::Unread,
                })?
            }
            None => piece.to_vec(),
        };
        self.got += content.len() as u64;
        if let Some(expected) = self.total.filter(|total| self.got > *total) {
            let got = self.got;
            return Err(StreamError::Length { expected, got });
        }
        let content = self.whole_characters(content);
        self.put(content)
    }

    fn put(&mut self, content: Vec<u8>) -> Result<Written, StreamError> {
        match &mut self.sink {
            Sink::Reader(writer) => match writer.write(content) {
                Written::Full => Err(StreamError::Unread),
                written => Ok(written),
            },
            Sink::Rpc(_, payload) => payload.put(&content),
        }
    }

    /// Of text: without the beginning of a character at its end, which waits for the rest.
    fn whole_characters(&mut self, content: Vec<u8>) -> Vec<u8> {
        if !self.is_text {
            return content;
        }
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(&content);
        // Text that is no text goes through as it is.
        if let Err(error) = std::str::from_utf8(&text)
            && error.error_len().is_none()
        {
            self.begun = text.split_off(error.valid_up_to());
        }
        text
    }

    /// Whether all of it is there.
    fn complete(&mut self) -> Result<(), StreamError> {
        if self
            .unpacker
            .as_ref()
            .is_some_and(|unpacker| !unpacker.has_ended() && self.got > 0)
        {
            return Err(StreamError::Compression);
        }
        if let Some(expected) = self.total.filter(|total| self.got != *total) {
            let got = self.got;
            return Err(StreamError::Length { expected, got });
        }
        let begun = std::mem::take(&mut self.begun);
        self.put(begun).map(|_| ())
    }

    fn end(&mut self, id: &str, end: Result<(), StreamError>) -> Option<Arrived> {
        match &mut self.sink {
            Sink::Reader(writer) => {
                let attributes = std::mem::take(&mut self.attributes);
                let written = writer.end(end.map(|()| attributes));
                (written == Written::Awaited).then(|| Arrived::Readable(id.to_owned()))
            }
            Sink::Rpc(rpc, payload) => {
                let text = end.map(|()| String::from_utf8_lossy(&payload.bytes).into_owned());
                Some(Arrived::Rpc(rpc.clone(), text))
            }
        }
    }
}
