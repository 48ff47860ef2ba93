//! The doors of sessions: which remote sound goes to which, and what comes from which goes on which of our tracks.

use crate::command::{InputRoute, LocalTrackId};
use crate::publications::Publications;
use crate::roster::Roster;
use crate::subscriptions::Subscriptions;
use beluga_engine::{PacketSink, PacketSource};
use beluga_webrtc::{InputId, Mid, OutputId, PeerCommand};
use std::collections::BTreeMap;

/// Which peer of the room, counted from 1.
pub(crate) type Generation = u32;

/// Where a door is.
#[derive(Debug)]
enum Place<Door: ?Sized> {
    /// Here, for want of a peer.
    Here(Box<Door>),
    /// With this peer, bound to that section.
    With(Generation, Option<Mid>),
}

#[derive(Debug)]
struct Door<Route, Kind: ?Sized> {
    route: Route,
    place: Place<Kind>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sound {
    inputs: BTreeMap<InputId, Door<InputRoute, dyn PacketSink>>,
    outputs: BTreeMap<OutputId, Door<Option<LocalTrackId>, dyn PacketSource>>,
}

impl Sound {
    /// Takes a door; false if one of that name is there.
    pub(crate) fn attach_input(
        &mut self,
        id: InputId,
        door: Box<dyn PacketSink>,
        route: InputRoute,
    ) -> bool {
        let place = Place::Here(door);
        let free = !self.inputs.contains_key(&id);
        if free {
            self.inputs.insert(id, Door { route, place });
        }
        free
    }

    /// Takes a door; false if one of that name is there.
    pub(crate) fn attach_output(
        &mut self,
        id: OutputId,
        door: Box<dyn PacketSource>,
        route: Option<LocalTrackId>,
    ) -> bool {
        let place = Place::Here(door);
        let free = !self.outputs.contains_key(&id);
        if free {
            self.outputs.insert(id, Door { route, place });
        }
        free
    }

    pub(crate) fn route_input(&mut self, id: InputId, route: InputRoute) -> bool {
        self.inputs
            .get_mut(&id)
            .map(|door| door.route = route)
            .is_some()
    }

    pub(crate) fn route_output(&mut self, id: OutputId, route: Option<LocalTrackId>) -> bool {
        self.outputs
            .get_mut(&id)
            .map(|door| door.route = route)
            .is_some()
    }

    /// Drops a door: none if there is none, otherwise what its peer is told, and which peer.
    pub(crate) fn detach_input(
        &mut self,
        id: InputId,
    ) -> Option<Option<(Generation, PeerCommand)>> {
        let door = self.inputs.remove(&id)?;
        Some(match door.place {
            Place::Here(_) => None,
            Place::With(generation, _) => Some((generation, PeerCommand::DetachInput(id))),
        })
    }

    /// Drops a door: none if there is none, otherwise what its peer is told, and which peer.
    pub(crate) fn detach_output(
        &mut self,
        id: OutputId,
    ) -> Option<Option<(Generation, PeerCommand)>> {
        let door = self.outputs.remove(&id)?;
        Some(match door.place {
            Place::Here(_) => None,
            Place::With(generation, _) => Some((generation, PeerCommand::DetachOutput(id))),
        })
    }

    /// Hands doors to the current peer and binds them to the sections that their routes lead to now.
    pub(crate) fn settle(
        &mut self,
        current: Generation,
        roster: &Roster,
        subscriptions: &Subscriptions,
        publications: &Publications,
        commands: &mut dyn FnMut(PeerCommand),
    ) {
        for (id, door) in &mut self.inputs {
            if let Some(held) = door.place.hand_to(current) {
                commands(PeerCommand::AttachInput(*id, held));
            }
            let section = match &door.route {
                InputRoute::Nothing => None,
                InputRoute::Track(sid) => subscriptions.section(sid),
                InputRoute::Participant { identity, source } => {
                    subscriptions.section_of(roster, identity, *source)
                }
            };
            if door.place.bind(current, section) {
                commands(PeerCommand::BindInput(*id, section.cloned()));
            }
        }
        for (id, door) in &mut self.outputs {
            if let Some(held) = door.place.hand_to(current) {
                commands(PeerCommand::AttachOutput(*id, held));
            }
            let section = door.route.and_then(|track| publications.outlet(track));
            if door.place.bind(current, section) {
                commands(PeerCommand::BindOutput(*id, section.cloned()));
            }
        }
    }

    /// A peer has given its doors back. Those that were detached meanwhile are dropped.
    pub(crate) fn released(
        &mut self,
        inputs: Vec<(InputId, Box<dyn PacketSink>)>,
        outputs: Vec<(OutputId, Box<dyn PacketSource>)>,
    ) {
        for (id, held) in inputs {
            if let Some(door) = self.inputs.get_mut(&id) {
                door.place = Place::Here(held);
            }
        }
        for (id, held) in outputs {
            if let Some(door) = self.outputs.get_mut(&id) {
                door.place = Place::Here(held);
            }
        }
    }
}

impl<Kind: ?Sized> Place<Kind> {
    /// The door, if it is here; from now on it is with that peer.
    fn hand_to(&mut self, generation: Generation) -> Option<Box<Kind>> {
        match std::mem::replace(self, Self::With(generation, None)) {
            Self::Here(door) => Some(door),
            with @ Self::With(..) => {
                *self = with;
                None
            }
        }
    }

    /// Whether that peer has it and has yet to be told of this section.
    fn bind(&mut self, current: Generation, section: Option<&Mid>) -> bool {
        match self {
            Self::With(generation, bound)
                if *generation == current && bound.as_ref() != section =>
            {
                *bound = section.cloned();
                true
            }
            _ => false,
        }
    }
}
