//! The resampler's inner loop.

/// Slices given to [`dot`] are a multiple of this long.
///
/// Sixteen partial sums fill four SSE registers or two of AVX2: enough to hide the latency of an addition.
pub(crate) const LANES: usize = 16;

/// Sum of the products of two slices of equal length, a multiple of [`LANES`].
///
/// The order of the additions is part of the contract: it depends on the length alone, never on the address, so the
/// same window gives the same bits however the sound was cut on its way here.
#[inline]
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    debug_assert_eq!(left.len(), right.len());
    debug_assert_eq!(left.len() % LANES, 0);
    let (left, _) = left.as_chunks::<LANES>();
    let (right, _) = right.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    add_lanes(sums)
}

/// Adds up the partial sums in pairs.
///
/// Never inlined: seen beside the loop, its narrowing steps make LLVM 22 keep the loop's sums in half-filled registers,
/// at 1.6 times the cost with SSE2 and 2.6 with AVX2.
#[inline(never)]
fn add_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::{LANES, dot};

    #[test]
    fn sums_every_product_once() {
        let left: Vec<f32> = (0..3 * LANES).map(|i| i as f32).collect();
        let right = vec![2.0; 3 * LANES];
        let n = (3 * LANES) as f32;
        assert_eq!(dot(&left, &right), n * (n - 1.0));
    }

    #[test]
    fn of_nothing_is_zero() {
        assert_eq!(dot(&[], &[]), 0.0);
    }
}
