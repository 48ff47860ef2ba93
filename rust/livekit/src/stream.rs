//! A stream of text or bytes that comes in, for whoever reads it.

use crate::command::StreamContent;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What may lie unread of one stream. Past that it fails: nobody reads it.
pub const MAX_UNREAD_BYTES: usize = 4 << 20;
/// What may lie unread of all streams of a room together. Past that the one that wants more fails.
pub const MAX_UNREAD_BYTES_IN_ALL: usize = 32 << 20;

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its own.
    pub stream_id: String,
    /// What it is for.
    pub topic: String,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its type.
    pub mime_type: String,
    /// Bytes in all, where that is known.
    pub total_bytes: Option<u64>,
    /// By key.
    pub attributes: BTreeMap<String, String>,
    /// Text or bytes.
    pub content: StreamContent,
}

/// Why a stream ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// A piece is missing.
    #[error("a piece of the stream is missing")]
    Gap,
    /// It has not as many bytes as it said it would.
    #[error("the stream has {got} bytes and not {expected} as it said")]
    Length {
        /// As it said.
        expected: u64,
        /// As it is.
        got: u64,
    },
    /// Nobody read it.
    #[error(
        "over {} bytes of the stream lay unread: read faster, or ask for less",
        MAX_UNREAD_BYTES
    )]
    Unread,
    /// It cannot be unpacked.
    #[error("the stream's compression is damaged, or not one that is known here")]
    Compression,
    /// Its sender ended it early.
    #[error("the sender ended the stream early: {0}")]
    Aborted(String),
    /// Its sender left.
    #[error("the sender left the room")]
    SenderLeft,
    /// The room is over.
    #[error("the room is over")]
    RoomOver,
}

/// What [`StreamReader::read`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamRead {
    /// A piece, as it was sent; of text, whole characters.
    Piece(Vec<u8>),
    /// Nothing for now; [`Event::StreamReadable`](crate::Event::StreamReadable) will say when.
    Nothing,
    /// The end. Attributes as they are now.
    End(BTreeMap<String, String>),
    /// It broke off.
    Failed(StreamError),
}

#[derive(Debug, Default)]
struct Buffer {
    pieces: VecDeque<Vec<u8>>,
    unread: usize,
    end: Option<Result<BTreeMap<String, String>, StreamError>>,
    /// The reader found nothing and waits.
    waiting: bool,
    /// The reader is gone.
    unwanted: bool,
}

/// Bytes that lie unread in all streams of a room. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<AtomicUsize>);

impl Pool {
    /// Counts what is to lie there besides the `unread` bytes of its stream; false where that is too much, for the stream or in all.
    pub(crate) fn take(&self, unread: usize, bytes: usize) -> bool {
        let in_all = self.0.load(Ordering::Relaxed) + bytes;
        let fits = unread + bytes <= MAX_UNREAD_BYTES && in_all <= MAX_UNREAD_BYTES_IN_ALL;
        if fits {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// They were read, or are gone.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Default)]
struct Pipe {
    buffer: Arc<Mutex<Buffer>>,
    pool: Pool,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a stream.
pub struct StreamReader(Pipe);

impl StreamReader {
    /// The next piece, or what there is instead.
    #[must_use]
    pub fn read(&self) -> StreamRead {
        let mut buffer = self.0.lock();
        if let Some(piece) = buffer.pieces.pop_front() {
            buffer.unread -= piece.len();
            self.0.pool.give_back(piece.len());
            return StreamRead::Piece(piece);
        }
        match &buffer.end {
            Some(Ok(attributes)) => StreamRead::End(attributes.clone()),
            Some(Err(error)) => StreamRead::Failed(error.clone()),
            None => {
                buffer.waiting = true;
                StreamRead::Nothing
            }
        }
    }

    /// Bytes that wait to be read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.0.lock().unread
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("unread", &self.unread())
            .finish()
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        let mut buffer = self.0.lock();
        buffer.unwanted = true;
        buffer.pieces.clear();
        let unread = std::mem::take(&mut buffer.unread);
        self.0.pool.give_back(unread);
    }
}

/// The room's side.
#[derive(Debug)]
pub(crate) struct StreamWriter(Pipe);

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is there, and whoever waits is to be told.
    Awaited,
    /// It is there.
    Kept,
    /// There is no room for it.
    Full,
    /// Nobody wants it.
    Unwanted,
}

pub(crate) fn stream_pipe(pool: Pool) -> (StreamWriter, StreamReader) {
    let pipe = Pipe {
        buffer: Arc::default(),
        pool,
    };
    (StreamWriter(pipe.clone()), StreamReader(pipe))
}

impl StreamWriter {
    pub(crate) fn write(&self, piece: Vec<u8>) -> Written {
        let mut buffer = self.0.lock();
        if buffer.unwanted {
            return Written::Unwanted;
        }
        if piece.is_empty() {
            return Written::Kept;
        }
        if !self.0.pool.take(buffer.unread, piece.len()) {
            return Written::Full;
        }
        buffer.unread += piece.len();
        buffer.pieces.push_back(piece);
        Self::awaited(&mut buffer)
    }

    pub(crate) fn end(&self, end: Result<BTreeMap<String, String>, StreamError>) -> Written {
        let mut buffer = self.0.lock();
        if buffer.unwanted {
            return Written::Unwanted;
        }
        buffer.end = Some(end);
        Self::awaited(&mut buffer)
    }

    fn awaited(buffer: &mut Buffer) -> Written {
        if std::mem::take(&mut buffer.waiting) {
            Written::Awaited
        } else {
            Written::Kept
        }
    }
}
