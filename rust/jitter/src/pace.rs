//! When sound is to be hurried or held back, and when its listener would not notice.
//!
//! The delay is set where a spurt begins. Within a spurt it is changed by a period of the sound at a time, dropped or repeated;
//! that is heard least where the sound is as quiet as it ever is, next where it repeats itself, most where it does not.

/// Off the target by more than this, in quiet sound, is too much. A spurt begins on a tick, up to 10 ms over the target.
const QUIET_EXCESS_US: i64 = 10_000;

/// And in sound that is not quiet: a word is not hurried for less, its next pause will do.
const LOUD_EXCESS_US: i64 = 30_000;

/// Under the target any sound is held back: what comes late in the end is heard worse than a period that is repeated. By so
/// much too much, so that it is not held back at each step of the target, and not so much that it would be hurried again.
const HEADROOM_US: i64 = 10_000;

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
    /// One of at most so many microseconds is to be repeated.
    Repeat { at_most_us: i64 },
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
        let (frames, most_us) = if self.quiet {
            (QUIET_FRAMES, QUIET_EXCESS_US)
        } else {
            (LOUD_FRAMES, LOUD_EXCESS_US)
        };
        if self.frames < frames {
            None
        } else if excess_us > most_us {
            Some(Wish::Drop {
                at_most_us: excess_us,
            })
        } else if excess_us < 0 {
            Some(Wish::Repeat {
                at_most_us: HEADROOM_US.saturating_sub(excess_us),
            })
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

#[cfg(test)]
mod tests {
    use super::{Pace, Wish};

    const LOUD: [i16; 160] = [6_000; 160];
    const ROOM: [i16; 160] = [100; 160];

    fn hearing(frames: &[&[i16]]) -> Pace {
        let mut pace = Pace::default();
        frames.iter().for_each(|frame| pace.hear(frame));
        pace
    }

    #[test]
    fn a_word_is_left_alone_where_its_pause_will_do() {
        let mut pace = hearing(&[&ROOM, &ROOM, &LOUD, &LOUD, &LOUD]);
        assert_eq!(pace.wish(25_000), None);
        pace.hear(&ROOM);
        assert_eq!(pace.wish(25_000), Some(Wish::Drop { at_most_us: 25_000 }));
        assert_eq!(pace.wish(-6_000), Some(Wish::Repeat { at_most_us: 16_000 }));
        assert_eq!(pace.wish(9_000), None);
        assert_eq!(pace.wish(0), None);
    }

    #[test]
    fn a_delay_that_is_far_off_is_worked_on_in_words_too() {
        let mut pace = hearing(&[&ROOM, &LOUD, &LOUD, &LOUD]);
        assert_eq!(pace.wish(40_000), Some(Wish::Drop { at_most_us: 40_000 }));
        assert_eq!(pace.wish(-6_000), Some(Wish::Repeat { at_most_us: 16_000 }));
        pace.spliced();
        for _ in 0..3 {
            pace.hear(&LOUD);
            assert_eq!(pace.wish(40_000), None);
        }
        pace.hear(&LOUD);
        assert!(pace.wish(40_000).is_some());
    }

    #[test]
    fn in_quiet_sound_anything_goes_and_in_loud_sound_only_what_repeats_itself() {
        let mut pace = hearing(&[&ROOM, &LOUD]);
        pace.spliced();
        pace.hear(&LOUD);
        assert!(pace.accepts(0.95) && !pace.accepts(0.9));
        pace.hear(&ROOM);
        assert!(pace.accepts(-1.0));
    }

    #[test]
    fn no_sound_keeps_its_delay_for_longer_than_a_second() {
        let mut pace = hearing(&[&ROOM]);
        pace.spliced();
        // Rising all the while, it is never within 6 dB of the quietest.
        for frame in 0..100 {
            pace.hear(&[1_000 + 100 * frame; 160]);
        }
        assert!(pace.accepts(0.0));
    }

    #[test]
    fn a_room_that_gets_louder_is_quiet_again_two_seconds_later() {
        let mut pace = hearing(&[&ROOM]);
        for _ in 0..199 {
            pace.hear(&LOUD);
            assert_eq!(pace.wish(25_000), None);
        }
        pace.hear(&LOUD);
        assert!(pace.wish(25_000).is_some());
    }
}
