//! The peer that a shard or the signalling thread drives.

use crate::arrivals::Arrivals;
use crate::command::PeerCommand;
use crate::config::{ClockEpoch, RtcPeerConfig};
use crate::data::DataChannels;
use crate::event::{PeerEvent, PeerFault, PeerStats};
use crate::exchange::{Exchange, Voice};
use crate::negotiation::Negotiation;
use crate::outbox::{Outbox, is_dtls, protocol};
use crate::repeats::Repeats;
use crate::rtc::rtc;
use crate::section::Purpose;
use crate::sound_in::{SoundIn, Taken};
use crate::sound_out::SoundOut;
use beluga_engine::{Carrier, Datagram, Peer, Urgency};
use core::net::SocketAddr;
use std::sync::Arc;
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RawPacket;
use str0m::rtp::rtcp::Rtcp;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

/// How long after the connection stands its data channels are waited for.
const CHANNELS_LATE_US: u64 = 2_000_000;
/// Datagrams with data that are taken in one tick: 2.7 MB/s. Each costs 6 to 15 us, answer included (measured with messages of 1,
/// 15 and 60 kB), and so does each that is sent, of which a tick has at most 28: that is under a millisecond.
const DATAGRAMS_PER_TICK: usize = 24;
/// When work that waits for the next round wants it, where no shard drives the peer: one tick.
const AGAIN_US: u64 = 10_000;

/// See the module. Made by [`rtc_peer`](crate::rtc_peer).
#[derive(Debug)]
pub struct RtcPeer {
    exchange: Arc<Exchange>,
    voice: Voice,
    rtc: Rtc,
    epoch: ClockEpoch,
    outbox: Outbox,
    arrivals: Arrivals,
    repeats: Repeats,
    negotiation: Negotiation,
    sound_in: SoundIn,
    sound_out: SoundOut,
    data: DataChannels,
    stats: PeerStats,
    /// When str0m wants to be told the time.
    due_us: u64,
    now_us: u64,
    /// Whether the connection stands, as it was said last.
    connected: bool,
    /// When it stood for the first time.
    connected_us: Option<u64>,
    settled: bool,
    /// Goodbye was said; it is over when that was sent.
    closing: bool,
    over: bool,
}

impl RtcPeer {
    pub(crate) fn new(config: RtcPeerConfig, exchange: Arc<Exchange>) -> Self {
        Self {
            voice: Voice::new(exchange.clone()),
            rtc: rtc(&config),
            exchange,
            epoch: config.epoch,
            outbox: Outbox::default(),
            arrivals: Arrivals::default(),
            repeats: Repeats::default(),
            negotiation: Negotiation::new(config.seed),
            sound_in: SoundIn::default(),
            sound_out: SoundOut::default(),
            data: DataChannels::new(config.channels),
            stats: PeerStats::default(),
            due_us: config.epoch.us,
            now_us: config.epoch.us,
            connected: false,
            connected_us: None,
            settled: false,
            closing: false,
            over: false,
        }
    }

    /// Tells str0m something and hears all that follows from it.
    fn input(&mut self, input: Input<'_>, arrival_us: u64) -> Result<(), RtcError> {
        self.rtc.handle_input(input)?;
        self.drain(arrival_us);
        Ok(())
    }

    fn tell_time(&mut self) {
        let now = self.epoch.instant(self.now_us);
        if let Err(error) = self.input(Input::Timeout(now), self.now_us) {
            self.end(Some(PeerFault::Transport(error.to_string())));
        }
    }

