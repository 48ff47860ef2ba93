//! What a live writer owes: frames that past ticks lacked, be they late or lost.

use crate::door::MOST_FRAMES_PER_TICK;

/// What he may owe: threads on a busy machine come 100 ms late, and who fell silent in the middle of a word is believed to have
/// done so that much later.
const MOST_FRAMES: u32 = 10;
/// What was owed for so many ticks without a break does not come any more.
const WATCHED_TICKS: u32 = 100;

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

    /// How many frames to take in this tick of the `there` that wait; where there are not as many, silence is to be put in.
    /// `comes`: somebody brings them. `in_pause`: the last frame was quiet, and silence behind it harms no word.
    pub(crate) fn due(&mut self, there: u32, comes: bool, in_pause: bool) -> u32 {
        self.frames += 1;
        let silence = if !comes {
            self.frames
        } else if there == 0 && self.frames > MOST_FRAMES {
            1
        } else if in_pause && self.lost > 0 {
            self.lost -= 1;
            1
        } else {
            0
        };
        let due = self
            .frames
            .min(there + silence)
            .min(MOST_FRAMES_PER_TICK as u32);
        self.frames -= due;
        self.watch();
        due
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
