//! Who is in the room with which tracks, and what changes from one word of the server to the next.

use crate::event::Event;
use crate::info::{
    ConnectionQuality, DisconnectReason, ParticipantInfo, ParticipantState, RoomInfo, TrackInfo,
};
use livekit_protocol as proto;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept of participants at most: 10,000 with 1.6 kB each. A server that has more to say is not believed.
const MAX_BYTES: usize = 16 << 20;
const MAX_PARTICIPANTS: usize = 10_000;
/// Tracks of one participant.
const MAX_TRACKS: usize = 256;

#[derive(Debug)]
struct Member {
    info: ParticipantInfo,
    version: u32,
    bytes: usize,
    quality: Option<ConnectionQuality>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) room: RoomInfo,
    local: Option<Member>,
    remotes: BTreeMap<String, Member>,
    /// Identities by sid, ours among them.
    identities: BTreeMap<String, String>,
    /// Whose a remote track is.
    owners: BTreeMap<String, String>,
    /// Levels of those who speak, by sid.
    speakers: BTreeMap<String, f32>,
    bytes: usize,
    /// Participants and tracks that were too many.
    pub(crate) ignored: u64,
}

impl Roster {
    /// The room was joined, for the first time or anew: gives what changed since before.
    pub(crate) fn joined(&mut self, join: proto::JoinResponse) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(room) = join.room {
            events.extend(self.room_updated(room));
        }
        if let Some(local) = join.participant {
            events.extend(self.we_are(local));
        }
        let there: BTreeSet<&str> = join
            .other_participants
            .iter()
            .map(|other| other.sid.as_str())
            .collect();
        let gone: Vec<String> = self
            .remotes
            .iter()
            .filter(|(_, member)| !there.contains(member.info.sid.as_str()))
            .map(|(identity, _)| identity.clone())
            .collect();
        for identity in gone {
            self.remove(&identity, DisconnectReason::UnknownReason, &mut events);
        }
        // Numbered anew by a server that was started anew.
        self.remotes
            .values_mut()
            .for_each(|member| member.version = 0);
        self.speakers.clear();
        events.extend(self.updated(join.other_participants));
        events
    }

    pub(crate) fn room_updated(&mut self, room: proto::Room) -> Vec<Event> {
        let new = RoomInfo::from_wire(room);
        if new == self.room {
            return Vec::new();
        }
        let old = std::mem::replace(&mut self.room, new.clone());
        let metadata =
            (old.metadata != new.metadata).then(|| (old.metadata.clone(), new.metadata.clone()));
        let mut events = vec![Event::RoomUpdated {
            old: Box::new(old),
            new: Box::new(new),
        }];
        if let Some((old, new)) = metadata {
            events.push(Event::RoomMetadataChanged { old, new });
        }
        events
    }

    fn we_are(&mut self, local: proto::ParticipantInfo) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(member) = &mut self.local {
            if member.info.sid != local.sid {
                self.identities.remove(&member.info.sid);
                member.info.sid.clone_from(&local.sid);
                member.quality = None;
                events.push(Event::LocalSidChanged {
                    sid: local.sid.clone(),
                });
            }
            member.version = local.version;
            let info = ParticipantInfo::from_wire(local);
            member.describe(&info, &mut events);
            member.info = info;
        } else {
            self.local = Some(Member {
                version: local.version,
                bytes: 0,
                quality: None,
                info: ParticipantInfo::from_wire(local),
            });
        }
        let info = &self.local.as_ref().expect("set above").info;
        self.identities
            .insert(info.sid.clone(), info.identity.clone());
        events
    }

    /// Participants as the server has them now.
    pub(crate) fn updated(&mut self, participants: Vec<proto::ParticipantInfo>) -> Vec<Event> {
        let mut events = Vec::new();
        for participant in participants {
            self.update(participant, &mut events);
        }
        events
    }

    fn update(&mut self, update: proto::ParticipantInfo, events: &mut Vec<Event>) {
        if update.sid.is_empty() || update.identity.is_empty() {
            self.ignored += 1;
            return;
        }
        if let Some(local) = &mut self.local {
            if local.info.identity == update.identity {
                if local.info.sid == update.sid && update.version >= local.version {
                    local.version = update.version;
                    let info = ParticipantInfo::from_wire(update);
                    local.describe(&info, events);
                    local.info = info;
                }
                return;
            }
            if local.info.sid == update.sid {
                self.ignored += 1;
                return;
            }
        }
        let known = self.remotes.get(&update.identity);
        let gone = update.state() == ParticipantState::Disconnected;
        match known {
            Some(member) if member.info.sid == update.sid => {
                if update.version < member.version {
                    return;
                }
                if gone {
                    let (identity, reason) = (update.identity.clone(), update.disconnect_reason());
                    self.remove(&identity, reason, events);
                } else {
                    self.change(update, events);
                }
            }
            // Of somebody who is not here any more, or of an earlier stay.
            _ if gone => {}
            Some(_) => {
                // The same one came back before its leaving was told.
                let identity = update.identity.clone();
                self.remove(&identity, DisconnectReason::DuplicateIdentity, events);
                self.add(update, events);
            }
            None => self.add(update, events),
        }
    }

    fn add(&mut self, update: proto::ParticipantInfo, events: &mut Vec<Event>) {
        let bytes = update.encoded_len();
        let full = self.remotes.len() >= MAX_PARTICIPANTS || self.bytes + bytes > MAX_BYTES;
        if full || self.identities.contains_key(&update.sid) {
            self.ignored += 1;
            return;
        }
        let version = update.version;
        let mut info = ParticipantInfo::from_wire(update);
        let tracks = self.admit(&info.identity, std::mem::take(&mut info.tracks));
        info.tracks = tracks;
        self.bytes += bytes;
        self.identities
            .insert(info.sid.clone(), info.identity.clone());
        for track in &info.tracks {
            self.owners.insert(track.sid.clone(), info.identity.clone());
        }
        let identity = info.identity.clone();
        let tracks = info.tracks.clone();
        events.push(Event::ParticipantConnected(Box::new(info.clone())));
        events.extend(tracks.into_iter().map(|info| Event::TrackPublished {
            identity: identity.clone(),
            info,
        }));
        if info.state == ParticipantState::Active {
            // Seen so late that there was no change to see.
            events.push(Event::ParticipantActive {
                identity: identity.clone(),
            });
        }
        let member = Member {
            info,
            version,
            bytes,
            quality: None,
        };
        self.remotes.insert(identity, member);
    }

    /// Those tracks that can be this participant's: named, each once, nobody else's, and not too many.
    fn admit(&mut self, identity: &str, tracks: Vec<TrackInfo>) -> Vec<TrackInfo> {
        let mut admitted: Vec<TrackInfo> = Vec::new();
        for track in tracks {
            let foreign = self
                .owners
                .get(&track.sid)
                .is_some_and(|owner| owner != identity);
            let again = admitted.iter().any(|other| other.sid == track.sid);
            if track.sid.is_empty() || foreign || again || admitted.len() >= MAX_TRACKS {
                self.ignored += 1;
            } else {
                admitted.push(track);
            }
        }
        admitted
    }

    fn change(&mut self, update: proto::ParticipantInfo, events: &mut Vec<Event>) {
        let bytes = update.encoded_len();
        let version = update.version;
        let mut info = ParticipantInfo::from_wire(update);
        let tracks = self.admit(&info.identity, std::mem::take(&mut info.tracks));
        info.tracks = tracks;
        let identity = info.identity.clone();
        let Some(member) = self.remotes.get_mut(&identity) else {
            return;
        };
        if self.bytes - member.bytes + bytes > MAX_BYTES {
            self.ignored += 1;
            return;
        }
        self.bytes = self.bytes - member.bytes + bytes;
        (member.bytes, member.version) = (bytes, version);
        for old in &member.info.tracks {
            if !info.tracks.iter().any(|new| new.sid == old.sid) {
                self.owners.remove(&old.sid);
                events.push(Event::TrackUnpublished {
                    identity: identity.clone(),
                    track_sid: old.sid.clone(),
                });
            }
        }
        member.describe(&info, events);
        for new in &info.tracks {
            let old = member.info.tracks.iter().find(|old| old.sid == new.sid);
            let identity = identity.clone();
            match old {
                None => {
                    self.owners.insert(new.sid.clone(), identity.clone());
                    events.push(Event::TrackPublished {
                        identity,
                        info: new.clone(),
                    });
                }
                Some(old) if old.muted != new.muted => {
                    let track_sid = new.sid.clone();
                    events.push(if new.muted {
                        Event::TrackMuted {
                            identity,
                            track_sid,
                        }
                    } else {
                        Event::TrackUnmuted {
                            identity,
                            track_sid,
                        }
                    });
                }
                Some(_) => {}
            }
        }
        member.info = info;
    }

    fn remove(&mut self, identity: &str, reason: DisconnectReason, events: &mut Vec<Event>) {
        let Some(member) = self.remotes.remove(identity) else {
            return;
        };
        self.bytes -= member.bytes;
        self.identities.remove(&member.info.sid);
        for track in member.info.tracks {
            self.owners.remove(&track.sid);
            events.push(Event::TrackUnpublished {
                identity: identity.to_owned(),
                track_sid: track.sid,
            });
        }
        events.push(Event::ParticipantDisconnected {
            identity: identity.to_owned(),
            sid: member.info.sid.clone(),
            reason,
        });
        if self.speakers.remove(&member.info.sid).is_some() {
            events.push(self.speaking());
        }
    }

    /// What changed of who speaks; the others go on.
    pub(crate) fn spoke(&mut self, changed: Vec<proto::SpeakerInfo>) -> Option<Event> {
        let before = self.speakers.clone();
        for speaker in changed {
            let level = if speaker.level.is_finite() {
                speaker.level.clamp(0.0, 1.0)
            } else {
                0.0
            };
            if speaker.active && self.identities.contains_key(&speaker.sid) {
                self.speakers.insert(speaker.sid, level);
            } else {
                self.speakers.remove(&speaker.sid);
            }
        }
        (self.speakers != before).then(|| self.speaking())
    }

    fn speaking(&self) -> Event {
        let mut speakers: Vec<(String, f32)> = self
            .speakers
            .iter()
            .filter_map(|(sid, level)| Some((self.identities.get(sid)?.clone(), *level)))
            .collect();
        speakers.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Event::ActiveSpeakersChanged(speakers)
    }

    pub(crate) fn quality(&mut self, updates: Vec<proto::ConnectionQualityInfo>) -> Vec<Event> {
        let mut events = Vec::new();
        for update in updates {
            let Some(identity) = self.identities.get(&update.participant_sid).cloned() else {
                continue;
            };
            let local = self
                .local
                .as_mut()
                .filter(|local| local.info.identity == identity);
            let quality = update.quality();
            if let Some(member) = local.or_else(|| self.remotes.get_mut(&identity))
                && member.quality != Some(quality)
            {
                member.quality = Some(quality);
                events.push(Event::ConnectionQualityChanged { identity, quality });
            }
        }
        events
    }

    pub(crate) fn local(&self) -> Option<&ParticipantInfo> {
        self.local.as_ref().map(|local| &local.info)
    }

    pub(crate) fn remote(&self, identity: &str) -> Option<&ParticipantInfo> {
        self.remotes.get(identity).map(|member| &member.info)
    }

    pub(crate) fn remotes(&self) -> impl Iterator<Item = &ParticipantInfo> {
        self.remotes.values().map(|member| &member.info)
    }

    /// A remote track and whose it is.
    pub(crate) fn track(&self, track_sid: &str) -> Option<(&str, &TrackInfo)> {
        let identity = self.owners.get(track_sid)?;
        let tracks = &self.remotes.get(identity)?.info.tracks;
        let track = tracks.iter().find(|track| track.sid == track_sid)?;
        Some((identity, track))
    }
}

