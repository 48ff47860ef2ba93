//! Callers and agents of all sessions, each at another place of the same conversation.

use crate::order::Order;
use crate::speech::{CYCLE_MS, PACKET_MS, Speech};
use crate::stopwatch::{Stopwatch, TimedIn, TimedOut};
use beluga_codec::OpusDecoder;
use beluga_engine::{
    Bells, Command, DelayBounds, EAR_HZ, EventKind, InterruptionAction, InterruptionPolicy, Packet,
    PacketWriter, SessionConfig, SessionHandles, Shard, TICK_MS, TurnConfig, Vad, Wake,
    ear_samples, packet_in, pcm_out, session,
};
use beluga_vad::{SpeechConfig, WINDOW_SAMPLES};
use std::error::Error;
use std::sync::Arc;

const OPUS_CLOCK_HZ: u32 = 48_000;
const OUT_HZ: u32 = 24_000;
const TICK: u64 = TICK_MS as u64;
/// From the caller's last word to the agent's first.
const PAUSE_MS: u64 = 1_000;

const POLICY: InterruptionPolicy = InterruptionPolicy {
    allow: true,
    min_speech: ear_samples(500),
    action: InterruptionAction::Pause,
};

pub(crate) struct Crowd<'a> {
    speech: &'a Speech,
    callers: Vec<Caller>,
    talk_ms: u64,
    agent_ms: u64,
    turns: u64,
}

struct Caller {
    writer: PacketWriter,
    handles: SessionHandles,
    /// Where in the conversation it begins.
    offset_ms: u64,
    sequence: u16,
}

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

impl<'a> Crowd<'a> {
    pub(crate) fn gather(
        order: &Order,
        speech: &'a Speech,
        shard: &mut Shard,
        watch: &Arc<Stopwatch>,
    ) -> Result<Self, Box<dyn Error>> {
        let bells = Bells::new(Box::new(Nobody));
        let mut callers = Vec::with_capacity(order.sessions);
        for index in 0..order.sessions {
            let decoder = OpusDecoder::new(EAR_HZ)?;
            let (writer, door) =
                packet_in(Box::new(decoder), OPUS_CLOCK_HZ, DelayBounds::default())?;
            let input = TimedIn {
                door,
                watch: watch.clone(),
            };
            let (door, out_ring) = pcm_out(OUT_HZ);
            let output = TimedOut {
                door,
                watch: watch.clone(),
            };
            let (session, handles) = session(
                config(index),
                Box::new(input),
                Box::new(output),
                out_ring,
                bells.bell(),
            )?;
            shard
                .add(session)
                .map_err(|_| "the shard has room for fewer")?;
            // Whole ticks: in each of them as many callers talk as in any other.
            let offset_ms = index as u64 * (CYCLE_MS / TICK) / order.sessions as u64 * TICK;
            callers.push(Caller {
                writer,
                handles,
                offset_ms,
                sequence: 0,
            });
        }
        Ok(Self {
            speech,
            callers,
            talk_ms: CYCLE_MS * order.talk_share / 100,
            agent_ms: CYCLE_MS * order.agent_share / 100,
            turns: 0,
        })
    }

    /// The packets that came since the tick before. In pauses nothing comes: the callers' encoders have DTX.
    pub(crate) fn push_packets(&mut self, tick: u64, now_us: u64) {
        for caller in &mut self.callers {
            let at_ms = (tick * TICK + caller.offset_ms) % CYCLE_MS;
            if at_ms >= self.talk_ms || !at_ms.is_multiple_of(PACKET_MS) {
                continue;
            }
            let payload = &self.speech.packets[(at_ms / PACKET_MS) as usize];
            let timestamp = (tick * TICK * u64::from(OPUS_CLOCK_HZ) / 1_000) as u32;
            let pushed = caller.writer.push(Packet {
                arrival_us: now_us,
                sequence: caller.sequence,
                timestamp,
                ssrc: 1,
                payload,
            });
            assert_eq!(pushed, Ok(true), "each tick empties the queue");
            caller.sequence = caller.sequence.wrapping_add(1);
        }
    }

    /// The answers of the agents whose turn it is, each written at once, as a fast voice does.
    pub(crate) fn write_mouths(&mut self, tick: u64) {
        let samples = self.agent_ms as usize * self.speech.rate_hz as usize / 1_000;
        let due_ms = (self.talk_ms + PAUSE_MS) % CYCLE_MS;
        for caller in &mut self.callers {
            if (tick * TICK + caller.offset_ms) % CYCLE_MS != due_ms {
                continue;
            }
            if samples > 0 {
                let mouth = &mut caller.handles.mouth;
                mouth.begin(POLICY).expect("the last one was ended");
                let taken = mouth.write(&self.speech.pcm[..samples], self.speech.rate_hz);
                assert_eq!(taken.expect("a rate that is allowed"), samples);
                mouth.end().expect("room for the end");
            }
            let done = Command::ReplyDone(u32::MAX);
            caller
                .handles
                .commands
                .push(done)
                .expect("each tick empties the queue");
        }
    }

    /// As an event loop does.
    pub(crate) fn drain_events(&mut self) {
        for caller in &mut self.callers {
            while let Ok(event) = caller.handles.events.pop() {
                self.turns += u64::from(matches!(event.kind, EventKind::TurnEnded { .. }));
            }
        }
    }

    /// Turns that were heard to their end.
    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }
}

/// As a session's that was asked for nothing else.
fn config(index: usize) -> SessionConfig {
    SessionConfig {
        vad: Vad::Silero,
        speech: SpeechConfig::default(),
        turn: TurnConfig {
            min_delay: ear_samples(500),
            pre_roll: ear_samples(500),
            discard_audio_if_uninterruptible: true,
            false_interruption_timeout: Some(ear_samples(2_000)),
            away_after: Some(ear_samples(15_000)),
        },
        thinking_policy: POLICY,
        vad_phase_samples: index * 160 % WINDOW_SAMPLES,
    }
}
