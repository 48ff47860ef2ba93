//! Ids and jitter, from a seed.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

#[derive(Debug)]
pub(crate) struct Random(Pcg64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64::new(u128::from(seed), 0x6c6b))
    }

    /// Uniform in 0..`below`, which is not 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0.next_u64() % below
    }

    /// A UUID of random bits. RFC 9562, section 5.4.
    pub(crate) fn uuid(&mut self) -> String {
        let bits = u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64());
        let versioned = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{versioned:032x}");
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let uuid = Random::new(7).uuid();
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        assert_eq!(Random::new(7).uuid(), Random::new(7).uuid());
        assert_ne!(Random::new(7).uuid(), Random::new(8).uuid());
    }
}
