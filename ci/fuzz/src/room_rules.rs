//! What holds for a LiveKit room whatever its server says: nothing panics, two offers are never outstanding, time goes on, and
//! whoever leaves is out.

use crate::script::Script;
use beluga_engine::{
    Bells, Carrier, Datagram, Fetched, Peer, Secret, Urgency, Wake, Wire, WireEnd, WireOrder,
};
use beluga_livekit::{
    Command, Event, LOSSY, LeaveReason, PeerMaker, PeerPort, RELIABLE, Room, RoomConfig,
    RoomHandle, room,
};
use beluga_webrtc::{Channel, Mid, OfferMade, PeerCommand, PeerEvent};
use core::net::SocketAddr;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What a script may do next; its first byte modulo [`KINDS`](step::KINDS).
pub mod step {
    /// A message of the server's: its length u16, then its bytes.
    pub const SIGNAL: u8 = 0;
    /// A packet on the reliable channel: the same.
    pub const RELIABLE: u8 = 1;
    /// A packet on the lossy channel: the same.
    pub const LOSSY: u8 = 2;
    /// So many tenths of a second pass: u8.
    pub const PASS: u8 = 3;
    /// Signalling opens, if it is being opened.
    pub const OPEN: u8 = 4;
    /// Signalling is lost.
    pub const LOSE: u8 = 5;
    /// Signalling is refused, or the question why is answered: a status u16 and a body with its length u16.
    pub const HTTP: u8 = 6;
    /// The peer connects.
    pub const CONNECT: u8 = 7;
    /// A method is registered, so that calls of it are told.
    pub const REGISTER: u8 = 8;
    /// How many there are.
    pub const KINDS: u8 = 9;
}

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// A peer that does at once what it is told.
#[derive(Debug, Default)]
struct Told {
    offer: Option<u32>,
    sections: usize,
    events: VecDeque<PeerEvent>,
}

#[derive(Debug, Clone, Default)]
struct Port(Arc<Mutex<Told>>);

impl PeerPort for Port {
    fn command(&mut self, command: PeerCommand) -> Result<(), PeerCommand> {
        let mut told = self.0.lock().expect("one thread");
        let event = match command {
            PeerCommand::Offer(request) => {
                assert!(told.offer.is_none(), "two offers are outstanding");
                told.offer = Some(request.id);
                let first = told.sections;
                told.sections += request.receive;
                PeerEvent::Offered(OfferMade {
                    id: request.id,
                    sdp: "offer".to_owned(),
                    send: Vec::new(),
                    receive: (first..told.sections)
                        .map(|section| Mid(section.to_string()))
                        .collect(),
                })
            }
            PeerCommand::Answer { id, .. } => {
                assert_eq!(told.offer.take(), Some(id), "an answer to no offer");
                PeerEvent::Negotiated { id }
            }
            PeerCommand::GiveUpOffer { id } => {
                assert_eq!(told.offer.take(), Some(id), "no such offer");
                return Ok(());
            }
            PeerCommand::Send { ticket, .. } => PeerEvent::Sent {
                ticket,
                taken: true,
            },
            PeerCommand::Release => PeerEvent::Released {
                inputs: Vec::new(),
                outputs: Vec::new(),
            },
            _ => return Ok(()),
        };
        told.events.push_back(event);
        Ok(())
    }

    fn events(&mut self, into: &mut VecDeque<PeerEvent>) {
        into.append(&mut self.0.lock().expect("one thread").events);
    }

    fn unobeyed(&mut self) -> Option<PeerCommand> {
        None
    }
}

#[derive(Debug, Default, Clone)]
struct Ports(Arc<Mutex<Vec<Port>>>);

impl PeerMaker for Ports {
    fn make(&mut self) -> (Box<dyn PeerPort>, Box<dyn Peer>) {
        let port = Port::default();
        self.0.lock().expect("one thread").push(port.clone());
        (Box::new(port), Box::new(Nowhere))
    }
}

/// What nobody drives.
#[derive(Debug)]
struct Nowhere;

