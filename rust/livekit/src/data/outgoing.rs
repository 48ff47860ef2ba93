//! What waits to be sent as data, on two lanes: reliable and lossy. A lane hands a message over and waits until the peer has
//! taken it, so that a slow connection is felt by whoever awaits a command. Streams take turns, a packet each. No message is
//! longer than the far side takes: one that is cannot be queued, and one that became so while it waited is not sent.

use crate::command::CommandId;
use crate::data::numbering::Kept;
use crate::data::stream_out::{StreamOut, stream_of};
use crate::error::{ErrorCode, RoomError};
use crate::event::Outcome;
use crate::peer_port::{LOSSY, RELIABLE};
use beluga_webrtc::{Channel, MAX_MESSAGE_BYTES, PeerCommand};
use livekit_protocol::DataPacket;
use livekit_protocol::data_packet::Value;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};

/// What a packet's number takes at most: its tag and 32 bits.
pub(super) const NUMBER_BYTES: usize = 7;
/// Messages that the peer may have been handed and not taken yet, per lane.
const IN_FLIGHT: usize = 8;
/// Bytes of receipts and answers without a command behind them that may wait: others' calls alone decide how many there are.
const MAX_UNAWAITED_BYTES: usize = 1 << 20;

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

impl Lane {
    /// A message that was not taken: it comes before all that was not handed over, in the order of the numbers it had.
    fn give_back(&mut self, flying: Flying) {
        let earlier = 1..flying.packet.sequence;
        let is_earlier = |turn: &&Turn| matches!(turn, Turn::Packet(packet, _) if earlier.contains(&packet.sequence));
        let place = self.turns.iter().take_while(is_earlier).count();
        let turn = Turn::Packet(flying.packet, flying.receipt);
        self.turns.insert(place, turn);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    reliable: Lane,
    lossy: Lane,
    /// Before all else on the reliable lane.
    urgent: VecDeque<Turn>,
    /// Of those, the bytes of what no command is behind.
    unawaited_bytes: usize,
    pub(super) streams: BTreeMap<String, StreamOut>,
    /// The longest message that the far side takes, where it says one.
    far_limit_bytes: Option<usize>,
    /// Commands whose messages became too long while they waited.
    refused: Vec<(CommandId, RoomError)>,
    last_sequence: u32,
    last_ticket: u64,
    flying: BTreeMap<u64, Flying>,
    kept: Kept,
    /// Messages that go before all others: they were sent and perhaps not received.
    again: VecDeque<Vec<u8>>,
}

impl Outgoing {
    /// # Errors
    /// [`ErrorCode::InvalidInput`] where the packet is too long; of [`lossy`](Self::lossy) and [`urgent`](Self::urgent) too.
    pub(crate) fn reliable(
        &mut self,
        packet: DataPacket,
        receipt: Option<Receipt>,
    ) -> Result<(), RoomError> {
        let turn = self.turn(packet, receipt)?;
        self.reliable.turns.push_back(turn);
        Ok(())
    }

    pub(crate) fn lossy(
        &mut self,
        packet: DataPacket,
        receipt: Option<Receipt>,
    ) -> Result<(), RoomError> {
        let turn = self.turn(packet, receipt)?;
        self.lossy.turns.push_back(turn);
        Ok(())
    }

    /// Before all that waits: the far side's clock runs.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimitExceeded`] where there is no receipt and too much waits that has none.
    pub(crate) fn urgent(
        &mut self,
        packet: DataPacket,
        receipt: Option<Receipt>,
    ) -> Result<(), RoomError> {
        let bytes = weight(&packet);
        let is_awaited = receipt.is_some();
        let turn = self.turn(packet, receipt)?;
        if !is_awaited {
            if self.unawaited_bytes + bytes > MAX_UNAWAITED_BYTES {
                let why = "too many receipts and answers wait to be sent";
                return Err(RoomError::new(ErrorCode::RateLimitExceeded, why));
            }
            self.unawaited_bytes += bytes;
        }
        self.urgent.push_back(turn);
        Ok(())
    }

    fn turn(&self, packet: DataPacket, receipt: Option<Receipt>) -> Result<Turn, RoomError> {
        self.check(&packet)?;
        Ok(Turn::Packet(Box::new(packet), receipt))
    }

