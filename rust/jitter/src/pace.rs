//! When sound is to be hurried or held back, and where its listener would not notice.
//!
//! The delay is set where a spurt begins. Within a spurt it is changed by a period of the sound at a time, dropped or repeated;
//! that is heard least where the sound is as quiet as it ever is, next where it repeats itself, most where it does not.

use crate::period::LONGEST_PERIOD_MS;

/// Over the target by more than the longest period is too much where the sound is quiet or steady: with a period less it is
/// still not under the target, and with one more that was under it is not over this.
const STEADY_EXCESS_US: i64 = LONGEST_PERIOD_MS as i64 * 1_000;

/// In a word more is too much: the next pause will do.
const WORD_EXCESS_US: i64 = 30_000;

/// At most one period in so many frames is dropped or repeated.
const STEADY_FRAMES: u32 = 2;
const WORD_FRAMES: u32 = 4;

/// How alike the two ends of a period must be, and how much less is asked for with each frame that goes by without a splice:
/// no sound whatever keeps its delay, in words anything is good enough after a second. Noise is like itself by 0.25 at best.
const STEADY_SIMILARITY: f32 = 0.6;
const STEADY_LESS_PER_FRAME: f32 = 0.1;
const WORD_SIMILARITY: f32 = 0.95;
const WORD_LESS_PER_FRAME: f32 = 0.01;

/// Sound is steady up to 6 dB over the quietest frame of the last seconds: a room, or a vowel that is held.
const OVER_FLOOR: f32 = 4.0;

/// Steady sound is quiet under -35 dBFS, and any sound is under -66 dBFS: there anything goes. As mean squares.
const QUIET_WHERE_STEADY: f32 = 340_000.0;
const ALWAYS_QUIET: f32 = 256.0;

/// The quietest frame is looked for in this second and the one before.
const FLOOR_FRAMES: u32 = 100;

/// What is to be done about the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A period is to be dropped.
    Drop,
    /// One is to be repeated: what comes late in the end is heard worse.
    Repeat,
}

/// What sound is like where a splice is thought of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    Quiet,
    Steady,
    Word,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Since a period was last dropped or repeated.
    frames: u32,
    sound: Sound,
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
            sound: Sound::Word,
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
        let steady = level <= self.floor.now.min(self.floor.before) * OVER_FLOOR;
        self.sound = if level <= ALWAYS_QUIET || (steady && level <= QUIET_WHERE_STEADY) {
            Sound::Quiet
        } else if steady {
            Sound::Steady
        } else {
            Sound::Word
        };
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
        let (frames, most_us) = match self.sound {
            Sound::Quiet | Sound::Steady => (STEADY_FRAMES, STEADY_EXCESS_US),
            Sound::Word => (WORD_FRAMES, WORD_EXCESS_US),
        };
        if self.frames < frames {
            None
        } else if excess_us > most_us {
            Some(Wish::Drop)
        } else if excess_us < 0 {
            Some(Wish::Repeat)
        } else {
            None
        }
    }

    /// Whether two ends of a period that are so much alike may be joined here.
    pub(crate) fn accepts(&self, similarity: f32) -> bool {
        let (asked, less) = match self.sound {
            Sound::Quiet => return true,
            Sound::Steady => (STEADY_SIMILARITY, STEADY_LESS_PER_FRAME),
            Sound::Word => (WORD_SIMILARITY, WORD_LESS_PER_FRAME),
        };
        similarity >= asked - less * self.frames as f32
    }

    /// A period was dropped or repeated.
    pub(crate) fn spliced(&mut self) {
        self.frames = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Wish};

    const WORD: [i16; 160] = [6_000; 160];
    const ROOM: [i16; 160] = [100; 160];

    fn hearing(frames: &[&[i16]]) -> Pace {
        let mut pace = Pace::default();
        frames.iter().for_each(|frame| pace.hear(frame));
        pace
    }

    #[test]
    fn a_word_is_left_alone_where_its_pause_will_do() {
        let mut pace = hearing(&[&ROOM, &ROOM, &WORD, &WORD, &WORD]);
        assert_eq!(pace.wish(25_000), None);
        pace.hear(&ROOM);
        assert_eq!(pace.wish(25_000), Some(Wish::Drop));
        assert_eq!(pace.wish(15_000), None);
    }

    #[test]
    fn sound_is_held_back_as_soon_as_it_is_under_the_target() {
        for sound in [&ROOM, &WORD] {
            let pace = hearing(&[&ROOM, sound, sound, sound]);
            assert_eq!(pace.wish(0), None);
            assert_eq!(pace.wish(-1), Some(Wish::Repeat));
        }
    }

    #[test]
    fn a_delay_that_is_far_off_is_worked_on_in_words_too_once_in_40_ms() {
        let mut pace = hearing(&[&ROOM, &WORD, &WORD, &WORD]);
        assert_eq!(pace.wish(40_000), Some(Wish::Drop));
        pace.spliced();
        for _ in 0..3 {
            pace.hear(&WORD);
            assert_eq!(pace.wish(40_000), None);
        }
        pace.hear(&WORD);
        assert_eq!(pace.wish(40_000), Some(Wish::Drop));
    }

    #[test]
    fn in_a_quiet_room_anything_goes_and_in_a_word_only_what_repeats_itself() {
        let mut pace = hearing(&[&ROOM, &WORD]);
        pace.spliced();
        pace.hear(&WORD);
        assert!(pace.accepts(0.95) && !pace.accepts(0.9));
        pace.hear(&ROOM);
        assert!(pace.accepts(-1.0));
    }

    #[test]
    fn a_loud_room_is_no_word_and_a_vowel_that_is_held_is_cut_where_it_repeats_itself() {
        let mut pace = hearing(&[&WORD, &WORD]);
        assert_eq!(pace.wish(20_000), Some(Wish::Drop));
        assert!(pace.accepts(0.45) && !pace.accepts(0.25));
        (0..2).for_each(|_| pace.hear(&WORD));
        assert!(pace.accepts(0.25));
    }

    #[test]
    fn no_sound_keeps_its_delay_for_longer_than_a_second() {
        let mut pace = hearing(&[&ROOM]);
        pace.spliced();
        // Rising all the while, it is never steady.
        for frame in 0..100 {
            pace.hear(&[1_000 + 100 * frame; 160]);
        }
        assert!(pace.accepts(0.0));
    }

    #[test]
    fn a_room_that_gets_louder_is_steady_two_seconds_later() {
        let mut pace = hearing(&[&ROOM]);
        for _ in 0..199 {
            pace.hear(&WORD);
            assert_eq!(pace.wish(25_000), None);
        }
        pace.hear(&WORD);
        assert_eq!(pace.wish(25_000), Some(Wish::Drop));
    }
}
