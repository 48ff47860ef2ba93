//! What has happened so far, counted.

/// Counters since the buffer was made, and its level now. A new `ssrc` does not reset them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets pushed that had their place in the stream, those included for which there was no slot in the end. With the
    /// duplicate, late and malformed ones they are all that were pushed. Each was or will be decoded, undecodable, comfort,
    /// abandoned or overflow, or is held.
    pub queued_packets: u64,
    /// Packets pushed that were held or played already.
    pub duplicate_packets: u64,
    /// Packets that came when others behind them had been played, or whose numbers were not believed.
    pub late_packets: u64,
    /// Those of them that had been passed over: of `missing_packets`, these are not lost.
    pub overdue_packets: u64,
    /// Packets dropped because every slot was taken.
    pub overflow_packets: u64,
    /// Packets refused at push: too long, no sound, or a header that the decoder does not accept.
    pub malformed_packets: u64,
    /// Packets whose sound was decoded.
    pub decoded_packets: u64,
    /// Those of them that came after their time: what they hold was heard all the same, and later.
    pub delayed_packets: u64,
    /// Packets that the decoder refused when their sound was needed; each was concealed.
    pub undecodable_packets: u64,
    /// Packets that said that the sender is silent, and single ones between them with the noise of its room: not heard.
    pub comfort_packets: u64,
    /// Packets that were held when the stream went on elsewhere: another `ssrc`, or sequence numbers from nowhere.
    pub abandoned_packets: u64,
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
    /// Periods of the sound left out to lower the delay.
    pub dropped_periods: u64,
    /// The samples of those.
    pub dropped_samples: u64,
    /// Periods of the sound given twice to raise the delay.
    pub repeated_periods: u64,
    /// The samples of those.
    pub repeated_samples: u64,
    /// Times that `target_ms` changed.
    pub target_changes: u64,
    /// Starts from nothing because the `ssrc` changed.
    pub ssrc_changes: u64,
    /// Starts from nothing because sequence numbers went on elsewhere.
    pub sequence_restarts: u64,
    /// Packets held now.
    pub held_packets: usize,
    /// Sound held now, decoded or not, in milliseconds.
    pub level_ms: u32,
    /// How much later than the quickest of the last packets would allow sound is to be, in milliseconds.
    pub target_ms: u32,
    /// How much later it is, when last received sound was pulled.
    pub delay_ms: u32,
}
