//! Which frames are encoded, and what is sent instead of those that are not.
//!
//! A sender who just stops is heard to: 260 ms of concealment. One that encodes silence for ever costs as much as a talker. So
//! a few silent frames are encoded, which end the last sound and tell the receiver's decoder what silence is; then a packet
//! without content says that nothing was lost, and again from time to time, so that nobody takes the sender for dead. A decoder
//! fades in what comes after such a packet, as it does after loss; therefore half a frame of silence, encoded, goes ahead of the
//! next sound. The packet without content takes half a frame too, so that there is room for the other half where the sound begins
//! in the next one.

/// Silent frames that are encoded after the last sound.
pub const ENCODED_SILENT_FRAMES: u8 = 3;
/// Frames from one packet of silence to the next: 400 ms.
pub const SILENCE_PACKET_FRAMES: u32 = 20;

/// What is sent in a frame's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The frame.
    Frame,
    /// Half a frame of silence and the frame: it begins a talk spurt.
    FrontAndFrame,
    /// The codec's packet of silence.
    SilencePacket,
    /// No packet.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every frame is encoded; the last ones were silent.
    Talking { silent_frames: u8 },
    /// No frame is.
    Resting { frames_since_packet: u32 },
}

/// Follows the frames of one stream.
#[derive(Debug)]
pub(crate) struct TalkSpurts(State);

impl TalkSpurts {
    /// A stream begins as if something had been said: with encoded frames.
    pub(crate) fn new() -> Self {
        Self(State::Talking { silent_frames: 0 })
    }

    /// What is to be sent of the next frame. `can_rest` is whether the codec has a packet of silence.
    pub(crate) fn next(&mut self, silent: bool, can_rest: bool) -> Sent {
        match &mut self.0 {
            State::Talking { silent_frames } if silent => {
                if *silent_frames < ENCODED_SILENT_FRAMES || !can_rest {
                    *silent_frames = silent_frames.saturating_add(1);
                    return Sent::Frame;
                }
                self.rest()
            }
            State::Talking { silent_frames } => {
                *silent_frames = 0;
                Sent::Frame
            }
            State::Resting {
                frames_since_packet,
            } if silent => {
                *frames_since_packet = frames_since_packet.saturating_add(1);
                if *frames_since_packet < SILENCE_PACKET_FRAMES {
                    return Sent::Nothing;
                }
                self.rest()
            }
            State::Resting { .. } => {
                self.0 = State::Talking { silent_frames: 0 };
                Sent::FrontAndFrame
            }
        }
    }

    /// The next frame is not sent, whatever it is: there was no time for it.
    pub(crate) fn skip(&mut self) {
        if let State::Resting {
            frames_since_packet,
        } = &mut self.0
        {
            *frames_since_packet = frames_since_packet.saturating_add(1);
        }
    }

    fn rest(&mut self) -> Sent {
        self.0 = State::Resting {
            frames_since_packet: 0,
        };
        Sent::SilencePacket
    }
}
