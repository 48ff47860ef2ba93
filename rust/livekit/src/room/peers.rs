//! The room's peers: the one that carries it, and those that have yet to give their doors back.

use super::Room;
use super::course::{Manner, Phase};
use crate::error::{ErrorCode, RoomError};
use crate::event::{Event, Outcome, RoomStats};
use crate::negotiation::{Live, Negotiation};
use crate::peer_port::{PeerMaker, PeerPort, RELIABLE};
use crate::sound::Generation;
use beluga_engine::WireOrder;
use beluga_webrtc::{PeerCommand, PeerEvent, PeerFault, PeerStats};
use livekit_protocol::DisconnectReason;
use livekit_protocol::signal_request::Message as Request;
use std::collections::VecDeque;

/// How long ICE may be without a pair before the connection counts as lost.
const PAIR_LOST_MS: u32 = 3_000;
/// How long the server may take for an answer.
const ANSWER_MS: u32 = 10_000;

/// One connection for sound and data.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) generation: Generation,
    port: Box<dyn PeerPort>,
    queue: VecDeque<PeerCommand>,
    pub(super) negotiation: Negotiation,
    /// Sound and data can flow.
    pub(super) connected: bool,
    /// Since when they cannot any more.
    pub(super) lost_us: Option<u64>,
    /// When the answer to the offer of new ICE credentials was taken.
    pub(super) restarted_us: Option<u64>,
    /// When the first answer was taken.
    pub(super) answered_us: Option<u64>,
}

impl Slot {
    /// Whether no answer was taken yet: its offer can be used for another session.
    pub(super) fn is_new(&self) -> bool {
        self.answered_us.is_none()
    }

