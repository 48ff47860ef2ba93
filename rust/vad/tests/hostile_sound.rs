//! Sound that no microphone makes: it is heard as something harmless, and it stays with its own stream.

mod common;

use beluga_vad::{EnergyDetector, SileroBatch, SileroState, WINDOW_SAMPLES};
use common::{alone, prng::Prng, random_silero};
use proptest::prelude::*;

type Window = [f32; WINDOW_SAMPLES];

fn is_finite(state: &SileroState) -> bool {
    state
        .hidden()
        .iter()
        .chain(state.cell())
        .all(|value| value.is_finite())
}

#[test]
fn samples_that_are_not_finite_count_as_zero() {
    let model = random_silero(11);
    let mut prng = Prng::new(3);
    let (mut poisoned, mut clean) = (SileroState::default(), SileroState::default());
    let (mut poisoned_energy, mut clean_energy) = (EnergyDetector::new(), EnergyDetector::new());
    for _ in 0..10 {
        let mut with_zeros = prng.window();
        let mut with_poison = with_zeros;
        for (i, poison) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN]
            .into_iter()
            .enumerate()
        {
            // The last one falls into the next window's context too.
            let at = [0, 100, 300, 511][i];
            (with_zeros[at], with_poison[at]) = (0.0, poison);
        }
        let expected = alone(&model, &mut clean, &with_zeros);
        assert_eq!(alone(&model, &mut poisoned, &with_poison), expected);
        assert_eq!(poisoned, clean);
        assert_eq!(
            poisoned_energy.push(&with_poison),
            clean_energy.push(&with_zeros)
        );
    }
}

#[test]
fn a_stream_of_poison_leaves_its_neighbours_as_they_were() {
    let model = random_silero(12);
    let mut prng = Prng::new(4);
    let mut batch = SileroBatch::new(3);
    let mut states = vec![SileroState::default(); 3];
    let mut apart = [SileroState::default(), SileroState::default()];
    let horrors: [Window; 4] = [
        [f32::NAN; 512],
        [f32::MAX; 512],
        [f32::MIN; 512],
        [f32::INFINITY; 512],
    ];
    for horror in horrors.iter().cycle().take(40) {
        let windows = [prng.window(), *horror, prng.window()];
        batch.clear();
        for (state, window) in states.iter().zip(&windows) {
            batch.push(state, window);
        }
        batch.run(&model);
        let found: Vec<f32> = (0..3)
            .map(|lane| batch.take(lane, &mut states[lane]))
            .collect();
        assert_eq!(found[0], alone(&model, &mut apart[0], &windows[0]));
        assert_eq!(found[2], alone(&model, &mut apart[1], &windows[2]));
        assert!((0.0..=1.0).contains(&found[1]), "{}", found[1]);
        assert!(is_finite(&states[1]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bits_give_a_probability_and_a_finite_state(seed in any::<u64>(), windows in 1..6_usize) {
        thread_local!(static MODEL: beluga_vad::Silero = random_silero(13));
        let mut prng = Prng::new(seed);
        let (mut state, mut energy) = (SileroState::default(), EnergyDetector::new());
        for _ in 0..windows {
            // Two draws fill 32 bits: every sign, exponent and payload.
            let mut half = || (prng.next() * 8_388_608.0) as i32 as u32;
            let window: Window = std::array::from_fn(|_| f32::from_bits(half() << 16 ^ half()));
            let probability = MODEL.with(|model| alone(model, &mut state, &window));
            prop_assert!((0.0..=1.0).contains(&probability));
            prop_assert!(is_finite(&state));
            prop_assert!((0.0..=1.0).contains(&energy.push(&window)));
        }
    }
}
