//! What both sides of a session touch: the shard that serves it and whoever holds its handles.

use crate::bells::Bell;
use crate::counters::Counters;
use crate::gauge::Gauge;
use crate::sound_ring::SoundRing;
#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Readers that may wait for the caller's sound at the same time.
pub const EAR_READERS: usize = 8;
/// Readers that may wait for the agent's sound at the same time.
pub const OUT_READERS: usize = 4;

/// Who is to look again: bits of [`Shared::take_ready`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// There is room in the mouth.
    Mouth,
    /// There is room in the door.
    Input,
    /// Reader `n` of the ear has what it waits for.
    Ear(usize),
    /// Reader `n` of the output has what it waits for.
    Out(usize),
    /// There is a packet to be sent.
    Packets,
}

impl Ready {
    const fn bit(self) -> u32 {
        match self {
            Self::Mouth => 1,
            Self::Input => 2,
            Self::Ear(reader) => 4 << reader,
            Self::Out(reader) => (4 << EAR_READERS) << reader,
            Self::Packets => (4 << EAR_READERS) << OUT_READERS,
        }
    }
}

/// Wakes an event loop; called by the shard, so it must neither block nor allocate.
pub trait Wake: Send + Sync + std::fmt::Debug {
    /// Makes the loop look at its sessions.
    fn wake(&self);
}

/// One event loop, woken when its sessions have something for it and not again until it has looked.
#[derive(Debug)]
pub struct LoopWake {
    pending: AtomicBool,
    /// When it was woken, on the clock of the ticks; 0 when it has looked since.
    woken_us: AtomicU64,
    wake: Box<dyn Wake>,
}

impl LoopWake {
    /// A loop that is woken by `wake`.
    #[must_use]
    pub fn new(wake: Box<dyn Wake>) -> Self {
        Self {
            pending: AtomicBool::new(false),
            woken_us: AtomicU64::new(0),
            wake,
        }
    }

