//! What a room is joined with.

use crate::command::{LocalTrackId, TrackOptions};
use beluga_engine::Secret;

/// What we say of ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Version of this package.
    pub version: String,
    /// Operating system.
    pub os: String,
    /// Its version.
    pub os_version: String,
}

/// What a room is joined with. Times are on the clock of [`Wire`](beluga_engine::Wire).
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// `ws:`, `wss:`, `http:` or `https:`; a path before `/rtc` is kept.
    pub url: String,
    /// Who we are and what we may do.
    pub token: Secret,
    /// Whether the server subscribes us to everything that is published.
    pub auto_subscribe: bool,
    /// What we say of ourselves.
    pub client: ClientInfo,
    /// Tracks that are published with the join itself: no round trip of their own.
    pub publish: Vec<(LocalTrackId, TrackOptions)>,
    /// How long joining may take in all.
    pub connect_timeout_ms: u32,
    /// How often a connection that did not come about is tried again while joining.
    pub join_retries: u32,
    /// How long ICE may look for a way before the join is given up as [`NoMediaPath`](crate::ErrorCode::NoMediaPath).
    pub media_timeout_ms: u32,
    /// Whether a lost connection is brought back.
    pub reconnect: bool,
    /// Whether somebody answers [`Event::TokenNeeded`](crate::Event::TokenNeeded); otherwise an expired token ends the room.
    pub renews_token: bool,
    /// Milliseconds since 1970 when the clock of the wire was 0: streams and chat messages are dated.
    pub epoch_ms: i64,
    /// Ids and the jitter of attempts come from it.
    pub seed: u64,
}

impl RoomConfig {
    /// With what LiveKit's SDKs do where nothing is said.
    #[must_use]
    pub fn new(url: String, token: Secret, seed: u64) -> Self {
        Self {
            url,
            token,
            auto_subscribe: true,
            client: ClientInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                os: std::env::consts::OS.to_owned(),
                os_version: String::new(),
            },
            publish: Vec::new(),
            connect_timeout_ms: 15_000,
            join_retries: 2,
            media_timeout_ms: 5_000,
            reconnect: true,
            renews_token: false,
            epoch_ms: 0,
            seed,
        }
    }
}
