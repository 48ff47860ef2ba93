//! Sound that was decoded and is not yet pulled, and the last of what was.

use std::fmt;

/// A window on the decoded sound: what was pulled last, without a break, then what comes next.
pub(crate) struct Carry {
    samples: Box<[i16]>,
    /// Pulled, and going on in what comes next: `samples[from - past..from]`.
    past: usize,
    /// To be pulled: `samples[from..to]`.
    from: usize,
    to: usize,
    kept_past: usize,
    longest_packet: usize,
}

impl Carry {
    /// Room for `past` samples that were pulled, as many as `ahead` that were not, and a packet of `longest_packet`.
    pub(crate) fn new(past: usize, ahead: usize, longest_packet: usize) -> Self {
        Self {
            samples: vec![0; past + ahead + longest_packet].into(),
            past: 0,
            from: 0,
            to: 0,
            kept_past: past,
            longest_packet,
        }
    }

    /// Samples to be pulled.
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.to == self.from
    }

    /// The longest packet that fits, in samples.
    pub(crate) fn longest_packet(&self) -> usize {
        self.longest_packet
    }

    pub(crate) fn clear(&mut self) {
        (self.past, self.from, self.to) = (0, 0, 0);
    }

    /// Other sound was pulled in between: what comes next does not go on from what was pulled from here.
    pub(crate) fn break_off(&mut self) {
        self.past = 0;
    }

    /// What is to be pulled.
    pub(crate) fn sound(&self) -> &[i16] {
        &self.samples[self.from..self.to]
    }

    /// What was pulled and what is to be pulled in one piece, and how much of it was pulled.
    pub(crate) fn with_past(&self) -> (&[i16], usize) {
        (&self.samples[self.from - self.past..self.to], self.past)
    }

    /// Behind all that is to be pulled, room for a packet, for a decoder to write to; `keep` then says which part is sound.
    pub(crate) fn room(&mut self) -> &mut [i16] {
        self.past = self.past.min(self.kept_past);
        let first = self.from - self.past;
        self.samples.copy_within(first..self.to, 0);
        (self.from, self.to) = (self.past, self.to - first);
        let room = &mut self.samples[self.to..];
        let length = room.len().min(self.longest_packet);
        &mut room[..length]
    }

    /// Samples `skip..count` of the room are to be pulled.
    pub(crate) fn keep(&mut self, skip: usize, count: usize) {
        let count = count.min(self.samples.len() - self.to);
        let skip = skip.min(count);
        self.samples
            .copy_within(self.to + skip..self.to + count, self.to);
        self.to += count - skip;
    }

    /// Moves samples to the front of `out`: how many.
    pub(crate) fn take(&mut self, out: &mut [i16]) -> usize {
        let count = self.len().min(out.len());
        out[..count].copy_from_slice(&self.samples[self.from..self.from + count]);
        self.from += count;
        self.past += count;
        count
    }

    /// Leaves out `lag` samples: what comes next fades, over `fade` samples, into what comes `lag` later. There are at least
    /// `lag + fade` samples.
    pub(crate) fn drop_period(&mut self, lag: usize, fade: usize) {
        let (left_out, kept) = self.samples[self.from..self.to].split_at_mut(lag);
        // Backwards: where the fade is longer than the lag, what it fades from lies in `kept` too, before what is written.
        for index in (0..fade).rev() {
            let from = left_out
                .get(index)
                .copied()
                .unwrap_or_else(|| kept[index - lag]);
            kept[index] = mixed(from, kept[index], index, fade);
        }
        self.from += lag;
        self.past = 0;
    }

    /// Gives the last `lag` samples again before what comes next: that fades, over at most `fade` samples, into them. There
    /// are `lag` samples of the past and `fade` to be pulled.
    pub(crate) fn repeat_period(&mut self, lag: usize, fade: usize) {
        let fade = fade.min(lag);
        let (before, next) = self.samples.split_at_mut(self.from);
        let again = &mut before[self.from - lag..];
        for index in 0..fade {
            again[index] = mixed(next[index], again[index], index, fade);
        }
        self.from -= lag;
        self.past = 0;
    }
}

/// Sample `index` of a cross-fade of `length`. Two like sounds added up in straight lines are as loud as each of them.
fn mixed(from: i16, to: i16, index: usize, length: usize) -> i16 {
    let (index, length) = (index as i64, length as i64);
    let (out, into) = (2 * (length - index) - 1, 2 * index + 1);
    // Between the two, so it fits.
    ((i64::from(from) * out + i64::from(to) * into) / (2 * length)) as i16
}

impl fmt::Debug for Carry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carry")
            .field("past", &self.past)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
