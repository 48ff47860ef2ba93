//! How the core wakes an event loop.

use crate::engine::Engine;
use crate::error::error;
use crate::host::Clock;
use beluga_engine::{Age, LoopWake};
use beluga_runtime::EventFd;
use pyo3::prelude::*;
use std::sync::Arc;

/// One per event loop.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Wakeup {
    descriptor: EventFd,
    pub(crate) wake: Arc<LoopWake>,
    lag_us: Age,
    /// The clock of the shards that wake it.
    clock: Clock,
}

#[pymethods]
impl Wakeup {
    #[new]
    fn new(engine: &Engine) -> PyResult<Self> {
        let descriptor = EventFd::new().map_err(|system| {
            error(
                "internal_error",
                format!("no descriptor for waking the event loop: {system}"),
                "",
            )
        })?;
        let wake = Arc::new(LoopWake::new(Box::new(descriptor.clone())));
        Ok(Self {
            descriptor,
            wake,
            lag_us: Age::default(),
            clock: engine.clock()?,
        })
    }

    fn fileno(&self) -> i32 {
        self.descriptor.raw()
    }

    fn clear(&self) {
        // In this order: what happens between the two wakes the loop once too often, never too seldom.
        self.descriptor.clear();
        if let Some(woken_us) = self.wake.looking() {
            self.lag_us.note(woken_us, self.clock.now_us());
        }
    }

    fn notify(&self) {
        self.wake.notify(self.clock.now_us());
    }

    fn lag_us(&self) -> (u64, u64, u64) {
        self.lag_us.get()
    }
}
