//! A room, the server that it speaks with and the peers that it makes, all on one clock that the test turns.

pub mod doors;
pub mod infos;
pub mod peers;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use beluga_engine::{Bells, Fetched, Secret, Wake, Wire, WireEnd, WireOrder};
use beluga_livekit::{
    Command, CommandId, Event, LocalTrackId, Outcome, Room, RoomConfig, RoomCounters, RoomError,
    RoomHandle, room,
};
use beluga_webrtc::Channel;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use peers::{Peers, SharedPeer};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

#[derive(Debug)]
pub struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// Signalling, as the thread that drives the room has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    None,
    Opening,
    Open,
}

/// See the module.
pub struct World {
    pub handle: Option<RoomHandle>,
    pub room: Room,
    pub now_us: u64,
    pub peers: Peers,
    pub socket: Socket,
    /// What signalling was opened with, each time.
    pub joins: Vec<proto::JoinRequest>,
    pub urls: Vec<String>,
    /// Requests that arrived at the server since they were taken last.
    pub requests: Vec<Request>,
    pub pings: Vec<proto::Ping>,
    /// All offers that the server has, answered or not.
    pub offers: Vec<u32>,
    pub fetches: Vec<String>,
    pub closed: usize,
    /// Events since they were taken last, without those that say that a command is done.
    pub events: Vec<Event>,
    pub done: BTreeMap<CommandId, Result<Outcome, RoomError>>,
    pub asked: BTreeSet<CommandId>,
    /// The SDP of its answers.
    pub answers: String,
    unanswered: Option<u32>,
}

pub fn config() -> RoomConfig {
    let token = Secret::new("token-1".to_owned());
    RoomConfig::new("ws://server:7880".to_owned(), token, 1)
}

impl World {
    pub fn new(config: RoomConfig) -> Self {
        let peers = Peers::default();
        let events = Bells::new(Box::new(Nobody)).bell();
        let (handle, room) = room(config, Box::new(peers.clone()), events, Arc::new(Nobody))
            .expect("a configuration");
        Self {
            handle: Some(handle),
            room,
            now_us: 1_000_000,
            peers,
            socket: Socket::None,
            joins: Vec::new(),
            urls: Vec::new(),
            requests: Vec::new(),
            pings: Vec::new(),
            offers: Vec::new(),
            fetches: Vec::new(),
            closed: 0,
            events: Vec::new(),
            done: BTreeMap::new(),
            asked: BTreeSet::new(),
            answers: "answer".to_owned(),
            unanswered: None,
        }
    }

    /// Why there is no such room.
    pub fn refused(config: RoomConfig) -> RoomError {
        let events = Bells::new(Box::new(Nobody)).bell();
        room(config, Box::new(Peers::default()), events, Arc::new(Nobody))
            .expect_err("a configuration that is wrong")
    }

    /// A room that was joined, in which nobody else is.
    pub fn joined() -> Self {
        Self::joined_with(config(), infos::join(&[]))
    }

    pub fn joined_with(config: RoomConfig, join: proto::JoinResponse) -> Self {
        let mut world = Self::new(config);
        world.join_with(join);
        world
    }

    /// Everything from the first step to the connection, as a server does it that has nothing against it.
    pub fn join_with(&mut self, join: proto::JoinResponse) {
        self.turn();
        assert_eq!(self.socket, Socket::Opening);
        self.accept();
        self.say(Response::Join(join));
        let requests = self
            .joins
            .last()
            .expect("a join")
            .add_track_requests
            .clone();
        for request in requests {
            self.publish(&request, "TR_");
        }
        self.answer(&[]);
        self.peer().get().connect();
        self.turn();
    }

    // Time.

    /// Lets the room do all that it has to do now.
    pub fn turn(&mut self) {
        // What a peer answers at once gives the room something to do again.
        for _ in 0..8 {
            self.room.advance(self.now_us);
            self.obey();
        }
        self.hear();
    }

    /// Lets time pass, calling the room whenever it wants to be called.
    pub fn pass_ms(&mut self, ms: u64) {
        let end_us = self.now_us + ms * 1_000;
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

    /// Lets time pass on a server that answers.
    pub fn keep_alive_ms(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(1_000);
            self.pass_ms(step);
            self.say(Response::PongResp(proto::Pong::default()));
            left -= step;
        }
    }

