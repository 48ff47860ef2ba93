//! Data channels: what is to be sent on them, and what came.

use crate::command::{Channel, ChannelSpec};
use crate::event::PeerEvent;
use crate::exchange::{Voice, weight};
use std::collections::VecDeque;
use str0m::Rtc;
use str0m::change::SdpApi;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};

/// The longest message, in bytes; the shortest has one.
pub const MAX_MESSAGE_BYTES: usize = 64_000;
/// Bytes that are buffered on a reliable channel before a message has to wait; as many may wait.
pub const RELIABLE_BUFFER_BYTES: usize = 1 << 20;
/// Bytes that are buffered on a lossy channel before a message is dropped.
pub const LOSSY_BUFFER_BYTES: usize = 256 << 10;
/// Bytes of messages that came and were not taken.
pub const INCOMING_BYTES: usize = 1 << 20;
/// Of those, bytes that lie in the handle's queue; the rest can still be dropped.
const QUEUED_BYTES: usize = 256 << 10;
/// A channel's bytes that SCTP has at a time: what it may send at once when a window opens, 57 datagrams.
const IN_SCTP_BYTES: usize = 64 << 10;
/// Bytes that all channels together may have in SCTP: not less than two of them ever want.
pub(crate) const SCTP_BUFFER_BYTES: usize = 4 * IN_SCTP_BYTES;
/// Bytes that are written in one tick in the long run: 800 kB/s, 7 datagrams. SCTP goes faster and faster until something is lost,
/// and what is lost where buffers overflow is sound as well: with 3.2 MB/s to a server on the same machine, 11 of 380 packets.
const BYTES_PER_TICK: isize = 8 << 10;
/// Bytes that may be written at once after a pause: more than one message that LiveKit's SDKs make of a stream.
const BURST_BYTES: isize = 32 << 10;
/// Channels of the same label that the other side may open beside ours.
const MAX_TWINS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Closed,
}

#[derive(Debug)]
struct DataChannel {
    spec: ChannelSpec,
    state: State,
    id: Option<ChannelId>,
    /// Channels that the other side opened under the same label: what comes on them is this channel's.
    twins: Vec<ChannelId>,
    /// Messages that were taken and not yet written.
    taken: VecDeque<Vec<u8>>,
    taken_bytes: usize,
    /// Messages that wait for room.
    waiting: VecDeque<(u64, Vec<u8>)>,
    waiting_bytes: usize,
    /// Messages that came and were dropped, not yet said.
    dropped: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct DataChannels {
    channels: Vec<DataChannel>,
    /// Messages that came and do not fit the handle's queue.
    held: VecDeque<(Channel, Vec<u8>)>,
    held_bytes: usize,
    /// Bytes that may be written; what one message takes too many is taken off those of the next ticks.
    credit: isize,
}

impl DataChannel {
    fn is_lossy(&self) -> bool {
        self.spec.max_retransmits.is_some()
    }

    fn config(&self) -> ChannelConfig {
        let reliability = match self.spec.max_retransmits {
            Some(retransmits) => Reliability::MaxRetransmits { retransmits },
            None => Reliability::Reliable,
        };
        ChannelConfig {
            label: self.spec.label.clone(),
            ordered: self.spec.ordered,
            reliability,
            ..ChannelConfig::default()
        }
    }

    fn buffered(&self, rtc: &mut Rtc) -> usize {
        let in_sctp = self
            .id
            .and_then(|id| rtc.channel(id))
            .map_or(0, |mut channel| channel.buffered_amount());
        self.taken_bytes + in_sctp
    }

