//! The 8-bit logarithmic samples of WAV files, expanded (ITU-T G.711).
//!
//! `beluga_codec` knows the same two laws, as what a telephone line sends. The crates stand side by side and neither may
//! import the other; handing a file's undecoded bytes to every caller of [`crate::wav`] would cost each of them a branch
//! and a second format. A sample format belongs to this crate, so the few lines that expand one are here as well, and both
//! copies are tested against the Recommendation's tables.

/// mu-law to 16-bit scale: four times the 14-bit values of G.711 table 2.
pub(crate) fn expand_mu_law(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 7;
    let mantissa = i16::from(code & 15);
    let magnitude = (((mantissa << 1) | 33) << exponent) - 33;
    let scaled = magnitude * 4;
    if code & 0x80 == 0 { scaled } else { -scaled }
}

/// A-law to 16-bit scale: eight times the 13-bit values of G.711 table 1.
pub(crate) fn expand_a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let exponent = (code >> 4) & 7;
    let mantissa = i16::from(code & 15);
    let magnitude = match exponent {
        0 => 2 * mantissa + 1,
        _ => (2 * mantissa + 33) << (exponent - 1),
    };
    let scaled = magnitude * 8;
    if code & 0x80 == 0 { -scaled } else { scaled }
}

#[cfg(test)]
mod tests {
    use super::{expand_a_law, expand_mu_law};

    /// Quantised values of one polarity as the Recommendation builds them: the middles between decision values, which go
    /// up in `(count, width)` segments from `start`.
    fn levels(start: i32, segments: &[(usize, i32)]) -> Vec<i32> {
        let mut decision = start;
        let mut levels = Vec::new();
        for &(count, width) in segments {
            for _ in 0..count {
                levels.push(decision + width / 2);
                decision += width;
            }
        }
        levels
    }

    #[test]
    fn mu_law_is_table_2_of_g711() {
        let mut table = vec![0];
        table.extend(levels(
            1,
            &[
                (15, 2),
                (16, 4),
                (16, 8),
                (16, 16),
                (16, 32),
                (16, 64),
                (16, 128),
                (16, 256),
            ],
        ));
        assert_eq!(table.len(), 128);
        assert_eq!(table[127], 8_031);
        for (number, level) in table.iter().enumerate() {
            let code = 0xff - number as u8;
            assert_eq!(i32::from(expand_mu_law(code)), 4 * level, "{code:#x}");
            assert_eq!(
                i32::from(expand_mu_law(code & 0x7f)),
                -4 * level,
                "{code:#x}"
            );
        }
    }

    #[test]
    fn a_law_is_table_1_of_g711() {
        let table = levels(
            0,
            &[
                (32, 2),
                (16, 4),
                (16, 8),
                (16, 16),
                (16, 32),
                (16, 64),
                (16, 128),
            ],
        );
        assert_eq!(table.len(), 128);
        assert_eq!(table[127], 4_032);
        for (number, level) in table.iter().enumerate() {
            let code = (0x80 + number as u8) ^ 0x55;
            assert_eq!(i32::from(expand_a_law(code)), 8 * level, "{code:#x}");
            assert_eq!(
                i32::from(expand_a_law(code ^ 0x80)),
                -8 * level,
                "{code:#x}"
            );
        }
    }
}
