//! What a user of the energy detector would notice.

mod common;

use beluga_vad::EnergyDetector;
use common::prng::Prng;

/// A window of uniform noise at a level in dBFS.
fn noise(prng: &mut Prng, level_dbfs: f32) -> [f32; 512] {
    let peak = 10_f32.powf(level_dbfs / 20.0) * 3_f32.sqrt();
    std::array::from_fn(|_| peak * prng.next())
}

#[test]
fn speech_over_a_quiet_room_is_heard_at_once_and_its_end_too() {
    let (mut detector, mut prng) = (EnergyDetector::new(), Prng::new(1));
    for _ in 0..100 {
        assert!(detector.push(&noise(&mut prng, -55.0)) < 0.1);
    }
    for syllable in 0..10 {
        for _ in 0..6 {
            let probability = detector.push(&noise(&mut prng, -25.0));
            assert!(probability > 0.9, "syllable {syllable}: {probability}");
        }
        for _ in 0..3 {
            let probability = detector.push(&noise(&mut prng, -55.0));
            assert!(
                probability < 0.1,
                "gap after syllable {syllable}: {probability}"
            );
        }
    }
}

#[test]
fn a_call_may_begin_with_speech() {
    let (mut detector, mut prng) = (EnergyDetector::new(), Prng::new(2));
    assert!(detector.push(&noise(&mut prng, -30.0)) > 0.9);
}

#[test]
fn a_noise_that_stays_becomes_the_floor_within_two_seconds_or_so() {
    let (mut detector, mut prng) = (EnergyDetector::new(), Prng::new(3));
    for _ in 0..80 {
        detector.push(&noise(&mut prng, -60.0));
    }
    let fan = |prng: &mut Prng| noise(prng, -35.0);
    assert!(
        detector.push(&fan(&mut prng)) > 0.9,
        "a fan just switched on could be speech"
    );
    for _ in 0..72 {
        detector.push(&fan(&mut prng));
    }
    assert!(
        detector.push(&fan(&mut prng)) < 0.1,
        "a fan that has run for 2.3 s is not"
    );
    assert!((detector.noise_floor_dbfs() + 35.0).abs() < 1.5);
    assert!(
        detector.push(&noise(&mut prng, -15.0)) > 0.9,
        "a voice over the fan"
    );
}

#[test]
fn the_curve_is_the_documented_one() {
    let mut prng = Prng::new(4);
    for (over_db, expected) in [(3.0, 0.05), (9.0, 0.5), (15.0, 0.95)] {
        let mut detector = EnergyDetector::new();
        // A square wave has exactly the level of its amplitude.
        let square = |level_dbfs: f32| {
            let amplitude = 10_f32.powf(level_dbfs / 20.0);
            std::array::from_fn(|i| if i % 2 == 0 { amplitude } else { -amplitude })
        };
        for _ in 0..80 {
            detector.push(&square(-40.0));
        }
        let probability = detector.push(&square(-40.0 + over_db));
        assert!(
            (probability - expected).abs() < 0.01,
            "{over_db} dB: {probability}"
        );
    }
    let mut detector = EnergyDetector::new();
    for _ in 0..200 {
        assert!(detector.push(&[0.0; 512]) < 0.01, "digital silence");
    }
    assert!(
        detector.push(&noise(&mut prng, -60.0)) < 0.5,
        "the room's own noise after digital silence"
    );
}

#[test]
fn a_constant_offset_is_not_sound() {
    let (mut detector, mut prng) = (EnergyDetector::new(), Prng::new(5));
    for _ in 0..10 {
        let window = noise(&mut prng, -60.0).map(|sample| sample + 0.25);
        assert!(detector.push(&window) < 0.1);
    }
}

#[test]
fn after_a_reset_nothing_is_remembered() {
    let (mut detector, mut prng) = (EnergyDetector::new(), Prng::new(6));
    for _ in 0..100 {
        detector.push(&noise(&mut prng, -30.0));
    }
    detector.reset();
    let window = noise(&mut prng, -35.0);
    assert_eq!(detector.push(&window), EnergyDetector::new().push(&window));
}
