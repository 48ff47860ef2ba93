//! Peers that do at once what they are told, or only what the test says.

use beluga_engine::{Carrier, Datagram, PacketSink, PacketSource, Peer, Urgency};
use beluga_livekit::{LOSSY, PeerMaker, PeerPort, RELIABLE};
use beluga_webrtc::{
    Channel, InputId, Mid, OfferMade, OutputId, PeerCommand, PeerEvent, PeerFault, PeerStats,
};
use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a peer was asked, less what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Offer {
        id: u32,
        send: Vec<String>,
        receive: usize,
        stop: Vec<Mid>,
        ice_restart: bool,
    },
    Answer(u32),
    GiveUp(u32),
    Candidate(String),
    AttachInput(InputId),
    BindInput(InputId, Option<Mid>),
    DetachInput(InputId),
    AttachOutput(OutputId),
    BindOutput(OutputId, Option<Mid>),
    DetachOutput(OutputId),
    Release,
}

/// One peer, seen from both of its sides.
#[derive(Debug, Default)]
pub struct FakePeer {
    pub asked: Vec<Asked>,
    /// Messages that were to be sent, by channel.
    pub messages: Vec<(Channel, Vec<u8>)>,
    /// Tickets that were not answered yet, where the test answers them.
    pub tickets: VecDeque<u64>,
    pub inputs: BTreeMap<InputId, (Box<dyn PacketSink>, Option<Mid>)>,
    pub outputs: BTreeMap<OutputId, (Box<dyn PacketSource>, Option<Mid>)>,
    events: VecDeque<PeerEvent>,
    offer: Option<u32>,
    next_mid: usize,
    /// Does not answer messages by itself.
    pub slow: bool,
    /// Makes no offers by itself.
    pub mute: bool,
    /// Takes no commands.
    pub full: bool,
    /// Obeys nothing any more.
    pub over: bool,
    /// What it was asked when it was over.
    unobeyed: VecDeque<PeerCommand>,
    /// Its handle was dropped.
    pub dropped: bool,
    pub restarts: usize,
}

/// A peer that the room, the thread that drives it and the test hold.
#[derive(Debug, Clone, Default)]
pub struct SharedPeer(Arc<Mutex<FakePeer>>);

impl SharedPeer {
    pub fn get(&self) -> MutexGuard<'_, FakePeer> {
        self.0.lock().expect("one thread")
    }
}

impl FakePeer {
    pub fn say(&mut self, event: PeerEvent) {
        self.events.push_back(event);
    }

    /// ICE and DTLS are done, and both channels are open.
    pub fn connect(&mut self) {
        self.say(PeerEvent::Connected);
        self.say(PeerEvent::ChannelOpen(RELIABLE));
        self.say(PeerEvent::ChannelOpen(LOSSY));
    }

    /// The channel takes the oldest message that waits.
    pub fn take_one(&mut self) -> bool {
        let Some(ticket) = self.tickets.pop_front() else {
            return false;
        };
        self.say(PeerEvent::Sent {
            ticket,
            taken: true,
        });
        true
    }

