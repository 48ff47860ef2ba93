//! Chooses, once for a model, the variant of the forward pass that this CPU can run.
//!
//! The same safe source is compiled twice; hand-written kernels would come in through this door.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a function compiled for more instructions than the crate may be called only where the CPU has them"
    )
)]

use crate::arithmetic::Separate;
use crate::forward::{Lanes, forward};
use crate::silero::Silero;

/// A variant of the forward pass.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kernels {
    /// What any CPU of the target has.
    Baseline,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Found),
}

impl Kernels {
    /// The fastest one that this CPU can run.
    pub(crate) fn for_this_cpu() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(found) = avx2::Found::look() {
            return Self::Avx2(found);
        }
        Self::Baseline
    }

    /// Runs the first `count` lanes.
    pub(crate) fn run(self, model: &Silero, lanes: &mut Lanes, count: usize) {
        match self {
            Self::Baseline => forward::<Separate>(model, lanes, count),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(found) => avx2::run(found, model, lanes, count),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use crate::arithmetic::Fused;
    use crate::forward::{Lanes, forward};
    use crate::silero::Silero;

    /// Proof that this CPU has AVX2 and FMA: made by [`Found::look`] alone.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Found(());

    impl Found {
        pub(super) fn look() -> Option<Self> {
            let both = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            both.then_some(Self(()))
        }
    }

    pub(super) fn run(_: Found, model: &Silero, lanes: &mut Lanes, count: usize) {
        // SAFETY: a `Found` exists only where the CPU was seen to have both features that the function is compiled for.
        unsafe { compiled(model, lanes, count) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn compiled(model: &Silero, lanes: &mut Lanes, count: usize) {
        forward::<Fused>(model, lanes, count);
    }
}

#[cfg(test)]
#[path = "../tests/common/prng.rs"]
mod prng;
#[cfg(test)]
#[path = "../tests/common/random_model.rs"]
mod random_model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SileroBatch, SileroState};

    #[test]
    fn the_variants_agree() {
        let bytes = random_model::file(&random_model::tensors(5));
        let chosen = Silero::from_safetensors(&bytes).expect("a model of the true shapes");
        if matches!(chosen.kernels, Kernels::Baseline) {
            eprintln!("NOT RUN: this CPU has the baseline variant alone");
            return;
        }
        let mut baseline = Silero::from_safetensors(&bytes).expect("a model of the true shapes");
        baseline.kernels = Kernels::Baseline;

        let mut prng = prng::Prng::new(5);
        let mut states = [(); 2].map(|()| [(); 3].map(|()| SileroState::default()));
        for window in 0..50 {
            let windows = [(); 3].map(|()| prng.window());
            let mut found = [[0.0_f32; 3]; 2];
            for (variant, model) in [&chosen, &baseline].into_iter().enumerate() {
                let mut batch = SileroBatch::new(3);
                for (state, window) in states[variant].iter().zip(&windows) {
                    batch.push(state, window);
                }
                batch.run(model);
                for (lane, state) in states[variant].iter_mut().enumerate() {
                    found[variant][lane] = batch.take(lane, state);
                }
            }
            for lane in 0..3 {
                let off = (found[0][lane] - found[1][lane]).abs();
                assert!(off < 1e-5, "lane {lane} of window {window}: off by {off}");
                let (a, b) = (&states[0][lane], &states[1][lane]);
                let pairs = a
                    .hidden
                    .iter()
                    .chain(&a.cell)
                    .zip(b.hidden.iter().chain(&b.cell));
                let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(
                    off < 1e-5,
                    "state of lane {lane} after window {window}: off by {off}"
                );
            }
        }
    }
}
