//! What goes into the buffer, and what became of it.

/// The longest payload that a slot holds, in bytes: an Ethernet frame's worth. A longer one is [`PushOutcome::Malformed`].
pub const MAX_PAYLOAD_BYTES: usize = 1_500;

/// One RTP packet, its payload borrowed for the length of the call.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// When it reached this machine, in microseconds on the session's clock.
    pub arrival_us: u64,
    /// RTP sequence number; it may wrap.
    pub sequence: u16,
    /// RTP timestamp in ticks of `rtp_clock_hz`; it may wrap.
    pub timestamp: u32,
    /// RTP synchronisation source: which stream of the sender this is.
    pub ssrc: u32,
    /// What the decoder is given.
    pub payload: &'a [u8],
}

/// What became of a pushed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// It is held until its time.
    Queued,
    /// Its sequence number is held already, or was played: dropped.
    Duplicate,
    /// Its time is over, its `ssrc` was left for another just now, or its sequence number is so far off that it is believed
    /// only when the next one follows it: dropped.
    Late,
    /// No slot was free: the oldest packet, of those held and this one, was dropped and its time will be skipped.
    Overflow,
    /// More bytes or sound than a packet may have, no sound at all, or refused by the decoder's look at its header: dropped, nothing else was believed of it.
    Malformed,
}
