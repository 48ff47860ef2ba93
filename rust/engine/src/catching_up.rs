//! When a writer was late and makes up for it, what it brings stays waiting in the door, and so does every sample behind it:
//! a stall of 300 ms would delay a caller by 300 ms until his call ends. This says which frames to leave out, and which to
//! wait for.
//!
//! Who writes ahead of time, as he may, must not lose by it. So only as much is taken out as was put in: silence for a
//! writer who was late in the middle of his sound. Only what has waited for a whole second is taken out, so that nobody needs
//! it. And only frames that are as quiet as the sound ever is: pauses become shorter, no word does.
//!
//! A live writer, a microphone or a track of a room, is never ahead. So a frame that is not there when it is due is only late:
//! the ticks that lack it take nothing, and later ones take more than one until they have what is owed. Nothing is put into his
//! sound, and none of it stays waiting. Whatever waits all the same was held up, before he was ever heard too. And what is still
//! owed after a second was lost: that much silence is put in, in a pause.

use crate::owed::{MOST_FRAMES, Owed};

/// How long waiting sound is watched, in frames of 10 ms; a writer who brings nothing for longer has ended, he is not late.
const WATCHED_FRAMES: u32 = 100;
/// What may go on waiting of who writes at will. How unevenly he does is in the least that waited already; this is for him to be
/// a little worse.
const KEPT_FRAMES: u32 = 1;
/// A writer who fills the door waits for us: he is ahead, not late.
const FULL_FRAMES: u32 = 90;
/// A frame is quiet within so much of the quietest, and under a level at which a loud room is, and no word.
const QUIET_OVER_FLOOR_DB: f32 = 6.0;
const QUIET_DBFS: f32 = -30.0;

/// How sound comes to be in the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// He brings it when he likes, ahead of time if he likes.
    AtWill,
    /// He brings it as it is recorded.
    Live,
}

/// See the module. Counts frames of 10 ms.
#[derive(Debug)]
pub(crate) struct CatchingUp {
    writer: Writer,
    /// The writer has written, and has not been silent for so long since that he has ended.
    begun: bool,
    starved: u32,
    /// Silence put in that was not taken out again.
    put_in: u32,
    watch: Watch,
    /// What past ticks of a live writer lacked.
    owed: Owed,
    /// The last frame of his was quiet.
    in_pause: bool,
    /// The next frame is to be silence, whatever waits.
    silence_next: bool,
    /// How many may be left out now, and under which level.
    spare: u32,
    quiet_dbfs: f32,
}

/// A second of frames.
#[derive(Debug)]
struct Watch {
    frames: u32,
    least_waiting: u32,
    floor_dbfs: f32,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            frames: 0,
            least_waiting: u32::MAX,
            floor_dbfs: 0.0,
        }
    }
}

impl CatchingUp {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            writer,
            begun: false,
            starved: 0,
            put_in: 0,
            watch: Watch::default(),
            owed: Owed::default(),
            in_pause: false,
            silence_next: false,
            spare: 0,
            quiet_dbfs: f32::MIN,
        }
    }

    /// How many frames to take in this tick; where there are not as many, silence is to be put in. `has`: whether so many wait.
    pub(crate) fn due(&mut self, has: impl Fn(u32) -> bool) -> u32 {
        if self.writer == Writer::AtWill {
            return 1;
        }
        if self.owed.is_any() {
            // What waits is needed.
            (self.watch.least_waiting, self.spare) = (0, 0);
        }
        let there = (1..=MOST_FRAMES + 1)
            .take_while(|&frames| has(frames))
            .count() as u32;
        let due = self.owed.due(there, self.begun, self.in_pause);
        self.silence_next = due.silence_first;
        due.frames
    }

    /// Whether the next frame is to be silence and what waits to be left where it is. Asked before it is taken.
    pub(crate) fn is_silence_next(&mut self) -> bool {
        std::mem::take(&mut self.silence_next)
    }

    /// There was nothing to take, silence was put in.
    pub(crate) fn starved(&mut self) {
        if !self.begun {
            return;
        }
        self.starved += 1;
        self.put_in += 1;
        (self.watch, self.spare) = (Watch::default(), 0);
        if self.starved > WATCHED_FRAMES {
            *self = Self {
                owed: self.owed,
                ..Self::new(self.writer)
            };
        }
    }

    /// Whether anybody may be late: if not, no level need be measured.
    pub(crate) fn is_behind(&self) -> bool {
        self.put_in > 0 || self.writer == Writer::Live
    }

    /// A frame is taken and `waiting` are left. Whether to leave it out.
    pub(crate) fn leaves_out(&mut self, waiting: u32, level_dbfs: f32) -> bool {
        (self.begun, self.starved) = (true, 0);
        if !self.is_behind() {
            return false;
        }
        if waiting >= FULL_FRAMES && self.writer == Writer::AtWill {
            self.settled();
            return false;
        }
        self.watch.frames += 1;
        self.watch.least_waiting = self.watch.least_waiting.min(waiting);
        self.watch.floor_dbfs = self.watch.floor_dbfs.min(level_dbfs);
        if self.watch.frames == WATCHED_FRAMES {
            let watched = std::mem::take(&mut self.watch);
            self.spare = watched.least_waiting.saturating_sub(self.kept());
            self.quiet_dbfs = (watched.floor_dbfs + QUIET_OVER_FLOOR_DB).min(QUIET_DBFS);
            if self.spare == 0 && self.writer == Writer::AtWill {
                // He did not make up for it: there is nothing to take out.
                self.settled();
            }
        }
        self.in_pause = level_dbfs <= self.quiet_dbfs;
        if self.spare == 0 || !self.in_pause {
            return false;
        }
        self.spare -= 1;
        self.put_in = self.put_in.saturating_sub(1);
        // What is waiting from here on is less by this one.
        self.watch = Watch::default();
        true
    }

    fn kept(&self) -> u32 {
        match self.writer {
            Writer::Live => 0,
            Writer::AtWill => KEPT_FRAMES,
        }
    }

    fn settled(&mut self) {
        *self = Self {
            begun: true,
            ..Self::new(self.writer)
        };
    }
}
