//! A tick neither asks for memory nor gives any back, whatever happens in it.

mod common;

use beluga_codec::{Encoder, MuLaw, OpusDecoder, OpusEncoder, OpusEncoderConfig};
use beluga_counting_alloc::{CountingAllocator, calls_of};
use beluga_engine::{
    Age, Bells, Command, Connection, Counters, DelayBounds, EventKind, InDoor, OutDoor, Packet,
    PacketReader, PacketWriter, PcmWriter, SessionHandles, Shard, Vad, Wake, packet_in, packet_out,
    pcm_in, pcm_out, session,
};
use common::call::{POLICY, config};
use common::caller::Caller;
use common::models::silero;
use common::relay::{Relay, RelayLink, RelayState};
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

enum Line {
    Pcm {
        writer: PcmWriter,
        sound: Vec<i16>,
        frame: usize,
    },
    Packets {
        writer: PacketWriter,
        packets: Vec<Vec<u8>>,
        rtp_step: u32,
    },
}

impl Line {
    /// Brings what belongs to a tick.
    fn bring(&mut self, tick: usize) {
        match self {
            Self::Pcm {
                writer,
                sound,
                frame,
            } => {
                let at = (tick * *frame).min(sound.len());
                let pcm = &sound[at..(at + *frame).min(sound.len())];
                assert_eq!(writer.write(tick as u64 * 10_000, pcm), pcm.len());
            }
            Self::Packets {
                writer,
                packets,
                rtp_step,
            } if tick.is_multiple_of(2) => {
                let index = tick / 2;
                // Some are lost, some come twice.
                let times = if index % 37 == 5 {
                    0
                } else {
                    1 + usize::from(index % 41 == 7)
                };
                if let Some(payload) = packets.get(index) {
                    for _ in 0..times {
                        let packet = Packet {
                            arrival_us: tick as u64 * 10_000,
                            sequence: index as u16,
                            timestamp: index as u32 * *rtp_step,
                            ssrc: 1,
                            payload,
                        };
                        assert!(writer.push(packet).unwrap());
                    }
                }
            }
            Self::Packets { .. } => {}
        }
    }
}

fn caller(rate_hz: u32, pitch_hz: f64) -> Vec<i16> {
    let caller = Caller::new(rate_hz)
        .with(|caller| caller.pitch_hz = pitch_hz)
        .pause(1_500)
        .voice(500)
        .pause(2_500);
    caller.voice(900).pause(700).voice(300).pause(1_600).pcm()
}

fn pcm_line(rate_hz: u32) -> (Line, Box<dyn InDoor>) {
    let (writer, door) = pcm_in(rate_hz).unwrap();
    (
        Line::Pcm {
            writer,
            sound: caller(rate_hz, 120.0),
            frame: rate_hz as usize / 100,
        },
        Box::new(door),
    )
}

fn opus_line() -> (Line, Box<dyn InDoor>) {
    let mut encoder = OpusEncoder::new(OpusEncoderConfig {
        sample_rate_hz: 16_000,
        complexity: 1,
        bitrate_bps: 24_000,
    })
    .unwrap();
    let packets = encode(&mut encoder, &caller(16_000, 130.0));
    let (writer, door) = packet_in(
        Box::new(OpusDecoder::new(16_000).unwrap()),
        48_000,
        DelayBounds::default(),
    )
    .unwrap();
    (
        Line::Packets {
            writer,
            packets,
            rtp_step: 960,
        },
        Box::new(door),
    )
}

fn telephone_line() -> (Line, Box<dyn InDoor>) {
    let packets = encode(&mut MuLaw::new(), &caller(8_000, 140.0));
    let (writer, door) = packet_in(Box::new(MuLaw::new()), 8_000, DelayBounds::default()).unwrap();
    (
        Line::Packets {
            writer,
            packets,
            rtp_step: 160,
        },
        Box::new(door),
    )
}

fn encode(encoder: &mut dyn Encoder, sound: &[i16]) -> Vec<Vec<u8>> {
    let frame_samples = encoder.frame_samples();
    let packet = |frame: &[i16]| {
        let mut payload = vec![0; 1_500];
        let len = encoder.encode(frame, &mut payload).unwrap();
        payload.truncate(len);
        payload
    };
    sound.chunks_exact(frame_samples).map(packet).collect()
}

