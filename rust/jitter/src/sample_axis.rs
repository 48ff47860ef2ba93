//! RTP ticks to decoder samples.

/// The media axis in samples of the decoder: where a timestamp lies on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleAxis {
    numerator: i64,
    denominator: i64,
}

impl SampleAxis {
    /// Both rates above 0.
    pub(crate) fn new(rtp_clock_hz: u32, sample_rate_hz: u32) -> Self {
        let common = greatest_common_divisor(rtp_clock_hz, sample_rate_hz);
        Self {
            numerator: i64::from(sample_rate_hz / common),
            denominator: i64::from(rtp_clock_hz / common),
        }
    }

    /// Sample of an extended timestamp, rounded down. A hostile sender can drive the timestamp past what fits: the
    /// product then wraps, which is a jump of the axis like any other.
    pub(crate) fn sample_at(&self, timestamp: i64) -> i64 {
        timestamp
            .wrapping_mul(self.numerator)
            .div_euclid(self.denominator)
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
