//! The true edges of a voice, found under a detector that hears both of them late.
//!
//! The sound is made by construction, so its labels are exact; the detector is simulated, so its lateness is too: it rises
//! `attack` after the onset and falls `release` after the end, as Silero does (50 to 95 ms).

use beluga_vad::{SpeechConfig, SpeechDetector, SpeechEdge, WINDOW_SAMPLES};
use proptest::prelude::*;
use std::f32::consts::TAU;
use std::ops::Range;

const FRAME: usize = 160;
const TOLERANCE: u64 = ms(20);

const fn ms(ms: u64) -> u64 {
    ms * 16
}

/// Sound and where the voices in it are.
struct Scene {
    samples: Vec<f32>,
    voices: Vec<Range<u64>>,
    seed: u32,
    noise_dbfs: f32,
}

impl Scene {
    fn in_noise(noise_dbfs: f32) -> Self {
        Self {
            samples: Vec::new(),
            voices: Vec::new(),
            seed: 1,
            noise_dbfs,
        }
    }

    fn noise(&mut self, dbfs: f32) -> f32 {
        self.seed = self
            .seed
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let uniform = (self.seed >> 16) as f32 / 32_768.0 - 1.0;
        uniform * 3f32.sqrt() * 10f32.powf(dbfs / 20.0)
    }

    fn pause(mut self, length_ms: u64) -> Self {
        for _ in 0..ms(length_ms) {
            let noise = self.noise(self.noise_dbfs);
            self.samples.push(noise);
        }
        self
    }

    /// Noise without a voice.
    fn burst(mut self, length_ms: u64, dbfs: f32) -> Self {
        for _ in 0..ms(length_ms) {
            let noise = self.noise(dbfs);
            self.samples.push(noise);
        }
        self
    }

    /// Harmonics in the rhythm of syllables, with an attack and a release of 5 ms.
    fn voice(mut self, length_ms: u64, dbfs: f32) -> Self {
        let (start, length) = (self.samples.len() as u64, ms(length_ms));
        let gain = 10f32.powf(dbfs / 20.0);
        for n in 0..length {
            let near = n.min(length - n) as f32 / ms(5) as f32;
            let edge = if near < 1.0 {
                0.5 - 0.5 * (TAU / 2.0 * near).cos()
            } else {
                1.0
            };
            let t = n as f32 / 16_000.0;
            let syllable = 0.7 + 0.3 * (TAU * 5.0 * t).sin();
            let voice: f32 = (1..8)
                .map(|k| (TAU * 130.0 * k as f32 * t).sin() / k as f32)
                .sum();
            let noise = self.noise(self.noise_dbfs);
            self.samples
                .push((gain * edge * syllable * voice + noise).clamp(-1.0, 1.0));
        }
        self.voices.push(start..start + length);
        self
    }
}

#[derive(Clone, Copy)]
struct Ear {
    attack: u64,
    release: u64,
    phase: u64,
}

const TYPICAL: Ear = Ear {
    attack: ms(30),
    release: ms(80),
    phase: 0,
};

/// Every edge and when it became known, and the detector at the end.
fn hear(scene: &Scene, ear: Ear) -> (Vec<(u64, SpeechEdge)>, SpeechDetector) {
    let mut detector = SpeechDetector::new(SpeechConfig::default()).expect("the defaults");
    let mut edges = Vec::new();
    for (index, frame) in scene.samples.chunks_exact(FRAME).enumerate() {
        let end = ((index + 1) * FRAME) as u64;
        // The window that was completed in this frame, if one was.
        let beyond = (end + ear.phase) % WINDOW_SAMPLES as u64;
        if beyond < FRAME as u64 {
            let window_end = end - beyond;
            let heard = |voice: &Range<u64>| {
                (voice.start + ear.attack..voice.end + ear.release).contains(&window_end)
            };
            let probability = if scene.voices.iter().any(heard) {
                0.92
            } else {
                0.06
            };
            detector.push_window(window_end, probability);
        }
        let power: f32 = frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME as f32;
        let level = (10.0 * power.max(1e-12).log10()).max(-120.0);
        edges.extend(detector.push_frame(end, level).map(|edge| (end, edge)));
    }
    (edges, detector)
}

