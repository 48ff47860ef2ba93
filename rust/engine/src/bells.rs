//! Who has something for an event loop: with a thousand calls on it, a loop that was woken must not ask each of them.

use crate::shared::{LoopWake, Wake};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// More bells than that share numbers: what one of them tells is asked of the others too.
const BELL_NUMBERS: usize = if cfg!(loom) { 2 * WORD_BITS } else { 4_096 };
const WORD_BITS: usize = u64::BITS as usize;

/// One event loop, and a bell for each of its sessions and rooms.
#[derive(Debug)]
pub struct Bells {
    wake: LoopWake,
    /// A bit for each number, set while that bell has rung and the loop has not looked.
    rung: [AtomicU64; BELL_NUMBERS / WORD_BITS],
    /// How many were given out.
    given: AtomicUsize,
}

impl Bells {
    /// A loop that is woken by `wake`.
    #[must_use]
    pub fn new(wake: Box<dyn Wake>) -> Arc<Self> {
        Arc::new(Self {
            wake: LoopWake::new(wake),
            rung: std::array::from_fn(|_| AtomicU64::new(0)),
            given: AtomicUsize::new(0),
        })
    }

    /// A bell for one more.
    #[must_use]
    pub fn bell(self: &Arc<Self>) -> Bell {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        Bell {
            bells: self.clone(),
            number: given % BELL_NUMBERS,
        }
    }

    /// Wakes the loop though no bell has rung.
    pub fn notify(&self, now_us: u64) {
        self.wake.notify(now_us);
    }

    /// The loop is about to look: what comes from now on wakes it again. Tells `who` has rung, by ascending number, and gives
    /// the time at which the loop was woken, if it was and that was not asked for before.
    pub fn looking(&self, who: &mut dyn FnMut(usize)) -> Option<u64> {
        let woken_us = self.wake.looking();
        for (index, word) in self.rung.iter().enumerate() {
            // What rang before that wake-up is seen without more ado; most words are never written.
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                who(index * WORD_BITS + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
        woken_us
    }
}

/// How one session or room says that it has something for its loop. Clones are the same bell, and equal.
#[derive(Debug, Clone)]
pub struct Bell {
    bells: Arc<Bells>,
    number: usize,
}

impl Bell {
    /// Wakes the loop, unless it has been woken and has not looked yet, and has it look here.
    pub fn ring(&self, now_us: u64) {
        let bit = 1 << (self.number % WORD_BITS);
        self.bells.rung[self.number / WORD_BITS].fetch_or(bit, Ordering::AcqRel);
        self.bells.wake.notify(now_us);
    }

    /// What [`Bells::looking`] calls it.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }
}

impl PartialEq for Bell {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bells, &other.bells) && self.number == other.number
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Debug, Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Arc<Wakes> {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn bells() -> (Arc<Bells>, Arc<Wakes>) {
        let wakes = Arc::new(Wakes::default());
        (Bells::new(Box::new(wakes.clone())), wakes)
    }

    fn looked(bells: &Bells) -> Vec<usize> {
        let mut who = Vec::new();
        bells.looking(&mut |number| who.push(number));
        who
    }

    proptest! {
        #[test]
        fn the_loop_hears_who_has_rung_since_it_looked_and_nobody_else(
            rounds in prop::collection::vec(prop::collection::vec(0usize..300, 0..20), 1..10),
        ) {
            let (bells, wakes) = bells();
            let all: Vec<Bell> = (0..300).map(|_| bells.bell()).collect();
            let mut woken = 0;
            for rung in rounds {
                rung.iter().for_each(|&number| all[number].ring(1));
                woken += usize::from(!rung.is_empty());
                prop_assert_eq!(wakes.0.load(Ordering::Relaxed), woken);
                let expected: Vec<usize> = rung.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
                prop_assert_eq!(looked(&bells), expected);
            }
        }
    }

    #[test]
    fn a_loop_without_a_bell_rung_is_woken_and_finds_nobody() {
        let (bells, wakes) = bells();
        bells.notify(7);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(bells.looking(&mut |_| panic!("nobody rang")), Some(7));
    }

    #[test]
    fn past_the_last_number_bells_share() {
        let (bells, _) = bells();
        let first = bells.bell();
        for _ in 1..BELL_NUMBERS {
            let _ = bells.bell();
        }
        let again = bells.bell();
        assert_eq!(again.number(), first.number());
        again.ring(1);
        assert_eq!(looked(&bells), [first.number()]);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::shared::loom_tests::Descriptor;
    use loom::sync::atomic::AtomicBool;

    #[test]
    fn whoever_rings_while_the_loop_looks_is_told_or_wakes_it_again() {
        loom::model(|| {
            let descriptor = Arc::new(Descriptor::default());
            let bells = Bells::new(Box::new(descriptor.clone()));
            let (one, other) = (bells.bell(), bells.bell());
            // What there is to be told: published before the bell rings, no stronger than a release.
            let news = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let shards = [(0, one), (1, other)].map(|(who, bell)| {
                let news = news.clone();
                loom::thread::spawn(move || {
                    news[who].store(true, Ordering::Release);
                    bell.ring(1);
                })
            });
            let mut told = [false; 2];
            let mut look = || {
                descriptor.0.swap(0, Ordering::AcqRel);
                bells.looking(&mut |who| told[who] |= news[who].load(Ordering::Acquire));
            };
            look();
            for shard in shards {
                shard.join().unwrap();
            }
            if descriptor.0.load(Ordering::Acquire) > 0 {
                look();
            }
            assert_eq!(told, [true; 2], "somebody rang unheard");
        });
    }
}
