//! One call on a virtual clock: sound in, ticks, everything that came out kept.

use super::{laws, models, ms};
use beluga_engine::{
    Bells, Command, Event, EventKind, InterruptionAction, InterruptionPolicy, PcmIn, PcmWriter,
    SessionConfig, SessionHandles, Shard, SoundRing, TurnConfig, TurnId, UtteranceId, Vad, Wake,
    live_pcm_in, pcm_in, pcm_out, session,
};
use beluga_vad::SpeechConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The policy of most tests: 120 ms of speech pause the agent.
pub const POLICY: InterruptionPolicy = InterruptionPolicy {
    allow: true,
    min_speech: ms(120),
    action: InterruptionAction::Pause,
};
/// Nothing stops it.
pub const UNINTERRUPTIBLE: InterruptionPolicy = InterruptionPolicy {
    allow: false,
    ..POLICY
};

/// Energy VAD, 300 ms of silence end a turn, 2 s without words resume, 15 s without a voice are away.
pub fn config(vad: Vad) -> SessionConfig {
    SessionConfig {
        vad,
        speech: SpeechConfig::default(),
        turn: TurnConfig {
            min_delay: ms(300),
            pre_roll: ms(500),
            discard_audio_if_uninterruptible: true,
            false_interruption_timeout: Some(ms(2_000)),
            away_after: Some(ms(15_000)),
        },
        thinking_policy: POLICY,
        vad_phase_samples: 0,
    }
}

/// Counts wake-ups.
#[derive(Debug, Default)]
pub struct Wakes(pub AtomicU64);

#[derive(Debug)]
struct Waker(Arc<Wakes>);

