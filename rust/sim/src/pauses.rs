//! Times in which nothing happens, one after another.

use crate::conditions::Pauses;
use crate::random::Random;

#[derive(Debug)]
pub(crate) struct PauseSource {
    shape: Pauses,
    random: Random,
    /// Start and end of the pause that is or comes next, from the first time that was asked for on.
    pause: Option<(u64, u64)>,
}

impl PauseSource {
    pub(crate) fn new(shape: Pauses, random: Random) -> Self {
        Self {
            shape,
            random,
            pause: None,
        }
    }

    /// `at_us`, or the end of the pause that it falls into. Times that are asked for never go back.
    pub(crate) fn past_pause_us(&mut self, at_us: u64) -> u64 {
        if self.shape.mean_gap_us == 0 {
            return at_us;
        }
        let (mut start_us, mut end_us) = self.pause.unwrap_or_else(|| self.next_after(at_us));
        while end_us <= at_us {
            (start_us, end_us) = self.next_after(end_us);
        }
        self.pause = Some((start_us, end_us));
        if at_us < start_us { at_us } else { end_us }
    }

    fn next_after(&mut self, end_us: u64) -> (u64, u64) {
        let Pauses {
            mean_gap_us,
            shortest_us,
            longest_us,
        } = self.shape;
        let gap_us = self.random.exponential(mean_gap_us as f64) as u64;
        let length_us = self
            .random
            .log_uniform(shortest_us as f64, longest_us as f64) as u64;
        let start_us = end_us.saturating_add(gap_us);
        // At least 1: a pause of nothing at all would never be passed.
        (start_us, start_us.saturating_add(length_us.max(1)))
    }
}
