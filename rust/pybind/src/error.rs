//! The one exception of the core: a code, a message, and the field it is about.

use pyo3::prelude::*;
use std::fmt::Display;

pyo3::create_exception!(
    beluga_voice._core,
    CoreError,
    pyo3::exceptions::PyException,
    "A failure of the core: `args` are the code of requirements.md, the message and the field ('' if none)."
);

/// Something outside of what is allowed was asked for.
pub(crate) fn invalid_config(field: &str, message: impl Display) -> PyErr {
    error("invalid_config", message, field)
}

/// The object is not in a state for this.
pub(crate) fn invalid_state(message: impl Display) -> PyErr {
    error("invalid_state", message, "")
}

/// Samples or packets are not what they must be.
pub(crate) fn invalid_format(message: impl Display) -> PyErr {
    error("invalid_format", message, "")
}

pub(crate) fn error(code: &str, message: impl Display, field: &str) -> PyErr {
    CoreError::new_err((code.to_owned(), message.to_string(), field.to_owned()))
}