#[test]
fn no_tick_of_eight_calls_allocates_or_frees() {
    let model = silero();
    let vad = if model.is_some() {
        Vad::Silero
    } else {
        Vad::Energy
    };
    let mut shard = Shard::new(model, 9);
    let mut calls: Vec<(Line, SessionHandles)> = Vec::new();
    let mut senders: Vec<PacketReader> = Vec::new();
    for index in 0..8 {
        let (line, door) = match index % 4 {
            0 => pcm_line(48_000),
            1 => pcm_line(44_100),
            2 => opus_line(),
            _ => telephone_line(),
        };
        let (output, ring): (Box<dyn OutDoor>, _) = if index % 2 == 0 {
            let (output, ring) = pcm_out(24_000);
            (Box::new(output), ring)
        } else {
            let encoder = OpusEncoder::new(OpusEncoderConfig {
                sample_rate_hz: 24_000,
                complexity: 5,
                bitrate_bps: 24_000,
            });
            let (reader, output, ring) = packet_out(Box::new(encoder.unwrap()), 48_000, index / 2);
            senders.push(reader);
            (Box::new(output), ring)
        };
        let bell = Bells::new(Box::new(Nobody)).bell();
        let mut config = config(if index == 4 { Vad::Energy } else { vad });
        config.vad_phase_samples = index * 160;
        let (session, handles) = session(config, door, output, ring, bell).unwrap();
        shard.add(session).unwrap();
        calls.push((line, handles));
    }
    // A peer that brings packets and sends some, of a call of its own.
    let peer = Arc::new(RelayState::default());
    let (writer, door) = packet_in(Box::new(MuLaw::new()), 8_000, DelayBounds::default()).unwrap();
    let (reader, output, ring) = packet_out(Box::new(MuLaw::new()), 8_000, 0);
    let bell = Bells::new(Box::new(Nobody)).bell();
    let (relayed, relayed_handles) =
        session(config(vad), Box::new(door), Box::new(output), ring, bell).unwrap();
    shard.add(relayed).unwrap();
    let mut relay = Relay::new(&peer);
    (relay.to_session, relay.from_session) = (Some(writer), Some(reader));
    let link = Box::new(RelayLink(peer.clone()));
    shard
        .connect(Connection::new(Box::new(relay), link).boxed())
        .unwrap();
    peer.sent.lock().unwrap().reserve(1_000);
    peer.urgencies.lock().unwrap().reserve(1_000);
    peer.incoming
        .lock()
        .unwrap()
        .extend((1..400).map(|packet| (packet * 20_000, vec![0x80; 160])));
    let mut retired = Vec::with_capacity(9);
    let mut happened: Vec<EventKind> = Vec::new();
    let mut packets_sent = 0;
    let speech = vec![5_000_i16; 22_050 * 2];
    for tick in 1..=820 {
        for (index, (line, handles)) in calls.iter_mut().enumerate() {
            if !handles.shared.is_closed() {
                line.bring(tick);
            }
            let mouth = &mut handles.mouth;
            match tick {
                // Spoken over and resumed by itself or by command; the second is dropped while it is paused or played, and
                // with it more queued utterances than the way back of resamplers once had room for.
                120 | 500 => {
                    mouth.begin(POLICY).unwrap();
                    mouth.mark(0).unwrap();
                    mouth.write(&speech, 22_050).unwrap();
                    mouth.mark(1).unwrap();
                    mouth.write(&speech[..1_000], 16_000).unwrap();
                    mouth.end().unwrap();
                    for _ in 0..40 {
                        mouth.begin(POLICY).unwrap();
                        mouth.write(&speech[..2], 22_050).unwrap();
                        mouth.end().unwrap();
                    }
                }
                310 if index % 2 == 0 => handles.commands.push(Command::Resume).unwrap(),
                600 => {
                    for utterance in 1..=60 {
                        handles.commands.push(Command::Drop(utterance)).unwrap();
                    }
                }
                620 => handles.commands.push(Command::ReplyDone(u32::MAX)).unwrap(),
                800 if index == 3 => handles.commands.push(Command::Close).unwrap(),
                _ => {}
            }
        }
        let taken = calls_of(|| {
            // From time to time it is late: what it owes for too long is skipped.
            let late_us = if tick % 100 < 5 { 30_000 } else { 0 };
            let due_us = tick as u64 * 10_000;
            shard.tick_owed(due_us, &|| due_us + late_us, &mut |session| {
                retired.push(session);
            });
        });
        // One sender in two is too slow.
        for sender in senders.iter_mut().step_by(2) {
            while sender.pop(0, &Age::default()).is_some() {
                packets_sent += 1;
            }
        }
        assert_eq!(taken, 0, "in tick {tick}");
        for (_, handles) in &mut calls {
            happened
                .extend(std::iter::from_fn(|| handles.events.pop().ok()).map(|event| event.kind));
        }
    }
    assert_eq!((retired.len(), shard.len()), (1, 8));
    assert_eq!(relayed_handles.shared.counters.frame_age_in_us.get().0, 399);
    assert!(packets_sent > 100, "{packets_sent} packets");
    let of_all = |read: fn(&Counters) -> u64| -> u64 {
        let counters = calls.iter().map(|(_, handles)| &handles.shared.counters);
        counters.map(read).sum()
    };
    let encoded = of_all(|counters| counters.packets_out_encoded.get());
    let silent = of_all(|counters| counters.packets_out_silent.get());
    assert!(
        encoded > 200 && silent > 40,
        "{encoded} encoded, {silent} of silence"
    );
    let count =
        |wanted: fn(&EventKind) -> bool| happened.iter().filter(|&kind| wanted(kind)).count();
    for (what, times) in [
        (
            "turns",
            count(|kind| matches!(kind, EventKind::TurnEnded { .. })),
        ),
        (
            "interruptions",
            count(|kind| matches!(kind, EventKind::Interrupted { .. })),
        ),
        (
            "resumptions",
            count(|kind| matches!(kind, EventKind::Resumed { .. })),
        ),
        (
            "ends",
            count(|kind| {
                matches!(
                    kind,
                    EventKind::PlayoutFinished {
                        interrupted: false,
                        ..
                    }
                )
            }),
        ),
        (
            "drops",
            count(|kind| {
                matches!(
                    kind,
                    EventKind::PlayoutFinished {
                        interrupted: true,
                        ..
                    }
                )
            }),
        ),
        (
            "marks",
            count(|kind| matches!(kind, EventKind::MarkReached { .. })),
        ),
    ] {
        assert!(times >= 8, "{times} {what} in all calls");
    }
}
