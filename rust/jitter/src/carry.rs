//! Sound that was decoded and is not yet pulled.

use std::fmt;

/// The rest of the packet that was decoded last.
pub(crate) struct Carry {
    samples: Box<[i16]>,
    from: usize,
    to: usize,
}

impl Carry {
    /// Room for one packet of `capacity` samples.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            samples: vec![0; capacity].into_boxed_slice(),
            from: 0,
            to: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(crate) fn capacity(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    /// All of the room, for a decoder to write to; `keep` then says which part is sound.
    pub(crate) fn room(&mut self) -> &mut [i16] {
        self.clear();
        &mut self.samples
    }

    /// Samples `from..to` of the room are to be pulled; both are cut to the room.
    pub(crate) fn keep(&mut self, from: usize, to: usize) {
        self.to = to.min(self.samples.len());
        self.from = from.min(self.to);
    }

    /// Moves samples to the front of `out`: how many.
    pub(crate) fn take(&mut self, out: &mut [i16]) -> usize {
        let count = self.len().min(out.len());
        out[..count].copy_from_slice(&self.samples[self.from..self.from + count]);
        self.from += count;
        count
    }
}

impl fmt::Debug for Carry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carry")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
