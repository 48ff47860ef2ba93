//! What a peer is asked to do.

use beluga_engine::{
    EncodedPacket, Packet, PacketReader, PacketSink, PacketSource, PacketWriter, Shared,
};
use std::sync::Arc;

/// A media section's name in the SDP, as str0m gives it. RFC 5888, section 4.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mid(pub String);

/// A data channel, by its place in [`RtcPeerConfig::channels`](crate::RtcPeerConfig::channels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel(pub usize);

/// How a data channel is opened. RFC 8831, section 6.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Its label.
    pub label: String,
    /// Whether messages keep their order.
    pub ordered: bool,
    /// How often a message is sent again at most; none: until it has arrived.
    pub max_retransmits: Option<u16>,
}

/// A place that a caller's packets go to, chosen by whoever attaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(pub u32);

/// A place that an agent's packets come from, chosen by whoever attaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputId(pub u32);

/// The door of a session that packets go to.
#[derive(Debug)]
pub struct SoundInput {
    /// Where they go.
    pub writer: PacketWriter,
    /// The session, for its counters.
    pub shared: Arc<Shared>,
}

/// The door of a session that packets come from.
#[derive(Debug)]
pub struct SoundOutput {
    /// Where they come from.
    pub reader: PacketReader,
    /// The session, for its counters.
    pub shared: Arc<Shared>,
}

impl PacketSink for SoundInput {
    fn take(&mut self, packet: Packet<'_>) {
        if self.writer.push(packet) != Ok(true) {
            self.shared.counters.packets_refused.add(1);
        }
    }
}

impl PacketSource for SoundOutput {
    fn next(&mut self, now_us: u64) -> Option<EncodedPacket> {
        self.reader
            .pop(now_us, &self.shared.counters.frame_age_out_us)
    }
}

/// A sending section for an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendSection {
    /// The track's id in the msid line: what LiveKit calls `cid`.
    pub cid: String,
    /// The stream's id in the msid line.
    pub stream: String,
}

/// What an offer is to hold beside what is there already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfferRequest {
    /// Comes back with the offer and with its answer; one offer is outstanding at a time.
    pub id: u32,
    /// Sections to send on.
    pub send: Vec<SendSection>,
    /// How many sections to receive on are added.
    pub receive: usize,
    /// Sections that are not needed any more: they become inactive.
    pub stop: Vec<Mid>,
    /// New ICE credentials.
    pub ice_restart: bool,
}

/// What a peer is asked to do. Commands are obeyed in their order; the queue is bounded ([`COMMAND_CAPACITY`](crate::COMMAND_CAPACITY)) and a full one
/// refuses.
#[derive(Debug)]
pub enum PeerCommand {
    /// Make an offer; [`PeerEvent::Offered`](crate::PeerEvent::Offered) answers, with the same SDP as before where nothing changes.
    Offer(OfferRequest),
    /// The other side's answer to the offer of that id.
    Answer {
        /// The offer's.
        id: u32,
        /// SDP.
        sdp: String,
    },
    /// The offer of that id will not be answered: what it would have changed is taken back.
    GiveUpOffer {
        /// The offer's.
        id: u32,
    },
    /// An address at which the other side can be reached, as an SDP candidate attribute.
    RemoteCandidate(String),
    /// What packets go to, a session's door as a rule. None reach it until it is bound.
    AttachInput(InputId, Box<dyn PacketSink>),
    /// Packets of this section go there; with none, of no section.
    BindInput(InputId, Option<Mid>),
    /// Takes the door away and drops it.
    DetachInput(InputId),
    /// What packets come from, a session's door as a rule. They go nowhere until it is bound.
    AttachOutput(OutputId, Box<dyn PacketSource>),
    /// Its packets are sent on this section; with none, on no section (muted, unpublished, not yet published): they are
    /// taken from the door and dropped.
    BindOutput(OutputId, Option<Mid>),
    /// Takes the door away and drops it.
    DetachOutput(OutputId),
    /// Sends a message; [`PeerEvent::Sent`](crate::PeerEvent::Sent) says when the channel has taken it. A reliable channel takes it when less than
    /// [`RELIABLE_BUFFER_BYTES`](crate::RELIABLE_BUFFER_BYTES) are buffered, lets as many more wait and refuses what comes on top; a lossy one
    /// refuses at once what does not fit [`LOSSY_BUFFER_BYTES`](crate::LOSSY_BUFFER_BYTES). Messages of one channel keep their order.
    Send {
        /// Comes back with the event.
        ticket: u64,
        /// On which.
        channel: Channel,
        /// 1 to [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES) bytes.
        message: Vec<u8>,
    },
    /// All doors are wanted back ([`PeerEvent::Released`](crate::PeerEvent::Released)): another peer takes over.
    Release,
    /// Asks for [`PeerEvent::Stats`](crate::PeerEvent::Stats).
    Stats,
    /// Says goodbye (DTLS close_notify) and is over.
    Close,
}
