//! How the core wakes an event loop.

use crate::error::error;
use beluga_engine::LoopWake;
use beluga_runtime::EventFd;
use pyo3::prelude::*;
use std::sync::Arc;

/// One per event loop.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Wakeup {
    descriptor: EventFd,
    pub(crate) wake: Arc<LoopWake>,
}

#[pymethods]
impl Wakeup {
    #[new]
    fn new() -> PyResult<Self> {
        let descriptor = EventFd::new().map_err(|system| {
            error(
                "internal_error",
                format!("no descriptor for waking the event loop: {system}"),
                "",
            )
        })?;
        let wake = Arc::new(LoopWake::new(Box::new(descriptor.clone())));
        Ok(Self { descriptor, wake })
    }

    fn fileno(&self) -> i32 {
        self.descriptor.raw()
    }

    fn clear(&self) {
        // In this order: what happens between the two wakes the loop once too often, never too seldom.
        self.descriptor.clear();
        self.wake.looking();
    }

    fn notify(&self) {
        self.wake.notify();
    }
}
