//! What the server says.

use super::Room;
use crate::command::LocalTrackId;
use crate::error::{ErrorCode, RoomError};
use crate::event::{Event, Outcome};
use crate::info::{TrackInfo, TrackType};
use beluga_engine::Secret;
use livekit_protocol as proto;
use livekit_protocol::request_response::{Reason, Request as Echo};
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message;

impl Room {
    pub(super) fn server_said(&mut self, message: Message) {
        match message {
            Message::Join(join) => self.taken_in(join),
            Message::Reconnect(reconnect) => self.resumed(&reconnect),
            Message::Leave(leave) => self.dismissed(&leave),
            message if self.has_signalling() => self.server_told(message),
            // Of a session that is not ours yet, or not any more.
            _ => {}
        }
    }

    fn server_told(&mut self, message: Message) {
        match message {
            Message::Answer(answer) => {
                if let Some(slot) = &mut self.peers.current {
                    let command = slot.negotiation.answered(answer);
                    command
                        .into_iter()
                        .for_each(|command| self.peers.ask(command));
                }
            }
            Message::Trickle(trickle) => {
                if let Some(candidate) = candidate(&trickle.candidate_init)
                    && let Some(slot) = &mut self.peers.current
                {
                    let command = slot.negotiation.candidate(candidate);
                    command
                        .into_iter()
                        .for_each(|command| self.peers.ask(command));
                }
            }
            Message::MediaSectionsRequirement(required) => {
                // Video is not received here: asking for it again would go on for ever.
                if let Some(slot) = &mut self.peers.current
                    && (required.num_audios > 0 || required.num_videos == 0)
                {
                    slot.negotiation.want_receive(required.num_audios as usize);
                }
            }
            Message::Update(update) => {
                let events = self.roster.updated(update.participants);
                self.tell(events);
            }
            Message::TrackPublished(published) => {
                if let Some(info) = published.track {
                    let published = self.publications.named(&published.cid, info);
                    self.published(published);
                }
            }
            Message::TrackUnpublished(unpublished) => {
                if let Some(track) = self.publications.by_sid(&unpublished.track_sid) {
                    let why = "the server took the track back: the permission to publish is gone";
                    let error = RoomError::new(ErrorCode::AuthorizationFailed, why);
                    self.take_back(track, Some(error));
                }
            }
            Message::TrackSubscribed(subscribed) => {
                if let Some(track) = self.publications.by_sid(&subscribed.track_sid) {
                    self.out.say(Event::LocalTrackSubscribed {
                        track,
                        track_sid: subscribed.track_sid,
                    });
                }
            }
            Message::Mute(mute) => {
                if let Some(track) = self.publications.by_sid(&mute.sid) {
                    self.mute(track, mute.muted, false);
                }
            }
            Message::SpeakersChanged(changed) => {
                let event = self.roster.spoke(changed.speakers);
                event.into_iter().for_each(|event| self.out.say(event));
            }
            Message::ConnectionQuality(update) => {
                for event in self.roster.quality(update.updates) {
                    self.out.say(event);
                }
            }
            Message::RoomUpdate(update) => {
                if let Some(room) = update.room {
                    let events = self.roster.room_updated(room);
                    self.tell(events);
                }
            }
            Message::SubscriptionPermissionUpdate(update) => {
                self.subscription_permitted(&update.track_sid, update.allowed);
            }
            Message::SubscriptionResponse(response) => {
                let (code, why) = match response.err() {
                    proto::SubscriptionError::SeCodecUnsupported => {
                        (ErrorCode::InvalidInput, "its codec is not supported")
                    }
                    proto::SubscriptionError::SeTrackNotfound => {
                        (ErrorCode::NotFound, "there is no such track")
                    }
                    proto::SubscriptionError::SeUnknown => {
                        (ErrorCode::ConnectionFailed, "the server says no more")
                    }
                };
                let identity = self.roster.track(&response.track_sid);
                let identity = identity.map(|(identity, _)| identity.to_owned());
                self.out.say(Event::TrackSubscriptionFailed {
                    identity,
                    track_sid: response.track_sid,
                    error: RoomError::new(code, format!("the track is not heard: {why}")),
                });
            }
            Message::RefreshToken(token) => {
                self.token = Secret::new(token);
                self.out.say(Event::TokenRefreshed {
                    token: self.token.clone(),
                });
            }
            Message::PongResp(pong) => {
                let sent_ms = u64::try_from(pong.last_ping_timestamp).unwrap_or(0);
                let now_ms = self.now_us() / 1_000;
                if let Some(ms) = now_ms.checked_sub(sent_ms).filter(|ms| *ms < 60_000) {
                    self.pulse.round_trip_ms = Some(ms as u32);
                }
            }
            Message::RequestResponse(response) => self.answered(response),
            Message::RoomMoved(moved) => self.moved(moved),
            // Server offers belong to two peer connections, the rest to video and to tracks of data.
            _ => {}
        }
    }

