//! The doors through which sound enters and leaves a session.
//!
//! A shard drives doors that it does not know: what is behind one (a ring, packets, later a browser's peer) is the
//! transport's business.

use crate::counters::Counters;
use crate::time::EAR_FRAME_SAMPLES;
use beluga_codec::Effort;
use std::fmt::Debug;

/// Ten milliseconds at 16 kHz, full scale at 1.
pub type EarFrame = [f32; EAR_FRAME_SAMPLES];

/// When a frame was to be sent, and when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendTime {
    /// When its tick was due. Ten milliseconds after that of the frame before, however late either is.
    pub due_us: u64,
    /// The clock.
    pub now_us: u64,
}

/// Frames that a tick takes of a door at most: as many as complete one window of the detector and no second.
pub const MOST_FRAMES_PER_TICK: usize = 3;

/// Sound from the caller.
pub trait InDoor: Send + Debug {
    /// How many frames this tick is to [`pull`](Self::pull), up to [`MOST_FRAMES_PER_TICK`]. Asked once in each tick. Over a
    /// call it is one for each tick; a door may be asked for none while it waits for what is late, and for more after.
    fn due(&mut self) -> usize {
        1
    }

    /// Fills `frame` with the next 10 ms, with silence where there is nothing. `now_us` is the tick's clock.
    ///
    /// Returns whether somebody who waits for room in the door's queue is to be woken.
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool;
}

/// Sound to the caller. Each tick either sends 10 ms or skips them.
pub trait OutDoor: Send + Debug {
    /// What the door wants, 8,000 to 48,000 Hz.
    fn sample_rate_hz(&self) -> u32;

    /// How far ahead of the wall clock the transport is fed: WebRTC 0, a WebSocket 60 to 100 ms.
    fn lead_ms(&self) -> u32;

    /// Takes 10 ms.
    ///
    /// Returns whether somebody who waits for what comes out of the door is to be woken.
    fn send(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool;

    /// Takes 10 ms that come too late: the door's time goes on by as much, and what would have to be sent now is not. Two
    /// ticks in a row are skipped, so a door whose frames are 20 ms long loses one. Returns what [`send`](Self::send) does.
    fn skip(&mut self, frame: &[i16], time: SendTime, counters: &Counters) -> bool;

    /// How much work the door may spend on quality from now on.
    fn set_effort(&mut self, effort: Effort);
}
