//! The two sides, the network between them, and the clock.

use super::doors::{Microphone, Speaker, loudspeaker, microphone};
use super::far::Far;
use beluga_engine::{Carrier, Datagram, Peer, Urgency, Wake};
use beluga_sim::{Conditions, Network};
use beluga_webrtc::{
    ChannelSpec, ClockEpoch, Identity, InputId, Mid, OfferMade, OfferRequest, OutputId,
    PeerCommand, PeerEvent, PeerHandle, PeerStats, RtcPeer, RtcPeerConfig, SendSection, rtc_peer,
};
use core::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts wake-ups.
#[derive(Debug, Default)]
pub struct Wakes(pub AtomicU64);

impl Wake for Wakes {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Packet = (SocketAddr, SocketAddr, Vec<u8>);

/// How a call is set up.
pub struct Options {
    pub up: Conditions,
    pub down: Conditions,
    pub seed: u64,
    pub carrier: Carrier,
    pub channels: Vec<ChannelSpec>,
}

impl Default for Options {
    fn default() -> Self {
        let delay = Conditions {
            delay_us: 5_000,
            ..Conditions::default()
        };
        Self {
            up: delay,
            down: delay,
            seed: 1,
            carrier: Carrier::Udp,
            channels: vec![
                ChannelSpec {
                    label: "_reliable".into(),
                    ordered: true,
                    max_retransmits: None,
                },
                ChannelSpec {
                    label: "_lossy".into(),
                    ordered: false,
                    max_retransmits: Some(0),
                },
            ],
        }
    }
}

/// See the module. The near side is driven as by a shard: once a tick.
pub struct Call {
    pub peer: RtcPeer,
    pub handle: Option<PeerHandle>,
    pub far: Far,
    pub events: Vec<PeerEvent>,
    pub wakes: Arc<Wakes>,
    pub urgency: Urgency,
    pub now_us: u64,
    pub up: Network<Packet>,
    pub down: Network<Packet>,
    /// What the near side sent, datagram by datagram: the first byte and the time.
    pub sent: Vec<(u8, u64)>,
    /// Whether the near side takes its events.
    pub listens: bool,
    /// Whether datagrams pass at all.
    pub link_up: bool,
    carrier: Carrier,
    epoch: Instant,
    next_offer: u32,
}

pub const MID_CLOCK_US: u64 = 1_000_000;

impl Call {
    pub fn new(options: Options) -> Self {
        let epoch = Instant::now();
        let wakes = Arc::new(Wakes::default());
        let config = RtcPeerConfig {
            epoch: ClockEpoch {
                instant: epoch,
                us: MID_CLOCK_US,
            },
            seed: options.seed,
            identity: Identity::shared().expect("randomness"),
            channels: options.channels,
        };
        let (handle, mut peer) = rtc_peer(config, wakes.clone());
        peer.bound(
            options.carrier,
            "10.0.0.1:5000".parse().expect("an address"),
        );
        let far_address = "10.0.0.2:7881".parse().expect("an address");
        Self {
            peer,
            handle: Some(handle),
            far: Far::new(epoch, far_address, options.carrier),
            events: Vec::new(),
            wakes,
            urgency: Urgency::All,
            now_us: MID_CLOCK_US,
            up: Network::new(options.up, options.seed).expect("conditions"),
            down: Network::new(options.down, options.seed + 1).expect("conditions"),
            sent: Vec::new(),
            listens: true,
            link_up: true,
            carrier: options.carrier,
            epoch,
            next_offer: 1,
        }
    }

    pub fn instant(&self, us: u64) -> Instant {
        self.epoch + Duration::from_micros(us - MID_CLOCK_US)
    }

    /// One millisecond. Near is driven in every tenth.
    pub fn step(&mut self) {
        self.now_us += 1_000;
        while let Some(packet) = self.up.pop(self.now_us) {
            let (remote, local, payload) = &packet.payload;
            let datagram = Datagram {
                carrier: self.carrier,
                local: *local,
                remote: *remote,
                payload,
            };
            let at = self.instant(packet.arrival_us);
            self.far.receive(at, datagram);
        }
        let now = self.instant(self.now_us);
        if self.far.due <= now {
            self.far.tell_time(now);
        }
        for transmit in self.far.outbox.drain(..) {
            let payload = transmit.contents.to_vec();
            let packet = (transmit.destination, transmit.source, payload);
            if !self.link_up {
                continue;
            }
            self.down.push(self.now_us, packet.2.len() + 28, packet);
        }
        if self.now_us.is_multiple_of(10_000) {
            self.tick();
        }
    }

