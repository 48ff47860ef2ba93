//! A stream that comes in.

use crate::of_process::OfProcess;
use beluga_livekit::{StreamError, StreamRead};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct StreamReader(OfProcess<beluga_livekit::StreamReader>);

impl StreamReader {
    pub(crate) fn new(reader: beluga_livekit::StreamReader) -> Self {
        Self(OfProcess::new(reader))
    }
}

#[pymethods]
impl StreamReader {
    /// The kind of what there is, and what it is.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<(&'static str, Bound<'py, PyAny>)> {
        Ok(match self.0.get()?.read() {
            StreamRead::Piece(bytes) => ("piece", PyBytes::new(py, &bytes).into_any()),
            StreamRead::Nothing => ("nothing", py.None().into_bound(py)),
            StreamRead::End(attributes) => {
                let shown = PyDict::new(py);
                for (key, value) in attributes {
                    shown.set_item(key, value)?;
                }
                ("end", shown.into_any())
            }
            StreamRead::Failed(error) => {
                let failed = (code(&error), error.to_string());
                ("failed", failed.into_pyobject(py)?.into_any())
            }
        })
    }

    #[getter]
    fn unread(&self) -> PyResult<usize> {
        Ok(self.0.get()?.unread())
    }
}

/// The codes of requirements.md, section 9.
fn code(error: &StreamError) -> &'static str {
    match error {
        StreamError::Gap | StreamError::Length { .. } | StreamError::Compression => {
            "malformed_response"
        }
        StreamError::Unread => "stream_error",
        StreamError::Aborted(_) | StreamError::SenderLeft | StreamError::RoomOver => {
            "stream_closed"
        }
    }
}