    fn obey(&mut self, command: PeerCommand) {
        match command {
            PeerCommand::Offer(request) => {
                assert_eq!(self.offer, None, "two offers are outstanding");
                self.asked.push(Asked::Offer {
                    id: request.id,
                    send: request
                        .send
                        .iter()
                        .map(|section| section.cid.clone())
                        .collect(),
                    receive: request.receive,
                    stop: request.stop.clone(),
                    ice_restart: request.ice_restart,
                });
                self.restarts += usize::from(request.ice_restart);
                self.offer = Some(request.id);
                let mut mids = |count: usize| -> Vec<Mid> {
                    let first = self.next_mid;
                    self.next_mid += count;
                    (first..self.next_mid)
                        .map(|mid| Mid(mid.to_string()))
                        .collect()
                };
                let (send, receive) = (mids(request.send.len()), mids(request.receive));
                if !self.mute {
                    self.say(PeerEvent::Offered(OfferMade {
                        id: request.id,
                        sdp: format!("offer {}", request.id),
                        send,
                        receive,
                    }));
                }
            }
            PeerCommand::Answer { id, sdp } => {
                assert_eq!(self.offer.take(), Some(id), "an answer to no offer");
                self.asked.push(Asked::Answer(id));
                self.say(if sdp.starts_with("bad") {
                    PeerEvent::NegotiationFailed {
                        id,
                        fault: PeerFault::Negotiation("bad".to_owned()),
                    }
                } else {
                    PeerEvent::Negotiated { id }
                });
            }
            PeerCommand::GiveUpOffer { id } => {
                assert_eq!(self.offer.take(), Some(id), "no such offer is outstanding");
                self.asked.push(Asked::GiveUp(id));
            }
            PeerCommand::RemoteCandidate(candidate) => {
                self.asked.push(Asked::Candidate(candidate));
            }
            PeerCommand::AttachInput(id, door) => {
                self.asked.push(Asked::AttachInput(id));
                assert!(self.inputs.insert(id, (door, None)).is_none(), "{id:?}");
            }
            PeerCommand::BindInput(id, mid) => {
                self.asked.push(Asked::BindInput(id, mid.clone()));
                self.inputs.get_mut(&id).expect("an input that is here").1 = mid;
            }
            PeerCommand::DetachInput(id) => {
                self.asked.push(Asked::DetachInput(id));
                self.inputs.remove(&id);
            }
            PeerCommand::AttachOutput(id, door) => {
                self.asked.push(Asked::AttachOutput(id));
                assert!(self.outputs.insert(id, (door, None)).is_none(), "{id:?}");
            }
            PeerCommand::BindOutput(id, mid) => {
                self.asked.push(Asked::BindOutput(id, mid.clone()));
                self.outputs.get_mut(&id).expect("an output that is here").1 = mid;
            }
            PeerCommand::DetachOutput(id) => {
                self.asked.push(Asked::DetachOutput(id));
                self.outputs.remove(&id);
            }
            PeerCommand::Send {
                ticket,
                channel,
                message,
            } => {
                self.messages.push((channel, message));
                self.tickets.push_back(ticket);
                if !self.slow {
                    self.take_one();
                }
            }
            PeerCommand::Release => {
                self.asked.push(Asked::Release);
                self.release();
            }
            PeerCommand::Stats => self.say(PeerEvent::Stats(PeerStats {
                packets_sent: 7,
                ..PeerStats::default()
            })),
            PeerCommand::Close => self.end(None),
        }
    }

    fn release(&mut self) {
        let inputs = std::mem::take(&mut self.inputs);
        let outputs = std::mem::take(&mut self.outputs);
        self.say(PeerEvent::Released {
            inputs: inputs
                .into_iter()
                .map(|(id, (door, _))| (id, door))
                .collect(),
            outputs: outputs
                .into_iter()
                .map(|(id, (door, _))| (id, door))
                .collect(),
        });
    }

    /// The other side has closed the connection, or something in it failed.
    pub fn end(&mut self, fault: Option<PeerFault>) {
        self.over = true;
        self.release();
        self.say(PeerEvent::Closed(fault));
    }
}

#[derive(Debug)]
struct Port(SharedPeer);

impl PeerPort for Port {
    fn command(&mut self, command: PeerCommand) -> Result<(), PeerCommand> {
        let mut peer = self.0.get();
        if peer.full {
            return Err(command);
        }
        if peer.over {
            peer.unobeyed.push_back(command);
        } else {
            peer.obey(command);
        }
        Ok(())
    }

    fn events(&mut self, into: &mut VecDeque<PeerEvent>) {
        into.append(&mut self.0.get().events);
    }

    fn unobeyed(&mut self) -> Option<PeerCommand> {
        self.0.get().unobeyed.pop_front()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.0.get().dropped = true;
    }
}

/// All peers that were made, the newest last.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    pub made: Arc<Mutex<Vec<SharedPeer>>>,
    /// What the next ones begin with.
    pub mute: Arc<Mutex<bool>>,
}

impl PeerMaker for Peers {
    fn make(&mut self) -> (Box<dyn PeerPort>, Box<dyn Peer>) {
        let peer = SharedPeer::default();
        peer.get().mute = *self.mute.lock().expect("one thread");
        self.made.lock().expect("one thread").push(peer.clone());
        (Box::new(Port(peer)), Box::new(Nowhere))
    }
}

/// What the signalling thread would drive.
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
