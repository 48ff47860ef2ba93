//! Offers and answers: one offer outstanding at a time, all of them ours. The server never offers in single-peer-connection mode.

use crate::command::LocalTrackId;
use beluga_webrtc::{Mid, OfferMade, OfferRequest, PeerCommand, SendSection};
use livekit_protocol::SessionDescription;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Sections to receive on, all in all: as many voices as one could hear at once, and some.
const MAX_RECEIVE: usize = 256;
/// Candidates of the server's with one answer of its.
const MAX_CANDIDATES: usize = 64;

/// What the next offer is for.
#[derive(Debug, Default)]
struct Wanted {
    /// An offer, whether anything changed or not.
    again: bool,
    receive: usize,
    send: Vec<(LocalTrackId, SendSection)>,
    stop: Vec<Mid>,
    ice_restart: bool,
}

impl Wanted {
    fn is_nothing(&self) -> bool {
        !self.again
            && self.receive == 0
            && self.send.is_empty()
            && self.stop.is_empty()
            && !self.ice_restart
    }

    fn merge(&mut self, other: Self) {
        self.again |= other.again;
        self.receive += other.receive;
        self.send.splice(0..0, other.send);
        self.stop.splice(0..0, other.stop);
        self.ice_restart |= other.ice_restart;
    }
}

#[derive(Debug)]
enum Step {
    /// The peer makes it.
    Making,
    /// The server answers it.
    Answering { offer: SessionDescription },
    /// The peer takes the answer.
    Applying {
        offer: SessionDescription,
        answer: SessionDescription,
    },
}

#[derive(Debug)]
struct Outstanding {
    id: u32,
    since_us: u64,
    wanted: Wanted,
    step: Step,
}

/// What became live with an answer.
#[derive(Debug)]
pub(crate) struct Live {
    /// Tracks of ours that can be sent on.
    pub(crate) send: Vec<LocalTrackId>,
    /// Which track is received on which section: the whole of it.
    pub(crate) tracks: HashMap<String, String>,
    /// The longest message that the other side takes on a channel for data, if it says one.
    pub(crate) max_message_bytes: Option<usize>,
    /// The offer had new ICE credentials.
    pub(crate) restarted: bool,
}

/// See the module. One per peer.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    last_id: u32,
    outstanding: Option<Outstanding>,
    wanted: Wanted,
    /// Sections to receive on that an answer has made live, or that are in the offer under way.
    receiving: BTreeSet<String>,
    candidates: VecDeque<String>,
    /// Candidates handed to the peer since its last answer.
    candidates_given: usize,
    /// Of the sections that are wanted: so many the server will ask for again, if it still needs them. It counts anew with each
    /// answer.
    asked_before: usize,
    /// The last offer and the last answer that hold.
    settled: Option<(SessionDescription, SessionDescription)>,
}

impl Negotiation {
    pub(crate) fn want_send(&mut self, track: LocalTrackId, section: SendSection) {
        self.wanted.send.push((track, section));
    }

    /// The track is not wanted after all: true if no offer holds it yet.
    pub(crate) fn drop_send(&mut self, track: LocalTrackId) -> bool {
        let before = self.wanted.send.len();
        self.wanted.send.retain(|(other, _)| *other != track);
        self.wanted.send.len() < before
    }

    pub(crate) fn want_stop(&mut self, mid: Mid) {
        self.wanted.stop.push(mid);
    }

    /// More sections, or just another offer.
    pub(crate) fn want_receive(&mut self, more: usize) {
        let again = self.asked_before.min(more);
        self.asked_before -= again;
        let room = MAX_RECEIVE.saturating_sub(self.receiving.len() + self.wanted.receive);
        self.wanted.receive += (more - again).min(room);
        self.wanted.again = true;
    }

    pub(crate) fn want_restart(&mut self) {
        self.wanted.ice_restart = true;
    }

    /// The next offer, if one is wanted and none is outstanding.
    pub(crate) fn begin(&mut self, now_us: u64) -> Option<PeerCommand> {
        if self.outstanding.is_some() || self.wanted.is_nothing() {
            return None;
        }
        let wanted = std::mem::take(&mut self.wanted);
        self.last_id += 1;
        let request = OfferRequest {
            id: self.last_id,
            send: wanted
                .send
                .iter()
                .map(|(_, section)| section.clone())
                .collect(),
            receive: wanted.receive,
            stop: wanted.stop.clone(),
            ice_restart: wanted.ice_restart,
        };
        self.outstanding = Some(Outstanding {
            id: self.last_id,
            since_us: now_us,
            wanted,
            step: Step::Making,
        });
        Some(PeerCommand::Offer(request))
    }

