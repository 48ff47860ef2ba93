//! What one stream keeps from window to window.

use crate::architecture::{CONTEXT_SAMPLES, HIDDEN};

/// What the model remembers of one stream: the last 4 ms of sound and the hidden and cell state of the LSTM. 1.3 kB.
///
/// The default is a stream that has heard nothing. Always finite, whatever was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct SileroState {
    pub(crate) context: [f32; CONTEXT_SAMPLES],
    pub(crate) hidden: [f32; HIDDEN],
    pub(crate) cell: [f32; HIDDEN],
}

impl SileroState {
    /// Hidden state of the LSTM, 128 values in [-1, 1].
    pub fn hidden(&self) -> &[f32] {
        &self.hidden
    }

    /// Cell state of the LSTM, 128 values.
    pub fn cell(&self) -> &[f32] {
        &self.cell
    }
}

impl Default for SileroState {
    fn default() -> Self {
        Self {
            context: [0.0; CONTEXT_SAMPLES],
            hidden: [0.0; HIDDEN],
            cell: [0.0; HIDDEN],
        }
    }
}
