//! The doors through which sound enters and leaves a session.
//!
//! A shard drives doors that it does not know: what is behind one (a ring, packets, later a browser's peer) is the
//! transport's business.

use crate::counters::Counters;
use crate::time::EAR_FRAME_SAMPLES;
use std::fmt::Debug;

/// Ten milliseconds at 16 kHz, full scale at 1.
pub type EarFrame = [f32; EAR_FRAME_SAMPLES];

/// Sound from the caller.
pub trait InDoor: Send + Debug {
    /// Fills `frame` with the next 10 ms, with silence where there is nothing. `now_us` is the tick's clock.
    ///
    /// Returns whether somebody who waits for room in the door's queue is to be woken.
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool;
}

/// Sound to the caller.
pub trait OutDoor: Send + Debug {
    /// What the door wants, 8,000 to 48,000 Hz.
    fn sample_rate_hz(&self) -> u32;

    /// How far ahead of the wall clock the transport is fed: WebRTC 0, a WebSocket 60 to 100 ms.
    fn lead_ms(&self) -> u32;

    /// Takes 10 ms.
    fn send(&mut self, frame: &[i16], counters: &Counters);
}
