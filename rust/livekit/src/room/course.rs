//! The way into a room, back into it, and out of it.
//!
//! Joining: the peer makes an offer, the offer travels in the address that signalling is opened with, the server answers with
//! everything; joined is who can send sound. A lost connection is resumed (same session, same peer, new ICE credentials) or,
//! where that is not possible, joined anew with a new peer.

use super::Room;
use super::refusal::{refusal, regions_of, unreachable};
use crate::address::Address;
use crate::error::{ErrorCode, RoomError};
use crate::event::{ConnectionState, Event, Outcome, Snapshot};
use crate::info::DisconnectReason;
use beluga_engine::{Fetched, WireEnd, WireOrder};
use livekit_protocol as proto;
use livekit_protocol::ReconnectReason;
use livekit_protocol::signal_request::Message as Request;

/// For an address to be opened.
const OPEN_MS: u32 = 5_000;
/// For the server's first word.
const GREETING_MS: u32 = 5_000;
/// For sound and data to be there again.
const MEDIA_AGAIN_MS: u32 = 15_000;
/// For the question why an address was refused, and for regions.
const FETCH_MS: u32 = 3_000;
/// How much longer than it was told to take whoever opens and fetches is waited for.
const GRACE_MS: u32 = 1_000;
/// For another token.
const TOKEN_MS: u32 = 30_000;
/// For the others to be told that we leave.
const LEAVE_MS: u32 = 300;
/// When the server closes what carries sound, for it to say why: its last word may come later, being on another way.
const LAST_WORD_MS: u32 = 500;
/// After new ICE credentials the old pair may go on: it stands if it stands for as long.
const RESTART_MS: u32 = 1_000;
/// What was heard before a full rejoin may come back for so long.
const HOLD_MS: u32 = 5_000;
/// A connection that is lost within that time did not stand: its attempts go on from where they were.
const STABLE_MS: u32 = 10_000;
/// Attempts to bring a connection back.
const ATTEMPTS: u32 = 10;
/// What is waited before each of them, as LiveKit's JavaScript SDK does it; up to a second more from the third.
const DELAYS_MS: [u32; ATTEMPTS as usize] = [
    0, 300, 1_200, 2_700, 4_800, 7_000, 7_000, 7_000, 7_000, 7_000,
];

/// How a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A session of its own.
    Join,
    /// The session of before, lost because of this.
    Resume(ReconnectReason),
}

/// Where the room is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was done yet.
    Begin,
    /// The peer makes the offer that is joined with.
    Offering,
    /// Signalling is being opened.
    Opening(Manner),
    /// It is open, the server has not said a word.
    Greeting(Manner),
    /// Signalling was refused with this status; the server is asked why.
    Asking(Manner, u16),
    /// Other addresses are asked for.
    Locating(Manner),
    /// Signalling stands, sound and data do not yet.
    Settling(Manner),
    /// Before the next attempt.
    Pausing(Manner),
    /// Before the next attempt, for which there must be another token.
    Tokenless,
    /// All of it stands.
    Joined,
    /// The others are being told.
    Leaving,
    /// It is over.
    Over,
}

impl Room {
    /// The next phase, and how long it may last.
    fn enter(&mut self, phase: Phase, ms: u32) {
        self.phase = phase;
        self.until_us = self.out.in_ms(ms);
    }

    /// Whether requests reach the server that are no part of bringing a connection back.
    pub(super) fn has_signalling(&self) -> bool {
        self.socket && matches!(self.phase, Phase::Joined | Phase::Settling(_))
    }

    // Attempts.

    fn begin(&mut self) {
        self.join_by_us = self.out.in_ms(self.config.connect_timeout_ms);
        self.attempts = 1;
        self.attempt(Manner::Join);
    }