    /// New ICE credentials with the next offer, in place of whatever is under way.
    pub(super) fn restart(&mut self) {
        self.restarted_us = None;
        let command = self.negotiation.give_up();
        self.queue.extend(command);
        self.negotiation.want_restart();
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Peers {
    maker: Box<dyn PeerMaker>,
    last_generation: Generation,
    pub(super) current: Option<Slot>,
    /// Replaced, and not dropped before they have given their doors back: a shard that stands still for a while must not
    /// cost a session its sound.
    retired: Vec<Slot>,
}

impl Peers {
    pub(super) fn new(maker: Box<dyn PeerMaker>) -> Self {
        Self {
            maker,
            last_generation: 0,
            current: None,
            retired: Vec::new(),
        }
    }

    /// Asks the current peer for something, when it takes it.
    pub(super) fn ask(&mut self, command: PeerCommand) {
        if let Some(slot) = &mut self.current {
            slot.queue.push_back(command);
        }
    }

    /// Asks whichever peer it concerns.
    pub(super) fn tell(&mut self, generation: Generation, command: PeerCommand) {
        if let Some(slot) = &mut self.current
            && slot.generation == generation
        {
            slot.queue.push_back(command);
        } else if let Some(retired) = self
            .retired
            .iter_mut()
            .find(|retired| retired.generation == generation)
        {
            retired.queue.push_back(command);
        }
    }

    /// Hands commands over as far as they are taken.
    pub(super) fn push(&mut self) {
        if let Some(slot) = &mut self.current {
            hand_over(slot.port.as_mut(), &mut slot.queue);
        }
        for retired in &mut self.retired {
            hand_over(retired.port.as_mut(), &mut retired.queue);
        }
    }

    fn retire(&mut self) {
        if let Some(mut slot) = self.current.take() {
            slot.queue.push_back(PeerCommand::Release);
            self.retired.push(slot);
        }
    }

    /// All of them go; doors that they hold go with them.
    pub(super) fn drop_all(&mut self) {
        self.current = None;
        self.retired.clear();
    }

    /// `signalling`: whether the server can answer.
    pub(super) fn due_us(&self, signalling: bool) -> Option<u64> {
        let slot = self.current.as_ref()?;
        let lost = slot.lost_us.map(|us| us + u64::from(PAIR_LOST_MS) * 1_000);
        let answer = slot
            .negotiation
            .outstanding_since_us()
            .filter(|_| signalling)
            .map(|us| us + u64::from(ANSWER_MS) * 1_000);
        lost.into_iter().chain(answer).min()
    }
}

fn hand_over(port: &mut dyn PeerPort, queue: &mut VecDeque<PeerCommand>) {
    while let Some(command) = queue.pop_front() {
        if let Err(back) = port.command(command) {
            queue.push_front(back);
            return;
        }
    }
}

impl Room {
    /// A new peer for a new session; the one before gives its doors back.
    pub(super) fn replace_peer(&mut self) {
        self.peers.retire();
        self.peers.last_generation += 1;
        let (port, peer) = self.peers.maker.make();
        self.orders.push_back(WireOrder::Drive(peer));
        self.publications.forget_places();
        let broken = self.outgoing.rejoined();
        self.commands_failed(
            &broken,
            "the room was joined anew while the stream was open",
        );
        self.subscriptions.hold();
        // They are part of the join.
        self.out
            .signals
            .retain(|message| !matches!(message, Request::AddTrack(_)));
        let mut negotiation = Negotiation::default();
        for track in self.publications.ids() {
            if let Some(section) = self.publications.section(track) {
                negotiation.want_send(track, section);
            }
        }
        // Also where there is nothing to send: the channels for data are in it. No sections to receive on, for the server
        // would answer them without an ssrc.
        negotiation.want_receive(0);
        let mut slot = Slot {
            generation: self.peers.last_generation,
            port,
            queue: VecDeque::new(),
            negotiation,
            connected: false,
            lost_us: None,
            restarted_us: None,
            answered_us: None,
        };
        slot.queue.extend(slot.negotiation.begin(self.out.now_us));
        self.peers.current = Some(slot);
    }

    pub(super) fn peers_said(&mut self) {
        let mut events = VecDeque::new();
        for mut retired in std::mem::take(&mut self.peers.retired) {
            retired.port.events(&mut events);
            let (mut released, mut closed) = (false, false);
            for event in events.drain(..) {
                match event {
                    PeerEvent::Released { inputs, outputs } => {
                        self.sound.released(inputs, outputs);
                        released = true;
                    }
                    PeerEvent::Closed(_) => closed = true,
                    _ => {}
                }
            }
            if closed {
                self.take_doors_back(retired);
            } else if !released {
                self.peers.retired.push(retired);
            }
        }
        if let Some(slot) = &mut self.peers.current {
            slot.port.events(&mut events);
            let generation = slot.generation;
            for event in events {
                let is_current = |slot: &Slot| slot.generation == generation;
                if self.peers.current.as_ref().is_some_and(is_current) {
                    self.peer_said(event);
                } else if let PeerEvent::Released { inputs, outputs } = event {
                    self.sound.released(inputs, outputs);
                }
            }
        }
    }

    /// Doors that were on their way to a peer which was over before it could take them.
    fn take_doors_back(&mut self, mut slot: Slot) {
        let unobeyed = std::iter::from_fn(|| slot.port.unobeyed());
        for command in unobeyed.chain(slot.queue) {
            match command {
                PeerCommand::AttachInput(id, door) => {
                    self.sound.released(vec![(id, door)], Vec::new())
                }
                PeerCommand::AttachOutput(id, door) => {
                    self.sound.released(Vec::new(), vec![(id, door)])
                }
                _ => {}
            }
        }
    }

    fn peer_said(&mut self, event: PeerEvent) {
        let Some(slot) = &mut self.peers.current else {
            return;
        };
        match event {
            PeerEvent::Offered(made) => {
                let Some((offer, places)) = slot.negotiation.offered(made) else {
                    return;
                };
                for (track, mid) in places {
                    self.publications.placed(track, mid);
                }
                if self.phase == Phase::Offering {
                    self.open_join(offer);
                } else if self.has_signalling() {
                    self.send_now(Request::Offer(offer));
                }
                // Otherwise signalling was lost meanwhile, and another offer takes its place when it is back.
            }
            PeerEvent::NegotiationFailed { id, fault } => {
                if slot.negotiation.failed(id) {
                    let why = format!("sound could not be negotiated: {fault}");
                    self.media_failed(RoomError::new(ErrorCode::ProtocolError, why));
                }
            }
            PeerEvent::Negotiated { id } => {
                let live = slot.negotiation.negotiated(id);
                let candidates: Vec<_> = slot.negotiation.held_candidates().collect();
                slot.queue.extend(candidates);
                if let Some(live) = live {
                    self.negotiated(live);
                }
            }
            PeerEvent::Connected => {
                slot.connected = true;
                slot.lost_us = None;
                self.media_connected(true);
            }
            PeerEvent::Disconnected => {
                slot.connected = false;
                slot.lost_us.get_or_insert(self.out.now_us);
            }
            PeerEvent::ChannelOpen(channel) => self.outgoing.opened(channel, true),
            PeerEvent::ChannelClosed(channel) => {
                self.outgoing.opened(channel, false);
                if channel == RELIABLE {
                    let why = "the server closed the data channel";
                    self.channel_gone(RoomError::new(ErrorCode::ConnectionFailed, why));
                }
            }
            PeerEvent::Message { channel, message } => self.data_received(channel, &message),
            PeerEvent::MessagesDropped { count, .. } => self.out.counters.peer_dropped += count,
            PeerEvent::Sent { ticket, taken } => {
                if let Some(receipt) = self.outgoing.sent(self.out.now_us, ticket, taken) {
                    self.out.done(receipt.command, Ok(receipt.outcome));
                }
            }
            PeerEvent::Unbound(_) => {}
            PeerEvent::Released { inputs, outputs } => self.sound.released(inputs, outputs),
            PeerEvent::Stats(stats) => self.measured(stats),
            PeerEvent::Closed(fault) => {
                if let Some(slot) = self.peers.current.take() {
                    self.take_doors_back(slot);
                }
                self.measured(PeerStats::default());
                let why = match fault {
                    Some(PeerFault::Defect) => {
                        // The next connection would come to the same.
                        let why = "a defect in the code of the connection for sound";
                        let error = RoomError::new(ErrorCode::InternalError, why);
                        return self.finish(DisconnectReason::UnknownReason, Some(error));
                    }
                    Some(fault) => format!("the connection for sound failed: {fault}"),
                    None => "the connection for sound was closed".to_owned(),
                };
                self.peer_gone(RoomError::new(ErrorCode::ConnectionFailed, why));
            }
        }
    }

    fn negotiated(&mut self, live: Live) {
        if let Some(slot) = &mut self.peers.current {
            slot.answered_us.get_or_insert(self.out.now_us);
            if live.restarted {
                slot.restarted_us = Some(self.out.now_us);
            }
        }
        self.outgoing.far_side_takes(live.max_message_bytes);
        for track in live.send {
            // It may have been taken back while the offer was under way; its section is stopped with the next one.
            let published = self.publications.live(track);
            self.published(published);
        }
        self.subscriptions.mapped(live.tracks);
        self.hear();
        self.media_connected(false);
    }

    pub(super) fn published(&mut self, published: Option<crate::publications::Published>) {
        let Some(published) = published else {
            return;
        };
        self.out.say(published.event);
        if let Some((command, outcome)) = published.done {
            self.out.done(command, Ok(outcome));
        }
        self.permit();
    }

    /// What was measured, for all who asked.
    pub(super) fn measured(&mut self, peer: PeerStats) {
        let stats = Box::new(RoomStats {
            peer,
            signal_round_trip_ms: self.pulse.round_trip_ms,
            counters: self.counters(),
        });
        for command in std::mem::take(&mut self.stats) {
            self.out.done(command, Ok(Outcome::Stats(stats.clone())));
        }
    }

    fn counters(&self) -> crate::RoomCounters {
        let dropped = self.out.desk.dropped();
        crate::RoomCounters {
            lossy_dropped: dropped.lossy,
            reliable_dropped: dropped.reliable,
            events_skipped: dropped.skipped,
            ignored: self.roster.ignored + self.incoming.ignored,
            ..self.out.counters
        }
    }

    /// The next offer, where one is wanted and can be sent.
    pub(super) fn negotiate(&mut self) {
        if !self.has_signalling() {
            return;
        }
        if let Some(slot) = &mut self.peers.current {
            let offer = slot.negotiation.begin(self.out.now_us);
            slot.queue.extend(offer);
        }
    }

    /// Doors go to the current peer, bound to the sections that they belong to now.
    pub(super) fn place_doors(&mut self) {
        if let Some(slot) = &mut self.peers.current {
            self.sound.settle(
                slot.generation,
                &self.roster,
                &self.subscriptions,
                &self.publications,
                &mut |command| slot.queue.push_back(command),
            );
        }
    }

    /// Data goes when sound has had its turn, and only as much as the peer takes.
    pub(super) fn send_data(&mut self) {
        if self.reconnecting {
            for receipt in self.outgoing.drop_lossy() {
                self.out.counters.lossy_unsent += 1;
                if let Some(receipt) = receipt {
                    self.out.done(receipt.command, Ok(receipt.outcome));
                }
            }
            return;
        }
        loop {
            self.peers.push();
            let Some(slot) = &mut self.peers.current else {
                return;
            };
            if !slot.connected || !slot.queue.is_empty() {
                return;
            }
            let next = self.outgoing.next();
            for (command, error) in self.outgoing.refused() {
                self.out.done(command, Err(error));
            }
            let Some(command) = next else {
                return;
            };
            slot.queue.push_back(command);
        }
    }

    /// Timers of the current peer.
    pub(super) fn peer_time_passed(&mut self) {
        let now_us = self.out.now_us;
        let signalling = self.has_signalling();
        let Some(slot) = &mut self.peers.current else {
            return;
        };
        let pair_lost = slot
            .lost_us
            .is_some_and(|us| now_us >= us + u64::from(PAIR_LOST_MS) * 1_000);
        let unanswered = slot
            .negotiation
            .outstanding_since_us()
            .is_some_and(|us| now_us >= us + u64::from(ANSWER_MS) * 1_000);
        if unanswered && signalling {
            let command = slot.negotiation.give_up();
            slot.queue.extend(command);
            let why = "the server did not answer an offer in time";
            self.media_failed(RoomError::new(ErrorCode::ConnectionTimeout, why));
        } else if pair_lost {
            slot.lost_us = None;
            if self.phase == Phase::Joined {
                let why = "no way for sound is left";
                let error = RoomError::new(ErrorCode::ConnectionFailed, why);
                self.connection_lost(
                    Manner::Resume(livekit_protocol::ReconnectReason::RrPublisherFailed),
                    error,
                );
            }
        }
    }

    /// Whether there is something to be told when the room is joined: see [`Event::TrackSubscribed`].
    pub(super) fn heard_so_far(&self) -> Vec<Event> {
        self.subscriptions.heard().collect()
    }
}
