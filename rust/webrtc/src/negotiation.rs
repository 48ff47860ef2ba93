//! Offers and their answers. We always offer; one offer is outstanding at a time.

use crate::answer::AnswerSection;
use crate::command::{Mid, OfferRequest};
use crate::data::DataChannels;
use crate::event::{OfferMade, PeerFault};
use crate::numbering::Numbering;
use crate::section::{Purpose, Section, Sending};
use rand_pcg::Pcg64;
use std::fmt;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid as RtcMid};
use str0m::{Candidate, Rtc};

/// Candidates of the other side that one set of its credentials may have; more are ignored.
const MAX_CANDIDATES: usize = 64;

/// An offer that waits for its answer, and what is needed to take it back.
struct Outstanding {
    id: u32,
    /// None where nothing changes that str0m could offer: without media sections there is nothing to set again.
    pending: Option<SdpPendingOffer>,
    /// How many sections there were before.
    sections: usize,
    /// Sections that it stops.
    stopped: Vec<usize>,
    /// Directions that it changed.
    directions: Vec<(RtcMid, Direction)>,
    /// It opens the data channels.
    channels: bool,
    /// Candidates that come before the answer belong to what it brings.
    new_credentials: bool,
}

/// See the module.
pub(crate) struct Negotiation {
    pub(crate) sections: Vec<Section>,
    outstanding: Option<Outstanding>,
    /// Whether the other side's credentials are known.
    answered: bool,
    channels_offered: bool,
    last_sdp: String,
    /// Candidates that wait for an answer.
    held: Vec<Candidate>,
    /// Candidates taken since the credentials changed.
    candidates: usize,
    /// Candidates that could not be read, or were too many.
    pub(crate) candidates_ignored: u64,
    random: Pcg64,
}

impl fmt::Debug for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiation")
            .field("sections", &self.sections)
            .field("outstanding", &self.outstanding.as_ref().map(|o| o.id))
            .finish_non_exhaustive()
    }
}

fn failed(why: impl ToString) -> PeerFault {
    PeerFault::Negotiation(why.to_string())
}

