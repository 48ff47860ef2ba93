//! The peer that a shard or the signalling thread drives.

use crate::config::RtcPeerConfig;
use crate::exchange::Exchange;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct RtcPeer {
    exchange: Arc<Exchange>,
}

impl RtcPeer {
    pub(crate) fn new(_config: RtcPeerConfig, exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }
}