/// Each voice is found, with both its edges in their place.
fn assert_found(scene: &Scene, ear: Ear) {
    let (edges, _) = hear(scene, ear);
    assert_eq!(
        edges.len(),
        2 * scene.voices.len(),
        "{edges:?} for {:?}",
        scene.voices
    );
    for (pair, truth) in edges.chunks(2).zip(&scene.voices) {
        let [
            (_, SpeechEdge::Started { onset }),
            (_, SpeechEdge::Ended { voiced_end }),
        ] = *pair
        else {
            panic!("{pair:?}")
        };
        assert!(
            onset.abs_diff(truth.start) <= TOLERANCE,
            "onset {onset}, truth {truth:?}"
        );
        assert!(
            voiced_end.abs_diff(truth.end) <= TOLERANCE,
            "end {voiced_end}, truth {truth:?}"
        );
    }
}

/// Where the only voice was found to end.
fn only_end(scene: &Scene, ear: Ear) -> u64 {
    let (edges, _) = hear(scene, ear);
    let [_, (_, SpeechEdge::Ended { voiced_end })] = edges[..] else {
        panic!("{edges:?}")
    };
    voiced_end
}

fn conversation(noise_dbfs: f32, voice_dbfs: f32) -> Scene {
    Scene::in_noise(noise_dbfs)
        .pause(1_503)
        .voice(711, voice_dbfs)
        .pause(648)
        .voice(300, voice_dbfs)
        .pause(900)
        .voice(1_234, voice_dbfs)
        .pause(800)
}

#[test]
fn edges_are_found_however_late_the_detector_is() {
    let scene = conversation(-60.0, -25.0);
    for attack in [5, 30, 64] {
        for release in [50, 70, 95] {
            for phase in [0, 100, 333, 511] {
                assert_found(
                    &scene,
                    Ear {
                        attack: ms(attack),
                        release: ms(release),
                        phase,
                    },
                );
            }
        }
    }
}

#[test]
fn they_are_found_in_a_loud_room_in_digital_silence_and_in_clipped_sound() {
    assert_found(&conversation(-42.0, -22.0), TYPICAL);
    assert_found(&conversation(-200.0, -25.0), TYPICAL);
    assert_found(&conversation(-60.0, 12.0), TYPICAL);
}

#[test]
fn a_burst_of_noise_that_the_detector_does_not_take_for_a_voice_moves_nothing() {
    let scene = Scene::in_noise(-60.0)
        .pause(1_500)
        .burst(80, -15.0)
        .pause(700)
        .voice(700, -25.0)
        .pause(160)
        .burst(60, -12.0)
        .pause(900)
        .burst(40, -8.0)
        .pause(200)
        .voice(600, -25.0)
        .pause(800);
    assert_found(&scene, TYPICAL);
}

#[test]
fn a_hole_in_the_line_before_a_voice_is_not_the_room() {
    for hole_ms in [10, 20, 30] {
        for before_ms in [20, 60, 100, 200, 280] {
            let mut scene = Scene::in_noise(-48.0).pause(1_500);
            scene
                .samples
                .extend(std::iter::repeat_n(0.0, ms(hole_ms) as usize));
            assert_found(
                &scene.pause(before_ms).voice(700, -25.0).pause(800),
                TYPICAL,
            );
        }
    }
}

#[test]
fn a_burst_behind_the_last_window_of_a_voice_is_not_its_end() {
    // The detector releases after 50 ms and is asked again only 32 ms later: the burst lies in between.
    let scene = Scene::in_noise(-60.0)
        .pause(1_500)
        .voice(700, -25.0)
        .pause(56)
        .burst(20, -20.0)
        .pause(900);
    for phase in (0..512).step_by(32) {
        let ear = Ear {
            release: ms(50),
            phase,
            ..TYPICAL
        };
        assert_found(&scene, ear);
    }
}

#[test]
fn a_floor_that_rises_under_the_conversation_is_followed() {
    let mut scene = Scene::in_noise(-68.0).pause(1_000);
    for step in 0..12 {
        scene.noise_dbfs = -68.0 + 2.5 * step as f32;
        scene = scene.pause(700).voice(500 + 17 * step, -18.0);
    }
    assert_found(&scene.pause(900), TYPICAL);
}

#[test]
fn a_noise_that_begins_and_stays_becomes_the_floor() {
    let mut scene = Scene::in_noise(-65.0).pause(1_000);
    scene.noise_dbfs = -40.0;
    let scene = scene.pause(3_000).voice(700, -20.0).pause(900);
    assert_found(&scene, TYPICAL);
    let (_, detector) = hear(&scene, TYPICAL);
    assert!(
        (-44.0..-38.0).contains(&detector.noise_floor_dbfs()),
        "{}",
        detector.noise_floor_dbfs()
    );
}