    fn attempt(&mut self, manner: Manner) {
        let slot = self.peers.current.as_ref();
        match manner {
            Manner::Resume(reason) => {
                let request = self.resume_request(reason);
                self.open(manner, &request);
            }
            Manner::Join => {
                // An offer that nobody has answered is as good as a new one.
                let offer = slot.and_then(|slot| slot.negotiation.unanswered().cloned());
                if let Some(offer) = offer.filter(|_| slot.is_some_and(|slot| slot.is_new())) {
                    if let Some(slot) = &mut self.peers.current {
                        slot.negotiation.offer_again(self.out.now_us);
                    }
                    self.open_join(offer);
                } else {
                    self.replace_peer();
                    self.enter(Phase::Offering, OPEN_MS);
                }
            }
        }
    }

    pub(super) fn open_join(&mut self, offer: proto::SessionDescription) {
        let request = self.join_request(offer);
        self.open(Manner::Join, &request);
    }

    fn open(&mut self, manner: Manner, request: &proto::JoinRequest) {
        self.validation = Some(self.address.validation(&self.token, request));
        self.socket = true;
        self.dialled += 1;
        self.orders.push_back(WireOrder::Open {
            url: self.address.signalling(&self.token, request),
            timeout_ms: OPEN_MS,
        });
        self.enter(Phase::Opening(manner), OPEN_MS + GRACE_MS);
    }

    pub(super) fn signalling_opened(&mut self) {
        if let Phase::Opening(manner) = self.phase {
            self.pulse.heard_us = self.now_us();
            self.pulse.pinged_us = None;
            self.enter(Phase::Greeting(manner), GREETING_MS);
        }
    }

    /// Closes what may be open of signalling.
    pub(super) fn hang_up(&mut self) {
        if std::mem::take(&mut self.socket) {
            self.dialled += 1;
            self.orders.push_back(WireOrder::Close);
        }
    }

    pub(super) fn signalling_ended(&mut self, end: WireEnd) {
        self.socket = false;
        match self.phase {
            Phase::Opening(manner) => match end {
                WireEnd::Refused { status } => {
                    let Some(url) = self.validation.take() else {
                        return;
                    };
                    self.orders.push_back(WireOrder::Fetch {
                        url,
                        bearer: self.token.clone(),
                        timeout_ms: FETCH_MS,
                    });
                    self.enter(Phase::Asking(manner, status), FETCH_MS + GRACE_MS);
                }
                end => self.attempt_failed(manner, unreachable(end)),
            },
            Phase::Greeting(manner) => self.attempt_failed(manner, unreachable(end)),
            // A session that fails while it is set up is not tried the same way once more.
            Phase::Settling(_) => self.attempt_failed(Manner::Join, unreachable(end)),
            Phase::Joined => self.connection_lost(
                Manner::Resume(ReconnectReason::RrSignalDisconnected),
                unreachable(end),
            ),
            Phase::Leaving => self.finish(self.leave_reason, None),
            _ => {}
        }
    }

    pub(super) fn was_fetched(&mut self, fetched: &Fetched) {
        match self.phase {
            Phase::Asking(manner, status) => {
                let (error, is_final) = refusal(status, fetched);
                // What stands before a server that is being started answers like one that is too old.
                let is_final =
                    is_final && (error.code != ErrorCode::ServerTooOld || !self.out.announced);
                let expired = error.code == ErrorCode::AuthenticationFailed;
                let may_ask = self.config.renews_token && !self.asked_token;
                if expired && may_ask && self.reconnecting {
                    self.asked_token = true;
                    self.enter(Phase::Tokenless, TOKEN_MS);
                    self.out.say(Event::TokenNeeded);
                } else if is_final {
                    self.finish(DisconnectReason::JoinFailure, Some(error));
                } else {
                    self.attempt_failed(manner, error);
                }
            }
            Phase::Locating(manner) => {
                if let Fetched::Response {
                    status: 200, body, ..
                } = fetched
                {
                    self.add_regions(&regions_of(body));
                }
                self.next_attempt(manner);
            }
            _ => {}
        }
    }

