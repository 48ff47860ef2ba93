//! What has happened so far, counted.

/// Counters since the buffer was made, and its level now. A new `ssrc` does not reset them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets pushed that were held, those that pushed an older one out included.
    pub queued_packets: u64,
    /// Packets pushed that were held or played already.
    pub duplicate_packets: u64,
    /// Packets whose time was over or whose numbers were not believed, dropped at push or when their turn came.
    pub late_packets: u64,
    /// Packets dropped because every slot was taken.
    pub overflow_packets: u64,
    /// Packets refused at push: too long, no sound, or a header that the decoder does not accept.
    pub malformed_packets: u64,
    /// Packets that the decoder refused when their sound was needed; each was concealed.
    pub undecodable_packets: u64,
    /// Sequence numbers that were passed over because no packet was there in time: lost, or late.
    pub missing_packets: u64,
    /// Pulls of received sound only, or received sound and silence.
    pub decoded_frames: u64,
    /// Pulls with concealed sound in them.
    pub concealed_frames: u64,
    /// Pulls of nothing but silence.
    pub silence_frames: u64,
    /// Talk spurts begun.
    pub spurts: u64,
    /// Spurts begun anew because packets kept coming late.
    pub late_restarts: u64,
    /// Starts from nothing because the `ssrc` changed.
    pub ssrc_changes: u64,
    /// Starts from nothing because sequence numbers went on elsewhere.
    pub sequence_restarts: u64,
    /// Packets held now.
    pub held_packets: usize,
    /// Sound held now, decoded or not, in milliseconds.
    pub level_ms: u32,
    /// From the arrival of a spurt's first packet to its sound, in milliseconds.
    pub target_ms: u32,
}