    fn close(&mut self, voice: &mut Voice) {
        self.state = State::Closed;
        self.taken.clear();
        self.taken_bytes = 0;
        self.waiting_bytes = 0;
        for (ticket, _) in self.waiting.drain(..) {
            voice.say(PeerEvent::Sent {
                ticket,
                taken: false,
            });
        }
    }
}

impl DataChannels {
    pub(crate) fn new(specs: Vec<ChannelSpec>) -> Self {
        let channels = specs
            .into_iter()
            .map(|spec| DataChannel {
                spec,
                state: State::Opening,
                id: None,
                twins: Vec::new(),
                taken: VecDeque::new(),
                taken_bytes: 0,
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                dropped: 0,
            })
            .collect();
        Self {
            channels,
            held: VecDeque::new(),
            held_bytes: 0,
            credit: BURST_BYTES,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    pub(crate) fn offer(&mut self, changes: &mut SdpApi<'_>) {
        for channel in &mut self.channels {
            channel.id = Some(changes.add_channel_with_config(channel.config()));
        }
    }

    pub(crate) fn take_back(&mut self) {
        for channel in &mut self.channels {
            channel.id = None;
        }
    }

    pub(crate) fn all_open(&self) -> bool {
        self.channels
            .iter()
            .all(|channel| channel.state != State::Opening)
    }

    fn find(&self, id: ChannelId) -> Option<usize> {
        self.channels
            .iter()
            .position(|channel| channel.id == Some(id) || channel.twins.contains(&id))
    }

    /// A channel can be written to. One that the other side opened under a label of ours is ours too, to be read.
    pub(crate) fn opened(&mut self, id: ChannelId, label: &str, voice: &mut Voice) {
        if let Some(index) = self.channels.iter().position(|c| c.id == Some(id)) {
            self.channels[index].state = State::Open;
            voice.say(PeerEvent::ChannelOpen(Channel(index)));
        } else if let Some(channel) = self.channels.iter_mut().find(|c| c.spec.label == label)
            && channel.twins.len() < MAX_TWINS
        {
            channel.twins.push(id);
        }
    }

    pub(crate) fn closed(&mut self, id: ChannelId, voice: &mut Voice) {
        let Some(index) = self.find(id) else {
            return;
        };
        let channel = &mut self.channels[index];
        if channel.id == Some(id) {
            channel.close(voice);
            voice.say(PeerEvent::ChannelClosed(Channel(index)));
        } else {
            channel.twins.retain(|twin| *twin != id);
        }
    }

    /// A message came. Where too many wait the oldest lossy one goes, and where there is none this one.
    pub(crate) fn received(&mut self, voice: &Voice, id: ChannelId, message: Vec<u8>) {
        let Some(index) = self.find(id) else {
            return;
        };
        let room = INCOMING_BYTES.saturating_sub(voice.message_bytes());
        while self.held_bytes + weight(&message) > room {
            let oldest = self
                .held
                .iter()
                .position(|(channel, _)| self.channels[channel.0].is_lossy());
            let Some((channel, lost)) = oldest.and_then(|oldest| self.held.remove(oldest)) else {
                self.channels[index].dropped += 1;
                return;
            };
            self.held_bytes -= weight(&lost);
            self.channels[channel.0].dropped += 1;
        }
        self.held_bytes += weight(&message);
        self.held.push_back((Channel(index), message));
    }

    /// Gives the handle what fits its queue.
    pub(crate) fn deliver(&mut self, voice: &mut Voice) {
        while voice.message_bytes() < QUEUED_BYTES
            && let Some((channel, message)) = self.held.pop_front()
        {
            self.held_bytes -= weight(&message);
            voice.say(PeerEvent::Message { channel, message });
        }
        if !voice.is_full() {
            for (index, channel) in self.channels.iter_mut().enumerate() {
                let count = std::mem::take(&mut channel.dropped);
                if count > 0 {
                    voice.say(PeerEvent::MessagesDropped {
                        channel: Channel(index),
                        count,
                    });
                }
            }
        }
    }

    /// Takes a message to be sent, or refuses it.
    pub(crate) fn send(
        &mut self,
        rtc: &mut Rtc,
        ticket: u64,
        channel: Channel,
        message: Vec<u8>,
        voice: &mut Voice,
    ) {
        let refused = PeerEvent::Sent {
            ticket,
            taken: false,
        };
        let Some(channel) = self.channels.get_mut(channel.0) else {
            return voice.say(refused);
        };
        let fits = if channel.is_lossy() {
            channel.buffered(rtc) + weight(&message) <= LOSSY_BUFFER_BYTES
        } else {
            channel.waiting_bytes + weight(&message) <= RELIABLE_BUFFER_BYTES
        };
        // An empty one str0m swallows.
        let sendable = (1..=MAX_MESSAGE_BYTES).contains(&message.len());
        if channel.state == State::Closed || !sendable || !fits {
            return voice.say(refused);
        }
        channel.waiting_bytes += weight(&message);
        channel.waiting.push_back((ticket, message));
        channel.take(rtc, voice);
    }

    /// Writes what one tick allows. True where something was written.
    pub(crate) fn write(&mut self, rtc: &mut Rtc, voice: &mut Voice) -> bool {
        self.credit = (self.credit + BYTES_PER_TICK).min(BURST_BYTES);
        let before = self.credit;
        // Lossy ones are short and late soon: they do not stand behind a file.
        for lossy in [true, false] {
            for channel in &mut self.channels {
                if channel.is_lossy() == lossy {
                    channel.write(rtc, &mut self.credit);
                    channel.take(rtc, voice);
                }
            }
        }
        self.credit < before
    }

    /// Whether there is something to be written.
    pub(crate) fn is_busy(&self) -> bool {
        let waits = |channel: &DataChannel| channel.state == State::Open && channel.taken_bytes > 0;
        self.held_bytes > 0 || self.channels.iter().any(waits)
    }

    /// It is over: says what nobody will hear otherwise.
    pub(crate) fn end(&mut self, voice: &mut Voice) {
        for (channel, message) in self.held.drain(..) {
            voice.say(PeerEvent::Message { channel, message });
        }
        for channel in &mut self.channels {
            channel.close(voice);
        }
    }
}

impl DataChannel {
    /// Gives SCTP what it may have, until `credit` is used up.
    fn write(&mut self, rtc: &mut Rtc, credit: &mut isize) {
        let Some(id) = self.id.filter(|_| self.state == State::Open) else {
            return;
        };
        while let Some(message) = self.taken.front()
            && *credit > 0
        {
            let Some(mut sctp) = rtc.channel(id) else {
                return;
            };
            if sctp.buffered_amount() + message.len() > IN_SCTP_BYTES {
                return;
            }
            // An error is the other side's: it takes no message as long as this, which is then lost.
            if let Ok(false) = sctp.write(true, message) {
                return;
            }
            *credit -= message.len() as isize;
            self.taken_bytes -= weight(message);
            self.taken.pop_front();
        }
    }

    /// Takes messages that waited, as far as there is room.
    fn take(&mut self, rtc: &mut Rtc, voice: &mut Voice) {
        if self.waiting.is_empty() {
            return;
        }
        let mut buffered = self.buffered(rtc);
        while buffered < RELIABLE_BUFFER_BYTES
            && let Some((ticket, message)) = self.waiting.pop_front()
        {
            buffered += weight(&message);
            self.waiting_bytes -= weight(&message);
            self.taken_bytes += weight(&message);
            self.taken.push_back(message);
            voice.say(PeerEvent::Sent {
                ticket,
                taken: true,
            });
        }
    }
}
