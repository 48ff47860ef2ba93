//! What waits to be sent as data, on two lanes: reliable and lossy. A lane hands a message over and waits until the peer has
//! taken it, so that a slow connection is felt by whoever awaits a command.

use crate::command::CommandId;
use crate::data::numbering::Kept;
use crate::error::{ErrorCode, RoomError};
use crate::event::Outcome;
use crate::peer_port::{LOSSY, RELIABLE};
use beluga_webrtc::{Channel, PeerCommand};
use livekit_protocol::DataPacket;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};

/// The largest message that LiveKit's SDKs send.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64_000;
/// Messages that the peer may have been handed and not taken yet, per lane.
const IN_FLIGHT: usize = 8;

/// What becomes of a command when its last message was taken.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) command: CommandId,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
struct Waiting {
    packet: DataPacket,
    receipt: Option<Receipt>,
}

#[derive(Debug)]
struct Flying {
    channel: Channel,
    packet: DataPacket,
    receipt: Option<Receipt>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    in_flight: usize,
    open: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    reliable: Lane,
    lossy: Lane,
    last_sequence: u32,
    last_ticket: u64,
    flying: BTreeMap<u64, Flying>,
    kept: Kept,
    /// Messages that go before all others: they were sent and perhaps not received.
    again: VecDeque<Vec<u8>>,
}

impl Outgoing {
    pub(crate) fn reliable(&mut self, packet: DataPacket, receipt: Option<Receipt>) {
        self.reliable.waiting.push_back(Waiting { packet, receipt });
    }

    pub(crate) fn lossy(&mut self, packet: DataPacket, receipt: Option<Receipt>) {
        self.lossy.waiting.push_back(Waiting { packet, receipt });
    }

    /// Before all that waits: what the far side waits for.
    pub(crate) fn urgent(&mut self, packet: DataPacket, receipt: Option<Receipt>) {
        self.reliable
            .waiting
            .push_front(Waiting { packet, receipt });
    }

    /// Whether a packet fits into a message.
    pub(crate) fn check(packet: &DataPacket, limit: usize) -> Result<(), RoomError> {
        // Its number and what the length of it may grow by.
        let size = packet.encoded_len() + 8;
        if size <= limit {
            return Ok(());
        }
        Err(RoomError::new(
            ErrorCode::InvalidInput,
            format!(
                "the packet has {size} bytes, at most {limit} are allowed: send it as a stream"
            ),
        ))
    }

    pub(crate) fn opened(&mut self, channel: Channel, open: bool) {
        if let Some(lane) = self.lane(channel) {
            lane.open = open;
        }
    }

    fn lane(&mut self, channel: Channel) -> Option<&mut Lane> {
        match channel {
            RELIABLE => Some(&mut self.reliable),
            LOSSY => Some(&mut self.lossy),
            _ => None,
        }
    }

    /// The next message for the peer, while it takes any.
    pub(crate) fn next(&mut self) -> Option<PeerCommand> {
        if self.reliable.open
            && let Some(message) = self.again.pop_front()
        {
            self.last_ticket += 1;
            return Some(PeerCommand::Send {
                ticket: self.last_ticket,
                channel: RELIABLE,
                message,
            });
        }
        self.next_of(RELIABLE).or_else(|| self.next_of(LOSSY))
    }

    fn next_of(&mut self, channel: Channel) -> Option<PeerCommand> {
        let lane = self.lane(channel)?;
        if !lane.open || lane.in_flight >= IN_FLIGHT {
            return None;
        }
        let Waiting {
            mut packet,
            receipt,
        } = lane.waiting.pop_front()?;
        lane.in_flight += 1;
        if channel == RELIABLE {
            self.last_sequence += 1;
            packet.sequence = self.last_sequence;
        }
        let message = packet.encode_to_vec();
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.flying.insert(
            ticket,
            Flying {
                channel,
                packet,
                receipt,
            },
        );
        Some(PeerCommand::Send {
            ticket,
            channel,
            message,
        })
    }

    /// The peer has taken a message, or never will: whose command that concerns.
    pub(crate) fn sent(&mut self, now_us: u64, ticket: u64, taken: bool) -> Option<Receipt> {
        let flying = self.flying.remove(&ticket)?;
        let lane = self.lane(flying.channel)?;
        lane.in_flight = lane.in_flight.saturating_sub(1);
        if !taken && flying.channel == RELIABLE {
            // Its channel is closed; what comes in its place gets it with a number of its own.
            lane.open = false;
            lane.waiting.push_front(Waiting {
                packet: flying.packet,
                receipt: flying.receipt,
            });
            return None;
        }
        if flying.channel == RELIABLE {
            let message = flying.packet.encode_to_vec();
            self.kept.keep(now_us, flying.packet.sequence, message);
        }
        flying.receipt
    }

    /// Signalling was resumed: the server has everything up to this number, and gets the rest again.
    pub(crate) fn resumed(&mut self, last_received: u32) {
        if last_received == 0 {
            return;
        }
        self.kept.received_up_to(last_received);
        self.again = self.kept.packets().map(<[u8]>::to_vec).collect();
    }

    /// Another peer takes over in a new session: numbers begin anew, and what was not taken goes first.
    pub(crate) fn rejoined(&mut self) {
        self.kept.clear();
        self.again.clear();
        self.last_sequence = 0;
        for (_, flying) in std::mem::take(&mut self.flying).into_iter().rev() {
            let waiting = Waiting {
                packet: flying.packet,
                receipt: flying.receipt,
            };
            if let Some(lane) = self.lane(flying.channel) {
                lane.waiting.push_front(waiting);
            }
        }
        for lane in [&mut self.reliable, &mut self.lossy] {
            (lane.in_flight, lane.open) = (0, false);
        }
    }

    /// There is no connection: lossy packets are worth nothing when it is back. Their commands are done.
    pub(crate) fn drop_lossy(&mut self) -> Vec<Option<Receipt>> {
        let waiting = std::mem::take(&mut self.lossy.waiting);
        waiting.into_iter().map(|waiting| waiting.receipt).collect()
    }

    /// Nobody awaits it any more: what was not handed over yet is not sent.
    pub(crate) fn cancel(&mut self, command: CommandId) {
        for lane in [&mut self.reliable, &mut self.lossy] {
            lane.waiting.retain(|waiting| {
                waiting
                    .receipt
                    .as_ref()
                    .is_none_or(|receipt| receipt.command != command)
            });
        }
    }
}