impl Peer for Nowhere {
    fn bound(&mut self, _: Carrier, _: SocketAddr) {}
    fn receive(&mut self, _: u64, _: Datagram<'_>) {}
    fn advance(&mut self, _: u64) {}
    fn send(&mut self, _: u64, _: Urgency, _: &mut dyn FnMut(Datagram<'_>)) {}
    fn due_us(&self) -> u64 {
        u64::MAX
    }
    fn is_settled(&self) -> bool {
        true
    }
    fn is_over(&self) -> bool {
        false
    }
    fn fail(&mut self) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    None,
    Opening,
    Open,
}

struct World {
    handle: RoomHandle,
    room: Room,
    ports: Ports,
    socket: Socket,
    asks: bool,
    now_us: u64,
}

impl World {
    fn new() -> Self {
        let token = Secret::new("token".to_owned());
        let mut config = RoomConfig::new("ws://server".to_owned(), token, 1);
        config.renews_token = true;
        let ports = Ports::default();
        let bell = Bells::new(Box::new(Nobody)).bell();
        let (handle, room) =
            room(config, Box::new(ports.clone()), bell, Arc::new(Nobody)).expect("a configuration");
        Self {
            handle,
            room,
            ports,
            socket: Socket::None,
            asks: false,
            now_us: 0,
        }
    }

    fn turn(&mut self) {
        // What the peer answers gives the room something to do again.
        for _ in 0..3 {
            self.room.advance(self.now_us);
            while let Some(order) = self.room.order() {
                match order {
                    WireOrder::Open { .. } => self.socket = Socket::Opening,
                    WireOrder::Close => self.socket = Socket::None,
                    WireOrder::Send(_) => assert_eq!(self.socket, Socket::Open),
                    WireOrder::Fetch { .. } => self.asks = true,
                    WireOrder::Drive(_) => {}
                }
            }
        }
        while let Some(event) = self.handle.event() {
            if let Event::StreamOpened { reader, .. } = event {
                while let beluga_livekit::StreamRead::Piece(_) = reader.read() {}
            }
        }
    }

    fn pass(&mut self, us: u64) {
        let end_us = self.now_us + us;
        let mut rounds = 0;
        loop {
            self.turn();
            let due_us = self.room.due_us();
            if due_us > end_us {
                break;
            }
            rounds = if due_us <= self.now_us { rounds + 1 } else { 0 };
            assert!(rounds < 4, "it wants to be called again and again");
            self.now_us = self.now_us.max(due_us);
        }
        self.now_us = end_us;
        self.turn();
    }

    fn peer_says(&mut self, event: PeerEvent) {
        let port = self.ports.0.lock().expect("one thread").last().cloned();
        if let Some(port) = port {
            port.0.lock().expect("one thread").events.push_back(event);
        }
        self.turn();
    }

    fn message(&mut self, channel: Channel, message: &[u8]) {
        self.peer_says(PeerEvent::Message {
            channel,
            message: message.to_vec(),
        });
    }
}

/// Plays a script to a room, from the very beginning, and leaves.
pub fn check(mut script: Script<'_>) {
    let mut world = World::new();
    world.turn();
    while let Some(kind) = script.byte() {
        match kind % step::KINDS {
            step::SIGNAL => {
                let length = script.u16().unwrap_or(0);
                let message = script.bytes(length.into());
                if world.socket == Socket::Open {
                    world.room.received(world.now_us, message);
                }
            }
            step::RELIABLE | step::LOSSY => {
                let length = script.u16().unwrap_or(0);
                let channel = if kind % step::KINDS == step::LOSSY {
                    LOSSY
                } else {
                    RELIABLE
                };
                world.message(channel, script.bytes(length.into()));
            }
            step::PASS => world.pass(u64::from(script.byte().unwrap_or(0)) * 100_000),
            step::OPEN if world.socket == Socket::Opening => {
                world.socket = Socket::Open;
                world.room.opened(world.now_us);
            }
            step::LOSE if world.socket != Socket::None => {
                world.socket = Socket::None;
                let end = WireEnd::Lost { code: None };
                world.room.ended(world.now_us, end);
            }
            step::HTTP => {
                let status = script.u16().unwrap_or(0);
                let length = script.u16().unwrap_or(0);
                let body = script.bytes(length.into()).to_vec();
                if std::mem::take(&mut world.asks) {
                    let max_age_s = None;
                    world.room.fetched(
                        world.now_us,
                        Fetched::Response {
                            status,
                            max_age_s,
                            body,
                        },
                    );
                } else if world.socket == Socket::Opening {
                    world.socket = Socket::None;
                    world.room.ended(world.now_us, WireEnd::Refused { status });
                }
            }
            step::CONNECT => {
                world.peer_says(PeerEvent::Connected);
                world.peer_says(PeerEvent::ChannelOpen(RELIABLE));
                world.peer_says(PeerEvent::ChannelOpen(LOSSY));
            }
            step::REGISTER => {
                let _ = world
                    .handle
                    .command(Command::RegisterMethod("m".to_owned()));
            }
            _ => {}
        }
        world.turn();
    }
    let _ = world
        .handle
        .command(Command::Leave(LeaveReason::ClientInitiated));
    world.pass(1_000_000);
    assert!(world.room.is_over(), "it cannot be left");
    assert_eq!(world.socket, Socket::None);
}
