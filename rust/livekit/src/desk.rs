//! Where a room and whoever holds it meet: what was asked, and what happened.

use crate::command::{Command, CommandId};
use crate::error::RoomError;
use crate::event::{Event, Outcome};
use beluga_engine::{Bell, Wake};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Commands that may be under way at the same time; more are refused.
pub const MAX_COMMANDS: usize = 1_024;
/// Events that may wait. Whoever lets more come to wait is not there, and the room ends.
pub const MAX_EVENTS: usize = 8_192;
/// From as many on, events about speakers and quality are left out (the next one says it anew), streams are not taken and calls
/// refused.
const SKIP_EVENTS_FROM: usize = 4_096;
/// Bytes of all events that may wait: the same.
pub const MAX_EVENT_BYTES: usize = 32 << 20;
/// Bytes of data that may wait.
pub const MAX_DATA_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) enum Asked {
    Command(CommandId, Box<Command>),
    Cancel(CommandId),
}

#[derive(Debug, Default)]
struct Papers {
    asked: VecDeque<Asked>,
    outstanding: BTreeSet<CommandId>,
    last_id: u64,
    events: VecDeque<Event>,
    data_bytes: usize,
    /// Of all events.
    bytes: usize,
    overflowed: bool,
    /// Nothing more will be said.
    over: bool,
    /// Nobody holds the room any more.
    abandoned: bool,
    dropped: Dropped,
}

/// What was left out of the events, so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dropped {
    pub(crate) lossy: u64,
    pub(crate) reliable: u64,
    pub(crate) skipped: u64,
}

#[derive(Debug)]
pub(crate) struct Desk {
    papers: Mutex<Papers>,
    /// The loop that takes events.
    bell: Bell,
    /// The thread that drives the room.
    room_wake: Arc<dyn Wake>,
}

/// How much data an event carries, and whether it was sent to arrive.
fn data_of(event: &Event) -> Option<(usize, bool)> {
    match event {
        Event::Data(data) => Some((
            data.payload.len() + data.topic.as_ref().map_or(0, String::len) + 64,
            data.reliable,
        )),
        Event::Dtmf { digit, .. } => Some((digit.len() + 64, true)),
        Event::Transcription { segments, .. } => {
            let text = |segment: &crate::TranscriptionSegment| {
                segment.text.len() + segment.id.len() + segment.language.len() + 64
            };
            Some((segments.iter().map(text).sum::<usize>() + 64, true))
        }
        Event::Chat { message, .. } => Some((message.message.len() + message.id.len() + 64, true)),
        _ => None,
    }
}

/// About how much memory an event takes.
fn weight(event: &Event) -> usize {
    let attributes = |map: &BTreeMap<String, String>| -> usize {
        map.iter()
            .map(|(key, value)| key.len() + value.len() + 48)
            .sum()
    };
    let participant = |info: &crate::ParticipantInfo| {
        info.metadata.len()
            + info.name.len()
            + attributes(&info.attributes)
            + info.tracks.len() * 256
    };
    let own = match event {
        Event::ParticipantConnected(info) => participant(info),
        Event::ParticipantAttributesChanged {
            changed,
            attributes: all,
            ..
        } => attributes(changed) + attributes(all),
        Event::ParticipantMetadataChanged { old, new, .. }
        | Event::ParticipantNameChanged { old, new, .. }
        | Event::RoomMetadataChanged { old, new } => old.len() + new.len(),
        Event::RoomUpdated { old, new } => old.metadata.len() + new.metadata.len(),
        Event::RpcRequest {
            payload, method, ..
        } => payload.len() + method.len(),
        Event::Connected(snapshot) | Event::Moved(snapshot) => {
            snapshot.remotes.iter().map(participant).sum()
        }
        Event::StreamOpened { info, .. } => attributes(&info.attributes) + info.topic.len(),
        Event::ActiveSpeakersChanged(speakers) => speakers.len() * 64,
        _ => data_of(event).map_or(0, |(bytes, _)| bytes),
    };
    own + size_of::<Event>()
}

