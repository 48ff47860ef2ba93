//! A caller's speech through Opus, a network and the packet door into the ear: what arrives, when, and what is counted.

use crate::common::call::config;
use crate::common::caller::Caller;
use crate::common::{laws, ms};
use beluga_codec::{Encoder, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_engine::{
    Bells, DelayBounds, EAR_HZ, Event, EventKind, Packet, PacketWriter, SessionConfig,
    SessionHandles, Shard, TurnConfig, Vad, Wake, packet_in, pcm_out, session,
};
use beluga_jitter::CONCEAL_LIMIT_MS;
use beluga_sim::{
    Conditions, Host, Jitter, Network, NetworkStats, Pauses, Profile, RTP_HEADERS_BYTES,
    SenderClock, Suspension, TickSchedule,
};

const PACKET_US: u64 = 20_000;
const PACKET_SAMPLES: usize = 320;
/// What sound waits on a perfect network.
const FLOOR_MS: u64 = 20;
/// After the last packet was sent: longer than any network here holds one.
const TAIL_US: u64 = 2_000_000;

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// What is between the caller's mouth and the shard.
struct Way {
    conditions: Conditions,
    drift_ppm: f64,
    host: Host,
    seed: u64,
}

impl Way {
    fn of(profile: Profile) -> Self {
        Self {
            conditions: profile.conditions(),
            drift_ppm: 0.0,
            host: Host::default(),
            seed: 11,
        }
    }
}

/// What came of a call.
#[derive(Debug, PartialEq)]
struct Heard {
    ear: Vec<i16>,
    events: Vec<Event>,
    ticks: u64,
    counters: Vec<(String, u64)>,
    refused: u64,
    network: NetworkStats,
}

impl Heard {
    fn counter(&self, name: &str) -> u64 {
        let found = self.counters.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no counter {name}")).1
    }

    /// First and last voiced sample of each turn, samples at 16 kHz.
    fn turns(&self) -> Vec<(u64, u64)> {
        let turn = |event: &Event| match event.kind {
            EventKind::TurnEnded {
                onset, voiced_end, ..
            } => Some((onset, voiced_end)),
            _ => None,
        };
        self.events.iter().filter_map(turn).collect()
    }

    /// How far the ear's sound from `start` on, for a second, lies behind `sound`: the lag of the largest correlation.
    fn lag(&self, sound: &[i16], start: usize) -> usize {
        let correlation = |lag: usize| -> f64 {
            let pairs = sound[start..start + 16_000]
                .iter()
                .zip(&self.ear[start + lag..]);
            pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let best =
            (0..4_000).max_by(|&one, &other| correlation(one).total_cmp(&correlation(other)));
        best.unwrap()
    }
}

/// Turns end after a second, so that no hold of a network cuts one.
fn patient() -> SessionConfig {
    let config = config(Vad::Energy);
    SessionConfig {
        turn: TurnConfig {
            min_delay: ms(1_100),
            ..config.turn
        },
        ..config
    }
}

/// Four sentences, and pauses in which the caller's packets go on.
fn caller() -> Caller {
    (0..4).fold(Caller::new(EAR_HZ).pause(1_000), |caller, _| {
        caller.voice(1_200).pause(2_500)
    })
}

fn packets(sound: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusEncoderConfig {
        sample_rate_hz: EAR_HZ,
        complexity: 5,
        bitrate_bps: 24_000,
    })
    .unwrap();
    let mut payload = vec![0; 1_500];
    sound
        .chunks_exact(PACKET_SAMPLES)
        .map(|frame| {
            let len = encoder.encode(frame, &mut payload).unwrap();
            payload[..len].to_vec()
        })
        .collect()
}

struct Call {
    shard: Shard,
    writer: PacketWriter,
    handles: SessionHandles,
    heard: Heard,
}

impl Call {
    fn new() -> Self {
        let decoder = OpusDecoder::new(EAR_HZ).unwrap();
        let (writer, door) = packet_in(Box::new(decoder), 48_000, DelayBounds::default()).unwrap();
        let (output, out_ring) = pcm_out(16_000);
        let bell = Bells::new(Box::new(Nobody)).bell();
        let (session, handles) =
            session(patient(), Box::new(door), Box::new(output), out_ring, bell).unwrap();
        let mut shard = Shard::new(None, 1);
        shard.add(session).unwrap();
        Self {
            shard,
            writer,
            handles,
            heard: Heard {
                ear: Vec::new(),
                events: Vec::new(),
                ticks: 0,
                counters: Vec::new(),
                refused: 0,
                network: NetworkStats::default(),
            },
        }
    }

    fn push(&mut self, arrival_us: u64, number: usize, payload: &[u8]) {
        // Both numbers wrap within the call.
        let sequence = (65_400 + number) as u16;
        let timestamp = (u32::MAX - 90_000).wrapping_add(number as u32 * 960);
        let pushed = self
            .writer
            .push(Packet {
                arrival_us,
                sequence,
                timestamp,
                ssrc: 7,
                payload,
            })
            .unwrap();
        self.heard.refused += u64::from(!pushed);
    }

    fn tick(&mut self, now_us: u64) {
        self.shard.tick(now_us, &mut |_| panic!("the call ended"));
        self.heard.ticks += 1;
        let mut frame = [0; 160];
        let read = self
            .handles
            .shared
            .ear
            .read(self.heard.ear.len() as u64, &mut frame);
        assert_eq!((read.len, read.lost), (160, 0), "each tick hears 10 ms");
        self.heard.ear.extend_from_slice(&frame);
        while let Ok(event) = self.handles.events.pop() {
            self.heard.events.push(event);
        }
    }
}

/// The caller's packets over `way`, and two seconds of nothing.
fn heard(packets: &[Vec<u8>], way: &Way) -> Heard {
    let mut call = Call::new();
    let mut network = Network::new(way.conditions, way.seed).unwrap();
    let sender = SenderClock::new(way.drift_ppm).unwrap();
    let mut schedule = TickSchedule::new(way.host, 0, way.seed).unwrap();
    // A packet is sent when its sound is over.
    let sent_us = |number: usize| sender.our_us((number as u64 + 1) * PACKET_US);
    let ticks = (sent_us(packets.len()) + TAIL_US) / 10_000;
    let mut next = 0;
    for _ in 0..ticks {
        let now_us = schedule.next_begin_us();
        while next < packets.len() && sent_us(next) <= now_us {
            let bytes = packets[next].len() + RTP_HEADERS_BYTES;
            network.push(sent_us(next), bytes, next);
            next += 1;
        }
        while let Some(packet) = network.pop(now_us) {
            call.push(packet.arrival_us, packet.payload, &packets[packet.payload]);
        }
        call.tick(now_us);
    }
    call.heard.counters = call.handles.shared.counters.snapshot();
    call.heard.network = network.stats();
    laws::check(&call.heard.events, &patient().turn);
    call.heard
}

/// Made up when a stream stops, until it is known to be over.
const END_FRAMES: u64 = CONCEAL_LIMIT_MS as u64 / 10;

/// Largest concealment, in percent of the ticks, and largest distance of a turn's start from where it was spoken, beyond
/// the path's delay and the floor, in milliseconds.
const WANTED: [(Profile, f64, u64); 6] = [
    (Profile::Lan, 0.0, 15),
    (Profile::GoodWifi, 0.5, 20),
    (Profile::BadWifi, 6.0, 60),
    (Profile::Mobile, 3.5, 80),
    (Profile::Lossy5, 6.0, 15),
    (Profile::BurstyLoss, 6.0, 15),
];

#[test]
fn over_every_network_each_sentence_is_one_turn_in_its_place() {
    let caller = caller();
    let packets = packets(&caller.pcm());
    for (profile, concealed_pct, off_ms) in WANTED {
        let name = profile.name();
        let way = Way::of(profile);
        let heard = heard(&packets, &way);
        let network = heard.network;
        assert_eq!((network.sent, network.held), (packets.len() as u64, 0));
        assert_eq!(heard.refused, 0, "{name}");
        let never_came = heard.counter("packets_missed") - heard.counter("packets_late");
        assert_eq!(never_came, network.lost, "{name}");
        let came = network.sent - network.lost;
        assert_eq!(heard.counter("packets_received"), came, "{name}");
        let made_up = heard.counter("frames_concealed").saturating_sub(END_FRAMES);
        let made_up_pct = 100.0 * made_up as f64 / heard.ticks as f64;
        assert!(
            made_up_pct <= concealed_pct && (network.lost == 0 || made_up > 0),
            "{name}: {made_up_pct} % made up of {network:?}"
        );
        let least_ms = 20 + FLOOR_MS + way.conditions.delay_us / 1_000;
        for (turn, voice) in heard.turns().iter().zip(&caller.voices) {
            let late_ms = (turn.0 - voice.start) / 16;
            assert!(
                (least_ms..=least_ms + off_ms).contains(&late_ms),
                "{name}: a turn begins {late_ms} ms after its voice, the least is {least_ms}"
            );
        }
        assert_eq!(heard.turns().len(), caller.voices.len(), "{name}");
    }
}

#[test]
fn a_seed_gives_the_same_call_twice_and_another_seed_another() {
    let packets = packets(&caller().pcm());
    for profile in Profile::ALL {
        let once = heard(&packets, &Way::of(profile));
        assert!(once == heard(&packets, &Way::of(profile)), "{profile:?}");
    }
    let of_seed = |seed| {
        let way = Way {
            seed,
            ..Way::of(Profile::BadWifi)
        };
        heard(&packets, &way)
    };
    assert!(of_seed(1) != of_seed(2));
}

#[test]
fn each_lost_packet_is_made_up_for_and_media_time_is_kept_to_the_sample() {
    let caller = caller();
    let sound = caller.pcm();
    let heard = heard(&packets(&sound), &Way::of(Profile::Lossy5));
    let lost = heard.network.lost;
    assert!(lost > 20);
    assert_eq!(heard.counter("frames_concealed"), 2 * lost + END_FRAMES);
    assert_eq!(heard.counter("packets_dropped"), 0);
    assert_eq!(heard.counter("packets_missed"), lost);
    assert_eq!(heard.counter("packets_late"), 0);
    let came = heard.network.sent - lost;
    assert_eq!(heard.counter("packets_received"), came);
    let lags: Vec<usize> = caller
        .voices
        .iter()
        .map(|voice| heard.lag(&sound, voice.start as usize))
        .collect();
    assert_eq!(lags, [lags[0]; 4]);
}

#[test]
fn who_never_pauses_is_heard_in_time_though_the_network_holds_him_up_again_and_again() {
    let caller = Caller::new(EAR_HZ).pause(1_000).voice(18_000).pause(2_500);
    let heard = heard(&packets(&caller.pcm()), &Way::of(Profile::BadWifi));
    // Several holds, one of them of over half a second; each is worked off.
    assert!(heard.counter("jitter_delay_ms_max") > 500);
    assert!(heard.counter("jitter_dropped_samples") > ms(500));
    assert!(heard.counter("jitter_delay_ms") <= 60);
    let last_loud = heard.ear.iter().rposition(|sample| sample.abs() > 1_000);
    let late_ms = (last_loud.unwrap() as i64 - caller.voices[0].end as i64) / 16;
    assert!(
        (30..=130).contains(&late_ms),
        "the voice ends {late_ms} ms late"
    );
}

#[test]
fn a_sender_whose_clock_is_off_is_heard_whole_and_at_the_same_delay() {
    let caller = caller();
    let packets = packets(&caller.pcm());
    // Ten times as far off as sound cards are.
    for drift_ppm in [300.0, -300.0, 2_000.0, -2_000.0] {
        let way = Way {
            drift_ppm,
            ..Way::of(Profile::Lan)
        };
        let heard = heard(&packets, &way);
        // The end of the last packet falls where it may in a tick.
        let made_up = heard.counter("frames_concealed");
        assert!(
            (END_FRAMES..=END_FRAMES + 3).contains(&made_up),
            "{drift_ppm}: {made_up}"
        );
        assert_eq!(heard.counter("packets_dropped"), 0);
        let sender = SenderClock::new(drift_ppm).unwrap();
        for (turn, voice) in heard.turns().iter().zip(&caller.voices) {
            let spoken_ms = sender.our_us(voice.start * 1_000 / 16) / 1_000;
            let late_ms = turn.0 / 16 - spoken_ms;
            assert!(
                (30..=80).contains(&late_ms),
                "{drift_ppm}: {late_ms} ms behind"
            );
        }
        assert_eq!(heard.turns().len(), 4);
    }
}

/// Without the machine's clock, which a late shard reads later.
fn media(heard: &Heard) -> (&[i16], Vec<(u64, EventKind)>) {
    let events = heard.events.iter().map(|event| (event.at, event.kind));
    (&heard.ear, events.collect())
}

#[test]
fn a_shard_that_stood_still_hears_what_one_in_time_hears() {
    let packets = packets(&caller().pcm());
    let in_time = heard(&packets, &Way::of(Profile::Lan));
    // In the middle of the sound, and where its first packets come.
    for at_us in [5_000_000, 15_000] {
        let host = Host {
            wakeup: Jitter {
                median_us: 100,
                sigma: 1.0,
                correlation: 0.0,
            },
            steal: Pauses {
                mean_gap_us: 500_000,
                shortest_us: 5_000,
                longest_us: 60_000,
            },
            tick_takes_us: 300,
            suspension: Some(Suspension {
                at_us,
                length_us: 500_000,
            }),
        };
        let way = Way {
            host,
            ..Way::of(Profile::Lan)
        };
        let late = heard(&packets, &way);
        assert_eq!(late.refused, 0);
        assert!(media(&late) == media(&in_time), "suspended at {at_us}");
    }
}

#[test]
fn what_the_door_had_no_room_for_while_the_machine_was_suspended_is_counted_and_the_call_goes_on() {
    let caller = caller();
    let packets = packets(&caller.pcm());
    let host = Host {
        suspension: Some(Suspension {
            at_us: 2_500_000,
            length_us: 2_000_000,
        }),
        ..Host::default()
    };
    let way = Way {
        host,
        ..Way::of(Profile::Lan)
    };
    let heard = heard(&packets, &way);
    // A hundred came and 64 fit.
    assert!((30..=40).contains(&heard.refused), "{}", heard.refused);
    assert_eq!(heard.turns().len(), 4);
    let last_ms = (heard.turns()[3].0 - caller.voices[3].start) / 16;
    assert!((40..100).contains(&last_ms), "{last_ms} ms behind");
}
