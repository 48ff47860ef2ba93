//! A room's view of a peer: a queue of commands and one of events. The peer itself is driven elsewhere.

use beluga_engine::{Peer, Wake};
use beluga_webrtc::{
    Channel, ChannelSpec, ClockEpoch, Identity, PeerCommand, PeerEvent, PeerHandle, RtcPeerConfig,
    rtc_peer,
};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

/// The channel for what must arrive, in order.
pub const RELIABLE: Channel = Channel(0);
/// The channel for what is worth nothing later.
pub const LOSSY: Channel = Channel(1);

/// Talks to a peer. Dropping it closes the peer.
pub trait PeerPort: Send + Debug {
    /// Asks it for something.
    ///
    /// # Errors
    /// The queue is full, or the peer is gone: the command comes back.
    fn command(&mut self, command: PeerCommand) -> Result<(), PeerCommand>;

    /// Takes all that it had to say so far.
    fn events(&mut self, into: &mut VecDeque<PeerEvent>);

    /// A command that a peer which is [over](PeerEvent::Closed) did not come to obey.
    fn unobeyed(&mut self) -> Option<PeerCommand>;
}

/// Makes peers: one for the join, another for each full rejoin.
pub trait PeerMaker: Send + Debug {
    /// Makes one, with [`RELIABLE`] and [`LOSSY`].
    fn make(&mut self) -> (Box<dyn PeerPort>, Box<dyn Peer>);
}

/// Makes WebRTC peers.
#[derive(Debug)]
pub struct RtcPeers {
    epoch: ClockEpoch,
    identity: Identity,
    seed: u64,
    wake: Arc<dyn Wake>,
}

impl RtcPeers {
    /// `wake` wakes the thread that drives the room; the rest is what each peer is made with.
    #[must_use]
    pub fn new(epoch: ClockEpoch, identity: Identity, seed: u64, wake: Arc<dyn Wake>) -> Self {
        Self {
            epoch,
            identity,
            seed,
            wake,
        }
    }
}

/// LiveKit's names and promises of the channels. An application section in the first offer has the server hold data back
/// until both are open.
#[must_use]
pub fn channels() -> Vec<ChannelSpec> {
    let spec = |label: &str, ordered, max_retransmits| ChannelSpec {
        label: label.to_owned(),
        ordered,
        max_retransmits,
    };
    vec![
        spec("_reliable", true, None),
        spec("_lossy", false, Some(0)),
    ]
}

impl PeerMaker for RtcPeers {
    fn make(&mut self) -> (Box<dyn PeerPort>, Box<dyn Peer>) {
        self.seed = self.seed.wrapping_add(1);
        let config = RtcPeerConfig {
            epoch: self.epoch,
            seed: self.seed,
            identity: self.identity.clone(),
            channels: channels(),
        };
        let (handle, peer) = rtc_peer(config, self.wake.clone());
        (Box::new(handle), Box::new(peer))
    }
}

impl PeerPort for PeerHandle {
    fn command(&mut self, command: PeerCommand) -> Result<(), PeerCommand> {
        PeerHandle::command(self, command)
    }

    fn events(&mut self, into: &mut VecDeque<PeerEvent>) {
        into.extend(PeerHandle::events(self));
    }

    fn unobeyed(&mut self) -> Option<PeerCommand> {
        PeerHandle::unobeyed(self)
    }
}
