//! When sound is to be hurried or held back, and when its listener would not notice.
//!
//! The delay is set where a spurt begins. Within a spurt it is changed by a period of the sound at a time, dropped or repeated;
//! that is heard least where the sound is as quiet as it ever is, next where it repeats itself, most where it does not.

/// Off the target by more than this, in quiet sound, is too much. A spurt begins on a tick, up to 10 ms over the target.
const QUIET_EXCESS_US: i64 = 10_000;
const QUIET_LACK_US: i64 = 5_000;

/// And in sound that is not quiet: a packet of 20 ms more than the target does not hurry a word.
const LOUD_EXCESS_US: i64 = 20_000;
const LOUD_LACK_US: i64 = 10_000;

/// At most one period in so many frames is dropped or repeated.
const QUIET_FRAMES: u32 = 2;
const LOUD_FRAMES: u32 = 4;

/// How alike the two ends of a period must be in sound that is not quiet. Less is asked for with each frame that goes by
/// without one, so that no sound whatever keeps its delay: after a second anything is good enough.
const SIMILARITY: f32 = 0.95;
const LESS_SIMILARITY_PER_FRAME: f32 = 0.01;

/// Sound is quiet up to 6 dB over the quietest frame of the last seconds, and always under -66 dBFS. As mean squares.
const QUIET_OVER_FLOOR: f32 = 4.0;
const ALWAYS_QUIET: f32 = 256.0;

/// The quietest frame is looked for in this second and the one before.
const FLOOR_FRAMES: u32 = 100;

/// What is to be done about the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A period of at most so many microseconds is to be dropped.
    Drop { at_most_us: i64 },
    /// One is to be repeated.
    Repeat,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Since a period was last dropped or repeated.
    frames: u32,
    quiet: bool,
    floor: Floor,
}

#[derive(Debug)]
struct Floor {
    frames: u32,
    now: f32,
    before: f32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            frames: 0,
            quiet: false,
            floor: Floor {
                frames: 0,
                now: f32::INFINITY,
                before: f32::INFINITY,
            },
        }
    }
}

impl Pace {
    /// A frame of received sound is to be pulled; this is its front.
    pub(crate) fn hear(&mut self, sound: &[i16]) {
        self.frames = self.frames.saturating_add(1);
        let sum: f32 = sound.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        let level = sum / sound.len().max(1) as f32;
        self.floor.now = self.floor.now.min(level);
        let floor = self.floor.now.min(self.floor.before);
        self.quiet = level <= (floor * QUIET_OVER_FLOOR).max(ALWAYS_QUIET);
        self.floor.frames += 1;
        if self.floor.frames == FLOOR_FRAMES {
            self.floor = Floor {
                frames: 0,
                now: f32::INFINITY,
                before: self.floor.now,
            };
        }
    }

    /// What is to be done in the frame that was heard last, with sound that is `excess_us` later than it should be.
    pub(crate) fn wish(&self, excess_us: i64) -> Option<Wish> {
        let (frames, most_us, least_us) = if self.quiet {
            (QUIET_FRAMES, QUIET_EXCESS_US, QUIET_LACK_US)
        } else {
            (LOUD_FRAMES, LOUD_EXCESS_US, LOUD_LACK_US)
        };
        if self.frames < frames {
            None
        } else if excess_us > most_us {
            Some(Wish::Drop {
                at_most_us: excess_us,
            })
        } else if excess_us < -least_us {
            Some(Wish::Repeat)
        } else {
            None
        }
    }

    /// Whether two ends of a period that are so much alike may be joined here.
    pub(crate) fn accepts(&self, similarity: f32) -> bool {
        self.quiet || similarity >= SIMILARITY - LESS_SIMILARITY_PER_FRAME * self.frames as f32
    }

    /// A period was dropped or repeated.
    pub(crate) fn spliced(&mut self) {
        self.frames = 0;
    }
}