    pub fn room_is_over(&self) -> bool {
        self.room.is_over()
    }

    fn obey(&mut self) {
        while let Some(order) = self.room.order() {
            match order {
                WireOrder::Open { url, .. } => {
                    self.socket = Socket::Opening;
                    self.unanswered = None;
                    let url = url.reveal().to_owned();
                    self.joins.push(join_request(&url));
                    self.urls.push(url);
                    if let Some(offer) = &self.joins.last().expect("pushed").publisher_offer {
                        self.offers.push(offer.id);
                        self.unanswered = Some(offer.id);
                    }
                }
                WireOrder::Send(message) => {
                    assert_eq!(self.socket, Socket::Open, "a message without a connection");
                    let request = proto::SignalRequest::decode(message.as_slice())
                        .expect("a request")
                        .message
                        .expect("a known one");
                    if let Request::Offer(offer) = &request {
                        assert_eq!(self.unanswered, None, "two offers at the server");
                        self.unanswered = Some(offer.id);
                        self.offers.push(offer.id);
                    }
                    match request {
                        Request::PingReq(ping) => self.pings.push(ping),
                        request => self.requests.push(request),
                    }
                }
                WireOrder::Close => {
                    self.socket = Socket::None;
                    self.closed += 1;
                }
                WireOrder::Fetch { url, .. } => self.fetches.push(url.reveal().to_owned()),
                WireOrder::Drive(_) => {}
            }
        }
    }

    fn hear(&mut self) {
        while let Some(event) = self.handle.as_ref().and_then(RoomHandle::event) {
            if let Event::Done { id, result } = event {
                assert!(self.asked.contains(&id), "{id:?} was never asked");
                assert!(
                    self.done.insert(id, result).is_none(),
                    "{id:?} is done twice"
                );
            } else {
                self.events.push(event);
            }
        }
    }

    // The server.

    pub fn accept(&mut self) {
        assert_eq!(self.socket, Socket::Opening);
        self.socket = Socket::Open;
        self.room.opened(self.now_us);
        self.turn();
    }

    pub fn say(&mut self, message: Response) {
        let message = proto::SignalResponse {
            message: Some(message),
        };
        self.say_bytes(&message.encode_to_vec());
    }

    pub fn say_bytes(&mut self, message: &[u8]) {
        if self.socket == Socket::Open {
            self.room.received(self.now_us, message);
            self.turn();
        }
    }

    pub fn end(&mut self, end: WireEnd) {
        if self.socket != Socket::None {
            self.socket = Socket::None;
            self.room.ended(self.now_us, end);
            self.turn();
        }
    }

    pub fn lose(&mut self) {
        self.end(WireEnd::Lost { code: Some(1006) });
    }

    pub fn fetched(&mut self, status: u16, body: &str) {
        self.room.fetched(
            self.now_us,
            Fetched::Response {
                status,
                max_age_s: None,
                body: body.as_bytes().to_vec(),
            },
        );
        self.turn();
    }

    /// Answers the last offer: these tracks are on these sections.
    pub fn answer(&mut self, tracks: &[(&str, &str)]) {
        let id = *self.offers.last().expect("an offer");
        let sdp = self.answers.clone();
        self.answer_offer(id, &sdp, tracks);
    }

    pub fn answer_offer(&mut self, id: u32, sdp: &str, tracks: &[(&str, &str)]) {
        if self.unanswered == Some(id) {
            self.unanswered = None;
        }
        let map: HashMap<String, String> = tracks
            .iter()
            .map(|(mid, sid)| ((*mid).to_owned(), (*sid).to_owned()))
            .collect();
        self.say(Response::Answer(proto::SessionDescription {
            r#type: "answer".to_owned(),
            sdp: sdp.to_owned(),
            id,
            mid_to_track_id: map,
        }));
    }

    /// Gives a track of the room's its sid: the prefix and its name.
    pub fn publish(&mut self, request: &proto::AddTrackRequest, prefix: &str) {
        self.say(Response::TrackPublished(proto::TrackPublishedResponse {
            cid: request.cid.clone(),
            track: Some(proto::TrackInfo {
                sid: format!("{prefix}{}", request.name),
                name: request.name.clone(),
                muted: request.muted,
                source: request.source,
                ..Default::default()
            }),
        }));
    }

