//! What a room is asked to do.

use crate::error::RpcError;
use crate::info::TrackSource;
use beluga_engine::{PacketSink, PacketSource, Secret};
use beluga_webrtc::{InputId, OutputId};
use std::collections::BTreeMap;

/// A command and its one [`Event::Done`](crate::Event::Done).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// A track of ours, named by whoever publishes it: it stays the same when a full rejoin gives the track another sid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTrackId(pub u32);

/// A call that came in and waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RpcId(pub u64);

/// How a track of sound is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackOptions {
    /// Name.
    pub name: String,
    /// Where it comes from.
    pub source: TrackSource,
    /// The stream that it belongs to; empty: one of its own.
    pub stream: String,
    /// Begins muted.
    pub muted: bool,
}

/// Who may subscribe to what of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackPermission {
    /// Who.
    pub identity: String,
    /// All of it.
    pub all_tracks: bool,
    /// Otherwise these.
    pub tracks: Vec<LocalTrackId>,
}

/// One piece of a transcript, in LiveKit's legacy form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TranscriptionSegment {
    /// The same through all states of the segment.
    pub id: String,
    /// What was said.
    pub text: String,
    /// Milliseconds.
    pub start_time: u64,
    /// Milliseconds.
    pub end_time: u64,
    /// No other state follows.
    pub is_final: bool,
    /// BCP 47.
    pub language: String,
}

/// A chat message in LiveKit's legacy form (now it is a text stream on `lk.chat`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatMessage {
    /// Its own.
    pub id: String,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// When it was edited.
    pub edited_ms: Option<i64>,
    /// What it says.
    pub message: String,
    /// It is taken back.
    pub deleted: bool,
    /// An agent wrote down what somebody said.
    pub generated: bool,
}

/// A stream that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamOptions {
    /// What it is for.
    pub topic: String,
    /// By key.
    pub attributes: BTreeMap<String, String>,
    /// Its id; empty: one is made.
    pub stream_id: String,
    /// To whom; empty: to all.
    pub destinations: Vec<String>,
    /// Only for agents: on whose behalf.
    pub sender_identity: Option<String>,
    /// Bytes in all, where that is known.
    pub total_bytes: Option<u64>,
    /// Text or bytes.
    pub content: StreamContent,
}

/// What a stream is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamContent {
    /// UTF-8.
    Text {
        /// The stream that it answers.
        reply_to: String,
        /// Byte streams that belong to it.
        attached: Vec<String>,
        /// An agent wrote down what somebody said.
        generated: bool,
    },
    /// Anything.
    Bytes {
        /// A file's name.
        name: String,
        /// Its type.
        mime_type: String,
    },
}

impl Default for StreamContent {
    fn default() -> Self {
        Self::Text {
            reply_to: String::new(),
            attached: Vec::new(),
            generated: false,
        }
    }
}

/// Which remote sound goes to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputRoute {
    /// None.
    Nothing,
    /// That of this track.
    Track(String),
    /// That of whatever this participant publishes from this source, whether it republishes or rejoins.
    Participant {
        /// Who.
        identity: String,
        /// Where it comes from.
        source: TrackSource,
    },
}

/// Why we leave, as the others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeaveReason {
    /// Because we want to.
    #[default]
    ClientInitiated,
    /// Nobody answered.
    UserUnavailable,
    /// The call was declined.
    UserRejected,
    /// The agent failed.
    AgentError,
}

/// What can be simulated, where the server allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Everybody speaks for so many seconds.
    SpeakerUpdate(i32),
    /// The server's node fails.
    NodeFailure,
    /// We are moved to another node.
    Migration,
    /// The server leaves us.
    ServerLeave,
    /// The WebSocket is closed while we resume.
    DisconnectSignalOnResume,
    /// The same, before the server has said a word.
    DisconnectSignalOnResumeNoMessages,
    /// The server asks for a full rejoin.
    FullReconnect,
    /// Our WebSocket is lost: nobody but us knows that it was on purpose.
    SignalLost,
}

