//! Concealment for codecs that have none of their own.

/// Samples that are kept: 20 ms at 8 kHz, the usual packet of a telephone line.
const KEPT_SAMPLES: usize = 160;

/// Length of the fade: 60 ms at 8 kHz. A repeated frame soon hums; by then the gap is no slip but a break.
const FADE_SAMPLES: usize = 480;

/// The end of what was last decoded, repeated and faded to silence over 60 ms for as long as packets are missing.
#[derive(Debug, Clone)]
pub(crate) struct LastFrame {
    samples: [i16; KEPT_SAMPLES],
    length: usize,
    /// Samples concealed since the last packet; stays at [`FADE_SAMPLES`] once silent.
    concealed: usize,
}

impl Default for LastFrame {
    fn default() -> Self {
        Self {
            samples: [0; KEPT_SAMPLES],
            length: 0,
            concealed: FADE_SAMPLES,
        }
    }
}

impl LastFrame {
    /// Remembers the end of a decoded packet.
    pub(crate) fn keep(&mut self, decoded: &[i16]) {
        let end = &decoded[decoded.len().saturating_sub(KEPT_SAMPLES)..];
        self.samples[..end.len()].copy_from_slice(end);
        self.length = end.len();
        self.concealed = if end.is_empty() { FADE_SAMPLES } else { 0 };
    }

    /// Goes on with the repetition where the last call left it.
    pub(crate) fn repeat(&mut self, out: &mut [i16]) {
        for sample in out {
            if self.concealed >= FADE_SAMPLES {
                *sample = 0;
                continue;
            }
            let repeated = i32::from(self.samples[self.concealed % self.length]);
            let left = (FADE_SAMPLES - self.concealed) as i32;
            *sample = (repeated * left / FADE_SAMPLES as i32) as i16;
            self.concealed += 1;
        }
    }
}
