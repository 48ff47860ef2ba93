//! Sound from Python: any buffer of int16, or of bytes taken as little-endian int16.

use crate::error::invalid_format;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

/// Mono int16 samples copied out of a buffer.
pub(crate) struct Pcm(pub Vec<i16>);

impl<'py> FromPyObject<'_, 'py> for Pcm {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(samples) = PyBuffer::<i16>::get(&object) {
            if samples.dimensions() > 1 {
                return Err(invalid_format(format!(
                    "sound has shape {:?}; mono sound of shape (n,) is wanted",
                    samples.shape()
                )));
            }
            return Ok(Self(samples.to_vec(py)?));
        }
        let bytes = PyBuffer::<u8>::get(&object).map_err(|_| {
            invalid_format(
                "sound is no buffer of int16; pass an int16 array of shape (n,), or bytes of one",
            )
        })?;
        let bytes = bytes.to_vec(py)?;
        if bytes.len() % 2 != 0 {
            return Err(invalid_format(format!(
                "{} bytes are no whole number of int16 samples",
                bytes.len()
            )));
        }
        Ok(Self(
            bytes
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect(),
        ))
    }
}

/// Samples as the bytes of little-endian int16.
pub(crate) fn to_bytes(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}
