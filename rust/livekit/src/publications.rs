//! Tracks of ours: asked for, given a sid, negotiated, muted, taken back.

use crate::command::{CommandId, LocalTrackId, TrackOptions};
use crate::event::{Event, Outcome};
use crate::info::TrackInfo;
use crate::random::Random;
use crate::{ErrorCode, RoomError};
use beluga_webrtc::{Mid, SendSection};
use livekit_protocol as proto;
use std::collections::BTreeMap;

/// How long the server may take to give a track its sid.
const PUBLISH_TIMEOUT_MS: u32 = 10_000;
/// Tracks of ours in a room: one for each session in it, and some.
pub(crate) const MAX_PUBLICATIONS: usize = 64;

#[derive(Debug)]
struct Publication {
    options: TrackOptions,
    /// Ours for the track: in the offer's msid line and in the request.
    cid: String,
    stream: String,
    muted: bool,
    mid: Option<Mid>,
    /// The section can be sent on.
    live: bool,
    info: Option<TrackInfo>,
    wire: Option<proto::TrackInfo>,
    /// Whoever waits for it to be published.
    command: Option<CommandId>,
    due_us: Option<u64>,
    /// It was said to be published.
    announced: bool,
    /// Its sid in the room as it was joined before.
    old_sid: Option<String>,
}

