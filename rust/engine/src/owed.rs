//! What a live writer owes: frames that past ticks lacked, be they late or lost.

use crate::door::MOST_FRAMES_PER_TICK;

/// What he may owe: threads on a busy machine come 100 ms late, and who fell silent in the middle of a word is believed to have
/// done so that much later.
pub(crate) const MOST_FRAMES: u32 = 10;
/// What was owed for so many ticks without a break does not come any more.
const WATCHED_TICKS: u32 = 100;

/// What a tick is to take, in frames of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// Where there are not as many, silence is to be put in.
    pub frames: u32,
    /// The first of them is to be silence, though others wait.
    pub silence_first: bool,
}

/// See the module. Counts frames of 10 ms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed {
    frames: u32,
    ticks: u32,
    least: u32,
    /// Frames that do not come any more, for which silence is still to be put in.
    lost: u32,
}

impl Default for Owed {
    fn default() -> Self {
        Self {
            frames: 0,
            ticks: 0,
            least: u32::MAX,
            lost: 0,
        }
    }
}

impl Owed {
    /// Whether what waits is needed.
    pub(crate) fn is_any(&self) -> bool {
        self.frames > 0
    }

    /// What to take in this tick of the `there` that wait; more than can be owed need not be told. `comes`: somebody brings them.
    /// `in_pause`: the last frame was quiet, and silence right behind it harms no word; what waits may be the beginning of one.
    pub(crate) fn due(&mut self, there: u32, comes: bool, in_pause: bool) -> Due {
        self.frames += 1;
        // What has come after all is not lost.
        self.lost = self.lost.min(self.frames.saturating_sub(there));
        let silence_first = in_pause && self.lost > 0;
        self.lost -= u32::from(silence_first);
        let silence = if silence_first {
            1
        } else if there > 0 {
            0
        } else if !comes {
            self.frames
        } else {
            u32::from(self.frames > MOST_FRAMES)
        };
        let frames = self
            .frames
            .min(there + silence)
            .min(MOST_FRAMES_PER_TICK as u32);
        self.frames -= frames;
        self.watch();
        Due {
            frames,
            silence_first,
        }
    }

    fn watch(&mut self) {
        self.least = self.least.min(self.frames);
        self.ticks += 1;
        if self.ticks == WATCHED_TICKS {
            *self = Self {
                frames: self.frames,
                lost: self.least,
                ..Self::default()
            };
        }
    }
}
