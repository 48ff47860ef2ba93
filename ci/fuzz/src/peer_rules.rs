//! What a [`RtcPeer`] keeps to, whatever a server answers and whoever sends it datagrams.

use std::sync::Arc;
use std::time::Instant;

use beluga_engine::{Carrier, Datagram, Peer, Urgency, Wake};
use beluga_webrtc::{
    ChannelSpec, ClockEpoch, Identity, OfferMade, OfferRequest, PeerCommand, PeerEvent, PeerHandle,
    RtcPeer, RtcPeerConfig, SendSection, rtc_peer,
};

use crate::script::Script;

/// Steps of a script, by the lowest two bits of their first byte.
pub mod step {
    /// An offer and its answer: length u16, text. `$0`, `$1` and `$2` in it stand for the names of the data section and of the
    /// latest sections to send and to receive on: they are drawn anew for each peer.
    pub const ANSWER: u8 = 0;
    /// A candidate: length u8, text.
    pub const CANDIDATE: u8 = 1;
    /// A datagram from the first candidate that a good script names: length u16, bytes.
    pub const DATAGRAM: u8 = 2;
    /// Time passes: milliseconds u8.
    pub const TIME: u8 = 3;
}

/// Where the datagrams come from.
pub const SERVER: &str = "10.0.0.2:7881";
const OURS: &str = "10.0.0.1:5000";

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

struct Line {
    peer: RtcPeer,
    handle: PeerHandle,
    now_us: u64,
    offers: u32,
}

/// Plays a script to a peer.
pub fn check(mut script: Script<'_>) {
    let config = RtcPeerConfig {
        epoch: ClockEpoch {
            instant: Instant::now(),
            us: 0,
        },
        seed: 1,
        identity: Identity::shared().expect("randomness"),
        channels: vec![ChannelSpec {
            label: "_reliable".to_owned(),
            ordered: true,
            max_retransmits: None,
        }],
    };
    let (handle, mut peer) = rtc_peer(config, Arc::new(Nobody));
    peer.bound(Carrier::Udp, OURS.parse().expect("an address"));
    let mut line = Line {
        peer,
        handle,
        now_us: 0,
        offers: 0,
    };
    while line.step(&mut script).is_some() {}
    line.finish();
}

impl Line {
    /// None at the end of the script.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.byte()? & 3 {
            step::ANSWER => {
                let length = script.u16()?;
                let text = String::from_utf8_lossy(script.bytes(length.into()));
                self.negotiate(&text);
            }
            step::CANDIDATE => {
                let length = script.byte()?;
                let text = String::from_utf8_lossy(script.bytes(length.into())).into_owned();
                self.command(PeerCommand::RemoteCandidate(text));
                self.tick();
            }
            step::DATAGRAM => {
                let length = script.u16()?;
                let datagram = Datagram {
                    carrier: Carrier::Udp,
                    local: OURS.parse().expect("an address"),
                    remote: SERVER.parse().expect("an address"),
                    payload: script.bytes(length.into()),
                };
                self.peer.receive(self.now_us, datagram);
            }
            _ => {
                self.now_us += u64::from(script.byte()?) * 1_000;
                self.tick();
            }
        }
        Some(())
    }

    fn command(&self, command: PeerCommand) {
        self.handle.command(command).expect("room");
    }

    fn tick(&mut self) -> Vec<PeerEvent> {
        self.now_us += 10_000;
        self.peer.advance(self.now_us);
        self.peer.send(self.now_us, Urgency::All, &mut |_| {});
        self.handle.events().collect()
    }

    /// Each offer is made and each answer is taken or refused, once, until it is over.
    fn negotiate(&mut self, text: &str) {
        self.offers += 1;
        self.command(PeerCommand::Offer(OfferRequest {
            id: self.offers,
            send: vec![SendSection {
                cid: format!("cid{}", self.offers),
                stream: "stream".to_owned(),
            }],
            receive: 1,
            ..OfferRequest::default()
        }));
        let made = self.tick().into_iter().find_map(|event| match event {
            PeerEvent::Offered(made) => Some(made),
            _ => None,
        });
        let Some(made) = made else {
            assert!(self.peer.is_over(), "an offer was not made");
            return;
        };
        let sdp = named(text, &made);
        self.command(PeerCommand::Answer { id: made.id, sdp });
        let said = self.tick().into_iter().filter(|event| {
            matches!(event, PeerEvent::Negotiated { id } | PeerEvent::NegotiationFailed { id, .. } if *id == made.id)
        });
        assert_eq!(said.count(), 1, "an answer was not heard once");
    }

    /// The last that is said is that it is over.
    fn finish(mut self) {
        self.command(PeerCommand::Close);
        let mut last = None;
        for _ in 0..3 {
            last = self.tick().pop().or(last);
        }
        assert!(self.peer.is_over());
        assert!(last.is_none() || matches!(last, Some(PeerEvent::Closed(_))));
    }
}

/// An answer with the names of this peer's sections.
fn named(text: &str, made: &OfferMade) -> String {
    let data = made
        .sdp
        .split("m=application")
        .nth(1)
        .and_then(|section| section.split("a=mid:").nth(1))
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let name =
        |mids: &[beluga_webrtc::Mid]| mids.first().map_or(String::new(), |mid| mid.0.clone());
    text.replace("$0", data)
        .replace("$1", &name(&made.send))
        .replace("$2", &name(&made.receive))
}
