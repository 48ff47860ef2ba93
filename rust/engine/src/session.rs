//! One call: a tick of it takes ten milliseconds in, as a rule, and gives ten milliseconds out.

use crate::bells::Bell;
use crate::counters::Counters;
use crate::door::{EarFrame, InDoor, MOST_FRAMES_PER_TICK, OutDoor, SendTime};
use crate::event::{Event, EventKind, TurnId, UtteranceId};
use crate::mouth::{MouthWriter, mouth};
use crate::playout::{MAX_OUT_FRAME_SAMPLES, Playout};
use crate::shared::{Ready, Shared};
use crate::sound_ring::{SoundRing, SoundWriter, sound_ring};
use crate::time::EAR_FRAME_SAMPLES;
use crate::turn::{InterruptionPolicy, Outbox, PlayoutOrder, TurnConfig, TurnMachine};
use beluga_codec::Effort;
use beluga_dsp::level::rms_dbfs;
use beluga_dsp::pcm::to_i16;
use beluga_vad::{
    EnergyDetector, SileroState, SpeechConfig, SpeechConfigError, SpeechDetector, WINDOW_SAMPLES,
};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// How much of the caller's sound is kept for readers: 8.2 s at 16 kHz.
pub const EAR_CAPACITY_SAMPLES: usize = 1 << 17;
/// Events that may wait for the loop; at some ten a second the loop must have slept for minutes to lose one.
const EVENT_CAPACITY: usize = 1_024;
const COMMAND_CAPACITY: usize = 64;

/// Which detector judges the windows of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vad {
    /// The shard's Silero model.
    Silero,
    /// Level over the noise floor.
    Energy,
}

/// What a session is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionConfig {
    /// The detector.
    pub vad: Vad,
    /// When its probability counts as speech.
    pub speech: SpeechConfig,
    /// When turns end.
    pub turn: TurnConfig,
    /// What the caller may do while the agent thinks.
    pub thinking_policy: InterruptionPolicy,
    /// Where the first window of the detector begins, in samples before the call: spreads the load of many sessions.
    pub vad_phase_samples: usize,
}

/// What a session is told, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Give up this utterance, played or waiting, and no other. It was begun before.
    Drop(UtteranceId),
    /// What is paused goes on.
    Resume,
    /// The answers to the turns up to and including this one are complete, or there will be none.
    ReplyDone(TurnId),
    /// End the session.
    Close,
}

/// The session's other side, for whoever holds the call.
#[derive(Debug)]
pub struct SessionHandles {
    /// Counters, rings and waits.
    pub shared: Arc<Shared>,
    /// Writes what the agent says.
    pub mouth: MouthWriter,
    /// Reads events in order.
    pub events: Consumer<Event>,
    /// Sends commands.
    pub commands: Producer<Command>,
}

/// How the frames of a tick go out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    /// When the tick was due.
    pub due_us: u64,
    /// They are owed for too long: the media time and the cursor of the playout go on, nothing is sent.
    pub skipped: bool,
    /// How much work their encoding may be.
    pub effort: Effort,
}

#[derive(Debug)]
enum Detector {
    Silero(Box<SileroState>),
    Energy(Box<EnergyDetector>),
}

/// The shard's side of a call.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    input: Box<dyn InDoor>,
    output: Box<dyn OutDoor>,
    out_frame_samples: usize,
    ear: SoundWriter,
    /// Session time: samples at 16 kHz that were heard. As many as the ticks had room for, fewer while some come late.
    position: u64,
    /// The levels of the frames that were heard in this tick.
    levels_dbfs: [f32; MOST_FRAMES_PER_TICK],
    heard: usize,
    frame: EarFrame,
    pcm: [i16; EAR_FRAME_SAMPLES],
    window: [f32; WINDOW_SAMPLES],
    window_len: usize,
    /// The window that was completed in this tick, and its end.
    full_window: Box<[f32; WINDOW_SAMPLES]>,
    full_window_end: Option<u64>,
    /// Its end and its probability.
    judged: Option<(u64, f32)>,
    detector: Detector,
    speech: SpeechDetector,
    turns: TurnMachine,
    playout: Playout,
    out_frame: [i16; MAX_OUT_FRAME_SAMPLES],
    effort: Effort,
    /// The last frame with sound in it was skipped.
    in_gap: bool,
    events: Producer<Event>,
    commands: Consumer<Command>,
    notify: bool,
    done: bool,
}