    /// Wakes the loop unless it has been woken and has not looked yet.
    pub fn notify(&self, now_us: u64) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.woken_us.store(now_us, Ordering::Release);
            self.wake.wake();
        }
    }

    /// The loop is about to look: what comes from now on wakes it again. Gives the time at which it was woken, if it was
    /// and that was not asked for before.
    pub fn looking(&self) -> Option<u64> {
        // A swap and no store: it reads what a `notify` without a wake-up left, and so sees all that came before that.
        self.pending.swap(false, Ordering::AcqRel);
        let woken_us = self.woken_us.swap(0, Ordering::AcqRel);
        (woken_us != 0).then_some(woken_us)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Shared {
    /// What happened in this session, counted.
    pub counters: Counters,
    /// The caller's sound at 16 kHz.
    pub ear: Arc<SoundRing>,
    /// The agent's sound as sent.
    pub out: Arc<SoundRing>,
    /// Sample rate of `out`.
    pub out_hz: u32,
    pub(crate) ear_waits: [Gauge; EAR_READERS],
    pub(crate) out_waits: [Gauge; OUT_READERS],
    ready: AtomicU32,
    closed: AtomicBool,
    pub(crate) bell: Bell,
    out_bell: OnceLock<Bell>,
}

impl Shared {
    pub(crate) fn new(ear: Arc<SoundRing>, out: Arc<SoundRing>, out_hz: u32, bell: Bell) -> Self {
        Self {
            counters: Counters::default(),
            ear,
            out,
            out_hz,
            ear_waits: Default::default(),
            out_waits: Default::default(),
            ready: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            bell,
            out_bell: OnceLock::new(),
        }
    }

    /// The gauge of reader `reader` of the caller's sound; it counts samples of session time.
    ///
    /// # Panics
    /// If `reader` is not under [`EAR_READERS`].
    #[must_use]
    pub fn ear_wait(&self, reader: usize) -> &Gauge {
        &self.ear_waits[reader]
    }

    /// The gauge of reader `reader` of the agent's sound; it counts samples sent.
    ///
    /// # Panics
    /// If `reader` is not under [`OUT_READERS`].
    #[must_use]
    pub fn out_wait(&self, reader: usize) -> &Gauge {
        &self.out_waits[reader]
    }

    /// From now on every tick rings `bell`, once its sound is in [`Shared::out`], and the end does: for a reader that takes
    /// each frame as it comes. There is one such bell; false: it is another.
    #[must_use]
    pub fn notify_output(&self, bell: &Bell) -> bool {
        self.out_bell.get_or_init(|| bell.clone()) == bell
    }

    /// The bell that [`Shared::notify_output`] was told of.
    pub(crate) fn out_bell(&self) -> Option<&Bell> {
        self.out_bell.get()
    }

    /// Whether the session is over: no more sound, no more events after those in the queue.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Who is to look again, each said once.
    pub fn take_ready(&self) -> impl Iterator<Item = Ready> + use<> {
        let bits = self.ready.swap(0, Ordering::AcqRel);
        let readers = (0..EAR_READERS)
            .map(Ready::Ear)
            .chain((0..OUT_READERS).map(Ready::Out));
        [Ready::Mouth, Ready::Input, Ready::Packets]
            .into_iter()
            .chain(readers)
            .filter(move |ready| bits & ready.bit() != 0)
    }

    pub(crate) fn set_ready(&self, ready: Ready) {
        self.ready.fetch_or(ready.bit(), Ordering::AcqRel);
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

#[cfg(all(test, loom))]
pub(crate) mod loom_tests {
    use super::*;
    use loom::sync::atomic::AtomicU64;

    /// As a loop does it: woken by a count of wake-ups, it says that it looks and looks.
    #[derive(Debug, Default)]
    pub(crate) struct Descriptor(pub(crate) AtomicU64);

    impl Wake for Arc<Descriptor> {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    #[test]
    fn what_happens_while_the_loop_looks_is_seen_or_wakes_it_again() {
        loom::model(|| {
            let descriptor = Arc::new(Descriptor::default());
            let wake = Arc::new(LoopWake::new(Box::new(descriptor.clone())));
            let events = Arc::new(AtomicU64::new(0));
            let shard = {
                let (wake, events) = (wake.clone(), events.clone());
                loom::thread::spawn(move || {
                    for count in 1..=2 {
                        // As a ring publishes: no stronger than a release.
                        events.store(count, Ordering::Release);
                        wake.notify(count);
                    }
                })
            };
            let look = || {
                descriptor.0.swap(0, Ordering::AcqRel);
                wake.looking();
                events.load(Ordering::Acquire)
            };
            let seen = look();
            shard.join().unwrap();
            let awake = descriptor.0.load(Ordering::Acquire) > 0;
            assert!(seen == 2 || awake, "saw {seen} events of 2 and sleeps");
            if awake {
                assert_eq!(look(), 2);
            }
        });
    }

    #[test]
    fn a_bit_that_is_set_while_bits_are_taken_is_taken_or_wakes_again() {
        loom::model(|| {
            let descriptor = Arc::new(Descriptor::default());
            let wake = Arc::new(LoopWake::new(Box::new(descriptor.clone())));
            let ready = Arc::new(AtomicU32::new(0));
            let shard = {
                let (wake, ready) = (wake.clone(), ready.clone());
                loom::thread::spawn(move || {
                    for bit in [1, 2] {
                        ready.fetch_or(bit, Ordering::AcqRel);
                        wake.notify(1);
                    }
                })
            };
            descriptor.0.swap(0, Ordering::AcqRel);
            wake.looking();
            let taken = ready.swap(0, Ordering::AcqRel);
            shard.join().unwrap();
            let awake = descriptor.0.load(Ordering::Acquire) > 0;
            assert!(taken == 3 || awake, "took {taken:b} and sleeps");
        });
    }
}
