//! Where sound repeats itself: the lag at which it is most like itself.

/// The shortest and the longest piece of sound that is dropped or repeated, in milliseconds. Every voice has a multiple of its
/// period in between.
pub(crate) const SHORTEST_PERIOD_MS: usize = 5;
pub(crate) const LONGEST_PERIOD_MS: usize = 15;

/// What is compared to find one, and how long the cross-fade is, in milliseconds.
pub(crate) const WINDOW_MS: usize = 10;

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

#[cfg(test)]
mod tests {
    use super::{Likeness, PeriodSearch};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::f64::consts::TAU;

    /// The definition, in doubles: how alike `sound` is at `one` and `other`.
    fn similarity(sound: &[i16], one: usize, other: usize, window: usize, step: usize) -> f64 {
        let at = |from: usize| {
            sound[from..]
                .iter()
                .step_by(step)
                .take(window / step)
                .map(|&sample| f64::from(sample))
        };
        let dot = |a: usize, b: usize| at(a).zip(at(b)).map(|(a, b)| a * b).sum::<f64>();
        let energies = dot(one, one) * dot(other, other);
        if energies > 0.0 {
            dot(one, other) / energies.sqrt()
        } else {
            f64::from(u8::from(dot(one, one) == dot(other, other)))
        }
    }

    /// `found` is as good as the best lag there is, and says how good it is.
    fn check(found: Likeness, at: impl Fn(usize) -> f64, lags: impl Iterator<Item = usize>) {
        let best = lags.map(&at).fold(f64::MIN, f64::max);
        let found_similarity = f64::from(found.similarity);
        assert!((found_similarity - at(found.lag)).abs() < 1e-4);
        assert!(found_similarity > best - 1e-4, "{found:?}, not {best}");
    }

    fn voice(pitch_hz: f64, rate_hz: f64, samples: usize) -> Vec<i16> {
        let sample = |n: usize| {
            let turn = TAU * pitch_hz * n as f64 / rate_hz;
            (6_000.0 * (turn.sin() + 0.6 * (2.0 * turn).sin() + 0.3 * (5.0 * turn).sin())) as i16
        };
        (0..samples).map(sample).collect()
    }

    #[test]
    fn the_period_of_a_voice_or_a_multiple_of_it_is_found() {
        for rate_hz in [8_000_u32, 16_000, 48_000] {
            let ms = rate_hz as usize / 1_000;
            let mut search = PeriodSearch::new(rate_hz, 10 * ms, 15 * ms);
            for pitch_hz in [70.0, 110.0, 180.0, 250.0, 400.0] {
                let sound = voice(pitch_hz, f64::from(rate_hz), 45 * ms);
                let after = search.after(&sound, 5 * ms, 15 * ms).unwrap();
                let before = search.before(&sound, 20 * ms, 5 * ms, 15 * ms).unwrap();
                for found in [after, before] {
                    let periods = found.lag as f64 * pitch_hz / f64::from(rate_hz);
                    assert!(
                        (periods - periods.round()).abs() < 0.07,
                        "{pitch_hz}: {found:?}"
                    );
                    assert!(found.similarity > 0.9, "{pitch_hz}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn silence_is_like_silence_and_like_nothing_else() {
        let mut search = PeriodSearch::new(16_000, 160, 240);
        let silence = search.after(&[0; 400], 80, 240).unwrap();
        assert_eq!((silence.lag, silence.similarity), (240, 1.0));
        let mut sound = [0; 400];
        sound[170..].fill(5_000);
        let found = search.after(&sound, 80, 240).unwrap();
        assert_eq!(found.similarity, 0.0);
    }

    #[test]
    fn of_too_little_sound_nothing_is_found() {
        let mut search = PeriodSearch::new(16_000, 160, 240);
        assert_eq!(search.after(&[1; 159], 80, 240), None);
        assert_eq!(search.after(&[1; 239], 80, 240), None);
        assert_eq!(search.after(&[1; 240], 80, 240).unwrap().lag, 80);
        assert_eq!(search.before(&[1; 300], 141, 80, 240), None);
        assert_eq!(search.before(&[1; 300], 79, 80, 240), None);
        assert_eq!(search.before(&[1; 300], 100, 80, 240).unwrap().lag, 100);
        assert_eq!(search.after(&[], 0, 0), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 200,
            rng_seed: RngSeed::Fixed(0x5eed),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_best_lag_is_the_one_that_is_found_by_the_definition(
            rate_hz in prop_oneof![Just(8_000_u32), Just(16_000), Just(24_000), Just(48_000), Just(44_100)],
            sound in prop::collection::vec(prop_oneof![-100_i16..100, any::<i16>()], 0..1_300),
            from in 0_usize..800,
            shortest in 0_usize..300,
            longest in 0_usize..800,
        ) {
            let (window, most) = (rate_hz as usize / 100, rate_hz as usize * 15 / 1_000);
            let step = (rate_hz as usize / 16_000).max(1);
            let longest = longest.min(most);
            let mut search = PeriodSearch::new(rate_hz, window, most);
            let window = search.window();
            let lags = |room: usize| {
                (shortest.div_ceil(step).max(1)..=longest.min(room) / step).map(move |lag| lag * step)
            };
            let room = sound.len().checked_sub(window);
            match search.after(&sound, shortest, longest) {
                Some(found) => check(
                    found,
                    |lag| similarity(&sound, 0, lag, window, step),
                    lags(room.unwrap()),
                ),
                None => prop_assert!(room.is_none_or(|room| lags(room).next().is_none())),
            }
            let fits = from + window <= sound.len();
            match search.before(&sound, from, shortest, longest) {
                Some(found) => check(
                    found,
                    |lag| similarity(&sound, from, from - lag, window, step),
                    lags(from),
                ),
                None => prop_assert!(!fits || lags(from).next().is_none()),
            }
        }
    }
}