#[test]
fn a_noise_that_begins_just_before_the_voice_is_not_its_onset() {
    // The floor has had no time to follow; what was quietest just now tells.
    let mut scene = Scene::in_noise(-65.0).pause(1_000);
    scene.noise_dbfs = -45.0;
    assert_found(&scene.pause(420).voice(700, -20.0).pause(900), TYPICAL);
}

#[test]
fn a_call_may_begin_with_speech() {
    for lead_ms in [0, 7, 40, 200] {
        let scene = Scene::in_noise(-60.0)
            .pause(lead_ms)
            .voice(900, -25.0)
            .pause(800);
        let (edges, _) = hear(&scene, TYPICAL);
        let [
            (_, SpeechEdge::Started { onset }),
            (_, SpeechEdge::Ended { voiced_end }),
        ] = edges[..]
        else {
            panic!("{edges:?}")
        };
        assert!(
            onset.abs_diff(ms(lead_ms)) <= TOLERANCE,
            "{lead_ms} ms: onset {onset}"
        );
        assert!(
            voiced_end.abs_diff(scene.voices[0].end) <= TOLERANCE,
            "{lead_ms} ms: end {voiced_end}"
        );
    }
}

#[test]
fn a_voice_too_quiet_to_stand_out_is_heard_and_not_cut_off() {
    let scene = conversation(-60.0, -62.0);
    let (edges, _) = hear(&scene, TYPICAL);
    assert_eq!(edges.len(), 6, "{edges:?}");
    for (pair, truth) in edges.chunks(2).zip(&scene.voices) {
        let [
            (_, SpeechEdge::Started { onset }),
            (_, SpeechEdge::Ended { voiced_end }),
        ] = *pair
        else {
            panic!("{pair:?}")
        };
        // Nothing but the detector tells where it is: to its lateness and a window.
        assert!(
            onset.abs_diff(truth.start) <= ms(40),
            "onset {onset}, truth {truth:?}"
        );
        let late = voiced_end as i64 - truth.end as i64;
        assert!(
            (-(ms(10) as i64)..=ms(80 + 32) as i64).contains(&late),
            "end {voiced_end}, truth {truth:?}"
        );
    }
}

#[test]
fn a_word_that_dies_away_is_not_cut_off_while_it_is_heard() {
    // A loud word and 300 ms that fall 40 dB below it, which the detector hears all the same.
    let mut scene = Scene::in_noise(-70.0)
        .pause(1_500)
        .voice(600, -15.0)
        .voice(300, -58.0)
        .pause(900);
    let dying = scene.voices.pop().expect("the second of two");
    scene.voices[0].end = dying.end;
    let voiced_end = only_end(&scene, TYPICAL);
    assert!(
        voiced_end + ms(10) >= scene.voices[0].end,
        "end {voiced_end}, truth {:?}",
        scene.voices
    );
}

#[test]
fn what_a_codec_smears_behind_a_voice_is_not_the_voice() {
    // 30 dB below it for 10 ms, as Opus leaves it: the answer is not to wait for it.
    for phase in [0, 100, 333, 511] {
        let mut scene = Scene::in_noise(-90.0)
            .pause(1_500)
            .burst(600, -15.0)
            .burst(10, -45.0)
            .pause(900);
        scene.voices.push(ms(1_500)..ms(2_100));
        assert_eq!(only_end(&scene, Ear { phase, ..TYPICAL }), ms(2_100));
    }
}

#[test]
fn a_voice_that_falls_at_once_and_goes_on_is_heard_to_its_end() {
    // A vowel, and the hiss after it: 25 dB quieter, and as much the voice.
    let mut scene = Scene::in_noise(-90.0)
        .pause(1_500)
        .voice(600, -15.0)
        .burst(120, -42.0)
        .pause(900);
    scene.voices[0].end += ms(120);
    assert_eq!(only_end(&scene, TYPICAL), scene.voices[0].end);
}

#[test]
fn what_is_too_short_to_be_speech_leaves_silence_counting() {
    let scene = Scene::in_noise(-60.0)
        .pause(1_500)
        .voice(600, -25.0)
        .pause(900);
    let (_, mut detector) = hear(&scene, TYPICAL);
    let voiced_end = detector.voiced_end();
    let mut end = scene.samples.len() as u64 / 160 * 160;
    // The detector is wrong for one window, in which one frame is loud.
    for (probability, level) in [(0.9, -20.0), (0.1, -60.0), (0.1, -60.0)] {
        detector.push_window(end + 160, probability);
        end += 160;
        assert_eq!(detector.push_frame(end, level), None);
    }
    assert_eq!(detector.voiced_end(), voiced_end);
    assert_eq!(detector.silence_samples(end), end - voiced_end);
}

