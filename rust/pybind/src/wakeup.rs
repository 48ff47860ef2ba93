//! How the core wakes an event loop.

use crate::engine::Engine;
use crate::error::error;
use crate::host::Clock;
use beluga_engine::{Age, Bells};
use beluga_runtime::EventFd;
use pyo3::prelude::*;
use std::sync::Arc;

/// One per event loop.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Wakeup {
    descriptor: EventFd,
    bells: Arc<Bells>,
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
        let bells = Bells::new(Box::new(descriptor.clone()));
        Ok(Self {
            descriptor,
            bells,
            lag_us: Age::default(),
            clock: engine.clock()?,
        })
    }

    fn fileno(&self) -> i32 {
        self.descriptor.raw()
    }

    fn bell(&self) -> Bell {
        Bell {
            bell: self.bells.bell(),
            clock: self.clock.clone(),
        }
    }

    fn clear(&self) -> Vec<usize> {
        // In this order: what happens between the two wakes the loop once too often, never too seldom.
        self.descriptor.clear();
        let mut who = Vec::new();
        if let Some(woken_us) = self.bells.looking(&mut |number| who.push(number)) {
            self.lag_us.note(woken_us, self.clock.now_us());
        }
        who
    }

    fn notify(&self) {
        self.bells.notify(self.clock.now_us());
    }

    fn lag_us(&self) -> (u64, u64, u64) {
        self.lag_us.get()
    }
}

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Bell {
    pub(crate) bell: beluga_engine::Bell,
    clock: Clock,
}

#[pymethods]
impl Bell {
    #[getter]
    fn number(&self) -> usize {
        self.bell.number()
    }

    fn ring(&self) {
        self.bell.ring(self.clock.now_us());
    }
}
