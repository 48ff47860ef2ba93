//! Sound in place of what is missing, for as long as that deceives anyone.

use beluga_codec::Decoder;

/// How long a decoder is asked to make up sound on end, in milliseconds; then comes silence. Six packets of 20 ms: what is
/// made up for longer is noise to a listener and words that nobody said to a recogniser.
pub const CONCEAL_LIMIT_MS: u32 = 120;

/// Asks the decoder for concealment and ends it, faded out over the last 10 ms, at the limit.
#[derive(Debug)]
pub(crate) struct Concealment {
    block: Box<[i16]>,
    /// What a decoder is asked for is a multiple of this: Opus makes nothing shorter than 2.5 ms.
    grain: usize,
    limit: usize,
    /// Samples concealed since a packet was last decoded.
    run: usize,
}

impl Concealment {
    /// For a rate which is a multiple of 100.
    pub(crate) fn new(sample_rate_hz: u32) -> Self {
        let frame = sample_rate_hz as usize / 100;
        Self {
            block: vec![0; frame].into_boxed_slice(),
            grain: if frame.is_multiple_of(4) {
                frame / 4
            } else {
                frame
            },
            limit: frame * CONCEAL_LIMIT_MS as usize / 10,
            run: 0,
        }
    }

    /// A packet was decoded: the next gap has the whole limit.
    pub(crate) fn end_run(&mut self) {
        self.run = 0;
    }

    /// Nothing more will be made up until a packet is decoded.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.run >= self.limit
    }

    /// Fills the front of `out`, at most 10 ms: how many samples. 0 only if exhausted or `out` is empty.
    pub(crate) fn fill(&mut self, decoder: &mut dyn Decoder, out: &mut [i16]) -> usize {
        let frame = self.block.len();
        let count = out.len().min(frame).min(self.limit - self.run);
        if count == 0 {
            return 0;
        }
        let block = &mut self.block[..count.next_multiple_of(self.grain)];
        let made = decoder.conceal(block).unwrap_or(0).min(block.len());
        block[made..].fill(0);
        for (out, &made) in out[..count].iter_mut().zip(block.iter()) {
            let left = self.limit - self.run;
            *out = if left < frame {
                // A fraction of an i16: it fits.
                (i64::from(made) * left as i64 / frame as i64) as i16
            } else {
                made
            };
            self.run += 1;
        }
        count
    }
}