    /// The peer has made the offer: what to send to the server, and on which sections our tracks will go.
    pub(crate) fn offered(
        &mut self,
        made: OfferMade,
    ) -> Option<(SessionDescription, Vec<(LocalTrackId, Mid)>)> {
        let outstanding = self
            .outstanding
            .as_mut()
            .filter(|outstanding| outstanding.id == made.id)
            .filter(|outstanding| matches!(outstanding.step, Step::Making))?;
        let offer = SessionDescription {
            r#type: "offer".to_owned(),
            sdp: made.sdp,
            id: made.id,
            mid_to_track_id: HashMap::new(),
        };
        outstanding.step = Step::Answering {
            offer: offer.clone(),
        };
        self.receiving
            .extend(made.receive.into_iter().map(|mid| mid.0));
        let tracks = outstanding.wanted.send.iter().map(|(track, _)| *track);
        Some((offer, tracks.zip(made.send).collect()))
    }

    /// The server's answer: for the peer, if it answers what was asked.
    pub(crate) fn answered(&mut self, answer: SessionDescription) -> Option<PeerCommand> {
        let outstanding = self
            .outstanding
            .as_mut()
            .filter(|outstanding| outstanding.id == answer.id)?;
        let Step::Answering { offer } = &mut outstanding.step else {
            return None;
        };
        let command = PeerCommand::Answer {
            id: answer.id,
            sdp: answer.sdp.clone(),
        };
        outstanding.step = Step::Applying {
            offer: std::mem::take(offer),
            answer,
        };
        self.asked_before = self.wanted.receive;
        self.candidates_given = 0;
        Some(command)
    }

    /// The peer has taken the answer.
    pub(crate) fn negotiated(&mut self, id: u32) -> Option<Live> {
        let outstanding = self.outstanding.take_if(|outstanding| {
            outstanding.id == id && matches!(outstanding.step, Step::Applying { .. })
        })?;
        let Step::Applying { offer, answer } = outstanding.step else {
            return None;
        };
        let mut tracks = answer.mid_to_track_id.clone();
        tracks.retain(|mid, _| self.receiving.contains(mid));
        let live = Live {
            send: outstanding
                .wanted
                .send
                .iter()
                .map(|(track, _)| *track)
                .collect(),
            tracks,
            max_message_bytes: max_message_bytes(&answer.sdp),
            restarted: outstanding.wanted.ice_restart,
        };
        self.settled = Some((offer, answer));
        Some(live)
    }

    /// The peer could not make the offer or take the answer. True if that was the one outstanding; it is wanted again.
    pub(crate) fn failed(&mut self, id: u32) -> bool {
        let Some(outstanding) = self.outstanding.take_if(|outstanding| outstanding.id == id) else {
            return false;
        };
        self.wanted.merge(outstanding.wanted);
        true
    }

    /// The answer will not come: what the offer was for is wanted again.
    pub(crate) fn give_up(&mut self) -> Option<PeerCommand> {
        let outstanding = self.outstanding.take()?;
        let id = outstanding.id;
        self.wanted.merge(outstanding.wanted);
        self.candidates.clear();
        Some(PeerCommand::GiveUpOffer { id })
    }

    /// A candidate of the server's: for the peer now, or when it has the answer that the candidate belongs to.
    pub(crate) fn candidate(&mut self, candidate: String) -> Option<PeerCommand> {
        if self.candidates_given >= MAX_CANDIDATES {
            return None;
        }
        if self.outstanding.is_none() && self.settled.is_some() {
            self.candidates_given += 1;
            return Some(PeerCommand::RemoteCandidate(candidate));
        }
        if self.candidates.len() < MAX_CANDIDATES {
            self.candidates.push_back(candidate);
        }
        None
    }

    /// Candidates that have waited for an answer which the peer now has.
    pub(crate) fn held_candidates(&mut self) -> impl Iterator<Item = PeerCommand> + '_ {
        self.candidates.drain(..).map(PeerCommand::RemoteCandidate)
    }

    /// The last offer and answer that hold.
    pub(crate) fn settled(&self) -> Option<&(SessionDescription, SessionDescription)> {
        self.settled.as_ref()
    }

    /// The offer that the server has yet to answer.
    pub(crate) fn unanswered(&self) -> Option<&SessionDescription> {
        match &self.outstanding.as_ref()?.step {
            Step::Answering { offer } => Some(offer),
            _ => None,
        }
    }

    /// Another session is offered the same.
    pub(crate) fn offer_again(&mut self, now_us: u64) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.since_us = now_us;
        }
    }

    /// Since when an offer is outstanding.
    pub(crate) fn outstanding_since_us(&self) -> Option<u64> {
        self.outstanding
            .as_ref()
            .map(|outstanding| outstanding.since_us)
    }
}

/// RFC 8841, section 6; 0 is no limit.
fn max_message_bytes(sdp: &str) -> Option<usize> {
    let value = |line: &str| {
        line.strip_prefix("a=max-message-size:")?
            .trim()
            .parse()
            .ok()
    };
    let bytes: usize = sdp.lines().find_map(value)?;
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_message_is_as_the_answer_says() {
        let of = |value: &str| max_message_bytes(&format!("v=0\r\na=max-message-size:{value}\r\n"));
        assert_eq!(of("262144"), Some(262_144));
        assert_eq!(of("0"), None);
        assert_eq!(of("many"), None);
        assert_eq!(max_message_bytes("v=0\r\n"), None);
    }
}
