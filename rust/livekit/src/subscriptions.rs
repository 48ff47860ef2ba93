//! Which remote tracks we hear, on which sections.

use crate::event::Event;
use crate::info::{TrackSource, TrackType};
use crate::roster::Roster;
use beluga_webrtc::Mid;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// See the module.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    /// Whether the server subscribes us to everything.
    auto: bool,
    /// What the last answer says: a track on each section that is in use.
    mids: BTreeMap<String, Mid>,
    /// Tracks that we hear, and whose they are.
    heard: BTreeMap<String, String>,
    /// Tracks of which something else was asked than the server does by itself, or asked for expressly.
    wished: BTreeMap<String, bool>,
    /// Their publishers do not want us to hear these.
    forbidden: BTreeSet<String>,
    /// After a full rejoin: what we heard before may come back until then.
    hold_until_us: Option<u64>,
}

impl Subscriptions {
    pub(crate) fn new(auto: bool) -> Self {
        Self {
            auto,
            mids: BTreeMap::new(),
            heard: BTreeMap::new(),
            wished: BTreeMap::new(),
            forbidden: BTreeSet::new(),
            hold_until_us: None,
        }
    }

    /// An answer says what is on which section now.
    pub(crate) fn mapped(&mut self, tracks: HashMap<String, String>) {
        let ordered: BTreeMap<String, String> = tracks.into_iter().collect();
        self.mids.clear();
        for (mid, track_sid) in ordered {
            self.mids.entry(track_sid).or_insert(Mid(mid));
        }
    }

    /// A new peer: nothing is mapped yet, and what was heard may come back.
    pub(crate) fn hold(&mut self) {
        self.mids.clear();
        self.hold_until_us = Some(u64::MAX);
    }

    /// The connection stands: what was heard before may come back until then.
    pub(crate) fn hold_for(&mut self, until_us: u64) {
        if self.hold_until_us.is_some() {
            self.hold_until_us = Some(until_us);
        }
    }

    /// Our wish, as the server is told.
    pub(crate) fn wish(&mut self, track_sid: &str, subscribed: bool) {
        self.wished.insert(track_sid.to_owned(), subscribed);
    }

    pub(crate) fn permit(&mut self, track_sid: &str, allowed: bool) {
        if allowed {
            self.forbidden.remove(track_sid);
        } else {
            self.forbidden.insert(track_sid.to_owned());
        }
    }

    /// The track is gone: the event that it is heard no more, if it was.
    pub(crate) fn forget(&mut self, track_sid: &str) -> Option<Event> {
        self.wished.remove(track_sid);
        self.forbidden.remove(track_sid);
        let identity = self.heard.remove(track_sid)?;
        Some(Event::TrackUnsubscribed {
            identity,
            track_sid: track_sid.to_owned(),
        })
    }

    /// What changed of what we hear.
    pub(crate) fn reconcile(&mut self, now_us: u64, roster: &Roster) -> Vec<Event> {
        if self.hold_until_us.is_some_and(|until| until <= now_us) {
            self.hold_until_us = None;
        }
        let mut events = Vec::new();
        let gone: Vec<String> = self
            .heard
            .keys()
            .filter(|sid| {
                !self.wanted(sid)
                    || !self.mids.contains_key(*sid) && self.hold_until_us.is_none()
                    || roster.track(sid).is_none()
            })
            .cloned()
            .collect();
        for track_sid in gone {
            if let Some(identity) = self.heard.remove(&track_sid) {
                events.push(Event::TrackUnsubscribed {
                    identity,
                    track_sid,
                });
            }
        }
        for track_sid in self.mids.keys() {
            if self.heard.contains_key(track_sid) || !self.wanted(track_sid) {
                continue;
            }
            // Media may come before the word that the track is there.
            if let Some((identity, track)) = roster.track(track_sid)
                && track.kind == TrackType::Audio
            {
                self.heard.insert(track_sid.clone(), identity.to_owned());
                events.push(Event::TrackSubscribed {
                    identity: identity.to_owned(),
                    track_sid: track_sid.clone(),
                });
            }
        }
        events
    }

    fn wanted(&self, track_sid: &str) -> bool {
        self.wished.get(track_sid) != Some(&false) && !self.forbidden.contains(track_sid)
    }

    /// The section of a track that we hear.
    pub(crate) fn section(&self, track_sid: &str) -> Option<&Mid> {
        self.mids
            .get(track_sid)
            .filter(|_| self.heard.contains_key(track_sid))
    }

    /// The section of what a participant publishes from a source: of the newest, where there are several.
    pub(crate) fn section_of(
        &self,
        roster: &Roster,
        identity: &str,
        source: TrackSource,
    ) -> Option<&Mid> {
        roster
            .remote(identity)?
            .tracks
            .iter()
            .rev()
            .filter(|track| track.kind == TrackType::Audio)
            .filter(|track| source == TrackSource::Unknown || track.source == source)
            .find_map(|track| self.section(&track.sid))
    }

    /// All that are heard, for those who come to know of it late.
    pub(crate) fn heard(&self) -> impl Iterator<Item = Event> + '_ {
        self.heard
            .iter()
            .map(|(track_sid, identity)| Event::TrackSubscribed {
                identity: identity.clone(),
                track_sid: track_sid.clone(),
            })
    }

    /// Tracks of which something else is wished than the server does by itself.
    pub(crate) fn unlike_default(&self) -> Vec<String> {
        self.wished
            .iter()
            .filter(|(_, wish)| **wish != self.auto)
            .map(|(sid, _)| sid.clone())
            .collect()
    }

    pub(crate) fn auto(&self) -> bool {
        self.auto
    }

    pub(crate) fn due_us(&self) -> Option<u64> {
        self.hold_until_us
    }
}