impl Member {
    /// What changed of the participant itself.
    fn describe(&self, new: &ParticipantInfo, events: &mut Vec<Event>) {
        let old = &self.info;
        let identity = || new.identity.clone();
        if old.name != new.name {
            events.push(Event::ParticipantNameChanged {
                identity: identity(),
                old: old.name.clone(),
                new: new.name.clone(),
            });
        }
        if old.metadata != new.metadata {
            events.push(Event::ParticipantMetadataChanged {
                identity: identity(),
                old: old.metadata.clone(),
                new: new.metadata.clone(),
            });
        }
        if old.attributes != new.attributes {
            let gone = old
                .attributes
                .keys()
                .filter(|key| !new.attributes.contains_key(*key))
                .map(|key| (key.clone(), String::new()));
            let set = new
                .attributes
                .iter()
                .filter(|(key, value)| old.attributes.get(*key) != Some(value))
                .map(|(key, value)| (key.clone(), value.clone()));
            events.push(Event::ParticipantAttributesChanged {
                identity: identity(),
                changed: gone.chain(set).collect(),
                attributes: new.attributes.clone(),
            });
        }
        if old.permissions != new.permissions {
            events.push(Event::ParticipantPermissionsChanged {
                identity: identity(),
                permissions: new.permissions.clone(),
            });
        }
        if old.state != new.state && new.state == ParticipantState::Active {
            events.push(Event::ParticipantActive {
                identity: identity(),
            });
        }
    }
}