impl Desk {
    pub(crate) fn new(bell: Bell, room_wake: Arc<dyn Wake>) -> Self {
        Self {
            papers: Mutex::new(Papers::default()),
            bell,
            room_wake,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the holder does.

    pub(crate) fn ask(&self, command: Command) -> Result<CommandId, Refused> {
        let mut papers = self.lock();
        let refuse = |command, error| {
            let command = Box::new(command);
            Err(Refused { command, error })
        };
        if papers.over {
            return refuse(command, RoomError::over());
        }
        if papers.outstanding.len() >= MAX_COMMANDS || papers.events.len() >= MAX_EVENTS {
            let error = RoomError::new(
                crate::ErrorCode::RateLimitExceeded,
                format!(
                    "{MAX_COMMANDS} commands are under way in this room, or {MAX_EVENTS} events wait: take some of them"
                ),
            );
            return refuse(command, error);
        }
        papers.last_id += 1;
        let id = CommandId(papers.last_id);
        papers.outstanding.insert(id);
        papers
            .asked
            .push_back(Asked::Command(id, Box::new(command)));
        drop(papers);
        self.room_wake.wake();
        Ok(id)
    }

    pub(crate) fn cancel(&self, id: CommandId) {
        let mut papers = self.lock();
        // Asking twice is asking once: what waits here is bounded by what is outstanding.
        let again = |asked: &Asked| matches!(asked, Asked::Cancel(other) if *other == id);
        if !papers.outstanding.contains(&id) || papers.asked.iter().any(again) {
            return;
        }
        papers.asked.push_back(Asked::Cancel(id));
        drop(papers);
        self.room_wake.wake();
    }

    pub(crate) fn event(&self) -> Option<Event> {
        let mut papers = self.lock();
        let event = papers.events.pop_front()?;
        papers.bytes -= weight(&event);
        if let Some((bytes, _)) = data_of(&event) {
            papers.data_bytes -= bytes;
        }
        Some(event)
    }

    pub(crate) fn abandon(&self) {
        let mut papers = self.lock();
        papers.abandoned = true;
        papers.events.clear();
        (papers.bytes, papers.data_bytes) = (0, 0);
        drop(papers);
        self.room_wake.wake();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    // What the room does.

    pub(crate) fn asked(&self) -> Option<Asked> {
        self.lock().asked.pop_front()
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Whether so many events wait that nothing is begun which would bring more.
    pub(crate) fn is_crowded(&self) -> bool {
        self.lock().events.len() >= SKIP_EVENTS_FROM
    }

    pub(crate) fn has_overflowed(&self) -> bool {
        self.lock().overflowed
    }

    pub(crate) fn dropped(&self) -> Dropped {
        self.lock().dropped
    }

    /// Says that a command is done; a second time it is not heard.
    pub(crate) fn done(&self, now_us: u64, id: CommandId, result: Result<Outcome, RoomError>) {
        let mut papers = self.lock();
        if papers.outstanding.remove(&id) && !papers.abandoned {
            papers.push(Event::Done { id, result });
            drop(papers);
            self.bell.ring(now_us);
        }
    }

    pub(crate) fn say(&self, now_us: u64, event: Event) {
        let mut papers = self.lock();
        if papers.over || papers.abandoned {
            return;
        }
        if let Some((bytes, reliable)) = data_of(&event) {
            if !papers.make_room(bytes) {
                let dropped = &mut papers.dropped;
                *if reliable {
                    &mut dropped.reliable
                } else {
                    &mut dropped.lossy
                } += 1;
                return;
            }
            papers.data_bytes += bytes;
        }
        let fleeting = matches!(
            event,
            Event::ActiveSpeakersChanged(_) | Event::ConnectionQualityChanged { .. }
        );
        if fleeting && papers.events.len() >= SKIP_EVENTS_FROM {
            papers.dropped.skipped += 1;
            return;
        }
        if papers.events.len() >= MAX_EVENTS || papers.bytes >= MAX_EVENT_BYTES {
            papers.overflowed = true;
            return;
        }
        papers.push(event);
        drop(papers);
        self.bell.ring(now_us);
    }

    /// The last word: every command that is under way has failed, and the room is over.
    pub(crate) fn close(&self, now_us: u64, error: &RoomError, last: Event) {
        let mut papers = self.lock();
        if papers.over {
            return;
        }
        papers.over = true;
        papers.asked.clear();
        let failed = std::mem::take(&mut papers.outstanding);
        if !papers.abandoned {
            for id in failed {
                let result = Err(error.clone());
                papers.push(Event::Done { id, result });
            }
            papers.push(last);
        }
        drop(papers);
        self.bell.ring(now_us);
    }
}

impl Papers {
    fn push(&mut self, event: Event) {
        self.bytes += weight(&event);
        self.events.push_back(event);
    }

    /// Whether so many bytes of data may wait beside what does: the oldest lossy packets make room.
    fn make_room(&mut self, bytes: usize) -> bool {
        if self.data_bytes + bytes <= MAX_DATA_BYTES {
            return true;
        }
        let is_lossy = |event: &Event| matches!(data_of(event), Some((_, false)));
        let droppable: usize = self
            .events
            .iter()
            .filter(|event| is_lossy(event))
            .filter_map(data_of)
            .map(|(bytes, _)| bytes)
            .sum();
        if self.data_bytes - droppable + bytes > MAX_DATA_BYTES {
            return false;
        }
        let mut excess = (self.data_bytes + bytes).saturating_sub(MAX_DATA_BYTES);
        let (mut freed, mut weighed, mut dropped) = (0, 0, 0);
        self.events.retain(|event| match data_of(event) {
            Some((bytes, false)) if excess > 0 => {
                excess = excess.saturating_sub(bytes);
                freed += bytes;
                weighed += weight(event);
                dropped += 1;
                false
            }
            _ => true,
        });
        self.data_bytes -= freed;
        self.bytes -= weighed;
        self.dropped.lossy += dropped;
        true
    }
}

/// A command that was not taken, and why.
#[derive(Debug)]
pub struct Refused {
    /// The command, with the doors that it may hold.
    pub command: Box<Command>,
    /// Why.
    pub error: RoomError,
}