    /// Another token is there.
    pub(super) fn token_given(&mut self) {
        if self.phase == Phase::Tokenless {
            self.attempt(Manner::Join);
        }
    }

    /// Other addresses of the server, best first.
    pub(super) fn add_regions(&mut self, urls: &[String]) {
        let addresses = urls.iter().filter_map(|url| Address::parse(url).ok());
        self.regions = addresses
            .filter(|address| *address != self.address)
            .take(8)
            .collect();
    }

    fn attempt_failed(&mut self, manner: Manner, error: RoomError) {
        let limit = match self.reconnecting {
            true => ATTEMPTS,
            false => self.config.join_retries + 1,
        };
        let worth_it = matches!(
            error.code,
            ErrorCode::ConnectionFailed | ErrorCode::ConnectionTimeout | ErrorCode::ProtocolError
        );
        if self.attempts >= limit || !self.reconnecting && !worth_it {
            self.finish(DisconnectReason::JoinFailure, Some(error));
            return;
        }
        // What may still be open of it is of no use.
        self.hang_up();
        if manner == Manner::Join && self.address.has_regions() && !self.asked_regions {
            self.asked_regions = true;
            self.orders.push_back(WireOrder::Fetch {
                url: self.address.regions(),
                bearer: self.token.clone(),
                timeout_ms: FETCH_MS,
            });
            self.enter(Phase::Locating(manner), FETCH_MS + GRACE_MS);
            return;
        }
        self.next_attempt(manner);
    }

    fn next_attempt(&mut self, manner: Manner) {
        if manner == Manner::Join
            && let Some(address) = self.regions.pop_front()
        {
            self.address = address;
        }
        let delay_ms = DELAYS_MS[self.attempts.min(ATTEMPTS - 1) as usize];
        let jitter_ms = if self.attempts >= 2 {
            self.random.below(1_000) as u32
        } else {
            0
        };
        self.attempts += 1;
        match delay_ms + jitter_ms {
            0 => self.attempt(manner),
            ms => self.enter(Phase::Pausing(manner), ms),
        }
    }

    // What the server says to them.

    /// It has taken us in.
    pub(super) fn taken_in(&mut self, join: proto::JoinResponse) {
        let Phase::Greeting(manner) = self.phase else {
            return;
        };
        let refused = if manner != Manner::Join {
            Some("the server opened another session in place of the one to be resumed")
        } else if join.participant.is_none() {
            let elsewhere = Address::parse(&join.alternative_url).ok();
            self.regions
                .extend(elsewhere.filter(|address| *address != self.address));
            Some("the server's greeting does not say who we are")
        } else {
            None
        };
        if let Some(why) = refused {
            let error = RoomError::new(ErrorCode::ProtocolError, why);
            self.attempt_failed(Manner::Join, error);
            return;
        }
        self.server.learn(&join);
        self.publications.expect(self.out.now_us);
        let events = self.roster.joined(join);
        self.tell(events);
        // Joining for the first time has its own limits.
        self.enter(Phase::Settling(manner), MEDIA_AGAIN_MS);
        self.media_connected(false);
    }

    /// It knows the session that is to be resumed.
    pub(super) fn resumed(&mut self, reconnect: &proto::ReconnectResponse) {
        let Phase::Greeting(manner @ Manner::Resume(_)) = self.phase else {
            return;
        };
        let sync = self.sync_state();
        self.send_now(sync);
        self.received_there = reconnect.last_message_seq;
        if let Some(slot) = &mut self.peers.current {
            slot.restart();
        }
        self.enter(Phase::Settling(manner), MEDIA_AGAIN_MS);
    }

