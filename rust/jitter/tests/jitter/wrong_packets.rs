//! Packets and configurations that cannot be worked with.

use beluga_jitter::{
    DelayBounds, JitterBuffer, JitterConfig, JitterConfigError, MAX_PAYLOAD_BYTES, PullOutcome,
    PushOutcome,
};

use crate::harness::{CLOCK_HZ, FRAME, NamingDecoder, Sender, Session};

#[test]
fn a_packet_that_is_too_long_or_without_sound_is_malformed() {
    let mut session = Session::new(0);
    let mut sender = Sender::new();
    let whole = sender.speak(20);
    for payload in [
        vec![0; MAX_PAYLOAD_BYTES + 1],
        vec![],
        vec![0, 0, 1, 0],
        vec![0, 0, 1, 121],
    ] {
        let mut broken = whole.clone();
        broken.payload = payload;
        assert_eq!(session.push(&broken), PushOutcome::Malformed);
    }
    // Nothing of them was believed: their number is still free.
    assert_eq!(session.push(&whole), PushOutcome::Queued);
    assert_eq!(session.buffer.stats().malformed_packets, 4);
}

#[test]
fn the_longest_payload_and_the_longest_packet_are_played() {
    let mut session = Session::new(0);
    let mut sent = Sender::new().speak(120);
    sent.payload.resize(MAX_PAYLOAD_BYTES, 0);
    session.play(&[sent], 120);
    assert_eq!(session.runs_ms(), [(1, 120)]);
}

#[test]
fn a_packet_that_cannot_be_decoded_is_counted_and_concealed() {
    let mut sent = Sender::new().speak_often(3, 20);
    sent[1] = sent[1].clone().spoilt();
    let mut session = Session::new(20);
    session.play(&sent, 80);
    assert_eq!(session.runs_ms(), [(0, 20), (1, 20), (-1, 20), (3, 20)]);
    let stats = session.buffer.stats();
    assert_eq!((stats.undecodable_packets, stats.missing_packets), (1, 0));
}

#[test]
fn a_packet_that_cannot_be_decoded_is_concealed_before_a_pause_too() {
    let mut sender = Sender::new();
    let mut sent = vec![sender.speak(20), sender.speak(20).spoilt()];
    sender.pause(30);
    sent.push(sender.speak(20));
    let mut session = Session::new(100);
    session.play(&sent, 190);
    let expected = [(0, 100), (1, 20), (-1, 20), (0, 30), (3, 20)];
    assert_eq!(session.runs_ms(), expected);
}

#[test]
fn a_stream_that_cannot_be_decoded_is_silence_after_120_ms() {
    let sent = Sender::new().speak_often(50, 20);
    let spoilt: Vec<_> = sent.into_iter().map(|packet| packet.spoilt()).collect();
    let mut session = Session::new(20);
    session.play(&spoilt, 1_000);
    assert_eq!(session.runs_ms(), [(0, 20), (-1, 120), (0, 860)]);
}

#[test]
fn a_packet_with_less_sound_than_it_said_is_concealed_to_its_end() {
    #[derive(Debug)]
    struct Short(NamingDecoder);
    impl beluga_codec::Decoder for Short {
        fn sample_rate_hz(&self) -> u32 {
            self.0.sample_rate_hz()
        }
        fn packet_samples(&self, payload: &[u8]) -> Result<usize, beluga_codec::CodecError> {
            self.0.packet_samples(payload)
        }
        fn decode(
            &mut self,
            payload: &[u8],
            out: &mut [i16],
        ) -> Result<usize, beluga_codec::CodecError> {
            Ok(self.0.decode(payload, out)? / 2)
        }
        fn conceal(&mut self, out: &mut [i16]) -> Result<usize, beluga_codec::CodecError> {
            self.0.conceal(out)
        }
        fn reset(&mut self) {
            self.0.reset();
        }
    }
    let config = JitterConfig {
        delay: DelayBounds {
            min_ms: 0,
            max_ms: 0,
        },
        capacity_packets: 4,
        rtp_clock_hz: CLOCK_HZ,
    };
    let decoder = Box::new(Short(NamingDecoder::default()));
    let mut buffer = JitterBuffer::new(config, decoder).unwrap();
    for packet in Sender::new().speak_often(2, 20) {
        buffer.push(packet.at_ms(0).packet());
    }
    let outcomes = [0, 1, 2, 3].map(|tick| buffer.pull(tick * 10_000, &mut [0; FRAME]));
    let (decoded, concealed) = (PullOutcome::Decoded, PullOutcome::Concealed);
    assert_eq!(outcomes, [decoded, concealed, decoded, concealed]);
}

#[test]
#[should_panic(expected = "10 ms")]
fn a_pull_of_another_length_than_10_ms_panics() {
    Session::new(0).buffer.pull(0, &mut [0; FRAME - 1]);
}

#[test]
fn every_field_out_of_range_is_named_with_what_is_allowed() {
    let good = JitterConfig {
        delay: DelayBounds::default(),
        capacity_packets: 50,
        rtp_clock_hz: CLOCK_HZ,
    };
    let refusal = |config| {
        JitterBuffer::new(config, Box::new(NamingDecoder::default()))
            .map(drop)
            .unwrap_err()
    };
    let with_delay = |min_ms, max_ms| JitterConfig {
        delay: DelayBounds { min_ms, max_ms },
        ..good
    };
    let error = refusal(with_delay(20, 2_001));
    assert_eq!(error, JitterConfigError::LargestDelay(2_001));
    let named = "the largest delay is 2001 ms; allowed: 0 to 2000 ms";
    assert_eq!(error.to_string(), named);
    let error = refusal(with_delay(201, 200));
    let named = "the least delay is 201 ms; allowed: 0 to the largest, 200 ms";
    assert_eq!(error.to_string(), named);
    for capacity_packets in [0, 1_025] {
        let config = JitterConfig {
            capacity_packets,
            ..good
        };
        assert_eq!(
            refusal(config),
            JitterConfigError::Capacity(capacity_packets)
        );
    }
    for rtp_clock_hz in [0, 99, 11_025, 200_000] {
        let config = JitterConfig {
            rtp_clock_hz,
            ..good
        };
        assert_eq!(refusal(config), JitterConfigError::RtpClock(rtp_clock_hz));
    }
}
