//! Streams are packed by raw DEFLATE (RFC 1951) where everybody who gets them can unpack it.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};
use std::fmt;

/// Level of zlib's scale: most of what can be gained, at a third of the cost of the highest.
const LEVEL: u8 = 4;
/// What is unpacked at once.
const STEP_BYTES: usize = 32 << 10;

/// Packs; none where nothing is gained.
pub(crate) fn packed(content: &[u8]) -> Option<Vec<u8>> {
    let packed = compress_to_vec(content, LEVEL);
    (packed.len() < content.len()).then_some(packed)
}

/// Unpacks what comes in pieces.
pub(crate) struct Unpacker {
    state: Box<InflateState>,
    ended: bool,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Not DEFLATE, or more of it than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnpackError {
    Damaged,
    TooLong,
}

impl Unpacker {
    pub(crate) fn new() -> Self {
        Self {
            state: InflateState::new_boxed(DataFormat::Raw),
            ended: false,
        }
    }

    /// What a piece unpacks to, if that is at most `limit` bytes: a small piece can hold much.
    pub(crate) fn unpack(&mut self, piece: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
        let mut rest = piece;
        let mut content = Vec::new();
        let mut step = vec![0; STEP_BYTES];
        loop {
            if self.ended {
                // Nothing belongs behind the end.
                return if rest.is_empty() {
                    Ok(content)
                } else {
                    Err(UnpackError::Damaged)
                };
            }
            let result = inflate(&mut self.state, rest, &mut step, MZFlush::None);
            rest = &rest[result.bytes_consumed..];
            content.extend_from_slice(&step[..result.bytes_written]);
            if content.len() > limit {
                return Err(UnpackError::TooLong);
            }
            match result.status {
                Ok(MZStatus::StreamEnd) => self.ended = true,
                Ok(_) if result.bytes_written == STEP_BYTES || !rest.is_empty() => {
                    if result.bytes_consumed == 0 && result.bytes_written == 0 {
                        return Err(UnpackError::Damaged);
                    }
                }
                Ok(_) => return Ok(content),
                // There was nothing more to do.
                Err(miniz_oxide::MZError::Buf) if rest.is_empty() => return Ok(content),
                Err(_) => return Err(UnpackError::Damaged),
            }
        }
    }

    /// Whether its end has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpacked(pieces: &[&[u8]], limit: usize) -> Result<Vec<u8>, UnpackError> {
        let mut unpacker = Unpacker::new();
        let mut content = Vec::new();
        for piece in pieces {
            content.extend(unpacker.unpack(piece, limit)?);
        }
        if unpacker.has_ended() {
            Ok(content)
        } else {
            Err(UnpackError::Damaged)
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = packed(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 100_000);
        assert_eq!(unpacked(&[&bomb], 4 << 20), Err(UnpackError::TooLong));
    }

    #[test]
    fn what_gains_nothing_is_left_as_it_is() {
        assert_eq!(packed(b"hi"), None);
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back_wherever_it_was_cut(
            words in prop::collection::vec("[a-f]{1,9}", 0..4_000),
            cut in 1_usize..700,
        ) {
            let content = words.join(" ").into_bytes();
            if let Some(packed) = packed(&content) {
                let pieces: Vec<&[u8]> = packed.chunks(cut).collect();
                prop_assert_eq!(unpacked(&pieces, content.len()), Ok(content));
            }
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(pieces in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = unpacked(&pieces, 1 << 20);
        }
    }
}