    /// Its last word.
    pub(super) fn dismissed(&mut self, leave: &proto::LeaveRequest) {
        use proto::leave_request::Action;
        let reason = leave.reason();
        if let Some(regions) = &leave.regions {
            let urls: Vec<String> = regions
                .regions
                .iter()
                .map(|region| region.url.clone())
                .collect();
            self.add_regions(&urls);
        }
        let error = RoomError::new(
            ErrorCode::ConnectionFailed,
            format!(
                "the server ended the session: {}",
                reason.as_str_name().to_lowercase().replace('_', " ")
            ),
        );
        let manner = match leave.action() {
            Action::Resume => Manner::Resume(ReconnectReason::RrSignalDisconnected),
            Action::Disconnect | Action::Reconnect => Manner::Join,
        };
        match self.phase {
            Phase::Leaving => self.finish(self.leave_reason, None),
            _ if leave.action() == Action::Disconnect => {
                // It knows that we are gone.
                self.phase = Phase::Leaving;
                let failed = (!self.out.announced).then_some(error);
                self.finish(reason, failed);
            }
            Phase::Joined => self.connection_lost(manner, error),
            Phase::Greeting(_) | Phase::Settling(_) => self.attempt_failed(Manner::Join, error),
            _ => {}
        }
    }

    // Sound and data.

    /// Something of them stands: perhaps everything does now. `anew`: the peer has just said so.
    pub(super) fn media_connected(&mut self, anew: bool) {
        let Some(slot) = &self.peers.current else {
            return;
        };
        let stands = match self.phase {
            Phase::Settling(Manner::Join) => slot.connected && slot.answered_us.is_some(),
            Phase::Settling(Manner::Resume(_)) => {
                let restarted = |us: u64| anew || self.now_us() >= us + ms(RESTART_MS);
                slot.connected && slot.restarted_us.is_some_and(restarted)
            }
            _ => false,
        };
        if stands {
            self.joined();
        }
    }

    /// Negotiation or a channel failed, while signalling stands.
    pub(super) fn media_failed(&mut self, error: RoomError) {
        match self.phase {
            Phase::Joined => self.connection_lost(Manner::Join, error),
            Phase::Offering | Phase::Settling(_) => self.attempt_failed(Manner::Join, error),
            _ => {}
        }
    }

    /// The server closed a channel that it has no reason to close.
    pub(super) fn channel_gone(&mut self, error: RoomError) {
        match self.phase {
            Phase::Joined => self.peer_gone(error),
            _ => self.media_failed(error),
        }
    }

    /// The peer is over.
    pub(super) fn peer_gone(&mut self, error: RoomError) {
        match self.phase {
            // Whoever joined a room anew that was just deleted would make it again.
            Phase::Joined if self.socket => {
                let until_us = self.out.in_ms(LAST_WORD_MS);
                self.peer_over.get_or_insert((until_us, error));
            }
            Phase::Joined => self.connection_lost(Manner::Join, error),
            Phase::Leaving | Phase::Over | Phase::Tokenless | Phase::Pausing(Manner::Join) => {}
            _ => self.attempt_failed(Manner::Join, error),
        }
    }

    /// All of it stands.
    fn joined(&mut self) {
        let resumed = self.is_resuming();
        self.phase = Phase::Joined;
        self.reconnecting = false;
        self.joined_us = self.now_us();
        self.asked_token = false;
        self.asked_regions = false;
        self.subscriptions.hold_for(self.out.in_ms(HOLD_MS));
        if self.out.announced {
            if resumed {
                self.out.counters.resumes += 1;
                self.outgoing.resumed(self.received_there);
            } else {
                self.out.counters.rejoins += 1;
                let sids = self.subscriptions.unlike_default();
                if !sids.is_empty() {
                    let subscribe = !self.subscriptions.auto();
                    self.out
                        .signal(Request::Subscription(proto::UpdateSubscription {
                            track_sids: sids,
                            subscribe,
                            ..Default::default()
                        }));
                }
            }
            self.permit();
            self.out
                .say(Event::ConnectionStateChanged(ConnectionState::Connected));
            self.out.say(Event::Reconnected);
            return;
        }
        let Some(snapshot) = self.snapshot() else {
            return;
        };
        self.out.announced = true;
        self.attempts = 0;
        let published = self.publications.announced();
        let heard = self.heard_so_far();
        self.out
            .say(Event::ConnectionStateChanged(ConnectionState::Connected));
        self.out.say(Event::Connected(Box::new(snapshot)));
        for event in published.into_iter().chain(heard) {
            self.out.say(event);
        }
    }