    /// The server wants sections for so many tracks of sound, and the tracks get them.
    pub fn subscribe(&mut self, count: u32, tracks: &[(&str, &str)]) {
        self.say(Response::MediaSectionsRequirement(
            proto::MediaSectionsRequirement {
                num_audios: count,
                num_videos: 0,
            },
        ));
        self.answer(tracks);
    }

    pub fn update(&mut self, participants: &[proto::ParticipantInfo]) {
        self.say(Response::Update(proto::ParticipantUpdate {
            participants: participants.to_vec(),
        }));
    }

    /// The same, while nobody takes events.
    pub fn update_unheard(&mut self, participants: &[proto::ParticipantInfo]) {
        let update = proto::SignalResponse {
            message: Some(Response::Update(proto::ParticipantUpdate {
                participants: participants.to_vec(),
            })),
        };
        self.room.received(self.now_us, &update.encode_to_vec());
        self.room.advance(self.now_us);
    }

    /// Publishes a microphone and lets the server agree.
    pub fn publish_voice(&mut self, track: LocalTrackId) {
        self.take_requests();
        self.ask(Command::Publish {
            track,
            options: infos::microphone("voice"),
        });
        for request in self.take_requests() {
            if let Request::AddTrack(add) = request {
                self.publish(&add, "TR_");
            }
        }
        self.answer(&[]);
    }

    pub fn take_requests(&mut self) -> Vec<Request> {
        self.turn();
        std::mem::take(&mut self.requests)
    }

    // The peer.

    /// The newest.
    pub fn peer(&self) -> SharedPeer {
        let made = self.peers.made.lock().expect("one thread");
        made.last().expect("a peer").clone()
    }

    pub fn peer_count(&self) -> usize {
        self.peers.made.lock().expect("one thread").len()
    }

    pub fn packet(&mut self, channel: Channel, packet: &proto::DataPacket) {
        self.peer().get().say(beluga_webrtc::PeerEvent::Message {
            channel,
            message: packet.encode_to_vec(),
        });
        self.turn();
    }

    /// The same, while nobody takes events.
    pub fn packet_unheard(&mut self, channel: Channel, packet: &proto::DataPacket) {
        self.peer().get().say(beluga_webrtc::PeerEvent::Message {
            channel,
            message: packet.encode_to_vec(),
        });
        self.room.advance(self.now_us);
    }

    /// Data packets that were handed to the peer since they were taken last.
    pub fn take_packets(&mut self) -> Vec<(Channel, proto::DataPacket)> {
        self.turn();
        let messages = std::mem::take(&mut self.peer().get().messages);
        messages
            .into_iter()
            .map(|(channel, message)| {
                let packet = proto::DataPacket::decode(message.as_slice()).expect("a packet");
                (channel, packet)
            })
            .collect()
    }

    // Whoever holds the room.

    pub fn ask(&mut self, command: Command) -> CommandId {
        let handle = self.handle.as_ref().expect("a handle");
        let id = handle.command(command).expect("a room that is not over");
        self.asked.insert(id);
        self.turn();
        id
    }

    pub fn cancel(&mut self, id: CommandId) {
        self.handle.as_ref().expect("a handle").cancel(id);
        self.turn();
    }

    pub fn counters(&mut self) -> RoomCounters {
        let id = self.ask(Command::Stats);
        match self.result(id) {
            Some(Ok(Outcome::Stats(stats))) => stats.counters,
            other => panic!("{other:?}"),
        }
    }

    /// What a command came to, if it is done.
    pub fn result(&self, id: CommandId) -> Option<&Result<Outcome, RoomError>> {
        self.done.get(&id)
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        self.turn();
        std::mem::take(&mut self.events)
    }

    /// The events in short.
    pub fn take_shown(&mut self) -> Vec<String> {
        self.take_events().iter().map(infos::shown).collect()
    }
}

fn join_request(url: &str) -> proto::JoinRequest {
    let query = url.split("join_request=").nth(1).expect("a join request");
    let text = query.replace("%3D", "=");
    let bytes = URL_SAFE.decode(text).expect("base64 with padding");
    let wrapped = proto::WrappedJoinRequest::decode(bytes.as_slice()).expect("a wrapped one");
    assert_eq!(wrapped.compression, 0);
    proto::JoinRequest::decode(wrapped.join_request.as_slice()).expect("a join request")
}
