//! The other side, of plain str0m: it answers, sends what it is told and keeps what it gets.

use beluga_engine::{Carrier, Datagram};
use core::net::SocketAddr;
use std::collections::VecDeque;
use std::time::Instant;
use str0m::change::SdpOffer;
use str0m::channel::ChannelId;
use str0m::format::CodecConfig;
use str0m::media::{Direction, ExtensionValues, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{RawPacket, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

pub struct Far {
    pub rtc: Rtc,
    pub outbox: VecDeque<Transmit>,
    pub due: Instant,
    pub packets: Vec<RtpPacket>,
    pub messages: Vec<(String, Vec<u8>)>,
    pub channels: Vec<(String, ChannelId)>,
    pub is_closed: bool,
    pub candidate: Candidate,
    /// Numbers of packets that the near side missed, each as often as it was asked for.
    pub missed: Vec<u16>,
    /// Asks for packets that it misses.
    pub asks: bool,
    said: Vec<(Mid, u64, u32, Vec<u8>)>,
    sequence: u64,
}

impl Far {
    pub fn new(start: Instant, address: SocketAddr, carrier: Carrier) -> Self {
        let mut config = Rtc::builder();
        let mut opus = config.codec_config().params()[0];
        opus.set_fb_nack(true);
        *config.codec_config() = CodecConfig::new_from_payload_params(vec![opus]);
        let mut rtc = config
            .set_rtp_mode(true)
            .enable_raw_packets(true)
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
            outbox: VecDeque::new(),
            due: start,
            packets: Vec::new(),
            messages: Vec::new(),
            channels: Vec::new(),
            is_closed: false,
            candidate,
            missed: Vec::new(),
            asks: false,
            said: Vec::new(),
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

    pub fn receive(&mut self, now: Instant, datagram: Datagram<'_>) {
        let protocol = match datagram.carrier {
            Carrier::Udp => Protocol::Udp,
            Carrier::Tcp => Protocol::Tcp,
        };
        let (remote, local) = (datagram.remote, datagram.local);
        let Ok(received) = Receive::new(protocol, remote, local, datagram.payload) else {
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
        let number = self.sequence;
        self.sequence += 1;
        self.said.push((mid, number, timestamp, payload.to_vec()));
        self.put(now, mid, number, timestamp, payload);
    }

    fn put(&mut self, now: Instant, mid: Mid, number: u64, timestamp: u32, payload: &[u8]) {
        let media = self.rtc.media(mid).expect("a section");
        assert_eq!(media.direction(), Direction::SendOnly, "{mid}");
        let payload_type = media.remote_pts()[0];
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("a stream");
        stream.write_rtp(
            RtpWrite::new(payload_type, number.into(), timestamp, now, payload)
                .ext_vals(ExtensionValues::default()),
        );
        self.drain();
        self.tell_time(now);
    }

    /// Another participant speaks on this section from now on.
    pub fn change_speaker(&mut self, mid: &str) {
        let mut direct = self.rtc.direct_api();
        let ssrc = direct.new_ssrc();
        direct
            .reset_stream_tx(mid.into(), None, ssrc, None)
            .expect("a stream");
        self.sequence = 21;
        self.drain();
    }

    /// Sends again what was missed since it was asked last.
    pub fn repeat(&mut self, now: Instant) {
        for number in std::mem::take(&mut self.missed) {
            let said = self.said.iter().find(|said| said.1 == u64::from(number));
            let (mid, number, timestamp, payload) = said.expect("it was said").clone();
            self.put(now, mid, number, timestamp, &payload);
        }
    }

    pub fn write(&mut self, now: Instant, label: &str, message: &[u8]) -> bool {
        let id = self.channel(label);
        let mut channel = self.rtc.channel(id).expect("it is open");
        let taken = channel.write(true, message).expect("it is open");
        self.drain();
        self.tell_time(now);
        taken
    }

    /// Opens a channel of its own.
    pub fn open_channel(&mut self, label: &str) {
        let mut changes = self.rtc.sdp_api();
        let id = changes.add_channel(label.into());
        assert!(changes.apply().is_none(), "the association stands");
        self.drain();
        self.channels.push((label.into(), id));
    }

    /// Writes on the channel that was opened last.
    pub fn write_last(&mut self, now: Instant, message: &[u8]) -> bool {
        let (_, id) = self.channels.last().expect("one was opened");
        let mut channel = self.rtc.channel(*id).expect("it is open");
        let taken = channel.write(true, message).expect("it is open");
        self.drain();
        self.tell_time(now);
        taken
    }

    pub fn close_channel(&mut self, label: &str) {
        let id = self.channel(label);
        self.rtc.direct_api().close_data_channel(id);
        self.drain();
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
                Output::Event(Event::RtpPacket(packet)) => {
                    if self.asks {
                        let mut direct = self.rtc.direct_api();
                        let stream = direct.stream_rx(&packet.header.ssrc);
                        stream.expect("it came on it").suppress_nack(false);
                    }
                    self.packets.push(packet);
                }
                Output::Event(Event::RawPacket(packet)) => {
                    if let RawPacket::RtcpRx(Rtcp::Nack(missed)) = *packet {
                        for entry in missed.reports.iter() {
                            let bits = (0..16).filter(|bit| entry.blp & (1 << bit) != 0);
                            let numbers = bits.map(|bit| entry.pid.wrapping_add(bit + 1));
                            self.missed.push(entry.pid);
                            self.missed.extend(numbers);
                        }
                    }
                }
                Output::Event(Event::ChannelOpen(id, label)) => {
                    if !self.channels.contains(&(label.clone(), id)) {
                        self.channels.push((label, id));
                    }
                }
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
