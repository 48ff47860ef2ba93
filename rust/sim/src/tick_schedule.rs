//! When a shard's ticks really begin.

use crate::conditions::{ConditionsError, Jitter, Pauses};
use crate::jitter::JitterSource;
use crate::pauses::PauseSource;
use crate::random::{Purpose, Random};

const TICK_US: u64 = 10_000;

/// A machine, as a thread on it that wakes every 10 ms sees it. The default is never late.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Host {
    /// How late the thread wakes.
    pub wakeup: Jitter,
    /// Times in which the machine's host gives its core to somebody else.
    pub steal: Pauses,
    /// What a tick takes: those that are owed follow each other at this distance.
    pub tick_takes_us: u64,
    /// A time in which the whole machine stands still, if there is one.
    pub suspension: Option<Suspension>,
}

/// A machine that is put to sleep, or a process that is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspension {
    /// Since the start.
    pub at_us: u64,
    /// How long.
    pub length_us: u64,
}

/// The times at which ticks begin, without end: due every 10 ms from the first on, begun when the machine lets them; a
/// thread that is late serves those that it owes at once, as `beluga-runtime` does.
#[derive(Debug)]
pub struct TickSchedule {
    host: Host,
    wakeup: JitterSource,
    steal: PauseSource,
    due_us: u64,
    /// When the tick before it was done.
    free_us: u64,
}

impl TickSchedule {
    /// The first tick is due 10 ms after `start_us`.
    ///
    /// # Errors
    /// The first field of `host` that is out of its range.
    pub fn new(host: Host, start_us: u64, seed: u64) -> Result<Self, ConditionsError> {
        host.wakeup.check()?;
        host.steal.check()?;
        Ok(Self {
            host: Host {
                suspension: host.suspension.map(|suspension| Suspension {
                    at_us: start_us.saturating_add(suspension.at_us),
                    ..suspension
                }),
                ..host
            },
            wakeup: JitterSource::new(host.wakeup, Random::new(seed, Purpose::Wakeups)),
            steal: PauseSource::new(host.steal, Random::new(seed, Purpose::Steal)),
            due_us: start_us.saturating_add(TICK_US),
            free_us: start_us,
        })
    }

    /// When the next tick begins.
    pub fn next_begin_us(&mut self) -> u64 {
        let woken_us = self.due_us.saturating_add(self.wakeup.next_us());
        // A thread that is behind does not sleep, and so does not wake late.
        let ready_us = if self.free_us > self.due_us {
            self.free_us
        } else {
            woken_us
        };
        let mut begin_us = self.steal.past_pause_us(ready_us);
        if let Some(Suspension { at_us, length_us }) = self.host.suspension {
            let end_us = at_us.saturating_add(length_us);
            if (at_us..end_us).contains(&begin_us) {
                begin_us = end_us;
            }
        }
        self.due_us = self.due_us.saturating_add(TICK_US);
        self.free_us = begin_us.saturating_add(self.host.tick_takes_us);
        begin_us
    }
}
