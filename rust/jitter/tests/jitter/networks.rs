//! Two callers over every network of `beluga-sim`: what the buffer costs them, in figures.
//!
//! Each speaks for two minutes; the one with pauses has a client with discontinuous transmission, the other never stops. Delay is
//! from mouth to ear (20 ms of it the packet itself), in brackets that of the first form of the buffer, fixed at 60 ms:
//!
//! | network, caller | mean ms | p95 ms | made up % | splices a minute |
//! |---|---|---|---|---|
//! | lan, with pauses | 47 (87) | 47 (87) | 0.0 (3.3) | 0 |
//! | good_wifi | 59 (100) | 68 (107) | 0.4 (3.5) | 15 |
//! | bad_wifi | 105 (167) | 317 (737) | 2.1 (4.8) | 123 |
//! | mobile | 145 (171) | 196 (187) | 1.5 (4.5) | 87 |
//! | lossy_5 | 77 (117) | 77 (117) | 4.0 (6.8) | 0 |
//! | bursty_loss | 77 (117) | 77 (117) | 1.9 (5.1) | 0 |
//! | lan, without | 47 (87) | 47 (87) | 0.0 (0.0) | 0 |
//! | good_wifi | 62 (107) | 67 (107) | 0.5 (0.3) | 16 |
//! | bad_wifi | 125 (606) | 440 (737) | 3.4 (1.8) | 295 |
//! | mobile | 148 (275) | 198 (367) | 2.8 (1.4) | 148 |
//! | lossy_5 | 77 (117) | 77 (117) | 5.6 (5.6) | 0 |
//! | bursty_loss | 77 (118) | 77 (127) | 3.2 (3.2) | 0 |
//!
//! With pauses the first form made up 3.3 % at the ends of the words alone: it took the comfort packet for sound. Without, it made
//! up less, since each hold stayed as delay and covered the next one; the caller was heard over half a second late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use beluga_codec::{CodecError, Decoder, Encoder, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_jitter::{DelayBounds, JitterBuffer, JitterConfig, Packet, PullOutcome};
use beluga_sim::{Network, Profile, RTP_HEADERS_BYTES};

use crate::voice::Room;

const SPOKEN_MS: usize = 120_000;
const PACKET_MS: u64 = 20;

/// A packet on its way: its sound begins `number * 20` ms after the call.
struct Sent {
    number: usize,
    sequence: u16,
    payload: Vec<u8>,
}

fn encode(samples: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 1,
        bitrate_bps: 24_000,
    })
    .unwrap();
    let mut payload = vec![0; 1_500];
    let packet = |frame: &[i16]| {
        let length = encoder.encode(frame, &mut payload).unwrap();
        payload[..length].to_vec()
    };
    samples.chunks_exact(320).map(packet).collect()
}

/// Somebody who says a few words at a time, in a client with discontinuous transmission: 200 ms after his words one packet
/// of comfort, then nothing.
fn with_pauses() -> Vec<Sent> {
    let mut room = Room::new(-55.0);
    let mut speaks = Vec::new();
    for turn in 0..33 {
        let (voice_ms, pause_ms) =
            [(1_200, 900), (2_500, 1_500), (700, 600), (4_000, 3_000)][turn % 4];
        speaks.resize(speaks.len() + voice_ms / 20 + 10, true);
        speaks.resize(speaks.len() + pause_ms / 20 - 10, false);
        room = room.voice(voice_ms).pause(pause_ms);
    }
    let mut sent: Vec<Sent> = Vec::new();
    for (number, payload) in encode(&room.samples).into_iter().enumerate() {
        let payload = match (
            speaks[number],
            number.checked_sub(1).map(|last| speaks[last]),
        ) {
            (true, _) => payload,
            // The first byte says how the frame was encoded, its two last bits how many there are: one.
            (false, Some(true)) => vec![payload[0] & 0xfc],
            _ => continue,
        };
        let sequence = sent.len() as u16;
        sent.push(Sent {
            number,
            sequence,
            payload,
        });
    }
    sent
}

/// Somebody who never stops.
fn without_pause() -> Vec<Sent> {
    let packets = encode(&Room::new(-55.0).voice(SPOKEN_MS).samples);
    let sent = |(number, payload)| Sent {
        number,
        sequence: number as u16,
        payload,
    };
    packets.into_iter().enumerate().map(sent).collect()
}

/// Opus that notes which packet it decoded last: their numbers are put before them.
#[derive(Debug)]
struct Noting {
    opus: OpusDecoder,
    last: Arc<AtomicUsize>,
}

fn numbered(sent: &Sent) -> Vec<u8> {
    [&(sent.number as u32).to_le_bytes()[..], &sent.payload].concat()
}

impl Decoder for Noting {
    fn sample_rate_hz(&self) -> u32 {
        self.opus.sample_rate_hz()
    }

    fn packet_samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        self.opus.packet_samples(&payload[4..])
    }

    fn is_comfort(&self, payload: &[u8]) -> bool {
        self.opus.is_comfort(&payload[4..])
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let (number, payload) = payload.split_first_chunk().unwrap();
        self.last
            .store(u32::from_le_bytes(*number) as usize, Ordering::Relaxed);
        self.opus.decode(payload, out)
    }

    fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        self.opus.conceal(out)
    }

    fn reset(&mut self) {
        self.opus.reset();
    }
}