/// Makes both sides of a session. `out_ring` is what `output` writes, or what a tap of it writes.
///
/// # Errors
/// [`SpeechConfigError`] names a threshold that is out of range.
pub fn session(
    config: SessionConfig,
    input: Box<dyn InDoor>,
    output: Box<dyn OutDoor>,
    out_ring: Arc<SoundRing>,
    bell: Bell,
) -> Result<(Box<Session>, SessionHandles), SpeechConfigError> {
    let mut speech = config.speech;
    // The end of speech is reported no later than the end of the turn.
    let min_delay_ms = (config.turn.min_delay / 16) as u32;
    speech.min_silence_ms = speech.min_silence_ms.min(min_delay_ms);
    let (ear, ear_ring) = sound_ring(EAR_CAPACITY_SAMPLES);
    let out_hz = output.sample_rate_hz();
    let (mouth, playout) = mouth(out_hz);
    let (events_in, events_out) = RingBuffer::new(EVENT_CAPACITY);
    let (commands_in, commands_out) = RingBuffer::new(COMMAND_CAPACITY);
    let shared = Arc::new(Shared::new(ear_ring, out_ring, out_hz, bell));
    let session = Session {
        shared: shared.clone(),
        input,
        output,
        out_frame_samples: (out_hz / 100) as usize,
        ear,
        position: 0,
        levels_dbfs: [0.0; MOST_FRAMES_PER_TICK],
        heard: 0,
        frame: [0.0; EAR_FRAME_SAMPLES],
        pcm: [0; EAR_FRAME_SAMPLES],
        window: [0.0; WINDOW_SAMPLES],
        window_len: config.vad_phase_samples % WINDOW_SAMPLES,
        full_window: Box::new([0.0; WINDOW_SAMPLES]),
        full_window_end: None,
        judged: None,
        detector: match config.vad {
            Vad::Silero => Detector::Silero(Box::default()),
            Vad::Energy => Detector::Energy(Box::default()),
        },
        speech: SpeechDetector::new(speech)?,
        turns: TurnMachine::new(config.turn, config.thinking_policy),
        playout,
        out_frame: [0; MAX_OUT_FRAME_SAMPLES],
        effort: Effort::default(),
        in_gap: false,
        events: events_in,
        commands: commands_out,
        notify: false,
        done: false,
    };
    Ok((
        Box::new(session),
        SessionHandles {
            shared,
            mouth,
            events: events_out,
            commands: commands_in,
        },
    ))
}

impl Session {
    /// How loud a ducked utterance is: a factor, 0 to 1.
    pub fn set_duck_gain(&mut self, gain: f32) {
        self.playout.set_duck_gain(gain);
    }

    /// First half of a tick: commands, ten milliseconds in.
    pub fn begin(&mut self, now_us: u64) {
        self.obey(now_us);
        if self.done {
            return;
        }
        self.heard = self.input.due().min(MOST_FRAMES_PER_TICK);
        for frame in 0..self.heard {
            let room = self
                .input
                .pull(now_us, &mut self.frame, &self.shared.counters);
            self.mark_ready(room, Ready::Input);
            self.position += EAR_FRAME_SAMPLES as u64;
            self.levels_dbfs[frame] = rms_dbfs(&self.frame);
            to_i16(&self.frame, &mut self.pcm);
            self.ear.write(&self.pcm);
            self.fill_window();
        }
        for reader in 0..self.shared.ear_waits.len() {
            let due = self.shared.ear_waits[reader].advance(self.position);
            self.mark_ready(due, Ready::Ear(reader));
        }
    }

    /// The state and the window that wait for Silero's judgement, if they do.
    pub fn awaits_judgement(&self) -> Option<(&SileroState, &[f32; WINDOW_SAMPLES])> {
        match (&self.detector, self.full_window_end) {
            (Detector::Silero(state), Some(_)) => Some((state, &self.full_window)),
            _ => None,
        }
    }

    /// Takes Silero's judgement: its new state is written through `judge`, which returns the probability.
    pub fn judge(&mut self, judge: impl FnOnce(&mut SileroState) -> f32) {
        if let (Detector::Silero(state), Some(end)) =
            (&mut self.detector, self.full_window_end.take())
        {
            self.judged = Some((end, judge(state)));
        }
    }

