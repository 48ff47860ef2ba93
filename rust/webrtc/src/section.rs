//! The media sections of a session description, and what each is for.

use crate::command::Mid;
use crate::numbering::Numbering;
use str0m::media::{Direction, Mid as RtcMid, Pt};
use str0m::rtp::Ssrc;

/// What a section is for, as long as it lives.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// To send.
    Send(Sending),
    /// To receive.
    Receive {
        /// It was said that packets come and nothing is bound.
        unbound_told: bool,
        /// The streams that the last answer announced for it.
        sources: Vec<u32>,
    },
}

/// How packets are sent.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Of the stream, once it was answered.
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) numbering: Numbering,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) mid: RtcMid,
    pub(crate) purpose: Purpose,
    /// Whether we want it: a section that was stopped, by us or by the other side, is inactive for good.
    pub(crate) wanted: bool,
    /// Opus, as the other side numbers it; none before the answer, or where that turned the section off.
    pub(crate) payload_type: Option<Pt>,
    /// Whether packets that were missed are asked for again. RFC 4585, section 4.2.
    pub(crate) repeats: bool,
}

impl Section {
    pub(crate) fn name(&self) -> Mid {
        Mid(self.mid.to_string())
    }

    /// As it is to be offered, whatever the last answer made of it.
    pub(crate) fn direction(&self) -> Direction {
        match self.purpose {
            _ if !self.wanted => Direction::Inactive,
            Purpose::Send(_) => Direction::SendOnly,
            Purpose::Receive { .. } => Direction::RecvOnly,
        }
    }
}
