//! What the agent says, ten milliseconds at a time: order, positions, marks, fade, pause, resume, duck, drop.
//!
//! The fades of a pause and of its resuming are complementary ramps over the very same samples: played twice, down and
//! up, their gains add up to one. So a resumed utterance neither loses nor repeats a sample.

use crate::event::{EventKind, UtteranceId};
use crate::gauge::Gauge;
use crate::mouth::CONTROL_CAPACITY;
use crate::turn::{InterruptionPolicy, PlayoutView};
use crate::voice::Voice;
use beluga_dsp::fade::{ramp_down, ramp_up};
use beluga_dsp::gain;
use beluga_dsp::pcm::to_i16;
use rtrb::{Consumer, Producer};
use std::sync::Arc;

/// The longest frame: 10 ms at 48 kHz.
pub const MAX_OUT_FRAME_SAMPLES: usize = 480;
/// How much quieter a ducked utterance is unless said otherwise: 12 dB.
const DUCK_GAIN: f32 = 0.25;

/// Something that happens at a position of the queue.
#[derive(Debug)]
pub(crate) struct Control {
    /// Samples written before it.
    pub at: u64,
    pub kind: ControlKind,
}

#[derive(Debug)]
pub(crate) enum ControlKind {
    Begin {
        utterance: UtteranceId,
        policy: InterruptionPolicy,
    },
    /// What follows has another rate.
    Rate(Box<Voice>),
    Mark(u32),
    End,
}

#[derive(Debug)]
struct Utterance {
    id: UtteranceId,
    policy: InterruptionPolicy,
    voice: Option<Box<Voice>>,
    played_samples: u64,
    /// `played_samples` at the newest mark: what a listener was told of is not taken back.
    marked_samples: u64,
    started: bool,
    /// It was dropped.
    given_up: bool,
}

/// Utterances that were dropped while they waited: one bit for each that the queue can hold.
#[derive(Debug, Default)]
struct DroppedWaiting([u64; CONTROL_CAPACITY / 64]);

impl DroppedWaiting {
    fn add(&mut self, utterance: UtteranceId) {
        let (word, bit) = Self::place(utterance);
        self.0[word] |= bit;
    }

    /// Whether it was dropped; its bit is free for one that comes later.
    fn take(&mut self, utterance: UtteranceId) -> bool {
        let (word, bit) = Self::place(utterance);
        let dropped = self.0[word] & bit != 0;
        self.0[word] &= !bit;
        dropped
    }

    fn place(utterance: UtteranceId) -> (usize, u64) {
        let place = utterance as usize % CONTROL_CAPACITY;
        (place / 64, 1 << (place % 64))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    None,
    /// The next frame fades out.
    Asked,
    /// `held[..len]` was faded out.
    Held {
        len: usize,
    },
    /// The next frame fades in from what is held.
    Resuming {
        len: usize,
    },
}

/// The reading side of the queue: one frame per tick.
#[derive(Debug)]
pub struct Playout {
    samples: Consumer<i16>,
    controls: Consumer<Control>,
    spent: Producer<Box<Voice>>,
    gauge: Arc<Gauge>,
    out_hz: u32,
    read: u64,
    current: Option<Utterance>,
    pause: Pause,
    /// The newest utterance that was begun.
    begun: UtteranceId,
    dropped: DroppedWaiting,
    gain: f32,
    gain_target: f32,
    duck_gain: f32,
    frame: [f32; MAX_OUT_FRAME_SAMPLES],
    held: [f32; MAX_OUT_FRAME_SAMPLES],
    chunk: [i16; 512],
}

/// What one frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Played {
    /// An utterance in progress had less than a frame to play.
    pub gap: bool,
    /// Some sample of the frame is of an utterance.
    pub sound: bool,
    /// Somebody waits for the room that this made.
    pub room: bool,
}

impl Playout {
    pub(crate) fn new(
        samples: Consumer<i16>,
        controls: Consumer<Control>,
        spent: Producer<Box<Voice>>,
        gauge: Arc<Gauge>,
        out_hz: u32,
    ) -> Self {
        Self {
            samples,
            controls,
            spent,
            gauge,
            out_hz,
            read: 0,
            current: None,
            pause: Pause::None,
            begun: 0,
            dropped: DroppedWaiting::default(),
            gain: 1.0,
            gain_target: 1.0,
            duck_gain: DUCK_GAIN,
            frame: [0.0; MAX_OUT_FRAME_SAMPLES],
            held: [0.0; MAX_OUT_FRAME_SAMPLES],
            chunk: [0; 512],
        }
    }