    /// Second half of a tick: turns, ten milliseconds out. `now_us` is when the tick began, `clock` says what it is.
    pub(crate) fn finish(&mut self, now_us: u64, sending: Sending, clock: &dyn Fn() -> u64) {
        if self.done {
            return;
        }
        if let (Detector::Energy(detector), Some(end)) =
            (&mut self.detector, self.full_window_end.take())
        {
            self.judged = Some((end, detector.push(&self.full_window)));
        }
        let mut sink = Sink::new(
            &mut self.events,
            &self.shared.counters,
            self.position,
            now_us,
        );
        for frame in 0..self.heard {
            let later = (self.heard - 1 - frame) * EAR_FRAME_SAMPLES;
            let position = self.position - later as u64;
            if let Some((end, probability)) = self.judged.take_if(|(end, _)| *end <= position) {
                self.shared.counters.vad_windows.add(1);
                self.speech.push_window(end, probability);
            }
            let edge = self.speech.push_frame(position, self.levels_dbfs[frame]);
            let mut event = |kind| sink.push(kind);
            let mut out = Outbox::new(&mut event, &self.shared.counters);
            self.turns
                .step(position, &self.speech, edge, self.playout.view(), &mut out);
            for order in out.orders() {
                match order {
                    PlayoutOrder::Pause => self.playout.pause(),
                    PlayoutOrder::Resume => self.playout.resume(),
                    PlayoutOrder::Duck(on) => self.playout.duck(on),
                }
            }
        }
        self.shared
            .counters
            .mouth_waiting_samples
            .note(self.playout.waiting_samples());
        let frame = &mut self.out_frame[..self.out_frame_samples];
        let mut changes = Changes::default();
        let played = self.playout.pull(frame, &mut |kind| {
            changes.note(&kind);
            sink.push(kind);
        });
        let mut event = |kind| sink.push(kind);
        let mut out = Outbox::new(&mut event, &self.shared.counters);
        changes.tell(&mut self.turns, &mut out);
        self.notify |= sink.pushed;
        let counters = &self.shared.counters;
        counters
            .events_waiting
            .note(EVENT_CAPACITY - self.events.slots());
        counters.ticks.add(1);
        counters.playout_gaps.add(u64::from(played.gap));
        self.hand_over(sending, played.sound, clock);
        self.mark_ready(played.room, Ready::Mouth);
        let out_position = self.shared.out.written();
        for reader in 0..self.shared.out_waits.len() {
            let due = self.shared.out_waits[reader].advance(out_position);
            self.mark_ready(due, Ready::Out(reader));
        }
    }

    /// The frame goes to the door, or past it.
    fn hand_over(&mut self, sending: Sending, audible: bool, clock: &dyn Fn() -> u64) {
        let counters = &self.shared.counters;
        if self.effort != sending.effort {
            self.effort = sending.effort;
            self.output.set_effort(sending.effort);
        }
        let time = SendTime {
            due_us: sending.due_us,
            now_us: clock(),
        };
        let frame = &self.out_frame[..self.out_frame_samples];
        let wake = if sending.skipped {
            counters.frames_skipped.add(1);
            if audible {
                counters.audible_frames_skipped.add(1);
                counters.audible_gaps.add(u64::from(!self.in_gap));
                self.in_gap = true;
            }
            self.output.skip(frame, time, counters)
        } else {
            self.in_gap = false;
            self.output.send(frame, time, counters)
        };
        self.mark_ready(wake, Ready::Packets);
    }

    /// Ends the session because its own code failed.
    pub fn fail(&mut self, now_us: u64) {
        let mut sink = Sink::new(
            &mut self.events,
            &self.shared.counters,
            self.position,
            now_us,
        );
        sink.push(EventKind::Failed);
        self.end();
    }

    /// Ends the session as intended.
    pub fn close(&mut self, now_us: u64) {
        let mut sink = Sink::new(
            &mut self.events,
            &self.shared.counters,
            self.position,
            now_us,
        );
        let mut event = |kind| sink.push(kind);
        self.turns
            .close(&mut Outbox::new(&mut event, &self.shared.counters));
        self.playout.abandon(&mut |kind| sink.push(kind));
        sink.push(EventKind::Closed);
        self.end();
    }

    /// Whether the loop is to be woken; asks once.
    pub fn take_notify(&mut self) -> bool {
        std::mem::take(&mut self.notify)
    }

