//! A room, as the signalling thread drives it.
//!
//! The files beside this one hold its parts: `course` the way into the room, back into it and out of it; `messages` what the
//! server says; `peers` the connection for sound and data; `commands` what is asked of it.

mod calls;
mod commands;
mod course;
mod data;
mod greeting;
mod messages;
mod peers;
mod refusal;

use crate::address::Address;
use crate::command::{CommandId, TrackPermission};
use crate::config::RoomConfig;
use crate::data::incoming::Incoming;
use crate::data::numbering::Received;
use crate::data::outgoing::Outgoing;
use crate::data::rpc::Rpc;
use crate::desk::Desk;
use crate::error::{ErrorCode, RoomError};
use crate::event::Event;
use crate::handle::RoomHandle;
use crate::info::DisconnectReason;
use crate::out::Out;
use crate::peer_port::PeerMaker;
use crate::publications::Publications;
use crate::random::Random;
use crate::roster::Roster;
use crate::sound::Sound;
use crate::subscriptions::Subscriptions;
use beluga_engine::{Bell, Fetched, Secret, Wake, Wire, WireEnd, WireOrder};
use course::{Manner, Phase};
use livekit_protocol as proto;
use peers::Peers;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What the server told us about itself.
#[derive(Debug, Default)]
struct Server {
    version: String,
    region: String,
    /// It has asked us not to resume.
    never_resume: bool,
    ping_interval_us: u64,
    ping_timeout_us: u64,
}

impl Server {
    fn learn(&mut self, join: &proto::JoinResponse) {
        let info = join.server_info.clone().unwrap_or_default();
        let either = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
        let seconds = |seconds: i32| u64::from(seconds.clamp(1, 3_600).unsigned_abs()) * 1_000_000;
        let resume = join
            .client_configuration
            .as_ref()
            .map(proto::ClientConfiguration::resume_connection);
        self.version = either(info.version, &join.server_version);
        self.region = either(info.region, &join.server_region);
        self.never_resume = resume == Some(proto::ClientConfigSetting::Disabled);
        // Left out by a server that does not want to be asked.
        let or = |given: i32, usual| if given == 0 { usual } else { given };
        self.ping_interval_us = seconds(or(join.ping_interval, 5));
        self.ping_timeout_us = seconds(or(join.ping_timeout, 15));
    }
}

/// Keeping signalling alive.
#[derive(Debug, Default)]
struct Pulse {
    /// When the server was last heard.
    heard_us: u64,
    /// When it was asked last, in this session.
    pinged_us: Option<u64>,
    round_trip_ms: Option<u32>,
}

/// A participant of a room. See the crate.
#[derive(Debug)]
pub struct Room {
    config: RoomConfig,
    address: Address,
    token: Secret,
    random: Random,
    out: Out,
    orders: VecDeque<WireOrder>,
    phase: Phase,
    /// When the phase has lasted too long.
    until_us: u64,
    /// Where to ask why signalling was refused.
    validation: Option<Secret>,
    /// Signalling was opened and has not ended since.
    socket: bool,
    /// How often signalling was opened or closed.
    dialled: u32,
    /// The last number of ours that the server had received when we resumed.
    received_there: u32,
    /// Attempts since the connection stood last for as long as it should, or since the beginning.
    attempts: u32,
    /// Since when it stands.
    joined_us: u64,
    /// The connection was lost and is being brought back.
    reconnecting: bool,
    /// The server closed what carries sound: until when it may say why, and what is told if it does not.
    peer_over: Option<(u64, RoomError)>,
    /// When joining must be done.
    join_by_us: u64,
    /// Other addresses of the same server, best first.
    regions: VecDeque<Address>,
    asked_regions: bool,
    asked_token: bool,
    server: Server,
    pulse: Pulse,
    peers: Peers,
    roster: Roster,
    publications: Publications,
    subscriptions: Subscriptions,
    sound: Sound,
    outgoing: Outgoing,
    received: Received,
    incoming: Incoming,
    rpc: Rpc,
    /// Changes of ourselves that the server has not answered, by their number.
    updates: BTreeMap<u32, (CommandId, u64)>,
    last_update: u32,
    /// Who wants to know what was measured.
    stats: Vec<CommandId>,
    permissions: Option<(bool, Vec<TrackPermission>)>,
    /// Who asked to leave.
    leaving: Vec<CommandId>,
    leave_reason: DisconnectReason,
}

/// A room that is about to be joined, and the handle to it. `events` rings at the loop that takes events; `room` wakes the thread
/// that drives the room.
///
/// # Errors
/// The URL is none of a server.
pub fn room(
    config: RoomConfig,
    peers: Box<dyn PeerMaker>,
    events: Bell,
    room: Arc<dyn Wake>,
) -> Result<(RoomHandle, Room), RoomError> {
    let address = Address::parse(&config.url)?;
    let desk = Arc::new(Desk::new(events, room));
    let names_taken = config.publish.iter().map(|(track, _)| track.0).max();
    let handle = RoomHandle::new(desk.clone(), names_taken.unwrap_or(0));
    let mut random = Random::new(config.seed);
    let mut publications = Publications::default();
    for (track, options) in &config.publish {
        publications.add(*track, options.clone(), None, &mut random)?;
    }
    let room = Room {
        address,
        token: config.token.clone(),
        random,
        out: Out::new(desk),
        orders: VecDeque::new(),
        phase: Phase::Begin,
        until_us: 0,
        validation: None,
        socket: false,
        dialled: 0,
        received_there: 0,
        attempts: 0,
        joined_us: 0,
        reconnecting: false,
        peer_over: None,
        join_by_us: 0,
        regions: VecDeque::new(),
        asked_regions: false,
        asked_token: false,
        server: Server::default(),
        pulse: Pulse::default(),
        peers: Peers::new(peers),
        roster: Roster::default(),
        publications,
        subscriptions: Subscriptions::new(config.auto_subscribe),
        sound: Sound::default(),
        outgoing: Outgoing::default(),
        received: Received::default(),
        incoming: Incoming::default(),
        rpc: Rpc::default(),
        updates: BTreeMap::new(),
        last_update: 0,
        stats: Vec::new(),
        permissions: None,
        leaving: Vec::new(),
        leave_reason: DisconnectReason::ClientInitiated,
        config,
    };
    Ok((handle, room))
}

