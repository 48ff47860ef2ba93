//! libopus 1.6 behind safe types: owned states, lengths checked, codes turned into errors.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use opusic_sys as sys;

use crate::CodecError;

/// A mono decoder's state.
#[derive(Debug)]
pub(crate) struct DecoderState(NonNull<sys::OpusDecoder>);

// SAFETY: the state is one block of memory of its own (`opus_decoder_create` mallocs it), tied to no thread, and every
// access goes through `&mut self`.
unsafe impl Send for DecoderState {}

impl DecoderState {
    /// A new state for output at one of Opus's five rates.
    pub(crate) fn new(sample_rate_hz: u32) -> Result<Self, CodecError> {
        let mut code = sys::OPUS_OK;
        // SAFETY: `code` is valid for a write; a rate that Opus does not know is refused with a code.
        let state = unsafe { sys::opus_decoder_create(sample_rate_hz as i32, 1, &mut code) };
        owned(state, code, "opus_decoder_create").map(Self)
    }

    /// Decodes `packet`, or conceals its loss where there is none, to the front of `out`; returns the number of samples.
    pub(crate) fn decode(
        &mut self,
        packet: Option<&[u8]>,
        out: &mut [i16],
    ) -> Result<usize, CodecError> {
        let (data, length) = match packet {
            Some(packet) => (packet.as_ptr(), c_length(packet.len())?),
            None => (ptr::null(), 0),
        };
        let room = c_length(out.len())?;
        // SAFETY: the state is live and ours alone; `data` is null or valid for `length` bytes of reading, `out` for
        // `room` samples of writing (one channel), and libopus keeps neither.
        let code =
            unsafe { sys::opus_decode(self.0.as_ptr(), data, length, out.as_mut_ptr(), room, 0) };
        count(code, "opus_decode")
    }

    /// Back to the state of a new decoder.
    pub(crate) fn reset(&mut self) {
        // SAFETY: the state is live; this request takes no argument and cannot fail.
        unsafe { sys::opus_decoder_ctl(self.0.as_ptr(), sys::OPUS_RESET_STATE) };
    }
}

impl Drop for DecoderState {
    fn drop(&mut self) {
        // SAFETY: the state came from `opus_decoder_create` and is used no more.
        unsafe { sys::opus_decoder_destroy(self.0.as_ptr()) }
    }
}

/// A mono encoder's state.
#[derive(Debug)]
pub(crate) struct EncoderState(NonNull<sys::OpusEncoder>);

// SAFETY: as for `DecoderState`.
unsafe impl Send for EncoderState {}

impl EncoderState {
    /// A new state, tuned for speech, for input at one of Opus's five rates.
    pub(crate) fn new(sample_rate_hz: u32) -> Result<Self, CodecError> {
        let mut code = sys::OPUS_OK;
        // SAFETY: `code` is valid for a write; a rate that Opus does not know is refused with a code.
        let state = unsafe {
            sys::opus_encoder_create(
                sample_rate_hz as i32,
                1,
                sys::OPUS_APPLICATION_VOIP,
                &mut code,
            )
        };
        owned(state, code, "opus_encoder_create").map(Self)
    }

    /// Sets what one of the `OPUS_SET_..._REQUEST`s that take an `opus_int32` sets.
    pub(crate) fn set(&mut self, request: c_int, value: i32) -> Result<(), CodecError> {
        // SAFETY: the state is live; such a request reads exactly one `opus_int32` and answers a wrong one with a code.
        let code = unsafe { sys::opus_encoder_ctl(self.0.as_ptr(), request, value) };
        count(code, "opus_encoder_ctl").map(drop)
    }

    /// Encodes one frame to the front of `out`; returns the packet's length in bytes.
    pub(crate) fn encode(&mut self, frame: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let length = c_length(frame.len())?;
        let room = c_length(out.len())?;
        // SAFETY: the state is live and ours alone; `frame` is valid for `length` samples of reading (one channel), `out`
        // for `room` bytes of writing, and libopus keeps neither.
        let code = unsafe {
            sys::opus_encode(
                self.0.as_ptr(),
                frame.as_ptr(),
                length,
                out.as_mut_ptr(),
                room,
            )
        };
        count(code, "opus_encode")
    }
}

impl Drop for EncoderState {
    fn drop(&mut self) {
        // SAFETY: the state came from `opus_encoder_create` and is used no more.
        unsafe { sys::opus_encoder_destroy(self.0.as_ptr()) }
    }
}

/// Length of a packet's sound in samples, from its header.
pub(crate) fn packet_samples(packet: &[u8], sample_rate_hz: u32) -> Result<usize, CodecError> {
    let length = c_length(packet.len())?;
    // SAFETY: `packet` is valid for `length` bytes of reading; a length of 0 is answered with a code.
    let code =
        unsafe { sys::opus_packet_get_nb_samples(packet.as_ptr(), length, sample_rate_hz as i32) };
    match count(code, "opus_packet_get_nb_samples")? {
        0 => Err(CodecError::MalformedPacket),
        samples => Ok(samples),
    }
}

/// A length as C takes it. What no `int` can count is no packet.
fn c_length(length: usize) -> Result<c_int, CodecError> {
    c_int::try_from(length).map_err(|_| CodecError::MalformedPacket)
}

fn owned<T>(state: *mut T, code: c_int, operation: &'static str) -> Result<NonNull<T>, CodecError> {
    count(code, operation)?;
    NonNull::new(state).ok_or(CodecError::Library { operation, code })
}

/// What a function returns: a count, or a negative code.
fn count(code: c_int, operation: &'static str) -> Result<usize, CodecError> {
    match code {
        sys::OPUS_INVALID_PACKET => Err(CodecError::MalformedPacket),
        _ => usize::try_from(code).map_err(|_| CodecError::Library { operation, code }),
    }
}