    fn drain(&mut self, arrival_us: u64) {
        while !self.over {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.due_us = self.epoch.us(due);
                    break;
                }
                Ok(Output::Transmit(transmit)) => self.outbox.push(transmit),
                Ok(Output::Event(event)) => self.heard(event, arrival_us),
                Err(error) => {
                    self.end(Some(PeerFault::Transport(error.to_string())));
                }
            }
        }
        if !self.rtc.is_alive() && !self.closing {
            let why = "the other side did not say whose certificate to expect";
            self.end(Some(PeerFault::Negotiation(why.into())));
        }
        self.note_connection();
    }

    fn heard(&mut self, event: Event, arrival_us: u64) {
        match event {
            Event::RtpPacket(packet) => {
                let sections = &mut self.negotiation.sections;
                let taken = self
                    .sound_in
                    .receive(&mut self.rtc, sections, arrival_us, &packet);
                if let Taken::Unbound(index) = taken
                    && let Purpose::Receive { unbound_told, .. } = &mut sections[index].purpose
                    && !std::mem::replace(unbound_told, true)
                {
                    let name = sections[index].name();
                    self.voice.say(PeerEvent::Unbound(name));
                }
            }
            Event::ChannelData(message) => {
                self.data.received(&self.voice, message.id, message.data);
            }
            Event::ChannelOpen(id, label) => {
                self.data.opened(id, &label, &mut self.voice);
            }
            Event::ChannelClose(id) => {
                self.data.closed(id, &mut self.voice);
            }
            Event::Closed => self.closing = true,
            Event::RawPacket(packet) => {
                if let RawPacket::RtcpRx(Rtcp::Nack(missed)) = *packet {
                    let outbox = &mut self.outbox;
                    self.repeats
                        .answer(arrival_us, &missed, &mut |again| outbox.push_again(again));
                }
            }
            Event::PeerStats(stats) => {
                // Those of the streams follow.
                self.stats.packets_lost_there = 0;
                if let Some(pair) = stats.selected_candidate_pair {
                    let tcp = pair.protocol != Protocol::Udp;
                    self.stats.pair = Some((pair.local.addr, pair.remote.addr, tcp));
                    if let Some(time) = pair.current_round_trip_time {
                        self.stats.round_trip_ms = Some(time.as_secs_f32() * 1_000.0);
                    }
                }
            }
            Event::MediaEgressStats(stats) => {
                if let Some(remote) = stats.remote {
                    self.stats.packets_lost_there += remote.packets_lost;
                }
                if let (None, Some(time)) = (self.stats.round_trip_ms, stats.rtt) {
                    self.stats.round_trip_ms = Some(time.as_secs_f32() * 1_000.0);
                }
            }
            _ => {}
        }
    }

    /// Says it when the connection stands or does not any more.
    fn note_connection(&mut self) {
        let connected = !self.over && self.rtc.is_connected();
        if connected == self.connected || self.exchange.is_full() {
            return;
        }
        self.connected = connected;
        if connected {
            self.connected_us.get_or_insert(self.now_us);
            self.voice.say(PeerEvent::Connected);
        } else if !self.over {
            self.voice.say(PeerEvent::Disconnected);
        }
    }

    fn note_settled(&mut self) {
        self.settled |= self.connected_us.is_some_and(|since_us| {
            self.data.all_open() || self.now_us >= since_us + CHANNELS_LATE_US
        });
    }

    fn obey(&mut self, command: PeerCommand) {
        match command {
            PeerCommand::Offer(request) => {
                let made = self
                    .negotiation
                    .offer(&mut self.rtc, &mut self.data, &request);
                self.voice.say(match made {
                    Ok(made) => PeerEvent::Offered(made),
                    Err(fault) => PeerEvent::NegotiationFailed {
                        id: request.id,
                        fault,
                    },
                });
            }
            PeerCommand::Answer { id, sdp } => {
                let taken = self
                    .negotiation
                    .answer(&mut self.rtc, &mut self.data, id, &sdp);
                self.sound_in.forget_routes();
                self.voice.say(match taken {
                    Ok(()) => PeerEvent::Negotiated { id },
                    Err(fault) => PeerEvent::NegotiationFailed { id, fault },
                });
            }
            PeerCommand::GiveUpOffer { id } => {
                self.negotiation.give_up(&mut self.rtc, &mut self.data, id);
            }
            PeerCommand::RemoteCandidate(line) => {
                self.negotiation.remote_candidate(&mut self.rtc, &line);
            }
            PeerCommand::AttachInput(id, door) => self.sound_in.attach(id, door),
            PeerCommand::BindInput(id, mid) => {
                let section = self.negotiation.section(mid.as_ref());
                let mid = section.map(|section| {
                    if let Purpose::Receive { unbound_told, .. } = &mut section.purpose {
                        *unbound_told = false;
                    }
                    section.mid
                });
                self.sound_in.bind(id, mid);
            }
            PeerCommand::DetachInput(id) => self.sound_in.detach(id),
            PeerCommand::AttachOutput(id, door) => {
                self.sound_out
                    .attach(&mut self.negotiation.sections, id, door);
            }
            PeerCommand::BindOutput(id, mid) => {
                let section = self.negotiation.section(mid.as_ref());
                let mid = section.map(|section| section.mid);
                self.sound_out.bind(id, mid);
            }
            PeerCommand::DetachOutput(id) => self.sound_out.detach(id),
            PeerCommand::Send {
                ticket,
                channel,
                message,
            } => {
                self.data
                    .send(&mut self.rtc, ticket, channel, message, &mut self.voice);
            }
            PeerCommand::Release => {
                let inputs = self.sound_in.release();
                let outputs = self.sound_out.release();
                self.voice.say(PeerEvent::Released { inputs, outputs });
            }
            PeerCommand::Stats => {
                let stats = PeerStats {
                    packets_received: self.sound_in.packets,
                    packets_sent: self.sound_out.packets,
                    packets_repeated: self.repeats.count,
                    datagrams_dropped: self.outbox.dropped + self.arrivals.dropped,
                    candidates_ignored: self.negotiation.candidates_ignored,
                    ..self.stats
                };
                self.voice.say(PeerEvent::Stats(stats));
            }
            PeerCommand::Close => self.close(),
        }
    }

    fn close(&mut self) {
        self.closing = true;
        if let Err(error) = self.rtc.close() {
            self.end(Some(PeerFault::Transport(error.to_string())));
        }
        self.drain(self.now_us);
    }

    fn end(&mut self, fault: Option<PeerFault>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.data.end(&mut self.voice);
        // Sessions outlive connections.
        let inputs = self.sound_in.release();
        let outputs = self.sound_out.release();
        if !(inputs.is_empty() && outputs.is_empty()) {
            self.voice.say(PeerEvent::Released { inputs, outputs });
        }
        self.voice.say(PeerEvent::Closed(fault));
        self.voice.notify(self.now_us);
    }

    /// A datagram that is taken now.
    fn take(&mut self, arrival_us: u64, datagram: Datagram<'_>) {
        let received = Receive::new(
            protocol(datagram.carrier),
            datagram.remote,
            datagram.local,
            datagram.payload,
        );
        let instant = self.epoch.instant(arrival_us);
        let input = received.map(|received| Input::Receive(instant, received));
        let taken = match input {
            Ok(input) if self.rtc.accepts(&input) => self.input(input, arrival_us).is_ok(),
            _ => false,
        };
        if taken {
            self.stats.bytes_received += datagram.payload.len() as u64;
        } else {
            self.stats.datagrams_ignored += 1;
            // What could not be read may have moved something all the same.
            self.drain(arrival_us);
        }
    }

    /// Data that came and data that is to be sent, as much as a tick allows.
    fn work_on_data(&mut self) {
        for _ in 0..DATAGRAMS_PER_TICK {
            let Some(arrived) = self.arrivals.pop() else {
                break;
            };
            self.take(arrived.arrival_us(), arrived.datagram());
        }
        if self.over {
            return;
        }
        let wrote = self.data.write(&mut self.rtc, &mut self.voice);
        self.data.deliver(&mut self.voice);
        if wrote {
            self.tell_time();
        }
    }

    fn flush(&mut self, transmit: &mut dyn FnMut(Datagram<'_>)) {
        let repeats = &mut self.repeats;
        self.stats.bytes_sent += self.outbox.send(self.now_us, repeats, transmit);
    }
}

