//! How loud a block is.

use crate::finite::finite_or_silence;

/// What [`rms_dbfs`] gives for silence, and its lowest value.
pub const FLOOR_DBFS: f32 = -120.0;

/// Root mean square in dB relative to full scale, at least [`FLOOR_DBFS`].
///
/// 0 dBFS is a constant or square wave at 1.0; a sine of full scale is at -3.01. Nothing at all is silence, and so are NaN
/// and infinite samples.
pub fn rms_dbfs(samples: &[f32]) -> f32 {
    let energy: f64 = samples
        .iter()
        .map(|&sample| f64::from(finite_or_silence(sample)).powi(2))
        .sum();
    if energy == 0.0 {
        return FLOOR_DBFS;
    }
    let mean = energy / samples.len() as f64;
    ((10.0 * mean.log10()) as f32).max(FLOOR_DBFS)
}

/// The same of 16-bit samples, full scale at 32,768.
pub fn rms_dbfs_i16(samples: &[i16]) -> f32 {
    let energy: i64 = samples
        .iter()
        .map(|&sample| i64::from(sample) * i64::from(sample))
        .sum();
    if energy == 0 {
        return FLOOR_DBFS;
    }
    let mean = energy as f64 / samples.len() as f64 / f64::from(1 << 15).powi(2);
    ((10.0 * mean.log10()) as f32).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use super::{FLOOR_DBFS, rms_dbfs, rms_dbfs_i16};

    #[test]
    fn samples_of_16_bits_are_as_loud_as_the_same_in_floating_point() {
        let sound: Vec<i16> = (0..960).map(|i| (i * i % 9_001 - 4_500) as i16).collect();
        let same: Vec<f32> = sound.iter().map(|&s| f32::from(s) / 32_768.0).collect();
        assert!((rms_dbfs_i16(&sound) - rms_dbfs(&same)).abs() < 1e-3);
        assert_eq!(rms_dbfs_i16(&[0; 160]), FLOOR_DBFS);
        assert_eq!(rms_dbfs_i16(&[]), FLOOR_DBFS);
        assert_eq!(rms_dbfs_i16(&[i16::MIN; 160]), 0.0);
    }

    #[test]
    fn a_sine_of_full_scale_is_3_db_under_it() {
        let sine: Vec<f32> = (0..1_600)
            .map(|i| (i as f32 * std::f32::consts::TAU / 16.0).sin())
            .collect();
        assert!((rms_dbfs(&sine) + 3.0103).abs() < 1e-3);
    }

    #[test]
    fn a_tenth_is_20_db_down() {
        assert!((rms_dbfs(&[0.1, -0.1, 0.1]) + 20.0).abs() < 1e-4);
        assert!(rms_dbfs(&[1.0, -1.0]).abs() < 1e-6);
    }

    #[test]
    fn silence_and_broken_samples_are_at_the_floor() {
        assert_eq!(rms_dbfs(&[]), FLOOR_DBFS);
        assert_eq!(rms_dbfs(&[0.0; 160]), FLOOR_DBFS);
        assert_eq!(rms_dbfs(&[1e-9; 160]), FLOOR_DBFS);
        assert_eq!(rms_dbfs(&[f32::NAN, f32::INFINITY]), FLOOR_DBFS);
        assert!(rms_dbfs(&[f32::MAX; 160]).is_finite());
    }
}
