//! The kernels compute what the description of the network says, and a stream's result depends on that stream alone.

mod common;

use beluga_vad::{SileroBatch, SileroState};
use common::prng::Prng;
use common::textbook::Textbook;
use common::{alone, random_model, random_silero};

#[test]
fn fifty_windows_agree_with_the_textbook() {
    let tensors = random_model::tensors(7);
    let model = random_silero(7);
    let (mut state, mut textbook) = (SileroState::default(), Textbook::new(&tensors));
    let mut prng = Prng::new(1);
    let (mut lowest, mut highest) = (1.0_f32, 0.0_f32);
    for index in 0..50 {
        let window = prng.window();
        let probability = alone(&model, &mut state, &window);
        let expected = textbook.push(&window);
        (lowest, highest) = (lowest.min(probability), highest.max(probability));
        let off = (f64::from(probability) - expected).abs();
        assert!(
            off < 1e-4,
            "window {index}: {probability}, textbook {expected}"
        );
        let hidden = state.hidden().iter().zip(&textbook.hidden);
        let cell = state.cell().iter().zip(&textbook.cell);
        for (value, expected) in hidden.chain(cell) {
            let off = (f64::from(*value) - expected).abs();
            assert!(
                off < 1e-4,
                "state after window {index}: {value}, textbook {expected}"
            );
        }
    }
    assert!(
        highest - lowest > 0.1,
        "weights that say the same of any sound prove nothing"
    );
}

#[test]
fn a_batch_of_any_size_gives_each_stream_what_it_would_get_alone() {
    let model = random_silero(8);
    for streams in (1..=9).chain([16, 33]) {
        let mut prng = Prng::new(streams as u64);
        let mut batch = SileroBatch::new(streams);
        let mut together = vec![SileroState::default(); streams];
        let mut apart = together.clone();
        for _ in 0..4 {
            let windows: Vec<_> = (0..streams).map(|_| prng.window()).collect();
            batch.clear();
            for (stream, state) in together.iter().enumerate() {
                assert_eq!(batch.push(state, &windows[stream]), stream);
            }
            batch.run(&model);
            for stream in 0..streams {
                let probability = batch.take(stream, &mut together[stream]);
                let expected = alone(&model, &mut apart[stream], &windows[stream]);
                assert_eq!(probability, expected, "stream {stream} of {streams}");
                assert_eq!(
                    together[stream], apart[stream],
                    "stream {stream} of {streams}"
                );
            }
        }
    }
}

#[test]
fn streams_may_come_and_go_between_runs() {
    let model = random_silero(9);
    let mut prng = Prng::new(2);
    let mut batch = SileroBatch::new(5);
    let mut together = vec![SileroState::default(); 5];
    let mut apart = together.clone();
    for round in 0..12_usize {
        // A different set of streams each time, in different lanes.
        let present: Vec<usize> = (0..5).filter(|stream| (round + stream) % 3 != 0).collect();
        let windows: Vec<_> = present.iter().map(|_| prng.window()).collect();
        batch.clear();
        let push = |(stream, window): (&usize, _)| batch.push(&together[*stream], window);
        let lanes: Vec<usize> = present.iter().zip(&windows).map(push).collect();
        batch.run(&model);
        for ((stream, lane), window) in present.iter().zip(lanes).zip(&windows) {
            let probability = batch.take(lane, &mut together[*stream]);
            assert_eq!(probability, alone(&model, &mut apart[*stream], window));
            assert_eq!(together[*stream], apart[*stream]);
        }
    }
}

#[test]
#[should_panic(expected = "all 2 lanes are filled")]
fn a_push_into_a_full_batch_is_refused() {
    let mut batch = SileroBatch::new(2);
    for _ in 0..3 {
        batch.push(&SileroState::default(), &[0.0; 512]);
    }
}
