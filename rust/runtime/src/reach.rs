//! How a wire reaches its server.

use crate::trust::Trust;

/// What the connections of a wire have in common.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Which certificates the server may show.
    pub trust: Trust,
    /// Sent as `User-Agent`.
    pub user_agent: String,
}
