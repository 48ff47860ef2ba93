//! What waits to be sent as data, on two lanes: reliable and lossy. A lane hands a message over and waits until the peer has
//! taken it, so that a slow connection is felt by whoever awaits a command. Streams take turns, a packet each.

use crate::command::CommandId;
use crate::data::numbering::Kept;
use crate::data::stream_out::StreamOut;
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

/// What takes its turn on a lane.
#[derive(Debug)]
enum Turn {
    Packet(Box<DataPacket>, Option<Receipt>),
    /// The next packet of this stream.
    Stream(String),
}

/// A message that the peer has been handed.
#[derive(Debug)]
struct Flying {
    channel: Channel,
    packet: Box<DataPacket>,
    receipt: Option<Receipt>,
}

#[derive(Debug, Default)]
struct Lane {
    turns: VecDeque<Turn>,
    in_flight: usize,
    open: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    reliable: Lane,
    lossy: Lane,
    /// Before all else on the reliable lane.
    urgent: VecDeque<Turn>,
    pub(super) streams: BTreeMap<String, StreamOut>,
    last_sequence: u32,
    last_ticket: u64,
    flying: BTreeMap<u64, Flying>,
    kept: Kept,
    /// Messages that go before all others: they were sent and perhaps not received.
    again: VecDeque<Vec<u8>>,
}

impl Outgoing {
    pub(crate) fn reliable(&mut self, packet: DataPacket, receipt: Option<Receipt>) {
        let turn = Turn::Packet(Box::new(packet), receipt);
        self.reliable.turns.push_back(turn);
    }

    pub(crate) fn lossy(&mut self, packet: DataPacket, receipt: Option<Receipt>) {
        let turn = Turn::Packet(Box::new(packet), receipt);
        self.lossy.turns.push_back(turn);
    }

    /// Before all that waits: the far side's clock runs.
    pub(crate) fn urgent(&mut self, packet: DataPacket, receipt: Option<Receipt>) {
        let turn = Turn::Packet(Box::new(packet), receipt);
        self.urgent.push_back(turn);
    }

    /// This stream has something to send, after it had nothing.
    pub(super) fn take_turns(&mut self, stream_id: String) {
        self.reliable.turns.push_back(Turn::Stream(stream_id));
    }

    /// Whether a packet fits into a message.
    pub(crate) fn check(packet: &DataPacket, limit: usize) -> Result<(), RoomError> {
        // Its number is not in it yet.
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
            return Some(PeerCommand::Send {
                ticket: self.ticket(),
                channel: RELIABLE,
                message,
            });
        }
        self.next_of(RELIABLE).or_else(|| self.next_of(LOSSY))
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    fn next_of(&mut self, channel: Channel) -> Option<PeerCommand> {
        let lane = self.lane(channel)?;
        if !lane.open || lane.in_flight >= IN_FLIGHT {
            return None;
        }
        let (mut packet, receipt) = self.next_packet(channel)?;
        if channel == RELIABLE {
            self.last_sequence += 1;
            packet.sequence = self.last_sequence;
        }
        if let Some(lane) = self.lane(channel) {
            lane.in_flight += 1;
        }
        let message = packet.encode_to_vec();
        let ticket = self.ticket();
        let flying = Flying {
            channel,
            packet,
            receipt,
        };
        self.flying.insert(ticket, flying);
        Some(PeerCommand::Send {
            ticket,
            channel,
            message,
        })
    }

    fn next_packet(&mut self, channel: Channel) -> Option<(Box<DataPacket>, Option<Receipt>)> {
        loop {
            let urgent = match channel {
                RELIABLE => self.urgent.pop_front(),
                _ => None,
            };
            let turn = match urgent {
                Some(turn) => turn,
                None => self.lane(channel)?.turns.pop_front()?,
            };
            match turn {
                Turn::Packet(packet, receipt) => return Some((packet, receipt)),
                Turn::Stream(id) => {
                    // It may have been taken back meanwhile.
                    let Some(stream) = self.streams.get_mut(&id) else {
                        continue;
                    };
                    let Some((packet, receipt)) = stream.next() else {
                        continue;
                    };
                    if stream.has_ended() {
                        self.streams.remove(&id);
                    } else if stream.has_more() {
                        self.take_turns(id);
                    }
                    return Some((Box::new(packet), receipt));
                }
            }
        }
    }