    /// What the turn machine must know.
    #[must_use]
    pub fn view(&self) -> PlayoutView {
        let audible = self
            .current
            .as_ref()
            .filter(|utterance| {
                utterance.started && !utterance.given_up && self.pause == Pause::None
            })
            .map(|utterance| (utterance.id, utterance.policy));
        PlayoutView {
            audible,
            played_us: self
                .current
                .as_ref()
                .map_or(0, |utterance| self.us(utterance.played_samples)),
            pending: self.current.is_some() || !self.controls.is_empty(),
        }
    }

    /// Fades out within the next frame and holds the rest. Nothing where nothing is heard.
    pub fn pause(&mut self) {
        if self.view().audible.is_some() {
            self.pause = Pause::Asked;
        }
    }

    /// Goes on from the sample where the fade began.
    pub fn resume(&mut self) {
        self.pause = match self.pause {
            Pause::Held { len } => Pause::Resuming { len },
            Pause::Asked => Pause::None,
            other => other,
        };
    }

    /// Gives up one utterance: if it is being heard it fades out and is over, whether its writer has ended it or not; if it
    /// waits it is over as soon as it would begin. One that is over already is left alone.
    pub fn drop_utterance(&mut self, utterance: UtteranceId) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.id == utterance)
        {
            self.pause();
            if let Some(current) = &mut self.current {
                current.given_up = true;
            }
        } else if utterance > self.begun {
            self.dropped.add(utterance);
        }
    }

    /// The call is over: what is being played ends here.
    pub fn abandon(&mut self, event: &mut dyn FnMut(EventKind)) {
        self.finish(true, event);
    }

    /// Goes to the ducked volume, or back.
    pub fn duck(&mut self, on: bool) {
        self.gain_target = if on { self.duck_gain } else { 1.0 };
    }

    /// How loud a ducked utterance is from the next [`duck`](Self::duck) on: a factor, 0 to 1.
    pub fn set_duck_gain(&mut self, gain: f32) {
        self.duck_gain = gain.clamp(0.0, 1.0);
    }

    /// Samples that wait to be played, at the rate at which they were written.
    #[must_use]
    pub fn waiting_samples(&self) -> usize {
        self.samples.slots()
    }

    /// Fills `out`, one frame at the transport's rate, with the next 10 ms.
    ///
    /// # Panics
    /// If `out` is longer than [`MAX_OUT_FRAME_SAMPLES`].
    pub fn pull(&mut self, out: &mut [i16], event: &mut dyn FnMut(EventKind)) -> Played {
        let len = out.len();
        let mut played = Played::default();
        self.frame[..len].fill(0.0);
        if self.pause != Pause::Asked && self.is_given_up() {
            self.pause = Pause::None;
            self.finish(true, event);
        }
        match self.pause {
            Pause::Held { .. } => {}
            Pause::Asked => {
                let filled = self.fill(0, len, true, event, &mut played);
                self.held[..filled].copy_from_slice(&self.frame[..filled]);
                if let Some(utterance) = &mut self.current {
                    // What fades counts as not played: a resumed utterance begins with it.
                    utterance.played_samples =
                        utterance.played_samples.saturating_sub(filled as u64);
                }
                ramp_down(&mut self.frame[..filled]);
                self.pause = Pause::Held { len: filled };
                if self.is_given_up() {
                    self.pause = Pause::None;
                    self.finish(true, event);
                }
            }
            Pause::Resuming { len: held } => {
                self.frame[..held].copy_from_slice(&self.held[..held]);
                ramp_up(&mut self.frame[..held]);
                if let Some(utterance) = &mut self.current {
                    utterance.played_samples += held as u64;
                }
                self.pause = Pause::None;
                played.sound |= held > 0;
                self.fill(held, len, false, event, &mut played);
            }
            Pause::None => {
                self.fill(0, len, false, event, &mut played);
            }
        }
        if self.gain != 1.0 || self.gain_target != 1.0 {
            gain::ramp(&mut self.frame[..len], self.gain, self.gain_target);
            self.gain = self.gain_target;
        }
        to_i16(&self.frame[..len], out);
        played.room = self.gauge.advance(self.read);
        played
    }

    /// Whether the utterance in progress was dropped.
    fn is_given_up(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|utterance| utterance.given_up)
    }

    /// The utterance in progress is over; what is left of it in the queue belongs to nobody and is thrown away.
    fn finish(&mut self, interrupted: bool, event: &mut dyn FnMut(EventKind)) {
        if let Some(utterance) = self.current.take() {
            let played_us = self.us(utterance.played_samples.max(utterance.marked_samples));
            event(EventKind::PlayoutFinished {
                utterance: utterance.id,
                played_us,
                interrupted,
            });
            self.give_back(utterance.voice);
        }
    }

    fn us(&self, samples: u64) -> u64 {
        samples * 1_000_000 / u64::from(self.out_hz)
    }

    /// Fills `frame[from..to]` from the queue; returns where it stopped. With `within` it ends with the utterance.
    fn fill(
        &mut self,
        from: usize,
        to: usize,
        within: bool,
        event: &mut dyn FnMut(EventKind),
        played: &mut Played,
    ) -> usize {
        let mut filled = from;
        while filled < to {
            if let Some(utterance) = &mut self.current
                && let Some(voice) = &mut utterance.voice
            {
                let taken = voice.take(&mut self.frame[filled..to]);
                if taken > 0 {
                    if !utterance.started {
                        utterance.started = true;
                        event(EventKind::PlayoutStarted {
                            utterance: utterance.id,
                        });
                    }
                    utterance.played_samples += taken as u64;
                    filled += taken;
                    played.sound = true;
                    continue;
                }
            }
            // Sound first, controls after: a sample that is seen here has its controls in the queue already.
            let available = self.samples.slots() as u64;
            match self.controls.peek().map(|control| control.at) {
                Ok(at) if at <= self.read => {
                    if !self.obey_control(to - filled, within, event) {
                        break;
                    }
                }
                control => {
                    let until = control.map_or(u64::MAX, |at| at - self.read);
                    if !self.consume(available.min(until) as usize, to - filled) {
                        played.gap = self
                            .current
                            .as_ref()
                            .is_some_and(|utterance| utterance.started);
                        break;
                    }
                }
            }
        }
        filled
    }

    /// Moves up to `available` source samples into the voice; false if there is nothing to do.
    fn consume(&mut self, available: usize, wanted: usize) -> bool {
        if available == 0 {
            return false;
        }
        let taken = match self
            .current
            .as_mut()
            .and_then(|utterance| utterance.voice.as_mut())
        {
            Some(voice) => {
                let taken = available.min(voice.wants(wanted)).min(self.chunk.len());
                let (chunk, _) = self.samples.pop_partial_slice(&mut self.chunk[..taken]);
                voice.put(chunk);
                chunk.len()
            }
            None => match self.samples.read_chunk(available) {
                Ok(chunk) => {
                    chunk.commit_all();
                    available
                }
                Err(_) => return false,
            },
        };
        self.read += taken as u64;
        true
    }

    /// Carries out the control at the front of the queue; false if the frame ends here.
    fn obey_control(
        &mut self,
        wanted: usize,
        within: bool,
        event: &mut dyn FnMut(EventKind),
    ) -> bool {
        let ends_voice = matches!(
            self.controls.peek().map(|control| &control.kind),
            Ok(ControlKind::Rate(_) | ControlKind::End)
        );
        if ends_voice
            && let Some(voice) = self
                .current
                .as_mut()
                .and_then(|utterance| utterance.voice.as_mut())
            && voice.put_tail(wanted)
        {
            return true;
        }
        if within
            && matches!(
                self.controls.peek().map(|control| &control.kind),
                Ok(ControlKind::End)
            )
        {
            return false;
        }
        let Ok(control) = self.controls.pop() else {
            return false;
        };
        match control.kind {
            ControlKind::Begin { utterance, policy } => {
                self.begun = utterance;
                self.current = Some(Utterance {
                    id: utterance,
                    policy,
                    voice: None,
                    played_samples: 0,
                    marked_samples: 0,
                    started: false,
                    given_up: self.dropped.take(utterance),
                });
                if self.is_given_up() {
                    self.finish(true, event);
                }
            }
            ControlKind::Rate(voice) => {
                let spent = match &mut self.current {
                    Some(utterance) => utterance.voice.replace(voice),
                    None => Some(voice),
                };
                self.give_back(spent);
            }
            ControlKind::Mark(mark) => {
                if let Some(utterance) = &mut self.current {
                    utterance.marked_samples = utterance.played_samples;
                    let (utterance, samples) = (utterance.id, utterance.played_samples);
                    event(EventKind::MarkReached {
                        utterance,
                        mark,
                        played_us: self.us(samples),
                    });
                }
            }
            ControlKind::End => self.finish(false, event),
        }
        true
    }

    /// Sends a voice to where freeing it disturbs nobody. The way has room for every voice that can be on it.
    fn give_back(&mut self, voice: Option<Box<Voice>>) {
        if let Some(voice) = voice {
            drop(self.spent.push(voice));
        }
    }
}
