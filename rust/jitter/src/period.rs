//! Where sound repeats itself: the lag at which it is most like itself.

/// Sounds above this rate are looked at in every second, third... sample: a sixteenth of a millisecond is exact enough for
/// a place to splice.
const FINEST_HZ: u32 = 16_000;

/// Products are added up in so many sums, which a compiler keeps in registers side by side.
const LANES: usize = 8;

/// A lag, and how much alike the two pieces of sound are that lie so far apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Likeness {
    /// In samples.
    pub lag: usize,
    /// Normalised correlation: 1 for the same shape at any loudness, 0 for sounds that have nothing to do with each other.
    pub similarity: f32,
}

/// Looks for the period of a sound by comparing a window of it with one that lies a lag later.
#[derive(Debug)]
pub(crate) struct PeriodSearch {
    step: usize,
    window: usize,
    picked: Box<[f32]>,
}

impl PeriodSearch {
    /// A search that compares `window` samples at lags up to `longest`.
    pub(crate) fn new(sample_rate_hz: u32, window: usize, longest: usize) -> Self {
        let step = (sample_rate_hz / FINEST_HZ).max(1) as usize;
        Self {
            step,
            window: window / step,
            picked: vec![0.0; (window + longest) / step].into(),
        }
    }

    /// Samples that are compared.
    pub(crate) fn window(&self) -> usize {
        self.window * self.step
    }

    /// The lag from `shortest` to `longest` (both are cut to what is there) at which the front of `sound` is most like what
    /// follows it. None if `sound` is too short for any.
    pub(crate) fn after(
        &mut self,
        sound: &[i16],
        shortest: usize,
        longest: usize,
    ) -> Option<Likeness> {
        let room = sound.len().checked_sub(self.window())?;
        let (shortest, longest) = self.lags(shortest, longest.min(room))?;
        let window = self.window;
        let picked = self.pick(sound, window + longest);
        let at = |lag: usize| &picked[lag..lag + window];
        best(at(0), at, shortest, longest).map(|found| self.in_samples(found))
    }

    /// The same for a window that begins at `from`, compared with what comes before it: `from` samples are before.
    pub(crate) fn before(
        &mut self,
        sound: &[i16],
        from: usize,
        shortest: usize,
        longest: usize,
    ) -> Option<Likeness> {
        if sound.len() < from + self.window() {
            return None;
        }
        let (shortest, longest) = self.lags(shortest, longest.min(from))?;
        let window = self.window;
        let first = from - longest * self.step;
        let picked = self.pick(&sound[first..], window + longest);
        let at = |lag: usize| &picked[longest - lag..longest - lag + window];
        best(at(0), at, shortest, longest).map(|found| self.in_samples(found))
    }

    fn lags(&self, shortest: usize, longest: usize) -> Option<(usize, usize)> {
        let lags = (shortest.div_ceil(self.step).max(1), longest / self.step);
        (lags.0 <= lags.1).then_some(lags)
    }

    fn in_samples(&self, found: Likeness) -> Likeness {
        Likeness {
            lag: found.lag * self.step,
            ..found
        }
    }

    fn pick(&mut self, sound: &[i16], count: usize) -> &[f32] {
        let picked = &mut self.picked[..count];
        for (picked, sample) in picked.iter_mut().zip(sound.iter().step_by(self.step)) {
            *picked = f32::from(*sample);
        }
        picked
    }
}

/// Of lags that are equally good the longest.
fn best<'a>(
    reference: &[f32],
    at: impl Fn(usize) -> &'a [f32],
    shortest: usize,
    longest: usize,
) -> Option<Likeness> {
    let energy = dot(reference, reference);
    let likeness = |lag| {
        let other = at(lag);
        let energies = energy * dot(other, other);
        let similarity = if energies > 0.0 {
            dot(reference, other) / energies.sqrt()
        } else {
            // Silence is like silence and like nothing else.
            f32::from(u8::from(dot(other, other) == energy))
        };
        Likeness { lag, similarity }
    };
    (shortest..=longest)
        .map(likeness)
        .max_by(|one, other| one.similarity.total_cmp(&other.similarity))
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    let ((left, left_rest), (right, right_rest)) =
        (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest
        .iter()
        .zip(right_rest)
        .map(|(left, right)| left * right)
        .sum();
    sums.iter().sum::<f32>() + rest
}