impl Wake for Waker {
    fn wake(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A loop whose wake-ups are counted.
pub fn bells() -> (Arc<Bells>, Arc<Wakes>) {
    let wakes = Arc::new(Wakes::default());
    (Bells::new(Box::new(Waker(wakes.clone()))), wakes)
}

/// Both sides of a call.
pub struct Call {
    shard: Shard,
    config: SessionConfig,
    pub input: PcmWriter,
    pub handles: SessionHandles,
    pub out_ring: Arc<SoundRing>,
    pub events: Vec<Event>,
    /// Everything that was sent, from the first tick on.
    pub out: Vec<i16>,
    pub out_hz: u32,
    pub in_frame: usize,
    pub ticks: u64,
    pub wakes: Arc<Wakes>,
    bells: Arc<Bells>,
}

impl Call {
    /// A caller at 16 kHz and an agent at 24 kHz.
    pub fn new(config: SessionConfig) -> Self {
        Self::at(config, 16_000, 24_000)
    }

    pub fn at(config: SessionConfig, in_hz: u32, out_hz: u32) -> Self {
        let door = pcm_in(in_hz).expect("a rate that is allowed");
        Self::through(door, config, in_hz, out_hz)
    }

    /// The caller's sound comes as it is recorded, and never ahead of time.
    pub fn live(config: SessionConfig) -> Self {
        let door = live_pcm_in(16_000).expect("a rate");
        Self::through(door, config, 16_000, 24_000)
    }

    fn through(
        (input, door): (PcmWriter, PcmIn),
        config: SessionConfig,
        in_hz: u32,
        out_hz: u32,
    ) -> Self {
        let model = if config.vad == Vad::Silero {
            models::silero()
        } else {
            None
        };
        let mut shard = Shard::new(model, 4);
        let (output, out_ring) = pcm_out(out_hz);
        let (bells, wakes) = bells();
        let (session, handles) = session(
            config,
            Box::new(door),
            Box::new(output),
            out_ring.clone(),
            bells.bell(),
        )
        .expect("a configuration");
        shard.add(session).expect("room for one");
        let in_frame = in_hz as usize / 100;
        let (events, out) = (Vec::new(), Vec::new());
        Self {
            shard,
            config,
            input,
            handles,
            out_ring,
            events,
            out,
            out_hz,
            in_frame,
            ticks: 0,
            wakes,
            bells,
        }
    }

    /// The shard's thread goes away.
    pub fn end_shard(&mut self) {
        self.shard.close(self.ticks * 10_000, &mut |_| {});
    }

    /// What the caller's side brings between two ticks; says how much was taken.
    pub fn write(&mut self, sound: &[i16]) -> usize {
        self.input.write(self.ticks * 10_000, sound)
    }

    /// Ten milliseconds, of which `sound` is written before.
    pub fn tick(&mut self, sound: &[i16]) {
        let taken = self.write(sound);
        assert!(
            taken == sound.len() || self.handles.shared.is_closed(),
            "the door takes what comes in time"
        );
        self.tick_as_it_is();
    }

    /// Ten milliseconds with what is in the queue.
    pub fn tick_as_it_is(&mut self) {
        self.tick_undrained();
        self.bells.looking(&mut |_| ());
        while let Ok(event) = self.handles.events.pop() {
            self.events.push(event);
        }
        let mut frame = [0; 480];
        while let read @ 1.. = self.out_ring.read(self.out.len() as u64, &mut frame).len {
            self.out.extend_from_slice(&frame[..read]);
        }
    }

    /// The same, and nobody looks.
    pub fn tick_undrained(&mut self) {
        self.ticks += 1;
        self.shard.tick(self.ticks * 10_000, &mut |_| {});
    }

    /// All of `sound`, tick by tick.
    pub fn hear(&mut self, sound: &[i16]) {
        for frame in sound.chunks(self.in_frame) {
            self.tick(frame);
        }
    }

    /// All of `sound`; `each` sees the call after every tick.
    pub fn hear_with(&mut self, sound: &[i16], mut each: impl FnMut(&mut Self)) {
        for frame in sound.chunks(self.in_frame) {
            self.tick(frame);
            each(self);
        }
    }

    /// Digital silence.
    pub fn wait(&mut self, ms: u64) {
        let silence = vec![0; self.in_frame];
        for _ in 0..ms / 10 {
            self.tick(&silence);
        }
    }

    /// A whole utterance, queued at once.
    pub fn say(&mut self, pcm: &[i16], rate_hz: u32, policy: InterruptionPolicy) -> UtteranceId {
        let utterance = self
            .handles
            .mouth
            .begin(policy)
            .expect("no utterance is open");
        assert_eq!(
            self.handles
                .mouth
                .write(pcm, rate_hz)
                .expect("a rate that is allowed"),
            pcm.len()
        );
        self.handles.mouth.end().expect("room for the end");
        utterance
    }

    pub fn send(&mut self, command: Command) {
        self.handles
            .commands
            .push(command)
            .expect("room for a command");
    }

    /// What happened, without its time.
    pub fn kinds(&self) -> Vec<EventKind> {
        self.events.iter().map(|event| event.kind).collect()
    }

    /// The first event that `wanted` knows, with its time.
    pub fn find<T>(&self, wanted: impl Fn(&EventKind) -> Option<T>) -> Option<(u64, T)> {
        self.events
            .iter()
            .find_map(|event| wanted(&event.kind).map(|found| (event.at, found)))
    }

    /// Sessions that the shard still serves.
    pub fn served(&self) -> usize {
        self.shard.len()
    }

    pub fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.events
            .iter()
            .filter(|event| wanted(&event.kind))
            .count()
    }

    /// When each turn ended and what its voice was: (at, turn, onset, voiced end).
    pub fn turns_ended(&self) -> Vec<(u64, TurnId, u64, u64)> {
        let ended = |event: &Event| match event.kind {
            EventKind::TurnEnded {
                turn,
                onset,
                voiced_end,
            } => Some((event.at, turn, onset, voiced_end)),
            _ => None,
        };
        self.events.iter().filter_map(ended).collect()
    }

    /// Where the session is, in samples at 16 kHz.
    pub fn position(&self) -> u64 {
        self.ticks * 160
    }

    /// The value of a counter.
    pub fn counter(&self, name: &str) -> u64 {
        let all = self.handles.shared.counters.snapshot();
        all.into_iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("no counter {name}"))
            .1
    }

    /// What must hold of every call, however it went.
    pub fn check(&self) {
        assert_eq!(self.counter("illegal_transitions"), 0);
        assert_eq!(self.counter("events_dropped"), 0);
        laws::check(&self.events, &self.config.turn);
    }
}