impl Room {
    fn clock(&mut self, now_us: u64) {
        self.out.now_us = self.out.now_us.max(now_us);
    }

    /// Takes the time, and what the peers said until then: it happened before what is told now of signalling. False if that
    /// signalling was given up on account of it.
    fn is_current(&mut self, now_us: u64) -> bool {
        self.clock(now_us);
        let dialled = self.dialled;
        if !self.is_finished() {
            self.peers_said();
        }
        dialled == self.dialled
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Over
    }

    fn is_resuming(&self) -> bool {
        matches!(self.phase, Phase::Settling(Manner::Resume(_)))
    }

    fn now_us(&self) -> u64 {
        self.out.now_us
    }

    /// Sends at once what does not wait for the connection to stand.
    fn send_now(&mut self, message: proto::signal_request::Message) {
        let request = proto::SignalRequest {
            message: Some(message),
        };
        self.orders
            .push_back(WireOrder::Send(request.encode_to_vec()));
    }

    /// Tells what changed of participants and tracks, in order, and what follows from it.
    fn tell(&mut self, events: Vec<Event>) {
        for event in events {
            match &event {
                Event::TrackUnpublished { track_sid, .. } => {
                    if let Some(unsubscribed) = self.subscriptions.forget(track_sid) {
                        self.out.say(unsubscribed);
                    }
                }
                Event::TrackPublished { info, .. } => self.decline_video(info.sid.clone(), info),
                Event::ParticipantDisconnected { identity, sid, .. } => {
                    let (identity, sid) = (identity.clone(), sid.clone());
                    self.out.say(event);
                    self.sender_left(&identity, &sid);
                    continue;
                }
                _ => {}
            }
            self.out.say(event);
        }
        self.hear();
    }

    /// What we hear after sections, tracks or wishes have changed.
    fn hear(&mut self) {
        let events = self.subscriptions.reconcile(self.out.now_us, &self.roster);
        for event in events {
            self.out.say(event);
        }
    }

    /// Everything that is to be done when nothing more happens for now.
    fn settle(&mut self) {
        self.flush_signals();
        self.negotiate();
        self.place_doors();
        self.send_data();
        self.peers.push();
    }
}

impl Wire for Room {
    fn opened(&mut self, now_us: u64) {
        if self.is_current(now_us) {
            self.signalling_opened();
        }
    }

    fn received(&mut self, now_us: u64, message: &[u8]) {
        if !self.is_current(now_us) {
            return;
        }
        self.pulse.heard_us = self.now_us();
        match proto::SignalResponse::decode(message) {
            Ok(proto::SignalResponse {
                message: Some(message),
            }) => self.server_said(message),
            // A message that is newer than this code.
            Ok(_) => {}
            Err(_) => self.out.counters.messages_unreadable += 1,
        }
    }

    fn ended(&mut self, now_us: u64, end: WireEnd) {
        if self.is_current(now_us) {
            self.signalling_ended(end);
        }
    }

    fn fetched(&mut self, now_us: u64, fetched: Fetched) {
        if self.is_current(now_us) {
            self.was_fetched(&fetched);
        }
    }

    fn advance(&mut self, now_us: u64) {
        self.clock(now_us);
        if self.is_over() {
            return;
        }
        if self.out.desk.is_abandoned() {
            self.depart(DisconnectReason::ClientInitiated);
        }
        self.peers_said();
        self.obey();
        self.time_passed();
        if self.out.desk.has_overflowed() {
            self.finish(
                DisconnectReason::UnknownReason,
                Some(RoomError::new(
                    ErrorCode::RateLimitExceeded,
                    format!("{} events wait: nobody takes them", crate::MAX_EVENTS),
                )),
            );
        }
        if !self.is_over() {
            self.settle();
        }
    }

    fn order(&mut self) -> Option<WireOrder> {
        self.orders.pop_front()
    }

    fn due_us(&self) -> u64 {
        self.next_due_us()
    }

    fn leave(&mut self, now_us: u64) {
        self.clock(now_us);
        self.depart(DisconnectReason::ClientInitiated);
        self.finish(self.leave_reason, None);
    }

    fn is_over(&self) -> bool {
        self.is_finished()
    }

    fn fail(&mut self, now_us: u64) {
        // Whatever else is in it may be half done: nothing is looked at that is not needed for the last word.
        self.clock(now_us);
        let error = RoomError::new(ErrorCode::InternalError, "a defect in the room's code");
        self.finish(DisconnectReason::UnknownReason, Some(error));
    }
}
