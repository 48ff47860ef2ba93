//! The extension module `beluga_voice._core`: the only crate that knows Python.
//!
//! Registration, conversions and one gate; no policy. `python/beluga_voice/_core.pyi` holds its documentation.

mod audio;
mod buffer;
mod call;
mod caller;
mod door;
mod engine;
mod error;
mod event;
mod gate;
mod host;
mod lock;
mod network;
mod of_process;
mod room;
mod room_event;
mod stream_reader;
mod vad;
mod wakeup;

use pyo3::prelude::*;

/// The compiled core of beluga-voice.
#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::audio::{ALaw, MuLaw, OpusDecoder, OpusEncoder, Resampler, read_wav, write_wav};
    #[pymodule_export]
    use crate::call::Call;
    #[pymodule_export]
    use crate::caller::{Caller, Tape};
    #[pymodule_export]
    use crate::engine::{Engine, transitions};
    #[pymodule_export]
    use crate::error::CoreError;
    #[pymodule_export]
    use crate::event::Event;
    #[pymodule_export]
    use crate::network::{NetworkEmulator, network_profiles};
    #[pymodule_export]
    use crate::room::Room;
    #[pymodule_export]
    use crate::stream_reader::StreamReader;
    #[pymodule_export]
    use crate::vad::SileroVad;
    #[pymodule_export]
    use crate::wakeup::{Bell, Wakeup};

    #[pymodule_init]
    fn init(module: &super::Bound<'_, super::PyModule>) -> super::PyResult<()> {
        use pyo3::prelude::PyModuleMethods;
        crate::of_process::watch_forks(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