impl Peer for RtcPeer {
    fn bound(&mut self, carrier: Carrier, local: SocketAddr) {
        let candidate = match carrier {
            Carrier::Udp => Candidate::host(local, Protocol::Udp),
            Carrier::Tcp => Candidate::builder()
                .tcp()
                .host(local)
                .tcptype(TcpType::Active)
                .build(),
        };
        if let Ok(candidate) = candidate {
            self.rtc.add_local_candidate(candidate);
        }
    }

    fn receive(&mut self, arrival_us: u64, datagram: Datagram<'_>) {
        if self.over {
            return;
        }
        // Until it stands it is in a hurry, and on a thread of its own.
        if self.connected_us.is_some() && is_dtls(datagram.payload) {
            self.arrivals.push(arrival_us, datagram);
        } else {
            self.take(arrival_us, datagram);
        }
    }

    fn advance(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        if self.exchange.is_abandoned() && !self.closing {
            self.close();
        }
        let mut obeyed = false;
        while !self.over
            && !self.closing
            && let Some(command) = self.exchange.command()
        {
            let negotiates = matches!(command, PeerCommand::Offer(_) | PeerCommand::Answer { .. });
            self.obey(command);
            self.drain(self.now_us);
            obeyed = true;
            // Session descriptions are long: one a tick.
            if negotiates {
                break;
            }
        }
        if !self.over && (obeyed || self.now_us >= self.due_us) {
            self.tell_time();
        }
        self.note_settled();
    }

    fn send(&mut self, now_us: u64, urgency: Urgency, transmit: &mut dyn FnMut(Datagram<'_>)) {
        self.now_us = self.now_us.max(now_us);
        if !self.over {
            let wrote = self.sound_out.send(
                &mut self.rtc,
                &mut self.negotiation.sections,
                &self.epoch,
                self.now_us,
                self.connected_us.is_some(),
            );
            if wrote {
                self.tell_time();
            }
            self.flush(transmit);
            if urgency == Urgency::All {
                self.work_on_data();
            }
        }
        self.flush(transmit);
        if self.closing {
            self.end(None);
        }
        self.voice.notify(self.now_us);
    }

    fn due_us(&self) -> u64 {
        let asked = !self.exchange.commands.is_empty();
        if self.over {
            u64::MAX
        } else if self.exchange.is_abandoned() || (asked && !self.exchange.is_full()) {
            self.now_us
        } else if asked || self.data.is_busy() || !self.arrivals.is_empty() {
            self.due_us.min(self.now_us + AGAIN_US)
        } else {
            self.due_us
        }
    }

    fn is_settled(&self) -> bool {
        self.settled || self.over
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn fail(&mut self) {
        self.end(Some(PeerFault::Defect));
    }
}

impl Drop for RtcPeer {
    fn drop(&mut self) {
        self.end(None);
    }
}
