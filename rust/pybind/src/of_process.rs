//! What belongs to the process that made it.

use crate::error::invalid_state;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicU32, Ordering};

/// Forks between the process that loaded the module and this one. Asking the system for the process's number takes longer than most
/// of what is asked of a call.
static FORKS: AtomicU32 = AtomicU32::new(0);

#[pyfunction]
fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Has Python tell of each fork, in the child.
pub(crate) fn watch_forks(py: Python<'_>) -> PyResult<()> {
    let told = PyDict::new(py);
    told.set_item("after_in_child", wrap_pyfunction!(forked, py)?)?;
    py.import("os")?
        .call_method("register_at_fork", (), Some(&told))?;
    Ok(())
}

/// Something that threads serve. They do not survive a fork, and what they had locked stays locked: a child that called on would wait
/// for ever. So it is refused, and lets go of it as it is.
pub(crate) struct OfProcess<T> {
    forks: u32,
    /// None only while it is dropped.
    inner: Option<T>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            forks: FORKS.load(Ordering::Relaxed),
            inner: Some(inner),
        }
    }

    /// `invalid_state` in a child of the process that made it.
    pub(crate) fn get(&self) -> PyResult<&T> {
        self.inner.as_ref().filter(|_| self.is_ours()).ok_or_else(|| {
            invalid_state(
                "this process was forked from one that runs the engine; start children with 'spawn'",
            )
        })
    }

    fn is_ours(&self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.forks
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            std::mem::forget(self.inner.take());
        }
    }
}
