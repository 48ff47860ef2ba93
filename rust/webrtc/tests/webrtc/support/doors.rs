//! Doors of a session, with nothing behind them but what the test puts there.

use beluga_codec::{CodecError, Decoder, Encoder};
use beluga_engine::{
    Bells, DelayBounds, InDoor, InterruptionAction, InterruptionPolicy, OutDoor, PacketIn,
    PacketOut, SendTime, SessionConfig, Shared, TurnConfig, Vad, Wake, packet_in, packet_out,
    pcm_in, pcm_out, session,
};
use beluga_vad::SpeechConfig;
use beluga_webrtc::{SoundInput, SoundOutput};
use std::sync::{Arc, Mutex};

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// Counters and rings of a session that does nothing else.
fn shared() -> Arc<Shared> {
    let policy = InterruptionPolicy {
        allow: false,
        min_speech: 1_920,
        action: InterruptionAction::Pause,
    };
    let config = SessionConfig {
        vad: Vad::Energy,
        speech: SpeechConfig::default(),
        turn: TurnConfig {
            min_delay: 4_800,
            pre_roll: 8_000,
            discard_audio_if_uninterruptible: true,
            false_interruption_timeout: None,
            away_after: None,
        },
        thinking_policy: policy,
        vad_phase_samples: 0,
    };
    let (_, input) = pcm_in(16_000).expect("a rate");
    let (output, ring) = pcm_out(16_000);
    let bell = Bells::new(Box::new(Nobody)).bell();
    let (_, handles) =
        session(config, Box::new(input), Box::new(output), ring, bell).expect("a configuration");
    handles.shared
}

/// The `n`th packet of a microphone: what it must be at the other end, to the byte.
pub fn payload(n: u64) -> Vec<u8> {
    let length = 8 + (n as usize * 37) % 150;
    let mut payload: Vec<u8> = (0..length).map(|i| (n as usize * 31 + i) as u8).collect();
    payload[..8].copy_from_slice(&n.to_be_bytes());
    payload
}

/// "Encodes" whatever it is given as the next [`payload`].
#[derive(Debug)]
struct Numbering(u64);

impl Encoder for Numbering {
    fn sample_rate_hz(&self) -> u32 {
        8_000
    }

    fn frame_samples(&self) -> usize {
        160
    }

    fn encode(&mut self, _: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let bytes = payload(self.0);
        self.0 += 1;
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// The agent: a packet of 20 ms in every second tick.
#[derive(Debug)]
pub struct Microphone {
    door: PacketOut,
    pub shared: Arc<Shared>,
    /// What every sample of it is.
    pub sample: i16,
}

/// A microphone and the end of it that a peer takes.
pub fn microphone() -> (Microphone, Box<SoundOutput>) {
    let (reader, door, _) = packet_out(Box::new(Numbering(0)), 48_000, 0);
    let shared = shared();
    let output = SoundOutput {
        reader,
        shared: shared.clone(),
    };
    let microphone = Microphone {
        door,
        shared,
        sample: 3_277,
    };
    (microphone, Box::new(output))
}

impl Microphone {
    pub fn tick(&mut self, now_us: u64) {
        let time = SendTime {
            due_us: now_us,
            now_us,
        };
        let frame = [self.sample; 80];
        self.door.send(&frame, time, &self.shared.counters);
    }
}

/// "Decodes" 20 ms by keeping the packet.
#[derive(Debug)]
struct Keeping(Arc<Mutex<Vec<Vec<u8>>>>);

impl Decoder for Keeping {
    fn sample_rate_hz(&self) -> u32 {
        16_000
    }

    fn packet_samples(&self, _: &[u8]) -> Result<usize, CodecError> {
        Ok(320)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        self.0.lock().expect("one thread").push(payload.to_vec());
        out[..320].fill(1);
        Ok(320)
    }

    fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        out.fill(0);
        Ok(out.len())
    }

    fn reset(&mut self) {}
}

/// The caller's sound: what was played, packet by packet.
#[derive(Debug)]
pub struct Speaker {
    door: PacketIn,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    pub shared: Arc<Shared>,
}

/// What a test hears is where it was sent to be.
const FIXED: DelayBounds = DelayBounds {
    min_ms: 60,
    max_ms: 60,
};

/// A loudspeaker and the end of it that a peer fills.
pub fn loudspeaker() -> (Speaker, Box<SoundInput>) {
    let heard = Arc::default();
    let decoder = Keeping(Arc::clone(&heard));
    let (writer, door) = packet_in(Box::new(decoder), 48_000, FIXED).expect("a configuration");
    let shared = shared();
    let input = SoundInput {
        writer,
        shared: shared.clone(),
    };
    let speaker = Speaker {
        door,
        heard,
        shared,
    };
    (speaker, Box::new(input))
}

impl Speaker {
    pub fn tick(&mut self, now_us: u64) {
        let mut frame = [0.0; 160];
        self.door.pull(now_us, &mut frame, &self.shared.counters);
    }

    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().expect("one thread").clone()
    }
}
