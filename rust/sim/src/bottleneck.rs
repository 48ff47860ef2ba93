//! The narrowest link of a way: first in, first out, and what does not fit is dropped (drop-tail).

use crate::conditions::Bottleneck;
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct Link {
    shape: Bottleneck,
    /// When the last bit of everything in it is out.
    free_us: u64,
    /// Departure and size of each packet in it.
    inside: VecDeque<(u64, u64)>,
    inside_bytes: u64,
}

impl Link {
    pub(crate) fn new(shape: Bottleneck) -> Self {
        Self {
            shape,
            free_us: 0,
            inside: VecDeque::new(),
            inside_bytes: 0,
        }
    }

    /// When a packet that reaches the link now has left it; `None` if it does not fit.
    pub(crate) fn departure_us(&mut self, now_us: u64, bytes: u64) -> Option<u64> {
        while let Some(&(departure_us, size)) = self.inside.front() {
            if departure_us > now_us {
                break;
            }
            self.inside.pop_front();
            self.inside_bytes -= size;
        }
        if self.inside_bytes.saturating_add(bytes) > self.shape.queue_bytes {
            return None;
        }
        let sending_us = bytes
            .saturating_mul(8_000_000)
            .div_ceil(self.shape.bits_per_s);
        self.free_us = self.free_us.max(now_us).saturating_add(sending_us);
        self.inside.push_back((self.free_us, bytes));
        self.inside_bytes += bytes;
        Some(self.free_us)
    }
}
