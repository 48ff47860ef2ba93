//! Resampler, codecs and WAV, usable on their own.

use crate::buffer::{Pcm, to_bytes};
use crate::error::{invalid_config, invalid_format};
use crate::gate::detached;
use crate::lock::lock;
use beluga_codec::{Decoder, Encoder, OpusEncoderConfig};
use beluga_dsp::pcm::{to_f32, to_i16};
use beluga_dsp::{Alignment, wav};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Mutex;

/// The longest packet that an encoder is given room for (RFC 6716, section 3.4: 1,275 bytes a frame).
const LONGEST_PACKET_BYTES: usize = 1_500;

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Resampler(Mutex<beluga_dsp::Resampler>);

#[pymethods]
impl Resampler {
    #[new]
    fn new(py: Python<'_>, in_hz: u32, out_hz: u32) -> PyResult<Self> {
        detached(py, || {
            beluga_dsp::Resampler::new(in_hz, out_hz, Alignment::Compensated)
        })?
        .map(|resampler| Self(Mutex::new(resampler)))
        .map_err(|rate| invalid_config("sample_rate", rate))
    }

    fn process<'py>(&self, py: Python<'py>, pcm: Pcm) -> PyResult<Bound<'py, PyBytes>> {
        let resampled = detached(py, || resample(&mut lock(&self.0), &pcm.0))?;
        Ok(PyBytes::new(py, &resampled))
    }

    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let tail = detached(py, || {
            let mut resampler = lock(&self.0);
            let zeros = vec![0; resampler.flush_len()];
            let tail = resample(&mut resampler, &zeros);
            resampler.reset();
            tail
        })?;
        Ok(PyBytes::new(py, &tail))
    }
}

fn resample(resampler: &mut beluga_dsp::Resampler, pcm: &[i16]) -> Vec<u8> {
    let mut source = vec![0.0; pcm.len()];
    to_f32(pcm, &mut source);
    let mut resampled = vec![0.0; resampler.output_len(source.len())];
    let len = resampler.process(&source, &mut resampled);
    let mut samples = vec![0; len];
    to_i16(&resampled[..len], &mut samples);
    to_bytes(&samples)
}

fn decode_packet(decoder: &Mutex<impl Decoder>, payload: &[u8]) -> PyResult<Vec<u8>> {
    let mut decoder = lock(decoder);
    let mut samples = vec![0; decoder.packet_samples(payload).map_err(invalid_format)?];
    let len = decoder
        .decode(payload, &mut samples)
        .map_err(invalid_format)?;
    Ok(to_bytes(&samples[..len]))
}

fn encode_frame(encoder: &Mutex<impl Encoder>, pcm: &[i16]) -> PyResult<Vec<u8>> {
    let mut payload = vec![0; LONGEST_PACKET_BYTES.max(pcm.len())];
    let len = lock(encoder)
        .encode(pcm, &mut payload)
        .map_err(invalid_format)?;
    payload.truncate(len);
    Ok(payload)
}

macro_rules! g711 {
    ($name:ident) => {
        /// See the stub.
        #[pyclass(frozen, module = "beluga_voice._core")]
        pub(crate) struct $name(Mutex<beluga_codec::$name>);

        #[pymethods]
        impl $name {
            #[new]
            fn new() -> Self {
                Self(Mutex::default())
            }

            fn encode<'py>(&self, py: Python<'py>, pcm: Pcm) -> PyResult<Bound<'py, PyBytes>> {
                Ok(PyBytes::new(py, &encode_frame(&self.0, &pcm.0)?))
            }

            fn decode<'py>(
                &self,
                py: Python<'py>,
                payload: &[u8],
            ) -> PyResult<Bound<'py, PyBytes>> {
                Ok(PyBytes::new(py, &decode_packet(&self.0, payload)?))
            }
        }
    };
}
g711!(MuLaw);
g711!(ALaw);

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct OpusEncoder(Mutex<beluga_codec::OpusEncoder>);

#[pymethods]
impl OpusEncoder {
    #[new]
    #[pyo3(signature = (*, sample_rate, complexity=5, bitrate_bps=24_000))]
    fn new(sample_rate: u32, complexity: u8, bitrate_bps: u32) -> PyResult<Self> {
        let config = OpusEncoderConfig {
            sample_rate_hz: sample_rate,
            complexity,
            bitrate_bps,
        };
        beluga_codec::OpusEncoder::new(config)
            .map(|encoder| Self(Mutex::new(encoder)))
            .map_err(|codec| invalid_config("", codec))
    }

    fn encode<'py>(&self, py: Python<'py>, pcm: Pcm) -> PyResult<Bound<'py, PyBytes>> {
        let payload = detached(py, || encode_frame(&self.0, &pcm.0))??;
        Ok(PyBytes::new(py, &payload))
    }
}

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct OpusDecoder(Mutex<beluga_codec::OpusDecoder>);

#[pymethods]
impl OpusDecoder {
    #[new]
    #[pyo3(signature = (*, sample_rate))]
    fn new(sample_rate: u32) -> PyResult<Self> {
        beluga_codec::OpusDecoder::new(sample_rate)
            .map(|decoder| Self(Mutex::new(decoder)))
            .map_err(|codec| invalid_config("sample_rate", codec))
    }

    fn decode<'py>(&self, py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let pcm = detached(py, || decode_packet(&self.0, payload))??;
        Ok(PyBytes::new(py, &pcm))
    }
}

/// Samples of all channels interleaved, as int16; see the stub.
#[pyfunction]
pub(crate) fn read_wav<'py>(
    py: Python<'py>,
    data: &[u8],
) -> PyResult<(Bound<'py, PyBytes>, u32, u16)> {
    let (pcm, rate, channels) = detached(py, || {
        let wav = wav::parse(data).map_err(invalid_format)?;
        let mut samples = vec![0; wav.samples.len()];
        to_i16(&wav.samples, &mut samples);
        PyResult::Ok((to_bytes(&samples), wav.sample_rate_hz, wav.channels))
    })??;
    Ok((PyBytes::new(py, &pcm), rate, channels))
}

/// A WAV file of int16 samples; see the stub.
#[pyfunction]
#[pyo3(signature = (pcm, *, sample_rate, channels=1))]
pub(crate) fn write_wav(
    py: Python<'_>,
    pcm: Pcm,
    sample_rate: u32,
    channels: u16,
) -> PyResult<Bound<'_, PyBytes>> {
    let file = detached(py, || wav::write_i16(sample_rate, channels, &pcm.0))?;
    Ok(PyBytes::new(py, &file))
}
