//! A small deterministic source of noise: xorshift64* (Vigna 2016).

pub struct Prng(u64);

impl Prng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Uniform in [-1, 1).
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        high as f32 / (1 << 23) as f32 - 1.0
    }

    /// `count` values, uniform within +-`limit`.
    pub fn values(&mut self, count: usize, limit: f32) -> Vec<f32> {
        (0..count).map(|_| limit * self.next()).collect()
    }

    /// A window of noise at a loudness that changes from window to window, as sound does.
    pub fn window(&mut self) -> [f32; 512] {
        let loudness = self.next().abs();
        std::array::from_fn(|_| loudness * self.next())
    }
}