    /// The peer has taken a message, or never will: whose command that concerns.
    pub(crate) fn sent(&mut self, now_us: u64, ticket: u64, taken: bool) -> Option<Receipt> {
        let flying = self.flying.remove(&ticket)?;
        let lane = self.lane(flying.channel)?;
        lane.in_flight = lane.in_flight.saturating_sub(1);
        if flying.channel != RELIABLE {
            return flying.receipt;
        }
        if taken {
            let message = flying.packet.encode_to_vec();
            self.kept.keep(now_us, flying.packet.sequence, message);
            flying.receipt
        } else {
            // The channel is closed: what comes in its place gets it, with a number of its own.
            lane.open = false;
            lane.turns
                .push_front(Turn::Packet(flying.packet, flying.receipt));
            None
        }
    }

    /// Signalling was resumed: the server has everything up to this number, and gets the rest again.
    pub(crate) fn resumed(&mut self, last_received: u32) {
        if last_received == 0 {
            return;
        }
        self.kept.received_up_to(last_received);
        self.again = self.kept.packets().map(<[u8]>::to_vec).collect();
    }

    /// Another peer takes over in a new session: numbers begin anew, and what was not taken goes first. Streams that were
    /// under way have failed, for to the others their sender has left; gives whose commands that concerns.
    pub(crate) fn rejoined(&mut self) -> Vec<CommandId> {
        self.kept.clear();
        self.again.clear();
        self.last_sequence = 0;
        for (_, flying) in std::mem::take(&mut self.flying).into_iter().rev() {
            let turn = Turn::Packet(flying.packet, flying.receipt);
            if let Some(lane) = self.lane(flying.channel) {
                lane.turns.push_front(turn);
            }
        }
        for lane in [&mut self.reliable, &mut self.lossy] {
            (lane.in_flight, lane.open) = (0, false);
        }
        let begun: Vec<String> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.has_begun())
            .map(|(id, _)| id.clone())
            .collect();
        let mut failed: Vec<CommandId> = begun
            .iter()
            .filter_map(|id| self.streams.remove(id))
            .flat_map(|stream| stream.commands())
            .collect();
        // Their last packets, where those had not been taken.
        self.reliable.turns.retain(|turn| match turn {
            Turn::Packet(packet, receipt) => {
                let of = crate::data::stream_out::stream_of(packet);
                let orphaned = of.is_some_and(|id| begun.iter().any(|begun| begun == id));
                if orphaned {
                    failed.extend(receipt.as_ref().map(|receipt| receipt.command));
                }
                !orphaned
            }
            Turn::Stream(_) => true,
        });
        failed
    }

    /// There is no connection: lossy packets are worth nothing when it is back. Gives what their commands come to.
    pub(crate) fn drop_lossy(&mut self) -> Vec<Option<Receipt>> {
        let turns = std::mem::take(&mut self.lossy.turns);
        turns
            .into_iter()
            .map(|turn| match turn {
                Turn::Packet(_, receipt) => receipt,
                Turn::Stream(_) => None,
            })
            .collect()
    }

    /// Nobody awaits it any more: what was not handed over yet is not sent. Gives the commands that fail with it.
    pub(crate) fn cancel(&mut self, command: CommandId) -> Vec<CommandId> {
        let wanted = |turn: &Turn| match turn {
            Turn::Packet(_, Some(receipt)) => receipt.command != command,
            _ => true,
        };
        self.urgent.retain(wanted);
        self.reliable.turns.retain(wanted);
        self.lossy.turns.retain(wanted);
        self.cancel_stream(command)
    }
}