/// What a call over a network came to. Delays are from mouth to ear, in milliseconds; shares are percent of the call.
#[derive(Debug)]
struct Figures {
    mean_ms: f64,
    p95_ms: u64,
    late_pct: f64,
    made_up_pct: f64,
    splices_per_minute: f64,
}

fn call(sent: &[Sent], profile: Profile, seed: u64) -> Figures {
    let last = Arc::new(AtomicUsize::new(0));
    let decoder = Noting {
        opus: OpusDecoder::new(16_000).unwrap(),
        last: last.clone(),
    };
    let config = JitterConfig {
        delay: DelayBounds::default(),
        capacity_packets: 64,
        rtp_clock_hz: 48_000,
    };
    let mut buffer = JitterBuffer::new(config, Box::new(decoder)).unwrap();
    let mut network = Network::new(profile.conditions(), seed).unwrap();
    // A packet is sent when its sound is over.
    let sent_us = |sent: &Sent| (sent.number as u64 + 1) * PACKET_MS * 1_000;
    let ticks = sent_us(sent.last().unwrap()) / 10_000;
    let (mut frame, mut delays_ms) = (vec![0; buffer.frame_samples()], Vec::new());
    let mut on_their_way = sent.iter().enumerate().peekable();
    for tick in 0..ticks {
        // Ticks know nothing of the sender's clock.
        let now_us = tick * 10_000 + 7_000;
        while let Some((index, packet)) =
            on_their_way.next_if(|(_, packet)| sent_us(packet) <= now_us)
        {
            network.push(
                sent_us(packet),
                packet.payload.len() + RTP_HEADERS_BYTES,
                index,
            );
        }
        while let Some(arrived) = network.pop(now_us) {
            let packet = &sent[arrived.payload];
            buffer.push(Packet {
                arrival_us: arrived.arrival_us,
                sequence: packet.sequence,
                timestamp: packet.number as u32 * 960,
                ssrc: 1,
                payload: &numbered(packet),
            });
        }
        if buffer.pull(now_us, &mut frame) == PullOutcome::Decoded {
            // What was decoded last ends with the last of what is decoded and not yet pulled.
            let stats = buffer.stats();
            let decoded_ms = u64::from(stats.level_ms) - stats.held_packets as u64 * PACKET_MS;
            let end_ms = (last.load(Ordering::Relaxed) as u64 + 1) * PACKET_MS - decoded_ms;
            delays_ms.push(now_us / 1_000 + 10 - end_ms);
        }
    }
    delays_ms.sort_unstable();
    let stats = buffer.stats();
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole as f64;
    Figures {
        mean_ms: delays_ms.iter().sum::<u64>() as f64 / delays_ms.len() as f64,
        p95_ms: delays_ms[delays_ms.len() * 95 / 100],
        late_pct: percent(
            stats.late_packets + stats.delayed_packets,
            sent.len() as u64,
        ),
        made_up_pct: percent(stats.concealed_frames, ticks),
        splices_per_minute: (stats.dropped_periods + stats.repeated_periods) as f64
            / (ticks as f64 / 6_000.0),
    }
}

/// A network, and what it may cost: mean and p95 of the delay from mouth to ear, shares that come late and are made up, and
/// splices a minute.
type Allowed = (Profile, f64, u64, f64, f64, f64);

const WITH_PAUSES: [Allowed; 6] = [
    (Profile::Lan, 48.0, 48, 0.0, 0.0, 0.0),
    (Profile::GoodWifi, 62.0, 75, 0.2, 0.5, 20.0),
    (Profile::BadWifi, 115.0, 350, 0.8, 2.5, 150.0),
    (Profile::Mobile, 155.0, 210, 1.6, 1.8, 100.0),
    (Profile::Lossy5, 78.0, 78, 0.0, 4.5, 0.0),
    (Profile::BurstyLoss, 78.0, 78, 0.0, 2.5, 0.0),
];
const WITHOUT_PAUSE: [Allowed; 6] = [
    (Profile::Lan, 48.0, 48, 0.0, 0.0, 0.0),
    (Profile::GoodWifi, 65.0, 75, 0.2, 0.6, 20.0),
    (Profile::BadWifi, 140.0, 480, 0.6, 4.0, 330.0),
    (Profile::Mobile, 160.0, 215, 1.6, 3.2, 170.0),
    (Profile::Lossy5, 78.0, 78, 0.0, 6.0, 0.0),
    (Profile::BurstyLoss, 78.0, 78, 0.0, 3.5, 0.0),
];

fn check(sent: &[Sent], allowed: [Allowed; 6]) {
    for (profile, mean_ms, p95_ms, late_pct, made_up_pct, splices_per_minute) in allowed {
        let figures = call(sent, profile, 1);
        let within = figures.mean_ms <= mean_ms
            && figures.p95_ms <= p95_ms
            && figures.late_pct <= late_pct
            && figures.made_up_pct <= made_up_pct
            && figures.splices_per_minute <= splices_per_minute;
        assert!(within, "{}: {figures:?}", profile.name());
    }
}

#[test]
fn a_caller_with_pauses_is_heard_within_what_each_network_allows() {
    check(&with_pauses(), WITH_PAUSES);
}

#[test]
fn a_caller_who_never_pauses_is_heard_within_what_each_network_allows() {
    check(&without_pause(), WITHOUT_PAUSE);
}
