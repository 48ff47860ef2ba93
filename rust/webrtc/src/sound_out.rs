//! Packets of the doors, onto the sections that they are bound to.

use crate::command::OutputId;
use crate::config::ClockEpoch;
use crate::section::{Purpose, Section};
use beluga_engine::{EncodedPacket, PacketSource};
use str0m::Rtc;
use str0m::media::{ExtensionValues, Mid as RtcMid};
use str0m::rtp::RtpWrite;

/// The level of silence. RFC 6464, section 3.
const SILENCE_LEVEL: u8 = 127;

#[derive(Debug)]
struct Output {
    id: OutputId,
    door: Box<dyn PacketSource>,
    section: Option<RtcMid>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SoundOut {
    outputs: Vec<Output>,
    /// Packets of sound that were sent.
    pub(crate) packets: u64,
}

impl SoundOut {
    pub(crate) fn attach(
        &mut self,
        sections: &mut [Section],
        id: OutputId,
        door: Box<dyn PacketSource>,
    ) {
        self.detach(id);
        for section in sections {
            if let Purpose::Send(sending) = &mut section.purpose {
                sending.numbering.forget(id);
            }
        }
        self.outputs.push(Output {
            id,
            door,
            section: None,
        });
    }

    pub(crate) fn detach(&mut self, id: OutputId) {
        self.outputs.retain(|output| output.id != id);
    }

    /// A section has one door: the last that was bound to it.
    pub(crate) fn bind(&mut self, id: OutputId, section: Option<RtcMid>) {
        for output in &mut self.outputs {
            if output.id == id {
                output.section = section;
            } else if section.is_some() && output.section == section {
                output.section = None;
            }
        }
    }

    pub(crate) fn release(&mut self) -> Vec<(OutputId, Box<dyn PacketSource>)> {
        let outputs = std::mem::take(&mut self.outputs);
        outputs.into_iter().map(|o| (o.id, o.door)).collect()
    }

    /// Takes what the doors have and hands it to str0m, which sends it when it is told the time next. True if there was
    /// something. Before there is a connection it is dropped: str0m would keep it and send it late.
    pub(crate) fn send(
        &mut self,
        rtc: &mut Rtc,
        sections: &mut [Section],
        epoch: &ClockEpoch,
        now_us: u64,
        connected: bool,
    ) -> bool {
        let before = self.packets;
        for output in &mut self.outputs {
            let mut section = output
                .section
                .filter(|_| connected)
                .and_then(|mid| sections.iter_mut().find(|s| s.wanted && s.mid == mid));
            while let Some(packet) = output.door.next(now_us) {
                let sent = section
                    .as_mut()
                    .is_some_and(|section| write(rtc, section, epoch, output.id, &packet));
                self.packets += u64::from(sent);
            }
        }
        self.packets > before
    }
}

fn write(
    rtc: &mut Rtc,
    section: &mut Section,
    epoch: &ClockEpoch,
    output: OutputId,
    packet: &EncodedPacket,
) -> bool {
    let (Purpose::Send(sending), Some(payload_type)) = (&mut section.purpose, section.payload_type)
    else {
        return false;
    };
    let mut direct = rtc.direct_api();
    let Some(stream) = sending.ssrc.and_then(|ssrc| direct.stream_tx(&ssrc)) else {
        return false;
    };
    let (number, timestamp) = sending.numbering.place(output, packet);
    let extensions = ExtensionValues {
        // str0m counts up to full scale.
        audio_level: Some(-(packet.level.min(SILENCE_LEVEL) as i8)),
        voice_activity: Some(packet.level < SILENCE_LEVEL),
        ..ExtensionValues::default()
    };
    let due = epoch.instant(packet.due_us);
    stream.write_rtp(
        RtpWrite::new(
            payload_type,
            number.into(),
            timestamp,
            due,
            packet.payload(),
        )
        .marker(packet.marker)
        .ext_vals(extensions),
    );
    true
}