    fn tick(&mut self) {
        while let Some(packet) = self.down.pop(self.now_us) {
            let (local, remote, payload) = &packet.payload;
            let datagram = Datagram {
                carrier: self.carrier,
                local: *local,
                remote: *remote,
                payload,
            };
            self.peer.receive(packet.arrival_us, datagram);
        }
        self.peer.advance(self.now_us);
        let (now_us, up, sent) = (self.now_us, &mut self.up, &mut self.sent);
        let link_up = self.link_up;
        self.peer.send(now_us, self.urgency, &mut |datagram| {
            sent.push((datagram.payload[0], now_us));
            if link_up {
                let payload = datagram.payload.to_vec();
                let packet = (datagram.local, datagram.remote, payload);
                up.push(now_us, packet.2.len() + 28, packet);
            }
        });
        if self.listens
            && let Some(handle) = &self.handle
        {
            self.events.extend(handle.events());
        }
    }

    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Runs until it is so, a minute at most. Gives how many milliseconds it took.
    pub fn run_until(&mut self, what: &str, mut so: impl FnMut(&mut Self) -> bool) -> u64 {
        for ms in 0..60_000 {
            if so(self) {
                return ms;
            }
            self.step();
        }
        panic!("after a minute still not so: {what}; {:?}", self.events);
    }

    pub fn command(&self, command: PeerCommand) {
        let handle = self.handle.as_ref().expect("it is there");
        handle.command(command).expect("room for a command");
    }

    /// Asks for an offer.
    pub fn offer(&mut self, request: OfferRequest) -> OfferMade {
        let id = self.next_offer;
        self.next_offer += 1;
        self.command(PeerCommand::Offer(OfferRequest { id, ..request }));
        let mut made = None;
        self.run_until("an offer", |call| {
            made = call.events.iter().find_map(|event| match event {
                PeerEvent::Offered(made) if made.id == id => Some(made.clone()),
                _ => None,
            });
            made.is_some()
        });
        made.expect("it was found")
    }

    /// Lets the far side answer an offer.
    pub fn answer(&mut self, made: &OfferMade) {
        let now = self.instant(self.now_us);
        let sdp = self.far.answer(now, &made.sdp);
        let candidate = self.far.candidate.to_sdp_string();
        self.command(PeerCommand::Answer { id: made.id, sdp });
        self.command(PeerCommand::RemoteCandidate(candidate));
        let id = made.id;
        self.run_until("an answer", |call| {
            call.events.iter().any(|event| match event {
                PeerEvent::NegotiationFailed { id: of, fault } if *of == id => {
                    panic!("{fault}")
                }
                PeerEvent::Negotiated { id: done } => *done == id,
                _ => false,
            })
        });
    }

    /// Offer and answer.
    pub fn negotiate(&mut self, request: OfferRequest) -> OfferMade {
        let made = self.offer(request);
        self.answer(&made);
        made
    }

    /// A connection with a section to send on, then one to receive on, all channels open.
    pub fn connected(options: Options) -> (Self, Mid, Mid) {
        let mut call = Self::new(options);
        let send = call.negotiate(OfferRequest {
            send: vec![section("agent")],
            ..OfferRequest::default()
        });
        let receive = call.negotiate(OfferRequest {
            receive: 1,
            ..OfferRequest::default()
        });
        call.run_until("connected", |call| call.peer.is_settled());
        (call, send.send[0].clone(), receive.receive[0].clone())
    }

    /// A door that packets of this section go to.
    pub fn loudspeaker(&mut self, id: u32, mid: &Mid) -> Speaker {
        let (speaker, input) = loudspeaker();
        self.command(PeerCommand::AttachInput(InputId(id), input));
        self.command(PeerCommand::BindInput(InputId(id), Some(mid.clone())));
        self.run_ms(10);
        speaker
    }

    /// A door whose packets go out on this section.
    pub fn microphone(&mut self, id: u32, mid: &Mid) -> Microphone {
        let (microphone, output) = microphone();
        self.command(PeerCommand::AttachOutput(OutputId(id), output));
        self.command(PeerCommand::BindOutput(OutputId(id), Some(mid.clone())));
        self.run_ms(10);
        microphone
    }

    /// The events of one kind, in their order.
    pub fn heard<T>(&self, so: impl Fn(&PeerEvent) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(so).collect()
    }

    pub fn stats(&mut self) -> PeerStats {
        self.command(PeerCommand::Stats);
        self.run_ms(10);
        let stats = self.heard(|event| match event {
            PeerEvent::Stats(stats) => Some(*stats),
            _ => None,
        });
        *stats.last().expect("they were asked for")
    }

    pub fn has(&self, so: impl Fn(&PeerEvent) -> bool) -> bool {
        self.events.iter().any(so)
    }
}

/// A track to be sent.
pub fn section(cid: &str) -> SendSection {
    SendSection {
        cid: cid.into(),
        stream: "stream".into(),
    }
}
