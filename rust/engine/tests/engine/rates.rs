//! Any rate in, any rate out.

use crate::common::call::POLICY;
use beluga_engine::{Counters, EAR_FRAME_SAMPLES, EarFrame, EventKind, InDoor, mouth, pcm_in};
use proptest::prelude::*;

const IN_HZ: [u32; 12] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000,
];
const OUT_HZ: [u32; 8] = [
    8_000, 11_200, 12_000, 16_000, 24_000, 32_000, 44_000, 48_000,
];

/// Plays `cuts` pieces of `in_hz`, pausing at some frames; gives what was heard of it.
fn play(in_hz: u32, out_hz: u32, cuts: &[usize], pauses: &[usize]) -> (usize, Vec<i16>) {
    let (mut writer, mut playout) = mouth(out_hz);
    let mut frame = vec![0; out_hz as usize / 100];
    let (mut out, mut finished) = (Vec::new(), None);
    writer.begin(POLICY).unwrap();
    let mut cuts = cuts.iter();
    let mut total = 0;
    for tick in 0..4_000 {
        match cuts.next() {
            Some(&cut) => total += writer.write(&vec![8_000; cut], in_hz).unwrap(),
            None => writer.end().unwrap(),
        }
        if pauses.contains(&tick) {
            playout.pause();
        } else {
            playout.resume();
        }
        playout.pull(&mut frame, &mut |kind| {
            if let EventKind::PlayoutFinished { played_us, .. } = kind {
                finished = Some(played_us);
            }
        });
        out.extend_from_slice(&frame);
        if let Some(played_us) = finished {
            let due = (total as u64 * u64::from(out_hz)).div_ceil(u64::from(in_hz));
            assert_eq!(
                played_us,
                due * 1_000_000 / u64::from(out_hz),
                "{in_hz} to {out_hz}, {total} samples"
            );
            return (total, out);
        }
    }
    panic!("{in_hz} to {out_hz}: {total} samples are never over");
}

#[test]
fn every_pair_of_rates_plays_the_exact_count() {
    for in_hz in IN_HZ {
        for out_hz in OUT_HZ {
            play(in_hz, out_hz, &[1, 7, 3_000, 0, 5], &[]);
        }
    }
}

/// A ramp that is written at `in_hz` in pieces as a caller's clock cuts them: what the ear gets in ten seconds.
fn hear(in_hz: u32) -> Vec<f32> {
    const TICKS: usize = 1_000;
    let (mut writer, mut door) = pcm_in(in_hz).unwrap();
    let counters = Counters::default();
    let mut frame: EarFrame = [0.0; EAR_FRAME_SAMPLES];
    let mut heard = Vec::new();
    let total = in_hz as usize * (TICKS + 2) / 100;
    let ramp: Vec<i16> = (0..total).map(|at| (at * 20_000 / total) as i16).collect();
    let mut written = 0;
    for _ in 0..TICKS {
        // Far enough ahead that no tick finds half a frame.
        let due = (written + in_hz as usize / 50).min(total);
        written += writer.write(0, &ramp[written..due]);
        door.pull(0, &mut frame, &counters);
        heard.extend_from_slice(&frame);
    }
    heard
}

#[test]
fn an_ear_gets_every_sample_once_at_any_rate() {
    for in_hz in (8_000..17_000).step_by(25).chain(IN_HZ) {
        let heard = hear(in_hz);
        // Behind the filter's delay a ramp rises by the same step everywhere: nothing was lost, doubled or put in.
        let steps = heard[200..].windows(2).map(|pair| pair[1] - pair[0]);
        let steepest = steps.clone().fold(f32::MIN, f32::max);
        let flattest = steps.fold(f32::MAX, f32::min);
        assert!(
            steepest - flattest < 3.0 / 32_768.0,
            "{in_hz} Hz: steps from {flattest} to {steepest}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn however_it_is_cut_and_paused(
        in_hz in prop::sample::select(&IN_HZ[..]),
        out_hz in prop::sample::select(&OUT_HZ[..]),
        cuts in prop::collection::vec(0usize..4_000, 0..12),
        pauses in prop::collection::vec(0usize..40, 0..20),
    ) {
        play(in_hz, out_hz, &cuts, &pauses);
    }
}