#[test]
fn a_shout_of_noise_in_a_pause_does_not_hide_the_voice_after_it() {
    // 60 dB over the voice's floor: were it the voice's peak, the voice would not stand within 35 dB of it.
    let scene = Scene::in_noise(-70.0)
        .pause(1_500)
        .voice(600, -45.0)
        .pause(120)
        .burst(40, -3.0)
        .pause(30)
        .voice(700, -45.0)
        .pause(900);
    let (edges, _) = hear(
        &scene,
        Ear {
            attack: ms(5),
            ..TYPICAL
        },
    );
    let [_, (_, SpeechEdge::Ended { voiced_end })] = edges[..] else {
        panic!("{edges:?}")
    };
    assert!(
        voiced_end.abs_diff(scene.voices[1].end) <= TOLERANCE,
        "end {voiced_end}, truth {:?}",
        scene.voices
    );
}

#[test]
fn thresholds_out_of_range_are_named() {
    let config = |activation, deactivation| SpeechConfig {
        activation,
        deactivation,
        ..SpeechConfig::default()
    };
    for (wrong, field) in [
        (config(1.1, 0.3), "activation_threshold"),
        (config(f32::NAN, 0.3), "activation_threshold"),
        (config(0.5, 0.6), "deactivation_threshold"),
        (config(0.5, -0.1), "deactivation_threshold"),
    ] {
        assert_eq!(
            SpeechDetector::new(wrong).expect_err("out of range").field,
            field
        );
    }
}

fn any_sound() -> impl Strategy<Value = Vec<(f32, f32)>> {
    // Runs of frames of one kind, as sound comes: (level, probability) of each.
    let run = (1usize..40, -125f32..5.0, 0f32..=1.0, 0f32..12.0);
    prop::collection::vec(run, 1..60).prop_map(|runs| {
        let frame = |(length, level, probability, flutter): (usize, f32, f32, f32)| {
            (0..length).map(move |n| (level + flutter * (n as f32 * 1.7).sin(), probability))
        };
        runs.into_iter().flat_map(frame).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_comes_edges_alternate_and_never_go_back(
        sound in any_sound(),
        phase in 0u64..512,
        min_speech_ms in 0u32..200,
        min_silence_ms in 0u32..600,
        activation in 0.2f32..0.9,
    ) {
        let config = SpeechConfig { activation, deactivation: activation - 0.15, min_speech_ms, min_silence_ms };
        let mut detector = SpeechDetector::new(config).unwrap();
        let (mut onset_before, mut end_before, mut speaking) = (0, 0, false);
        for (index, (level, probability)) in sound.into_iter().enumerate() {
            let end = (index as u64 + 1) * 160;
            let beyond = (end + phase) % 512;
            if beyond < 160 {
                detector.push_window(end - beyond, probability);
            }
            match detector.push_frame(end, level) {
                Some(SpeechEdge::Started { onset }) => {
                    prop_assert!(!speaking && onset >= end_before && onset < end);
                    prop_assert!(detector.voiced_end() - onset >= ms(min_speech_ms.into()));
                    (speaking, onset_before) = (true, onset);
                }
                Some(SpeechEdge::Ended { voiced_end }) => {
                    prop_assert!(speaking && voiced_end >= onset_before);
                    prop_assert!(end - voiced_end >= ms(min_silence_ms.into()));
                    (speaking, end_before) = (false, voiced_end);
                }
                None => {}
            }
            prop_assert_eq!(detector.is_speaking(), speaking);
            prop_assert!(detector.voiced_end() <= end);
            prop_assert!(detector.noise_floor_dbfs().is_finite());
        }
    }

    #[test]
    fn any_voice_in_any_quiet_room_is_found(
        lead_ms in 1_200u64..2_000,
        voices in prop::collection::vec((150u64..900, 420u64..900), 1..4),
        noise_dbfs in -75f32..-50.0,
        voice_dbfs in -30f32..-12.0,
        attack in 5u64..64,
        release in 50u64..95,
        phase in 0u64..512,
    ) {
        let mut scene = Scene::in_noise(noise_dbfs).pause(lead_ms);
        for (voice_ms, pause_ms) in voices {
            scene = scene.voice(voice_ms, voice_dbfs).pause(pause_ms);
        }
        assert_found(&scene, Ear { attack: ms(attack), release: ms(release), phase });
    }
}
