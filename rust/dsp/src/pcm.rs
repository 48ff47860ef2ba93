//! Between 16-bit integers and floats, full scale at 1.0.

/// One step of a 16-bit sample is `1 / SCALE`.
const SCALE: f32 = 32_768.0;

/// Integers to floats in [-1, 1), exactly.
///
/// # Panics
/// If the slices differ in length.
pub fn to_f32(from: &[i16], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "both hold the same samples");
    for (to, &from) in to.iter_mut().zip(from) {
        *to = f32::from(from) / SCALE;
    }
}

/// Floats to integers: rounded (ties to even), saturated at both ends, NaN to 0. Undoes [`to_f32`] exactly.
///
/// # Panics
/// If the slices differ in length.
pub fn to_i16(from: &[f32], to: &mut [i16]) {
    // Adding and taking away 1.5 * 2^23 leaves a float no room for a fraction, so the addition rounds; `round` is a
    // call per sample on processors without SSE 4.1. `as` does the rest: it saturates and turns NaN into 0.
    const ROUNDER: f32 = 12_582_912.0;
    assert_eq!(from.len(), to.len(), "both hold the same samples");
    for (to, &from) in to.iter_mut().zip(from) {
        *to = ((from * SCALE + ROUNDER) - ROUNDER) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::{to_f32, to_i16};

    fn rounded<const N: usize>(from: [f32; N]) -> [i16; N] {
        let mut to = [99; N];
        to_i16(&from, &mut to);
        to
    }

    #[test]
    fn every_integer_survives_the_way_there_and_back() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let mut floats = vec![0.0; all.len()];
        let mut back = vec![0; all.len()];
        to_f32(&all, &mut floats);
        to_i16(&floats, &mut back);
        assert_eq!(back, all);
        assert_eq!((floats[0], floats[32_768]), (-1.0, 0.0));
    }

    #[test]
    fn floats_are_rounded_and_saturated() {
        let step = 1.0 / 32_768.0;
        assert_eq!(rounded([0.4 * step, 0.6 * step, -0.6 * step]), [0, 1, -1]);
        assert_eq!(rounded([0.5 * step, 1.5 * step, -1.5 * step]), [0, 2, -2]);
        assert_eq!(
            rounded([1.0, 7.0, -1.0, -7.0]),
            [32_767, 32_767, -32_768, -32_768]
        );
        assert_eq!(rounded([f32::MAX, f32::MIN]), [32_767, -32_768]);
    }

    #[test]
    fn broken_samples_have_a_meaning() {
        assert_eq!(
            rounded([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN]),
            [0, 32_767, -32_768, 0]
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        to_f32(&[], &mut []);
        to_i16(&[], &mut []);
    }
}
