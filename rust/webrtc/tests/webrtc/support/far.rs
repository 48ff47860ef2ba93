//! The other side, of plain str0m: it answers, sends what it is told and keeps what it gets.

use beluga_engine::{Carrier, Datagram};
use core::net::SocketAddr;
use std::collections::VecDeque;
use std::time::Instant;
use str0m::change::SdpOffer;
use str0m::channel::ChannelId;
use str0m::media::{Direction, ExtensionValues, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

pub struct Far {
    pub rtc: Rtc,
    pub address: SocketAddr,
    pub outbox: VecDeque<Transmit>,
    pub due: Instant,
    pub packets: Vec<RtpPacket>,
    pub messages: Vec<(String, Vec<u8>)>,
    pub channels: Vec<(String, ChannelId)>,
    pub is_closed: bool,
    pub candidate: Candidate,
    sequence: u64,
}

impl Far {
    pub fn new(start: Instant, address: SocketAddr, carrier: Carrier) -> Self {
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_sctp_max_buffered_amount(1 << 20)
            .build(start);
        let candidate = match carrier {
            Carrier::Udp => Candidate::host(address, Protocol::Udp),
            Carrier::Tcp => Candidate::builder()
                .tcp()
                .host(address)
                .tcptype(str0m::net::TcpType::Passive)
                .build(),
        }
        .expect("an address");
        rtc.add_local_candidate(candidate.clone());
        Self {
            rtc,
            address,
            outbox: VecDeque::new(),
            due: start,
            packets: Vec::new(),
            messages: Vec::new(),
            channels: Vec::new(),
            is_closed: false,
            candidate,
            sequence: 7,
        }
    }

    pub fn answer(&mut self, now: Instant, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer");
        let answer = self.rtc.sdp_api().accept_offer(offer).expect("it fits");
        self.drain();
        self.tell_time(now);
        answer.to_sdp_string()
    }

    pub fn receive(&mut self, now: Instant, carrier: Carrier, datagram: Datagram<'_>) {
        let protocol = match carrier {
            Carrier::Udp => Protocol::Udp,
            Carrier::Tcp => Protocol::Tcp,
        };
        let Ok(received) =
            Receive::new(protocol, datagram.local, datagram.remote, datagram.payload)
        else {
            return;
        };
        self.rtc
            .handle_input(Input::Receive(now, received))
            .expect("it is well formed");
        self.drain();
    }

    pub fn tell_time(&mut self, now: Instant) {
        self.rtc
            .handle_input(Input::Timeout(now))
            .expect("nothing is wrong with the time");
        self.drain();
    }

    /// Sends sound on a section that the near side receives on.
    pub fn say(&mut self, now: Instant, mid: &str, timestamp: u32, payload: &[u8]) {
        let mid: Mid = mid.into();
        let media = self.rtc.media(mid).expect("a section");
        assert_eq!(media.direction(), Direction::SendOnly, "{mid}");
        let payload_type = media.remote_pts()[0];
        let number = self.sequence;
        self.sequence += 1;
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("a stream");
        stream.write_rtp(
            RtpWrite::new(payload_type, number.into(), timestamp, now, payload)
                .ext_vals(ExtensionValues::default()),
        );
        self.drain();
        self.tell_time(now);
    }

    pub fn write(&mut self, now: Instant, label: &str, message: &[u8]) -> bool {
        let id = self.channel(label);
        let mut channel = self.rtc.channel(id).expect("it is open");
        let taken = channel.write(true, message).expect("it is open");
        self.drain();
        self.tell_time(now);
        taken
    }

    fn channel(&self, label: &str) -> ChannelId {
        let found = self.channels.iter().find(|(name, _)| name == label);
        found.expect("it was opened").1
    }

    pub fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("nothing fails") {
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
                Output::Transmit(transmit) => self.outbox.push_back(transmit),
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet),
                Output::Event(Event::ChannelOpen(id, label)) => self.channels.push((label, id)),
                Output::Event(Event::ChannelData(data)) => {
                    let label = self.channels.iter().find(|(_, id)| *id == data.id);
                    let label = label.expect("it was opened").0.clone();
                    self.messages.push((label, data.data));
                }
                Output::Event(Event::Closed) => self.is_closed = true,
                Output::Event(_) => {}
            }
        }
    }
}
