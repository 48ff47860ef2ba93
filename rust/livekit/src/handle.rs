//! What whoever is in a room holds of it.

use crate::command::{Command, CommandId, LocalTrackId};
use crate::desk::{Desk, Refused};
use crate::event::Event;
use beluga_webrtc::{InputId, OutputId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A room, for whoever is in it. Dropping it leaves.
pub struct RoomHandle {
    desk: Arc<Desk>,
    /// Of tracks, inputs and outputs alike.
    last_name: AtomicU32,
}

impl RoomHandle {
    pub(crate) fn new(desk: Arc<Desk>, names_taken: u32) -> Self {
        Self {
            desk,
            last_name: AtomicU32::new(names_taken),
        }
    }

    /// Asks for something. Exactly one [`Event::Done`] answers it.
    ///
    /// # Errors
    /// The room is over, or [`MAX_COMMANDS`](crate::MAX_COMMANDS) are under way; the command comes back.
    pub fn command(&self, command: Command) -> Result<CommandId, Refused> {
        self.desk.ask(command)
    }

    /// Does not want it any more: it is done with
    /// [`ContextCanceled`](crate::ErrorCode::ContextCanceled), unless it is done already.
    pub fn cancel(&self, id: CommandId) {
        self.desk.cancel(id);
    }

    /// The next event. [`Bells`](beluga_engine::Bells) say when to look.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        self.desk.event()
    }

    /// Whether the room is over: nothing follows what is in the queue.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.desk.is_over()
    }

    /// A name for a track that is to be published.
    #[must_use]
    pub fn local_track_id(&self) -> LocalTrackId {
        LocalTrackId(self.name())
    }

    /// A name for a door that is to be attached.
    #[must_use]
    pub fn input_id(&self) -> InputId {
        InputId(self.name())
    }

    /// A name for a door that is to be attached.
    #[must_use]
    pub fn output_id(&self) -> OutputId {
        OutputId(self.name())
    }

    fn name(&self) -> u32 {
        self.last_name.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl fmt::Debug for RoomHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomHandle")
            .field("over", &self.is_over())
            .finish_non_exhaustive()
    }
}

impl Drop for RoomHandle {
    fn drop(&mut self) {
        self.desk.abandon();
    }
}
