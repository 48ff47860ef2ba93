//! A caller as the one who holds him sees him, and the way to his mouth and from his ear.

use crate::ear::{Ear, Kept};
use crate::mouth::{Mouth, Order, Said};
use crate::tape::{FRAME_US, Tape};
use crate::voices::{Heard, Voice};
use beluga_engine::{Bell, Counter};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const ORDER_CAPACITY: usize = 64;
/// What was said, and what was heard: at a turn in ten seconds and three voices to an answer, minutes.
const NEWS_CAPACITY: usize = 256;

/// What is sent when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Next to nothing: an empty packet every 400 ms.
    Dtx,
    /// An encoded frame of silence every 20 ms, as a microphone does that is never shut.
    Continuous,
}

/// What a caller is made from.
#[derive(Debug, Clone)]
pub struct CallerConfig {
    /// What is sent when nothing is said.
    pub silence: Silence,
    /// Packets kept for [`replay`](crate::replay()) between two looks at them: 50 for a second. 0: he is not sampled.
    pub kept_packets: usize,
    /// The silence that he begins with; what he says is encoded like it.
    pub quiet: Arc<Tape>,
}

/// What he did, for whoever watches.
#[derive(Debug, Default)]
pub struct CallerCounters {
    /// Frames of 20 ms whose time has come.
    pub frames: Counter,
    /// Frames that were not sent, because nobody had asked for them in time.
    pub frames_skipped: Counter,
    /// Packets handed to the peer.
    pub packets_said: Counter,
    /// Turns that were said, cut ones among them.
    pub turns_said: Counter,
    /// Packets that came, each once.
    pub packets_heard: Counter,
    /// Packets that came or should have, by their numbers.
    pub packets_expected: Counter,
    /// Packets of so many bytes that they may hold sound.
    pub packets_voiced: Counter,
    /// Said and heard that nobody took: the newest are lost.
    pub news_dropped: Counter,
    /// Packets that were to be kept and were not, because nobody took those before them.
    pub kept_dropped: Counter,
    /// The voice that was heard last, over or not: when its last packet came, 0 before there was one; its packets and gaps.
    voice: [AtomicU64; 3],
    /// There is something to look at.
    news: AtomicBool,
}

impl CallerCounters {
    /// Of the voice that was heard last, over or not: when its last packet came, its packets and gaps; none before there was one.
    #[must_use]
    pub fn last_voice(&self) -> Option<(u64, u64, u64)> {
        let [last_us, packets, gaps] = [0, 1, 2].map(|n| self.voice[n].load(Ordering::Relaxed));
        (last_us > 0).then_some((last_us, packets, gaps))
    }

    pub(crate) fn note_voice(&self, voice: &Voice) {
        for (told, value) in self
            .voice
            .iter()
            .zip([voice.last_us, voice.packets, voice.gaps])
        {
            told.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn has_news(&self) {
        self.news.store(true, Ordering::Release);
    }

    pub(crate) fn take_news(&self) -> bool {
        // Looking first saves a locked instruction in nearly every tick.
        self.news.load(Ordering::Relaxed) && self.news.swap(false, Ordering::AcqRel)
    }
}

/// Too much was ordered that he has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller has {ORDER_CAPACITY} orders waiting")]
pub struct Busy;

/// Holds a caller: tells him what to say and looks at what he heard. From any thread; nothing here waits.
#[derive(Debug)]
pub struct Caller {
    /// What he did.
    pub counters: Arc<CallerCounters>,
    orders: Producer<Order>,
    said: Consumer<Said>,
    heard: Consumer<Heard>,
    kept: Consumer<Kept>,
}

/// A caller, and his two ends for a peer. `bell` rings when something was said or heard.
#[must_use]
pub fn caller(config: CallerConfig, bell: Bell) -> (Caller, Mouth, Ear) {
    let counters = Arc::new(CallerCounters::default());
    let (orders, orders_out) = RingBuffer::new(ORDER_CAPACITY);
    let (said_in, said) = RingBuffer::new(NEWS_CAPACITY);
    let (heard_in, heard) = RingBuffer::new(NEWS_CAPACITY);
    let (kept_in, kept) = RingBuffer::new(config.kept_packets);
    let mouth = Mouth::new(
        config.quiet,
        config.silence,
        orders_out,
        said_in,
        counters.clone(),
        bell,
    );
    let ear = Ear::new(
        heard_in,
        (config.kept_packets > 0).then_some(kept_in),
        counters.clone(),
    );
    let caller = Caller {
        counters,
        orders,
        said,
        heard,
        kept,
    };
    (caller, mouth, ear)
}

impl Caller {
    /// Says `tape` from the next frame on, in place of what he is saying.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn say(&mut self, tape: Arc<Tape>) -> Result<(), Busy> {
        self.order(Order::Say(tape))
    }

    /// Says `tape` again and again: the first time in `first_us`, then each `every_us`, on the grid of 20 ms. It is cut where its
    /// time is over before it is.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn repeat(&mut self, tape: Arc<Tape>, first_us: u64, every_us: u64) -> Result<(), Busy> {
        self.order(Order::Repeat {
            tape,
            first_frames: first_us / FRAME_US,
            every_frames: (every_us / FRAME_US).max(1),
        })
    }

    /// Falls silent, and says nothing more by himself.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn hush(&mut self) -> Result<(), Busy> {
        self.order(Order::Hush)
    }

    fn order(&mut self, order: Order) -> Result<(), Busy> {
        self.orders.push(order).map_err(|_| Busy)
    }

    /// The next thing that he has said, in order.
    pub fn said(&mut self) -> Option<Said> {
        self.said.pop().ok()
    }

    /// The next thing that he has heard, in order.
    pub fn heard(&mut self) -> Option<Heard> {
        self.heard.pop().ok()
    }

    /// The next packet that was kept, in the order of arrival.
    pub fn kept(&mut self) -> Option<Kept> {
        self.kept.pop().ok()
    }
}
