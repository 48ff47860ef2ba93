//! Doors of a session that does nothing.

use beluga_codec::MuLaw;
use beluga_engine::{
    Bells, DelayBounds, InterruptionAction, InterruptionPolicy, SessionConfig, Shared, TurnConfig,
    Vad, packet_in, packet_out, pcm_in, pcm_out, session,
};
use beluga_vad::SpeechConfig;
use beluga_webrtc::{SoundInput, SoundOutput};
use std::sync::Arc;

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
    let bell = Bells::new(Box::new(super::Nobody)).bell();
    let (_, handles) =
        session(config, Box::new(input), Box::new(output), ring, bell).expect("a configuration");
    handles.shared
}

/// A door that packets go to.
pub fn loudspeaker() -> Box<SoundInput> {
    let (writer, _) =
        packet_in(Box::new(MuLaw::new()), 8_000, DelayBounds::default()).expect("a configuration");
    let shared = shared();
    Box::new(SoundInput { writer, shared })
}

/// A door that packets come from.
pub fn microphone() -> Box<SoundOutput> {
    let (reader, _, _) = packet_out(Box::new(MuLaw::new()), 8_000, 0);
    let shared = shared();
    Box::new(SoundOutput { reader, shared })
}
