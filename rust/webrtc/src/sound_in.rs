//! Packets that came, to the doors that they are for.

use crate::command::InputId;
use crate::section::{Purpose, Section};
use beluga_engine::{Packet, PacketSink};
use str0m::Rtc;
use str0m::media::Mid as RtcMid;
use str0m::rtp::{RtpPacket, Ssrc};

/// Streams whose way is remembered. More than that are looked up each time.
const MAX_ROUTES: usize = 16;

#[derive(Debug)]
struct Input {
    id: InputId,
    door: Box<dyn PacketSink>,
    section: Option<RtcMid>,
}

#[derive(Debug, Clone, Copy)]
struct Route {
    ssrc: Ssrc,
    section: usize,
    input: Option<usize>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SoundIn {
    inputs: Vec<Input>,
    /// Where the packets of a stream go. Forgotten at each change of sections and doors.
    routes: Vec<Route>,
    /// Packets of sound that came.
    pub(crate) packets: u64,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was nothing to be heard, or found its door.
    Done,
    /// Nothing is bound to this section.
    Unbound(usize),
}

impl SoundIn {
    pub(crate) fn attach(&mut self, id: InputId, door: Box<dyn PacketSink>) {
        self.detach(id);
        self.inputs.push(Input {
            id,
            door,
            section: None,
        });
    }

    pub(crate) fn detach(&mut self, id: InputId) {
        self.inputs.retain(|input| input.id != id);
        self.routes.clear();
    }

    /// A section has one door: the last that was bound to it.
    pub(crate) fn bind(&mut self, id: InputId, section: Option<RtcMid>) {
        for input in &mut self.inputs {
            if input.id == id {
                input.section = section;
            } else if section.is_some() && input.section == section {
                input.section = None;
            }
        }
        self.routes.clear();
    }

    pub(crate) fn release(&mut self) -> Vec<(InputId, Box<dyn PacketSink>)> {
        self.routes.clear();
        let inputs = std::mem::take(&mut self.inputs);
        inputs.into_iter().map(|i| (i.id, i.door)).collect()
    }

    /// Streams may be other sections' now.
    pub(crate) fn forget_routes(&mut self) {
        self.routes.clear();
    }

    /// Takes a packet that came at `arrival_us`. str0m has looked at its payload type: it knows no codec but Opus.
    pub(crate) fn receive(
        &mut self,
        rtc: &mut Rtc,
        sections: &[Section],
        arrival_us: u64,
        packet: &RtpPacket,
    ) -> Taken {
        let header = &packet.header;
        // Padding alone: probes, and keeping a way open.
        if packet.payload.is_empty() {
            return Taken::Done;
        }
        self.packets += 1;
        let Some(route) = self.route(rtc, sections, header.ssrc) else {
            return Taken::Done;
        };
        let Some(input) = route.input.and_then(|input| self.inputs.get_mut(input)) else {
            return Taken::Unbound(route.section);
        };
        input.door.take(Packet {
            arrival_us,
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            ssrc: *header.ssrc,
            payload: &packet.payload,
        });
        Taken::Done
    }

    fn route(&mut self, rtc: &mut Rtc, sections: &[Section], ssrc: Ssrc) -> Option<Route> {
        if let Some(route) = self.routes.iter().find(|route| route.ssrc == ssrc) {
            return Some(*route);
        }
        let mut direct = rtc.direct_api();
        let stream = direct.stream_rx(&ssrc)?;
        let mid = stream.mid();
        let section = sections.iter().position(|section| {
            section.mid == mid && matches!(section.purpose, Purpose::Receive { .. })
        })?;
        stream.suppress_nack(!sections[section].repeats);
        let route = Route {
            ssrc,
            section,
            input: self.inputs.iter().position(|i| i.section == Some(mid)),
        };
        if self.routes.len() < MAX_ROUTES {
            self.routes.push(route);
        }
        Some(route)
    }
}
