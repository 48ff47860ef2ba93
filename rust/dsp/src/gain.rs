//! Change of loudness, in place.

/// Moves the gain linearly from `from` (reached before the first sample) to `to` (reached at the last), so that blocks with
/// `to` of one as `from` of the next join without a step. Gains are factors: 1 leaves the sound as it is.
///
/// A gain that is NaN or infinite counts as 0: silence harms nobody's ear. Broken samples stay broken.
pub fn ramp(samples: &mut [f32], from: f32, to: f32) {
    let [from, to] = [from, to].map(|gain| if gain.is_finite() { gain } else { 0.0 });
    let length = samples.len() as f32;
    for (index, sample) in samples.iter_mut().enumerate() {
        // Written so that equal ends give exactly that gain, and the last sample exactly `to`.
        let share = (index + 1) as f32 / length;
        *sample *= if from == to {
            to
        } else {
            from * (1.0 - share) + to * share
        };
    }
}

#[cfg(test)]
mod tests {
    use super::ramp;

    #[test]
    fn reaches_its_end_in_even_steps() {
        let mut sound = [1.0; 4];
        ramp(&mut sound, 1.0, 0.0);
        assert_eq!(sound, [0.75, 0.5, 0.25, 0.0]);
    }

    #[test]
    fn blocks_join_without_a_step() {
        let mut sound = [1.0; 8];
        ramp(&mut sound[..4], 0.0, 0.5);
        ramp(&mut sound[4..], 0.5, 1.0);
        assert_eq!(sound, [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]);
    }

    #[test]
    fn a_constant_gain_is_exact() {
        let mut sound = [0.3_f32; 7];
        ramp(&mut sound, 0.1, 0.1);
        assert_eq!(sound, [0.3 * 0.1; 7]);
    }

    #[test]
    fn a_broken_gain_is_silence() {
        let mut sound = [1.0; 3];
        ramp(&mut sound, f32::NAN, f32::INFINITY);
        assert_eq!(sound, [0.0; 3]);
        ramp(&mut [], 1.0, 0.0);
    }
}
