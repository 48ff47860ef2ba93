//! Locks that a panic does not poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What `mutex` guards. A panic under it was reported already, and what is guarded here is whole at any time: the end of a queue, a
/// coder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