impl Publication {
    fn to_add(&self) -> proto::AddTrackRequest {
        proto::AddTrackRequest {
            cid: self.cid.clone(),
            name: self.options.name.clone(),
            r#type: proto::TrackType::Audio as i32,
            muted: self.muted,
            source: self.options.source as i32,
            // Redundant encoding is not sent. DTX is: pauses are one packet each 400 ms.
            disable_red: true,
            stream: self.stream.clone(),
            ..Default::default()
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Publications(BTreeMap<LocalTrackId, Publication>);

/// A publication that is no more.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(crate) cid: String,
    pub(crate) mid: Option<Mid>,
    pub(crate) event: Option<Event>,
    pub(crate) command: Option<CommandId>,
}

impl Publications {
    /// Begins to publish.
    pub(crate) fn add(
        &mut self,
        track: LocalTrackId,
        options: TrackOptions,
        command: Option<CommandId>,
        random: &mut Random,
    ) -> Result<(), RoomError> {
        if self.0.contains_key(&track) {
            return Err(RoomError::new(
                ErrorCode::InvalidState,
                "this track is published already",
            ));
        }
        if self.0.len() >= MAX_PUBLICATIONS {
            return Err(RoomError::new(
                ErrorCode::RateLimitExceeded,
                format!("at most {MAX_PUBLICATIONS} tracks can be published: take one back first"),
            ));
        }
        let stream = if options.stream.is_empty() {
            random.uuid()
        } else {
            options.stream.clone()
        };
        let publication = Publication {
            muted: options.muted,
            options,
            cid: random.uuid(),
            stream,
            mid: None,
            live: false,
            info: None,
            wire: None,
            command,
            due_us: None,
            announced: false,
            old_sid: None,
        };
        self.0.insert(track, publication);
        Ok(())
    }

    /// What the server is asked for; from now on it may take so long.
    pub(crate) fn request(
        &mut self,
        track: LocalTrackId,
        now_us: u64,
    ) -> Option<proto::AddTrackRequest> {
        let publication = self.0.get_mut(&track)?;
        publication.due_us = Some(now_us + u64::from(PUBLISH_TIMEOUT_MS) * 1_000);
        Some(publication.to_add())
    }

    /// Those that were part of a join may take so long from now on.
    pub(crate) fn expect(&mut self, now_us: u64) {
        for publication in self.0.values_mut() {
            if publication.mid.is_some() && publication.info.is_none() {
                publication.due_us = Some(now_us + u64::from(PUBLISH_TIMEOUT_MS) * 1_000);
            }
        }
    }

    /// What the peer is asked for.
    pub(crate) fn section(&self, track: LocalTrackId) -> Option<SendSection> {
        let publication = self.0.get(&track)?;
        Some(SendSection {
            cid: publication.cid.clone(),
            stream: publication.stream.clone(),
        })
    }

    /// What is published with a join: all that the offer has sections for.
    pub(crate) fn to_add(&self) -> Vec<proto::AddTrackRequest> {
        self.0
            .values()
            .filter(|publication| publication.mid.is_some())
            .map(Publication::to_add)
            .collect()
    }

    /// The offer has a section for it.
    pub(crate) fn placed(&mut self, track: LocalTrackId, mid: Mid) {
        if let Some(publication) = self.0.get_mut(&track) {
            publication.mid = Some(mid);
        }
    }

    /// Its section can be sent on.
    pub(crate) fn live(&mut self, track: LocalTrackId) -> Option<Published> {
        self.0.get_mut(&track)?.live = true;
        self.published(track)
    }

    /// The server has given it a sid.
    pub(crate) fn named(&mut self, cid: &str, info: proto::TrackInfo) -> Option<Published> {
        let (track, publication) = self
            .0
            .iter_mut()
            .find(|(_, publication)| publication.cid == cid)?;
        let track = *track;
        publication.info = Some(TrackInfo::from_wire(info.clone()));
        publication.wire = Some(info);
        self.published(track)
    }

    fn published(&mut self, track: LocalTrackId) -> Option<Published> {
        let publication = self.0.get_mut(&track)?;
        let mut info = publication.info.clone().filter(|_| publication.live)?;
        publication.due_us = None;
        info.muted = publication.muted;
        let event = match (publication.announced, publication.old_sid.take()) {
            (false, _) => Event::LocalTrackPublished {
                track,
                info: info.clone(),
            },
            (true, Some(old_sid)) => Event::LocalTrackRepublished {
                track,
                old_sid,
                info: info.clone(),
            },
            (true, None) => return None,
        };
        publication.announced = true;
        Some(Published {
            event,
            done: publication
                .command
                .take()
                .map(|id| (id, Outcome::Published(info))),
        })
    }

    pub(crate) fn by_cid(&mut self, cid: &str) -> Option<LocalTrackId> {
        self.0
            .iter()
            .find(|(_, publication)| publication.cid == cid)
            .map(|(track, _)| *track)
    }

    pub(crate) fn remove(&mut self, track: LocalTrackId) -> Option<Removed> {
        let publication = self.0.remove(&track)?;
        let sid = publication.info.map(|info| info.sid).unwrap_or_default();
        // Whoever awaits a command hears of it by that.
        let told = publication.announced || publication.command.is_none();
        Some(Removed {
            cid: publication.cid,
            mid: publication.mid,
            event: told.then_some(Event::LocalTrackUnpublished {
                track,
                track_sid: sid,
            }),
            command: publication.command,
        })
    }

    /// Mutes or unmutes: gives the sid if there is one and something changed.
    pub(crate) fn mute(&mut self, track: LocalTrackId, muted: bool) -> Option<Option<String>> {
        let publication = self.0.get_mut(&track)?;
        let changed = publication.muted != muted;
        publication.muted = muted;
        let sid = publication.info.as_ref().map(|info| info.sid.clone());
        Some(sid.filter(|_| changed))
    }

    /// The room is to be joined anew: nothing is published there yet.
    pub(crate) fn forget_places(&mut self) {
        for publication in self.0.values_mut() {
            publication.mid = None;
            publication.live = false;
            publication.wire = None;
            if let Some(info) = publication.info.take() {
                publication.old_sid.get_or_insert(info.sid);
            }
        }
    }

    /// All that are published, for those who come to know of it late.
    pub(crate) fn announced(&self) -> Vec<Event> {
        self.0
            .iter()
            .filter(|(_, publication)| publication.announced)
            .filter_map(|(track, publication)| {
                Some(Event::LocalTrackPublished {
                    track: *track,
                    info: publication.info.clone()?,
                })
            })
            .collect()
    }

    pub(crate) fn contains(&self, track: LocalTrackId) -> bool {
        self.0.contains_key(&track)
    }

    pub(crate) fn ids(&self) -> Vec<LocalTrackId> {
        self.0.keys().copied().collect()
    }

    pub(crate) fn by_sid(&self, sid: &str) -> Option<LocalTrackId> {
        self.0
            .iter()
            .find(|(_, publication)| {
                publication
                    .info
                    .as_ref()
                    .is_some_and(|info| info.sid == sid)
            })
            .map(|(track, _)| *track)
    }

    pub(crate) fn by_command(&self, command: CommandId) -> Option<LocalTrackId> {
        self.0
            .iter()
            .find(|(_, publication)| publication.command == Some(command))
            .map(|(track, _)| *track)
    }

    pub(crate) fn sid(&self, track: LocalTrackId) -> Option<&str> {
        let info = self.0.get(&track)?.info.as_ref()?;
        Some(&info.sid)
    }

    /// Where its packets go, if they go anywhere.
    pub(crate) fn outlet(&self, track: LocalTrackId) -> Option<&Mid> {
        let publication = self.0.get(&track)?;
        publication
            .mid
            .as_ref()
            .filter(|_| publication.live && !publication.muted)
    }

    /// What the server is to be reminded of after a resume.
    pub(crate) fn to_sync(&self) -> Vec<proto::TrackPublishedResponse> {
        self.0
            .values()
            .filter_map(|publication| {
                Some(proto::TrackPublishedResponse {
                    cid: publication.cid.clone(),
                    track: Some(publication.wire.clone()?),
                })
            })
            .collect()
    }

    /// Tracks that have waited too long.
    pub(crate) fn overdue(&self, now_us: u64) -> Vec<LocalTrackId> {
        self.0
            .iter()
            .filter(|(_, publication)| publication.due_us.is_some_and(|due| due <= now_us))
            .map(|(track, _)| *track)
            .collect()
    }

    pub(crate) fn due_us(&self) -> Option<u64> {
        self.0
            .values()
            .filter_map(|publication| publication.due_us)
            .min()
    }
}

/// A track that is now published.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) event: Event,
    pub(crate) done: Option<(CommandId, Outcome)>,
}
