//! How a protocol reaches a peer that another thread may drive.

use crate::command::PeerCommand;
use crate::config::RtcPeerConfig;
use crate::event::PeerEvent;
use crate::exchange::Exchange;
use crate::peer::RtcPeer;
use beluga_engine::Wake;
use std::iter;
use std::sync::Arc;

/// The protocol's end of a peer. Dropping it closes the peer.
#[derive(Debug)]
pub struct PeerHandle(Arc<Exchange>);

/// A peer and the handle to it. `wake` is called when there are events, and not again until the handle has looked.
#[must_use]
pub fn rtc_peer(config: RtcPeerConfig, wake: Arc<dyn Wake>) -> (PeerHandle, RtcPeer) {
    let exchange = Arc::new(Exchange::new(wake));
    let peer = RtcPeer::new(config, exchange.clone());
    (PeerHandle(exchange), peer)
}

impl PeerHandle {
    /// Asks the peer for something; it obeys when it is driven next.
    ///
    /// # Errors
    /// Gives the command back if [`COMMAND_CAPACITY`](crate::COMMAND_CAPACITY) of them wait.
    pub fn command(&self, command: PeerCommand) -> Result<(), PeerCommand> {
        self.0.commands.push(command)
    }

    /// What the peer had to say so far. Take all of it: the wake-up for what comes next was armed before the first.
    pub fn events(&self) -> impl Iterator<Item = PeerEvent> + '_ {
        self.0.looking();
        iter::from_fn(|| self.0.next())
    }

    /// A command that a peer which is [over](PeerEvent::Closed) did not come to obey; doors may be in it.
    #[must_use]
    pub fn unobeyed(&self) -> Option<PeerCommand> {
        self.0.commands.pop()
    }
}

impl Drop for PeerHandle {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