impl Negotiation {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            sections: Vec::new(),
            outstanding: None,
            answered: false,
            channels_offered: false,
            last_sdp: String::new(),
            held: Vec::new(),
            candidates: 0,
            candidates_ignored: 0,
            random: Pcg64::new(u128::from(seed), 0),
        }
    }

    /// The section of that name, if it is still wanted.
    pub(crate) fn find(&self, name: &Mid) -> Option<usize> {
        self.sections
            .iter()
            .position(|section| section.wanted && *section.mid == *name.0)
    }

    pub(crate) fn section(&mut self, name: Option<&Mid>) -> Option<&mut Section> {
        let index = self.find(name?)?;
        self.sections.get_mut(index)
    }

    pub(crate) fn offer(
        &mut self,
        rtc: &mut Rtc,
        data: &mut DataChannels,
        request: &OfferRequest,
    ) -> Result<OfferMade, PeerFault> {
        if let Some(outstanding) = &self.outstanding {
            let id = outstanding.id;
            return Err(failed(format!("offer {id} has no answer yet")));
        }
        let stopped = self.named(&request.stop)?;
        for &index in &stopped {
            self.sections[index].wanted = false;
        }
        let before = self.sections.len();
        let directions = self.directions(rtc);
        let mut changes = rtc.sdp_api();
        // Also what the last answer turned off, so that the other side can use it again.
        for section in &self.sections {
            changes.set_direction(section.mid, section.direction());
        }
        let channels = !self.channels_offered && !data.is_empty();
        if channels {
            data.offer(&mut changes);
        }
        for wanted in &request.send {
            let (stream, cid) = (wanted.stream.clone(), wanted.cid.clone());
            let mid = changes.add_media(
                MediaKind::Audio,
                Direction::SendOnly,
                Some(stream),
                Some(cid),
                None,
            );
            self.sections.push(Section {
                mid,
                purpose: Purpose::Send(Sending {
                    ssrc: None,
                    numbering: Numbering::new(&mut self.random),
                }),
                wanted: true,
                payload_type: None,
                repeats: false,
            });
        }
        for _ in 0..request.receive {
            let mid = changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
            self.sections.push(Section {
                mid,
                purpose: Purpose::Receive {
                    unbound_told: false,
                    sources: Vec::new(),
                },
                wanted: true,
                payload_type: None,
                repeats: false,
            });
        }
        if request.ice_restart {
            changes.ice_restart(true);
        }
        if !changes.has_changes()
            && let Some(section) = again(&self.sections)
        {
            // str0m offers nothing without a change: there and back is one.
            let direction = section.direction();
            let other = match direction {
                Direction::Inactive => Direction::RecvOnly,
                _ => Direction::Inactive,
            };
            changes.set_direction(section.mid, other);
            changes.set_direction(section.mid, direction);
        }
        let pending = changes.apply().map(|(offer, pending)| {
            self.last_sdp = offer.to_sdp_string();
            pending
        });
        if pending.is_none() && self.last_sdp.is_empty() {
            return Err(failed("there is nothing to offer"));
        }
        let added = &self.sections[before..];
        let (send, receive) = added.split_at(request.send.len());
        let made = OfferMade {
            id: request.id,
            sdp: self.last_sdp.clone(),
            send: send.iter().map(Section::name).collect(),
            receive: receive.iter().map(Section::name).collect(),
        };
        self.channels_offered |= channels;
        self.outstanding = Some(Outstanding {
            id: request.id,
            pending,
            sections: before,
            stopped,
            directions,
            channels,
            new_credentials: request.ice_restart || !self.answered,
        });
        Ok(made)
    }

    /// Takes the answer; what the offer would have changed is taken back where that fails.
    pub(crate) fn answer(
        &mut self,
        rtc: &mut Rtc,
        data: &mut DataChannels,
        id: u32,
        sdp: &str,
    ) -> Result<(), PeerFault> {
        let Some(mut outstanding) = self.take(id) else {
            return Err(failed(format!("no offer {id} is outstanding")));
        };
        let taken = SdpAnswer::from_sdp_string(sdp)
            .map_err(failed)
            .and_then(|answer| match outstanding.pending.take() {
                Some(pending) => rtc.sdp_api().accept_answer(pending, answer).map_err(failed),
                None => Ok(()),
            });
        if let Err(fault) = taken {
            self.take_back(rtc, data, &outstanding);
            return Err(fault);
        }
        self.answered = true;
        if outstanding.new_credentials {
            self.candidates = 0;
        }
        self.learn(rtc, sdp);
        self.add_held(rtc);
        Ok(())
    }

    pub(crate) fn give_up(&mut self, rtc: &mut Rtc, data: &mut DataChannels, id: u32) {
        if let Some(outstanding) = self.take(id) {
            self.take_back(rtc, data, &outstanding);
            if self.answered {
                self.add_held(rtc);
            }
        }
    }

    pub(crate) fn remote_candidate(&mut self, rtc: &mut Rtc, line: &str) {
        let line = line.trim();
        let read = Candidate::from_sdp_string(line.strip_prefix("a=").unwrap_or(line));
        // One that would open connections itself cannot be reached: that is what we do (RFC 6544, section 5.2).
        let Some(candidate) = read.ok().filter(|_| !line.contains("tcptype active")) else {
            self.candidates_ignored += 1;
            return;
        };
        let waits = match &self.outstanding {
            Some(outstanding) => outstanding.new_credentials,
            None => !self.answered,
        };
        if !waits {
            self.add(rtc, candidate);
        } else if self.held.len() < MAX_CANDIDATES {
            self.held.push(candidate);
        } else {
            self.candidates_ignored += 1;
        }
    }

    fn take(&mut self, id: u32) -> Option<Outstanding> {
        self.outstanding.take_if(|outstanding| outstanding.id == id)
    }

    fn named(&self, names: &[Mid]) -> Result<Vec<usize>, PeerFault> {
        names
            .iter()
            .map(|name| {
                self.find(name)
                    .ok_or_else(|| failed(format!("there is no section {} to stop", name.0)))
            })
            .collect()
    }

    fn directions(&self, rtc: &Rtc) -> Vec<(RtcMid, Direction)> {
        self.sections
            .iter()
            .filter_map(|section| Some((section.mid, rtc.media(section.mid)?.direction())))
            .collect()
    }

    fn take_back(&mut self, rtc: &mut Rtc, data: &mut DataChannels, outstanding: &Outstanding) {
        self.sections.truncate(outstanding.sections);
        for &index in &outstanding.stopped {
            self.sections[index].wanted = true;
        }
        let mut changes = rtc.sdp_api();
        for &(mid, direction) in &outstanding.directions {
            changes.set_direction(mid, direction);
        }
        if outstanding.channels {
            self.channels_offered = false;
            data.take_back();
        }
    }

    /// What the answer settled.
    fn learn(&mut self, rtc: &mut Rtc, answer: &str) {
        for section in &mut self.sections {
            let media = rtc.media(section.mid);
            section.wanted &= media.is_some_and(|media| !media.stopped());
            section.payload_type = media
                .filter(|media| media.direction() != Direction::Inactive)
                .and_then(|media| media.remote_pts().first().copied());
            let answered = AnswerSection::find(answer, &section.mid);
            section.repeats = section
                .payload_type
                .is_some_and(|payload_type| answered.is_some_and(|a| a.repeats(payload_type)));
            let mut direct = rtc.direct_api();
            let ssrc = direct
                .stream_tx_by_mid(section.mid, None)
                .map(|stream| stream.ssrc());
            match &mut section.purpose {
                Purpose::Send(sending) => sending.ssrc = ssrc,
                // str0m makes a sender for each section; its reports on a stream that never is are noise.
                Purpose::Receive { sources, .. } => {
                    ssrc.map(|ssrc| direct.remove_stream_tx(ssrc));
                    // Nor does it forget who spoke here before.
                    let now = answered.map_or_else(Vec::new, AnswerSection::sources);
                    for gone in sources.iter().filter(|source| !now.contains(source)) {
                        direct.remove_stream_rx((*gone).into());
                    }
                    *sources = now;
                }
            }
        }
    }

    fn add_held(&mut self, rtc: &mut Rtc) {
        for candidate in std::mem::take(&mut self.held) {
            self.add(rtc, candidate);
        }
    }

    fn add(&mut self, rtc: &mut Rtc, candidate: Candidate) {
        if self.candidates < MAX_CANDIDATES {
            self.candidates += 1;
            rtc.add_remote_candidate(candidate);
        } else {
            self.candidates_ignored += 1;
        }
    }
}

/// The section that suffers least from being turned off and on: one that is off, else one that receives.
fn again(sections: &[Section]) -> Option<&Section> {
    sections.iter().min_by_key(|section| match section.purpose {
        _ if !section.wanted => 0,
        Purpose::Receive { .. } => 1,
        Purpose::Send(_) => 2,
    })
}