/// What a room is asked to do. Each is answered by exactly one [`Event::Done`](crate::Event::Done). Commands begin in their order.
#[derive(Debug)]
pub enum Command {
    /// Publishes a track of sound; done with [`Outcome::Published`](crate::Outcome::Published) when it can be sent on.
    Publish {
        /// Its name here.
        track: LocalTrackId,
        /// How.
        options: TrackOptions,
    },
    /// Takes a track back.
    Unpublish {
        /// Which.
        track: LocalTrackId,
    },
    /// Mutes a track of ours, or unmutes it.
    Mute {
        /// Which.
        track: LocalTrackId,
        /// Muted.
        muted: bool,
    },
    /// Subscribes to a track or unsubscribes from it; done when the server has been asked.
    Subscribe {
        /// The track's sid.
        track_sid: String,
        /// Subscribe.
        subscribed: bool,
    },
    /// Who may subscribe to our tracks.
    PermitSubscriptions {
        /// Everybody, to everything.
        all_participants: bool,
        /// Otherwise these.
        permissions: Vec<TrackPermission>,
    },
    /// Changes what others know of us; needs the permission for it.
    UpdateSelf {
        /// An empty one changes nothing: LiveKit cannot take metadata away.
        metadata: Option<String>,
        /// An empty one changes nothing.
        name: Option<String>,
        /// An empty value takes its key away.
        attributes: BTreeMap<String, String>,
    },
    /// Sends a packet; done when the connection has taken it.
    SendData {
        /// At most about 64,000 bytes.
        payload: Vec<u8>,
        /// Until it has arrived, and in order.
        reliable: bool,
        /// What it is about.
        topic: Option<String>,
        /// To whom; empty: to all.
        destinations: Vec<String>,
    },
    /// Presses a telephone's key.
    SendDtmf {
        /// 0 to 9, * is 10, # is 11, A to D are 12 to 15.
        code: u32,
        /// As written on the key.
        digit: String,
        /// To whom; empty: to all.
        destinations: Vec<String>,
    },
    /// Sends a piece of a transcript in the legacy form.
    SendTranscription {
        /// Who spoke.
        identity: String,
        /// In which track.
        track_sid: String,
        /// What was said.
        segments: Vec<TranscriptionSegment>,
        /// To whom; empty: to all.
        destinations: Vec<String>,
    },
    /// Sends a chat message in the legacy form.
    SendChat {
        /// The message.
        message: ChatMessage,
        /// To whom; empty: to all.
        destinations: Vec<String>,
    },
    /// Calls a method of another participant; done with [`Outcome::Reply`](crate::Outcome::Reply).
    Call {
        /// Who.
        destination: String,
        /// What.
        method: String,
        /// With what.
        payload: String,
        /// How long the answer may take.
        response_timeout_ms: u32,
        /// How long the receipt may take.
        round_trip_ms: u32,
    },
    /// Calls of this method are wanted: [`Event::RpcRequest`](crate::Event::RpcRequest).
    RegisterMethod(String),
    /// They are not wanted any more.
    UnregisterMethod(String),
    /// Answers a call; done when the answer is on its way.
    Reply {
        /// Which.
        request: RpcId,
        /// How.
        result: Result<String, RpcError>,
    },
    /// Opens a stream that is written piece by piece; done with [`Outcome::Stream`](crate::Outcome::Stream).
    OpenStream(StreamOptions),
    /// Writes to it; done when the connection has taken it all.
    WriteStream {
        /// Its id.
        stream_id: String,
        /// Whole characters, if it is text.
        content: Vec<u8>,
    },
    /// Ends it.
    CloseStream {
        /// Its id.
        stream_id: String,
        /// Empty: as intended.
        reason: String,
        /// Put over those that it was opened with.
        attributes: BTreeMap<String, String>,
    },
    /// Sends a whole stream; done with [`Outcome::Stream`](crate::Outcome::Stream) when the connection has taken it all.
    SendStream {
        /// What stream.
        options: StreamOptions,
        /// All of it.
        content: Vec<u8>,
    },
    /// Gives the room what packets go to, a session's door as a rule.
    AttachInput {
        /// Its name here.
        input: InputId,
        /// The door.
        door: Box<dyn PacketSink>,
        /// What goes there.
        route: InputRoute,
    },
    /// Something else goes there from now on.
    RouteInput {
        /// Which.
        input: InputId,
        /// What goes there.
        route: InputRoute,
    },
    /// Takes the door away and drops it.
    DetachInput(InputId),
    /// Gives the room what packets come from, a session's door as a rule.
    AttachOutput {
        /// Its name here.
        output: OutputId,
        /// The door.
        door: Box<dyn PacketSource>,
        /// On which of our tracks its packets are sent; it need not be published yet.
        track: Option<LocalTrackId>,
    },
    /// Its packets are sent on another track from now on.
    RouteOutput {
        /// Which.
        output: OutputId,
        /// On which of our tracks.
        track: Option<LocalTrackId>,
    },
    /// Takes the door away and drops it.
    DetachOutput(OutputId),
    /// Another token: the answer to [`Event::TokenNeeded`](crate::Event::TokenNeeded), or whenever there is a newer one.
    SetToken(Secret),
    /// For tests of what happens then.
    Simulate(Scenario),
    /// Done with [`Outcome::Stats`](crate::Outcome::Stats).
    Stats,
    /// Leaves; done when the others have been told.
    Leave(LeaveReason),
}
