//! Raised-cosine fades, in place.
//!
//! Up and down are complementary: at every sample their gains add up to exactly 1, so a cross-fade of a sound with itself
//! is that sound. A fade that spans several blocks is applied block by block with [`ramp_up_part`] and [`ramp_down_part`].
//! Samples that are NaN or infinite stay broken (see the crate's note on them).

use std::f64::consts::PI;

/// Fades `samples` in, from silence to unchanged.
pub fn ramp_up(samples: &mut [f32]) {
    let length = samples.len();
    ramp_up_part(samples, 0, length);
}

/// Fades `samples` out, from unchanged to silence.
pub fn ramp_down(samples: &mut [f32]) {
    let length = samples.len();
    ramp_down_part(samples, 0, length);
}

/// Applies samples `start..` of a fade-in that is `length` samples long; past its end samples stay unchanged.
pub fn ramp_up_part(samples: &mut [f32], start: usize, length: usize) {
    for (offset, sample) in samples.iter_mut().enumerate() {
        *sample *= gain_up(start.saturating_add(offset), length);
    }
}

/// Applies samples `start..` of a fade-out that is `length` samples long; past its end there is silence.
pub fn ramp_down_part(samples: &mut [f32], start: usize, length: usize) {
    for (offset, sample) in samples.iter_mut().enumerate() {
        *sample *= 1.0 - gain_up(start.saturating_add(offset), length);
    }
}

/// Gain of sample `index` of a fade-in: the raised cosine at the middle of each of `length` equal steps, which makes a
/// fade's mirror image its complement.
fn gain_up(index: usize, length: usize) -> f32 {
    if index >= length {
        return 1.0;
    }
    let position = (index as f64 + 0.5) / length as f64;
    (0.5 - 0.5 * (PI * position).cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::{ramp_down, ramp_down_part, ramp_up, ramp_up_part};

    #[test]
    fn up_and_down_add_up_to_one_at_every_sample() {
        for length in [1, 2, 3, 80, 160, 481, 9_600] {
            let (mut up, mut down) = (vec![1.0_f32; length], vec![1.0_f32; length]);
            ramp_up(&mut up);
            ramp_down(&mut down);
            for (up, down) in up.iter().zip(&down) {
                assert_eq!(up + down, 1.0);
            }
        }
    }

    #[test]
    fn down_is_up_played_backwards() {
        let (mut up, mut down) = (vec![1.0_f32; 160], vec![1.0_f32; 160]);
        ramp_up(&mut up);
        ramp_down(&mut down);
        for (up, down) in up.iter().zip(down.iter().rev()) {
            assert!((up - down).abs() < 1e-7);
        }
    }

    #[test]
    fn rises_all_the_way_without_a_step() {
        let mut up = vec![1.0_f32; 160];
        ramp_up(&mut up);
        assert!(up[0] < 1e-4 && up[159] > 1.0 - 1e-4);
        assert!(
            up.windows(2)
                .all(|pair| pair[0] < pair[1] && pair[1] - pair[0] < 0.01)
        );
    }

    #[test]
    fn in_parts_is_the_same_as_at_once() {
        let sound: Vec<f32> = (0..500).map(|i| (i as f32).sin()).collect();
        for (at_once, part) in [
            (
                ramp_up as fn(&mut [f32]),
                ramp_up_part as fn(&mut [f32], usize, usize),
            ),
            (ramp_down, ramp_down_part),
        ] {
            let mut expected = sound.clone();
            at_once(&mut expected);
            let mut parts = sound.clone();
            for (index, block) in parts.chunks_mut(160).enumerate() {
                part(block, index * 160, 500);
            }
            assert_eq!(parts, expected);
        }
    }

    #[test]
    fn past_the_end_a_fade_is_complete() {
        let (mut up, mut down) = ([0.5_f32; 4], [0.5_f32; 4]);
        ramp_up_part(&mut up, 100, 100);
        ramp_down_part(&mut down, usize::MAX, 100);
        assert_eq!((up, down), ([0.5; 4], [0.0; 4]));
    }

    #[test]
    fn of_nothing_is_nothing() {
        ramp_up(&mut []);
        ramp_down(&mut []);
    }
}
