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

#[cfg(test)]
mod tests {
    use super::Carry;

    /// Room for 4 samples of the past, 6 ahead and packets of 8, with `sound` to be pulled.
    fn carrying(sound: &[i16]) -> Carry {
        let mut carry = Carry::new(4, 6, 8);
        decode(&mut carry, sound);
        carry
    }

    fn decode(carry: &mut Carry, sound: &[i16]) {
        carry.room()[..sound.len()].copy_from_slice(sound);
        carry.keep(0, sound.len());
    }

    fn pulled(carry: &mut Carry, count: usize) -> Vec<i16> {
        let mut out = vec![0; count];
        let count = carry.take(&mut out);
        out.truncate(count);
        out
    }

    #[test]
    fn packets_are_pulled_one_after_another_in_any_cut() {
        let mut carry = carrying(&[1, 2, 3, 4, 5]);
        assert_eq!(pulled(&mut carry, 3), [1, 2, 3]);
        decode(&mut carry, &[6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(carry.len(), 10);
        assert_eq!(pulled(&mut carry, 9), [4, 5, 6, 7, 8, 9, 10, 11, 12]);
        decode(&mut carry, &[14]);
        assert_eq!(pulled(&mut carry, 9), [13, 14]);
        assert!(carry.is_empty());
    }

    #[test]
    fn the_front_of_a_packet_that_is_not_wanted_is_left_out() {
        let mut carry = carrying(&[1]);
        carry.room()[..4].copy_from_slice(&[2, 3, 4, 5]);
        carry.keep(2, 4);
        assert_eq!(pulled(&mut carry, 9), [1, 4, 5]);
    }

    #[test]
    fn the_past_is_what_was_pulled_without_a_break() {
        let mut carry = carrying(&[1, 2, 3, 4, 5, 6]);
        pulled(&mut carry, 5);
        // Of five, four are kept.
        decode(&mut carry, &[7]);
        assert_eq!(carry.with_past(), (&[2, 3, 4, 5, 6, 7][..], 4));
        carry.break_off();
        assert_eq!(carry.with_past(), (&[6, 7][..], 0));
        pulled(&mut carry, 1);
        assert_eq!(carry.with_past(), (&[6, 7][..], 1));
    }

    #[test]
    fn a_dropped_period_is_missing_and_nothing_else() {
        // Fades shorter than, as long as and longer than the period; a period of a periodic sound cannot be missed.
        for fade in [1, 2, 3, 5] {
            let mut carry = carrying(&[10, 20, 30, 10, 20, 30, 10, 20]);
            carry.drop_period(3, fade);
            assert_eq!(pulled(&mut carry, 9), [10, 20, 30, 10, 20], "{fade}");
        }
    }

    #[test]
    fn a_repeated_period_is_given_twice_and_nothing_else() {
        for fade in [1, 2, 3, 5] {
            let mut carry = carrying(&[10, 20, 30, 10, 20, 30, 10, 20]);
            assert_eq!(pulled(&mut carry, 3), [10, 20, 30]);
            carry.repeat_period(3, fade);
            let rest = [10, 20, 30, 10, 20, 30, 10, 20];
            assert_eq!(pulled(&mut carry, 9), rest, "{fade}");
        }
    }

    #[test]
    fn a_splice_goes_from_one_sound_to_the_other_in_even_steps() {
        let mut carry = carrying(&[-100, -100, -100, -100, 100, 100, 100, 100]);
        carry.drop_period(4, 4);
        assert_eq!(pulled(&mut carry, 9), [-75, -25, 25, 75]);
        let mut carry = carrying(&[100, 100, 100, 100, -100, -100, -100, -100]);
        pulled(&mut carry, 4);
        carry.repeat_period(4, 4);
        let rest = [-75, -25, 25, 75, -100, -100, -100, -100];
        assert_eq!(pulled(&mut carry, 9), rest);
    }

    #[test]
    fn what_was_spliced_is_not_the_past_of_a_splice() {
        let mut carry = carrying(&[1, 2, 3, 4, 5, 6, 7, 8]);
        pulled(&mut carry, 3);
        carry.repeat_period(3, 3);
        assert_eq!(carry.with_past().1, 0);
        pulled(&mut carry, 2);
        carry.drop_period(1, 1);
        assert_eq!(carry.with_past().1, 0);
    }
}