    /// Rings at the loop that listens to this session.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    /// Wakes whoever listens to it: it is over.
    pub fn wake_all(&self, now_us: u64) {
        self.shared.bell.ring(now_us);
        if let Some(bell) = self.shared.out_bell() {
            bell.ring(now_us);
        }
    }

    /// Rings at the loop that takes its sound frame by frame, if one does.
    #[must_use]
    pub fn out_bell(&self) -> Option<&Bell> {
        self.shared.out_bell()
    }

    /// Whether the session is over and can be put away.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    fn obey(&mut self, now_us: u64) {
        while let Ok(command) = self.commands.pop() {
            let mut sink = Sink::new(
                &mut self.events,
                &self.shared.counters,
                self.position,
                now_us,
            );
            let mut event = |kind| sink.push(kind);
            let mut out = Outbox::new(&mut event, &self.shared.counters);
            match command {
                Command::Drop(utterance) => {
                    self.playout.drop_utterance(utterance);
                    self.turns.dropped(utterance);
                }
                Command::Resume => self.turns.resume(&mut out),
                Command::ReplyDone(through) => self.turns.reply_done(through),
                Command::Close => return self.close(now_us),
            }
            for order in out.orders() {
                if order == PlayoutOrder::Resume {
                    self.playout.resume();
                }
            }
            self.notify |= sink.pushed;
        }
    }

    fn end(&mut self) {
        self.done = true;
        self.notify = true;
        self.shared.close();
        // Whoever waits for sound that will not come is to look and see that it is over.
        self.shared.set_ready(Ready::Mouth);
        self.shared.set_ready(Ready::Input);
        self.shared.set_ready(Ready::Packets);
        (0..self.shared.ear_waits.len())
            .for_each(|reader| self.shared.set_ready(Ready::Ear(reader)));
        (0..self.shared.out_waits.len())
            .for_each(|reader| self.shared.set_ready(Ready::Out(reader)));
    }

    fn fill_window(&mut self) {
        let take = (WINDOW_SAMPLES - self.window_len).min(EAR_FRAME_SAMPLES);
        self.window[self.window_len..self.window_len + take].copy_from_slice(&self.frame[..take]);
        self.window_len += take;
        if self.window_len == WINDOW_SAMPLES {
            self.full_window.copy_from_slice(&self.window);
            let rest = EAR_FRAME_SAMPLES - take;
            self.full_window_end = Some(self.position - rest as u64);
            self.window[..rest].copy_from_slice(&self.frame[take..]);
            self.window_len = rest;
        }
    }

    fn mark_ready(&mut self, due: bool, ready: Ready) {
        if due {
            self.shared.set_ready(ready);
            self.notify = true;
        }
    }
}

/// What the playout did that the turn machine must hear of.
#[derive(Debug, Default)]
struct Changes {
    started: bool,
    finished: bool,
    /// The last of both: an utterance may end and the next begin in the same frame.
    ends_started: bool,
}

impl Changes {
    fn note(&mut self, kind: &EventKind) {
        match kind {
            EventKind::PlayoutStarted { .. } => {
                self.started = true;
                self.ends_started = true;
            }
            EventKind::PlayoutFinished { .. } => {
                self.finished = true;
                self.ends_started = false;
            }
            _ => {}
        }
    }

    fn tell(&self, turns: &mut TurnMachine, out: &mut Outbox<'_>) {
        if self.finished && !self.ends_started {
            if self.started {
                turns.playout_started(out);
            }
            turns.playout_finished(out);
        } else if self.started {
            turns.playout_started(out);
        }
    }
}

struct Sink<'a> {
    events: &'a mut Producer<Event>,
    counters: &'a Counters,
    at: u64,
    now_us: u64,
    pushed: bool,
}

impl<'a> Sink<'a> {
    fn new(events: &'a mut Producer<Event>, counters: &'a Counters, at: u64, now_us: u64) -> Self {
        Self {
            events,
            counters,
            at,
            now_us,
            pushed: false,
        }
    }

    fn push(&mut self, kind: EventKind) {
        self.pushed = true;
        // One place is kept for the last event: whoever drains late learns at least that the call is over.
        let last = matches!(kind, EventKind::Closed | EventKind::Failed);
        let room = last || self.events.slots() > 1;
        if !room
            || self
                .events
                .push(Event {
                    at: self.at,
                    now_us: self.now_us,
                    kind,
                })
                .is_err()
        {
            self.counters.events_dropped.add(1);
        }
    }
}
