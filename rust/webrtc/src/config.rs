//! What a peer is made with.

use crate::command::ChannelSpec;
use crate::identity::Identity;
use std::time::{Duration, Instant};

/// How the engine's microseconds and str0m's [`Instant`]s are one clock: a moment of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockEpoch {
    /// The moment, as whoever reads the clock has it. Not in the future: str0m wants its first time to be now.
    pub instant: Instant,
    /// The same moment in microseconds, as [`Peer`](beluga_engine::Peer)'s methods are told the time.
    pub us: u64,
}

/// What a peer is made with.
#[derive(Debug, Clone)]
pub struct RtcPeerConfig {
    /// Its clock.
    pub epoch: ClockEpoch,
    /// Where its RTP numbers and timestamps begin. ICE credentials, SSRCs and keys are str0m's and random in any case.
    pub seed: u64,
    /// Certificate and cryptography; one for all peers of a process ([`Identity::shared`]).
    pub identity: Identity,
    /// Data channels, opened with the first offer. With none there is no application section.
    pub channels: Vec<ChannelSpec>,
}

impl ClockEpoch {
    /// The moment that is called `us`.
    pub(crate) fn instant(&self, us: u64) -> Instant {
        match us.checked_sub(self.us) {
            Some(later_us) => self.instant + Duration::from_micros(later_us),
            // Before the epoch there is no time.
            None => self.instant,
        }
    }

    /// What the moment is called: the first microsecond that is not before it.
    pub(crate) fn us(&self, instant: Instant) -> u64 {
        let later = instant.saturating_duration_since(self.instant);
        let later_us = later.as_nanos().div_ceil(1_000);
        self.us
            .saturating_add(u64::try_from(later_us).unwrap_or(u64::MAX))
    }
}
