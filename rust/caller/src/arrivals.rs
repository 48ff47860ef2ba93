//! Which packets of a stream are missing, by their numbers.

/// Numbers looked back at: a repeated packet that comes later counts as another.
const WINDOW: u32 = u64::BITS;

/// Follows the numbers of whatever stream is heard.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    newest: Option<(u32, u16)>,
    /// Bit n: the packet n numbers before the newest came.
    seen: u64,
}

/// What a packet is among those that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The newest; so many before it are missing yet.
    Next {
        /// Numbers between it and the one before.
        missing: u64,
    },
    /// One that was missing.
    Late,
    /// One that had come already, or is too old to be known.
    Again,
}

impl Arrivals {
    pub(crate) fn take(&mut self, ssrc: u32, sequence: u16) -> Arrival {
        let before = self.newest.filter(|&(stream, _)| stream == ssrc);
        let Some((_, newest)) = before else {
            (self.newest, self.seen) = (Some((ssrc, sequence)), 1);
            return Arrival::Next { missing: 0 };
        };
        let ahead = sequence.wrapping_sub(newest) as i16;
        if ahead > 0 {
            let ahead = ahead as u32;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = Some((ssrc, sequence));
            return Arrival::Next {
                missing: u64::from(ahead) - 1,
            };
        }
        let back = u32::from(ahead.unsigned_abs());
        if back >= WINDOW || self.seen & (1 << back) != 0 {
            return Arrival::Again;
        }
        self.seen |= 1 << back;
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Arrivals};

    #[test]
    fn a_hole_is_seen_when_the_next_comes_and_filled_when_it_comes_late() {
        let mut arrivals = Arrivals::default();
        let next = |missing| Arrival::Next { missing };
        let came = [65_534, 65_535, 2, 1, 1, 3].map(|number| arrivals.take(7, number));
        let expected = [
            next(0),
            next(0),
            next(2),
            Arrival::Late,
            Arrival::Again,
            next(0),
        ];
        assert_eq!(came, expected);
        assert_eq!(arrivals.take(8, 40_000), next(0), "another stream");
    }
}
