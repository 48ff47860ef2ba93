//! What a peer has to say.

use crate::command::{Channel, InputId, Mid, OutputId};
use beluga_engine::{PacketSink, PacketSource};

/// An offer, and which of its sections are for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferMade {
    /// As asked.
    pub id: u32,
    /// SDP.
    pub sdp: String,
    /// The sections of [`OfferRequest::send`](crate::OfferRequest::send), in its order.
    pub send: Vec<Mid>,
    /// The sections of [`OfferRequest::receive`](crate::OfferRequest::receive).
    pub receive: Vec<Mid>,
}

/// Why a peer ended, or did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// SDP that cannot be read or does not fit the offer.
    #[error("the other side's session description does not fit: {0}")]
    Negotiation(String),
    /// DTLS, SCTP or SRTP failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// A defect of ours.
    #[error("a defect in the core")]
    Defect,
}

/// What was measured of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PeerStats {
    /// Round trip of the last connectivity check or receiver report, in milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Bytes of datagrams received.
    pub bytes_received: u64,
    /// Bytes of datagrams sent.
    pub bytes_sent: u64,
    /// Packets of sound received.
    pub packets_received: u64,
    /// Packets of sound sent.
    pub packets_sent: u64,
    /// Of ours, as the other side reports it: packets lost.
    pub packets_lost_there: u64,
    /// Of ours: packets sent again because the other side missed them.
    pub packets_repeated: u64,
    /// Datagrams that came and were of no use: unreadable, or from an address that has nothing to do with the connection.
    pub datagrams_ignored: u64,
    /// Datagrams that were dropped because too many waited, in or out.
    pub datagrams_dropped: u64,
    /// Candidates of the other side that could not be read, or were too many.
    pub candidates_ignored: u64,
    /// The selected pair: ours, theirs, over TCP.
    pub pair: Option<(core::net::SocketAddr, core::net::SocketAddr, bool)>,
}

/// What a peer has to say. The queue is bounded; a full one holds further data back in the peer (at most 1 MB, then the oldest lossy and the
/// newest reliable message is dropped and counted), and never loses another event.
#[derive(Debug)]
pub enum PeerEvent {
    /// The answer to [`PeerCommand::Offer`](crate::PeerCommand::Offer).
    Offered(OfferMade),
    /// An offer or an answer did not work; what was negotiated before stays.
    NegotiationFailed {
        /// The offer's.
        id: u32,
        /// Why.
        fault: PeerFault,
    },
    /// The answer of that id was taken: its sections are live.
    Negotiated {
        /// The offer's.
        id: u32,
    },
    /// ICE, DTLS and SRTP are up, for the first time or again.
    Connected,
    /// ICE has lost its pair, after some 20 s without an answer: an offer with new credentials looks for another. While that is
    /// looked for this may be said too, though sound still flows.
    Disconnected,
    /// A data channel can be written to.
    ChannelOpen(Channel),
    /// A data channel was closed by the other side.
    ChannelClosed(Channel),
    /// A message came.
    Message {
        /// On which.
        channel: Channel,
        /// Its bytes.
        message: Vec<u8>,
    },
    /// Messages were dropped because nobody took them.
    MessagesDropped {
        /// On which.
        channel: Channel,
        /// How many.
        count: u64,
    },
    /// The channel has taken the message of that ticket; or it never will, being closed.
    Sent {
        /// As given.
        ticket: u64,
        /// Whether it was taken.
        taken: bool,
    },
    /// Packets of a section that nothing is bound to have begun to come (at most once a section until it is bound).
    Unbound(Mid),
    /// All doors, and what they were bound to.
    Released {
        /// Doors that packets went to.
        inputs: Vec<(InputId, Box<dyn PacketSink>)>,
        /// Doors that packets came from.
        outputs: Vec<(OutputId, Box<dyn PacketSource>)>,
    },
    /// The answer to [`PeerCommand::Stats`](crate::PeerCommand::Stats).
    Stats(PeerStats),
    /// It is over, its doors are [released](Self::Released). Nothing follows, and what it was asked since then
    /// [comes back](crate::PeerHandle::unobeyed).
    Closed(Option<PeerFault>),
}