    /// This stream has something to send, after it had nothing.
    pub(super) fn take_turns(&mut self, stream_id: String) {
        self.reliable.turns.push_back(Turn::Stream(stream_id));
    }

    /// The far side says how long a message it takes, or says nothing of it.
    pub(crate) fn far_side_takes(&mut self, bytes: Option<usize>) {
        self.far_limit_bytes = bytes;
        let limit_bytes = self.limit_bytes();
        self.again.retain(|message| message.len() <= limit_bytes);
    }

    /// The longest message: what our peer sends, and the far side takes.
    pub(super) fn limit_bytes(&self) -> usize {
        self.far_limit_bytes
            .map_or(MAX_MESSAGE_BYTES, |bytes| bytes.min(MAX_MESSAGE_BYTES))
    }

    /// Whether a packet fits into a message.
    pub(super) fn check(&self, packet: &DataPacket) -> Result<(), RoomError> {
        let (bytes, limit_bytes) = (message_bytes(packet), self.limit_bytes());
        if bytes <= limit_bytes {
            return Ok(());
        }
        let (what, instead) = match packet.value {
            Some(Value::StreamHeader(_)) => {
                ("the stream's topic, attributes and destinations have", "")
            }
            Some(Value::StreamChunk(_)) => ("a piece of the stream has", ""),
            Some(Value::StreamTrailer(_)) => {
                ("the reason and attributes of the stream's end have", "")
            }
            Some(Value::RpcRequest(_)) => ("the call has", ""),
            Some(Value::RpcAck(_) | Value::RpcResponse(_)) => ("the answer to the call has", ""),
            _ => ("the packet has", ": send it as a stream"),
        };
        Err(RoomError::new(
            ErrorCode::InvalidInput,
            format!("{what} {bytes} bytes, at most {limit_bytes} are allowed{instead}"),
        ))
    }

    /// Commands that were refused since this was last asked, and why.
    pub(crate) fn refused(&mut self) -> impl Iterator<Item = (CommandId, RoomError)> {
        std::mem::take(&mut self.refused).into_iter()
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
        let (mut packet, receipt) = self.next_that_fits(channel)?;
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

    /// The limit may have become another since a packet was queued.
    fn next_that_fits(&mut self, channel: Channel) -> Option<(Box<DataPacket>, Option<Receipt>)> {
        loop {
            let (packet, receipt) = self.next_packet(channel)?;
            let Err(error) = self.check(&packet) else {
                return Some((packet, receipt));
            };
            let stream = stream_of(&packet).and_then(|id| self.streams.remove(id));
            let with_it = stream.into_iter().flat_map(StreamOut::commands);
            let commands = receipt.map(|receipt| receipt.command).into_iter();
            self.refused
                .extend(commands.chain(with_it).map(|id| (id, error.clone())));
        }
    }

    fn next_packet(&mut self, channel: Channel) -> Option<(Box<DataPacket>, Option<Receipt>)> {
        loop {
            let urgent = match channel {
                RELIABLE => self.next_urgent(),
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
                    let limit_bytes = self.limit_bytes();
                    let Some(stream) = self.streams.get_mut(&id) else {
                        continue;
                    };
                    let Some((packet, receipt)) = stream.next(limit_bytes) else {
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

    fn next_urgent(&mut self) -> Option<Turn> {
        let turn = self.urgent.pop_front()?;
        if let Turn::Packet(packet, None) = &turn {
            self.unawaited_bytes -= weight(packet);
        }
        Some(turn)
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
            lane.give_back(flying);
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
            if let Some(lane) = self.lane(flying.channel) {
                lane.give_back(flying);
            }
        }
        // Their numbers were of the session before.
        for turn in &mut self.reliable.turns {
            if let Turn::Packet(packet, _) = turn {
                packet.sequence = 0;
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
                let of = stream_of(packet);
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

/// About how much memory a packet takes that waits.
fn weight(packet: &DataPacket) -> usize {
    packet.encoded_len() + size_of::<DataPacket>()
}

/// How long a packet's message may become.
fn message_bytes(packet: &DataPacket) -> usize {
    let number_bytes = if packet.sequence == 0 {
        NUMBER_BYTES
    } else {
        0
    };
    packet.encoded_len() + number_bytes
}
