//! Several sounds in one.

use crate::finite::finite_or_silence;

/// Adds `from` to `into`, saturating at full scale: the result lies in [-1, 1].
///
/// NaN and infinite samples count as silence, so that one broken source does not silence the others.
///
/// # Panics
/// If the slices differ in length.
pub fn add(into: &mut [f32], from: &[f32]) {
    assert_eq!(into.len(), from.len(), "both span the same time");
    for (into, &from) in into.iter_mut().zip(from) {
        *into = (finite_or_silence(*into) + finite_or_silence(from)).clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::add;

    #[test]
    fn adds_and_saturates() {
        let mut into = [0.25, 0.75, -0.75, f32::MAX];
        add(&mut into, &[0.5, 0.75, -0.75, f32::MAX]);
        assert_eq!(into, [0.75, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn a_broken_source_leaves_the_other_alone() {
        let mut into = [0.25, 0.25, f32::NAN, f32::INFINITY];
        add(
            &mut into,
            &[f32::NAN, f32::NEG_INFINITY, 0.5, f32::NEG_INFINITY],
        );
        assert_eq!(into, [0.25, 0.25, 0.5, 0.0]);
    }

    #[test]
    fn nothing_plus_nothing_is_nothing() {
        add(&mut [], &[]);
    }
}