    /// We are in another room now, on the same connection.
    fn moved(&mut self, moved: proto::RoomMovedResponse) {
        if !moved.token.is_empty() {
            self.token = Secret::new(moved.token);
        }
        let events = self.roster.joined(proto::JoinResponse {
            room: moved.room,
            participant: moved.participant,
            other_participants: moved.other_participants,
            ..Default::default()
        });
        self.tell(events);
        if let Some(snapshot) = self.snapshot() {
            self.out.say(Event::Moved(Box::new(snapshot)));
        }
    }

    fn subscription_permitted(&mut self, track_sid: &str, allowed: bool) {
        let Some((identity, _)) = self.roster.track(track_sid) else {
            return;
        };
        let event = Event::TrackSubscriptionPermissionChanged {
            identity: identity.to_owned(),
            track_sid: track_sid.to_owned(),
            allowed,
        };
        self.subscriptions.permit(track_sid, allowed);
        self.out.say(event);
        self.hear();
    }

    /// The server's answer to a request of ours.
    fn answered(&mut self, response: proto::RequestResponse) {
        let reason = response.reason();
        let refused = match reason {
            Reason::Ok | Reason::Queued => None,
            Reason::NotFound => Some(ErrorCode::NotFound),
            Reason::NotAllowed => Some(ErrorCode::AuthorizationFailed),
            Reason::LimitExceeded => Some(ErrorCode::RateLimitExceeded),
            _ => Some(ErrorCode::InvalidInput),
        };
        let error = refused.map(|code| {
            let reason = reason.as_str_name().to_lowercase().replace('_', " ");
            let message: String = response.message.chars().take(200).collect();
            let separator = if message.is_empty() { "" } else { ": " };
            RoomError::new(
                code,
                format!("the server refuses it ({reason}){separator}{message}"),
            )
        });
        if let Some((command, _)) = self.updates.remove(&response.request_id) {
            let result = error.map_or(Ok(Outcome::Done), Err);
            self.out.done(command, result);
            return;
        }
        if let (Some(error), Some(Echo::AddTrack(request))) = (error, &response.request)
            && let Some(track) = self.publications.by_cid(&request.cid)
        {
            self.take_back(track, Some(error));
        }
    }

    /// A track of ours is gone; whoever waits for it to be published is told why.
    pub(super) fn take_back(&mut self, track: LocalTrackId, error: Option<RoomError>) {
        if let Some(slot) = &mut self.peers.current {
            slot.negotiation.drop_send(track);
        }
        let Some(removed) = self.publications.remove(track) else {
            return;
        };
        if let (Some(mid), Some(slot)) = (removed.mid, &mut self.peers.current) {
            slot.negotiation.want_stop(mid);
        }
        self.out
            .signals
            .retain(|message| !matches!(message, Request::AddTrack(add) if add.cid == removed.cid));
        removed
            .event
            .into_iter()
            .for_each(|event| self.out.say(event));
        if let Some(command) = removed.command {
            let error = error.unwrap_or_else(|| {
                RoomError::new(ErrorCode::ContextCanceled, "the track was taken back")
            });
            self.out.done(command, Err(error));
        }
    }

    /// Mutes a track of ours; `ask`: the server does not know yet. False if there is none.
    pub(super) fn mute(&mut self, track: LocalTrackId, muted: bool, ask: bool) -> bool {
        let Some(sid) = self.publications.mute(track, muted) else {
            return false;
        };
        if let (Some(track_sid), Some(local)) = (sid, self.roster.local()) {
            let identity = local.identity.clone();
            if ask {
                self.out.signal(Request::Mute(proto::MuteTrackRequest {
                    sid: track_sid.clone(),
                    muted,
                }));
            }
            self.out.say(if muted {
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
        true
    }

    /// Video is not received here: the server need not send it.
    pub(super) fn decline_video(&mut self, track_sid: String, info: &TrackInfo) {
        if info.kind == TrackType::Video && self.config.auto_subscribe {
            self.subscriptions.wish(&track_sid, false);
            self.ask_for(track_sid, false);
        }
    }

    /// Asks the server for a track, or for its absence.
    pub(super) fn ask_for(&mut self, track_sid: String, subscribe: bool) {
        let participant_tracks = self
            .roster
            .track(&track_sid)
            .and_then(|(identity, _)| self.roster.remote(identity))
            .map(|participant| proto::ParticipantTracks {
                participant_sid: participant.sid.clone(),
                track_sids: vec![track_sid.clone()],
            });
        self.out
            .signal(Request::Subscription(proto::UpdateSubscription {
                track_sids: vec![track_sid],
                subscribe,
                participant_tracks: participant_tracks.into_iter().collect(),
            }));
    }
}

/// The candidate in the JSON of a trickle message; the end of candidates is none.
fn candidate(init: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(init).ok()?;
    let candidate = value["candidate"].as_str()?.trim();
    (!candidate.is_empty()).then(|| candidate.to_owned())
}