    /// All that is known of the room.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot {
            room: self.roster.room.clone(),
            local: self.roster.local()?.clone(),
            remotes: self.roster.remotes().cloned().collect(),
            server_version: self.server.version.clone(),
            server_region: self.server.region.clone(),
        })
    }

    /// It stood and does not any more.
    pub(super) fn connection_lost(&mut self, manner: Manner, error: RoomError) {
        if self.phase != Phase::Joined {
            return;
        }
        if !self.config.reconnect {
            self.finish(DisconnectReason::SignalClose, Some(error));
            return;
        }
        let peer_over = self.peer_over.take().is_some();
        let resumable = !self.server.never_resume && !peer_over && self.peers.current.is_some();
        let manner = if resumable { manner } else { Manner::Join };
        self.reconnecting = true;
        if self.now_us() >= self.joined_us + ms(STABLE_MS) {
            self.attempts = 0;
        }
        self.out
            .say(Event::ConnectionStateChanged(ConnectionState::Reconnecting));
        self.out.say(Event::Reconnecting);
        self.hang_up();
        if self.attempts >= ATTEMPTS {
            self.finish(DisconnectReason::SignalClose, Some(error));
        } else {
            self.next_attempt(manner);
        }
    }

    // Out of it.

    /// Tells the others that we leave, if there is a way to.
    pub(super) fn depart(&mut self, reason: DisconnectReason) {
        if matches!(self.phase, Phase::Leaving | Phase::Over) {
            return;
        }
        self.leave_reason = reason;
        if self.has_signalling() {
            self.send_now(Request::Leave(proto::LeaveRequest {
                reason: reason as i32,
                ..Default::default()
            }));
            self.enter(Phase::Leaving, LEAVE_MS);
        } else {
            self.finish(reason, None);
        }
    }

    /// It is over: whoever waits for something is told so.
    pub(super) fn finish(&mut self, reason: DisconnectReason, error: Option<RoomError>) {
        if self.phase == Phase::Over {
            return;
        }
        if self.has_signalling() {
            // Not to be remembered as one who will be back.
            self.depart(reason);
        }
        for command in std::mem::take(&mut self.leaving) {
            self.out.done(command, Ok(Outcome::Done));
        }
        self.out
            .say(Event::ConnectionStateChanged(ConnectionState::Disconnected));
        self.hang_up();
        self.peers.drop_all();
        self.incoming.room_over();
        self.phase = Phase::Over;
        let over = error.clone().unwrap_or_else(RoomError::over);
        self.out.desk.close(
            self.out.now_us,
            &over,
            Event::Disconnected { reason, error },
        );
    }

    // Time.

    pub(super) fn time_passed(&mut self) {
        self.peer_time_passed();
        self.phase_time_passed();
        self.pulse();
        self.answers_overdue();
        self.calls_overdue();
        if self
            .subscriptions
            .due_us()
            .is_some_and(|due| due <= self.now_us())
        {
            self.hear();
        }
    }

    fn phase_time_passed(&mut self) {
        let now_us = self.now_us();
        if self.phase == Phase::Begin {
            self.begin();
            return;
        }
        let joining = !self.out.announced && !matches!(self.phase, Phase::Leaving | Phase::Over);
        if joining && now_us >= self.join_by_us {
            let error = timeout("joining the room took too long");
            self.finish(DisconnectReason::JoinFailure, Some(error));
            return;
        }
        if joining && self.media_due_us().is_some_and(|due| now_us >= due) {
            let why = "no way for sound was found: the server's UDP and TCP ports for it cannot be reached from here";
            let error = RoomError::new(ErrorCode::NoMediaPath, why);
            self.finish(DisconnectReason::JoinFailure, Some(error));
            return;
        }
        if let Some((_, error)) = self.peer_over.take_if(|over| now_us >= over.0) {
            self.connection_lost(Manner::Join, error);
            return;
        }
        self.media_connected(false);
        if now_us < self.until_us {
            return;
        }
        match self.phase {
            Phase::Offering => {
                self.attempt_failed(Manner::Join, timeout("the peer made no offer"));
            }
            Phase::Opening(manner) => {
                self.attempt_failed(manner, timeout("signalling could not be opened in time"));
            }
            Phase::Greeting(manner) => {
                self.attempt_failed(manner, timeout("the server did not answer in time"));
            }
            Phase::Asking(..) | Phase::Locating(_) => self.was_fetched(&Fetched::Failed {
                why: "no answer in time".to_owned(),
            }),
            Phase::Settling(_) => {
                self.attempt_failed(Manner::Join, timeout("sound did not come back in time"));
            }
            Phase::Pausing(manner) => self.attempt(manner),
            Phase::Tokenless => {
                let why = "the token has expired and no other came in time";
                let error = RoomError::new(ErrorCode::AuthenticationFailed, why);
                self.finish(DisconnectReason::JoinFailure, Some(error));
            }
            Phase::Leaving => self.finish(self.leave_reason, None),
            Phase::Begin | Phase::Joined | Phase::Over => {}
        }
    }

    /// Until when ICE must have found a way, where it never has.
    fn media_due_us(&self) -> Option<u64> {
        let slot = self.peers.current.as_ref().filter(|slot| !slot.connected)?;
        Some(slot.answered_us? + ms(self.config.media_timeout_ms))
    }

    /// Says that we are there, and notices when the server is not.
    fn pulse(&mut self) {
        if !self.has_signalling() {
            return;
        }
        let now_us = self.now_us();
        if now_us >= self.pulse.heard_us + self.server.ping_timeout_us {
            self.hang_up();
            self.signalling_ended(WireEnd::Lost { code: None });
        } else if now_us >= self.ping_due_us() {
            self.pulse.pinged_us = Some(now_us);
            self.send_now(Request::PingReq(proto::Ping {
                timestamp: (now_us / 1_000) as i64,
                rtt: i64::from(self.pulse.round_trip_ms.unwrap_or(0)),
            }));
        }
    }

    fn ping_due_us(&self) -> u64 {
        let last_us = self.pulse.pinged_us;
        last_us.map_or(0, |us| us + self.server.ping_interval_us)
    }

    pub(super) fn next_due_us(&self) -> u64 {
        if self.phase == Phase::Over {
            return u64::MAX;
        }
        let mut due = vec![];
        match self.phase {
            Phase::Joined => due.extend(self.peer_over.as_ref().map(|over| over.0)),
            Phase::Begin => return 0,
            _ => due.push(self.until_us),
        }
        if !self.out.announced && self.phase != Phase::Leaving {
            due.push(self.join_by_us);
            due.extend(self.media_due_us());
        }
        if self.has_signalling() {
            due.push(self.pulse.heard_us + self.server.ping_timeout_us);
            due.push(self.ping_due_us());
        }
        if let Some(slot) = self.peers.current.as_ref().filter(|slot| slot.connected)
            && self.is_resuming()
        {
            due.extend(slot.restarted_us.map(|us| us + ms(RESTART_MS)));
        }
        due.extend(self.peers.due_us(self.has_signalling()));
        if self.phase == Phase::Joined {
            due.extend(self.publications.due_us());
        }
        due.extend(self.subscriptions.due_us());
        due.extend(self.rpc.due_us());
        due.extend(self.incoming.due_us());
        due.extend(self.updates.values().map(|(_, us)| *us).min());
        due.into_iter().min().unwrap_or(u64::MAX)
    }
}

fn ms(ms: u32) -> u64 {
    u64::from(ms) * 1_000
}

fn timeout(why: &str) -> RoomError {
    RoomError::new(ErrorCode::ConnectionTimeout, why)
}
