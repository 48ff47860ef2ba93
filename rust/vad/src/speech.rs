//! From probabilities and levels to speech: hysteresis, and the true edges of a voice.
//!
//! A detector's probability rises and falls late: Silero trails the end of a voice by 50 to 95 ms. Waiting
//! "0.5 s of silence" from that moment makes every answer late by as much. So the edges are found by looking back:
//! a frame of 10 ms counts as voiced when its level stands above a gate *and* the detector hears speech around it,
//! and silence counts from the last voiced frame.

use std::fmt;
use std::ops::Range;

/// Sample rate of everything in this module.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples in one frame of 10 ms.
pub const FRAME_SAMPLES: u64 = 160;

const FRAME_MS: u32 = 10;
/// How far back an onset may lie before the window that revealed it: longer than any run-up of a word.
const LOOK_BACK_FRAMES: usize = 32;
/// Frames of those that a line may lack without being taken for a quiet room: a packet of 20 ms and a late tick.
const HOLE_FRAMES: usize = 3;
/// A voiced frame stands this far above the noise floor.
const GATE_OVER_FLOOR_DB: f32 = 8.0;
/// ... and no further than this below the loudest frame of the utterance: a decaying room is no voice.
const GATE_UNDER_PEAK_DB: f32 = 35.0;
/// ... and above this, whatever the floor: below it nobody hears anything.
const GATE_LOWEST_DBFS: f32 = -65.0;
/// A frame that is further than this below the one before it holds a thirtieth of its voice: 0.3 ms, or what a codec smears
/// behind the end of a sound. No mouth falls silent as fast and goes on.
const FALL_DB: f32 = 15.0;
/// Quiet frames allowed inside a run when an onset is looked for: the closure of a plosive.
const ONSET_GAP_FRAMES: usize = 3;
/// How far before the end of the window that reveals a voice the voice may have ended: two windows.
const REACH_SAMPLES: u64 = 2 * crate::WINDOW_SAMPLES as u64;
/// Where level and detector disagree for this long, the detector is right: the voice is merely quiet. Longer than a
/// detector's release (up to 95 ms) and the fading of a last syllable together, which are no voice.
const QUIET_VOICE_SAMPLES: u64 = 2_400;
/// The floor taken for granted at most when the first frame is heard: a call may begin with speech.
const FIRST_FLOOR_DBFS: f32 = -50.0;
/// The level of nothing at all.
const SILENCE_DBFS: f32 = -120.0;

/// When a probability counts as speech, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeechConfig {
    /// Probability from which a window is speech, 0..1. livekit-agents: 0.5.
    pub activation: f32,
    /// Probability under which a window is silence again, at most `activation`. livekit-agents: activation - 0.15.
    pub deactivation: f32,
    /// Speech shorter than this is not reported, in milliseconds.
    pub min_speech_ms: u32,
    /// Silence shorter than this does not end speech, in milliseconds.
    pub min_silence_ms: u32,
}

impl Default for SpeechConfig {
    fn default() -> Self {
        Self {
            activation: 0.5,
            deactivation: 0.35,
            min_speech_ms: 50,
            min_silence_ms: 250,
        }
    }
}

/// A speech configuration that cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{field} is {value}, allowed is {allowed}")]
pub struct SpeechConfigError {
    /// The field.
    pub field: &'static str,
    /// What it was.
    pub value: f32,
    /// What it may be.
    pub allowed: &'static str,
}

impl SpeechConfig {
    /// Checks ranges: both thresholds in 0..=1, `deactivation` at most `activation`.
    ///
    /// # Errors
    /// [`SpeechConfigError`] names the first field that is out of range.
    pub fn validate(&self) -> Result<(), SpeechConfigError> {
        let error = |field, value, allowed| {
            Err(SpeechConfigError {
                field,
                value,
                allowed,
            })
        };
        if !(0.0..=1.0).contains(&self.activation) {
            return error("activation_threshold", self.activation, "0 to 1");
        }
        if !(0.0..=self.activation).contains(&self.deactivation) {
            return error(
                "deactivation_threshold",
                self.deactivation,
                "0 to activation_threshold",
            );
        }
        Ok(())
    }
}

/// What [`SpeechDetector`] found, positions in samples at 16 kHz from the start of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechEdge {
    /// Speech lasts for the minimum; it began at `onset`.
    Started {
        /// First voiced sample.
        onset: u64,
    },
    /// Silence lasts for the minimum; the voice ended at `voiced_end`.
    Ended {
        /// One past the last voiced sample.
        voiced_end: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Silence,
    /// The detector hears speech that is not yet as long as the minimum.
    Rising,
    Speech,
}

/// Turns a level per 10 ms and a probability per window into [`SpeechEdge`]s.
///
/// Call [`push_window`](Self::push_window) for every window the detector has judged, then [`push_frame`](Self::push_frame)
/// for the frame that completed it; both take the position one past their last sample.
pub struct SpeechDetector {
    config: SpeechConfig,
    state: State,
    /// Whether the detector hears speech now, with hysteresis.
    hears_speech: bool,
    /// Ring of the newest levels; `frames` counts all that ever came.
    levels_dbfs: [f32; LOOK_BACK_FRAMES],
    frames: u64,
    floor_dbfs: f32,
    peak_dbfs: f32,
    onset: u64,
    /// One past the newest frame that counts as voiced.
    voiced_end: u64,
    /// The same, as of the last window that the detector called speech.
    confirmed_end: u64,
    /// The detector hears what the level does not show: its windows alone say how far the voice goes.
    quiet_voice: bool,
    /// No frame of the window that began this speech was loud so far: if one is, it is the newest.
    onset_unseen: bool,
    /// Where the last reported speech ended: no onset lies before it, and what is too short to report leaves it as it is.
    reported_end: u64,
}

impl fmt::Debug for SpeechDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpeechDetector")
            .field("state", &self.state)
            .field("hears_speech", &self.hears_speech)
            .field("floor_dbfs", &self.floor_dbfs)
            .finish_non_exhaustive()
    }
}

impl SpeechDetector {
    /// A detector that has heard nothing.
    ///
    /// # Errors
    /// What [`SpeechConfig::validate`] refuses.
    pub fn new(config: SpeechConfig) -> Result<Self, SpeechConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            state: State::Silence,
            hears_speech: false,
            levels_dbfs: [SILENCE_DBFS; LOOK_BACK_FRAMES],
            frames: 0,
            floor_dbfs: FIRST_FLOOR_DBFS,
            peak_dbfs: SILENCE_DBFS,
            onset: 0,
            voiced_end: 0,
            confirmed_end: 0,
            quiet_voice: false,
            onset_unseen: false,
            reported_end: 0,
        })
    }

    /// Takes the probability of the window that ends at `end`.
    pub fn push_window(&mut self, end: u64, probability: f32) {
        let threshold = if self.hears_speech {
            self.config.deactivation
        } else {
            self.config.activation
        };
        self.hears_speech = probability >= threshold;
        match (self.state, self.hears_speech) {
            (State::Silence, true) => {
                // A floor that is still on its way up is corrected by what was quietest just now.
                self.floor_dbfs = self.floor_dbfs.max(self.quietest_dbfs());
                let loud = self.newest_loud_run(end.saturating_sub(REACH_SAMPLES));
                // Where nothing is loud the window itself is the best that is known; its last frame is yet to come.
                self.quiet_voice = loud.is_none();
                self.onset_unseen = loud.is_none();
                let voice = loud.unwrap_or(end.saturating_sub(crate::WINDOW_SAMPLES as u64)..end);
                // Never before the end of what was reported last: a look back must not find the speech before.
                self.onset = voice.start.max(self.reported_end);
                self.voiced_end = voice.end.max(self.onset);
                self.confirmed_end = self.voiced_end;
                self.peak_dbfs = self.loudest_since(self.onset);
                self.state = State::Rising;
            }
            (State::Silence, false) => {}
            (State::Rising | State::Speech, true) => {
                let unseen = end.saturating_sub(self.voiced_end);
                self.quiet_voice |= unseen > QUIET_VOICE_SAMPLES;
                if self.quiet_voice && probability >= self.config.activation {
                    self.voiced_end = self.voiced_end.max(end);
                }
                self.confirmed_end = self.voiced_end;
            }
            (State::Rising, false) => {
                // Too short to be reported, so it is no voice: silence goes on counting from the one before.
                self.state = State::Silence;
                self.voiced_end = self.reported_end;
            }
            (State::Speech, false) => {
                // The voice may have ended inside this window: keep what is loud without a break from the last frame
                // that was certain, and no more.
                self.voiced_end = self.end_of_run(self.confirmed_end).min(self.voiced_end);
                self.confirmed_end = self.voiced_end;
            }
        }
    }

    /// Takes the level of the frame that ends at `end` and says what has become certain with it.
    pub fn push_frame(&mut self, end: u64, level_dbfs: f32) -> Option<SpeechEdge> {
        if self.frames == 0 {
            self.floor_dbfs = level_dbfs.min(FIRST_FLOOR_DBFS);
        }
        self.levels_dbfs[(self.frames % LOOK_BACK_FRAMES as u64) as usize] = level_dbfs;
        self.frames += 1;
        let hears_speech = self.hears_speech;
        // Pauses inside speech show the room too, and what is quieter than the room was never the room.
        if !hears_speech || level_dbfs < self.floor_dbfs {
            self.follow_floor(level_dbfs);
        }
        if self.state == State::Silence {
            return None;
        }
        if hears_speech {
            self.peak_dbfs = self.peak_dbfs.max(level_dbfs);
            if level_dbfs > self.gate_dbfs() && !self.fell_to(level_dbfs) {
                if self.onset_unseen {
                    self.onset = self.onset.max(end.saturating_sub(FRAME_SAMPLES));
                }
                self.voiced_end = end;
                self.quiet_voice = false;
            }
            self.onset_unseen = false;
        }
        match self.state {
            State::Rising
                if self.voiced_end.saturating_sub(self.onset)
                    >= samples(self.config.min_speech_ms) =>
            {
                self.state = State::Speech;
                Some(SpeechEdge::Started { onset: self.onset })
            }
            State::Speech
                if !hears_speech
                    && self.silence_samples(end) >= samples(self.config.min_silence_ms) =>
            {
                self.state = State::Silence;
                self.reported_end = self.voiced_end;
                Some(SpeechEdge::Ended {
                    voiced_end: self.voiced_end,
                })
            }
            _ => None,
        }
    }

    /// Whether speech has started and not ended.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        self.state == State::Speech
    }

    /// Whether the newest window was speech; false in the pauses of a sentence.
    #[must_use]
    pub fn hears_speech(&self) -> bool {
        self.hears_speech
    }

    /// First voiced sample of the newest speech.
    #[must_use]
    pub fn onset(&self) -> u64 {
        self.onset
    }

    /// One past the last voiced sample so far.
    #[must_use]
    pub fn voiced_end(&self) -> u64 {
        self.voiced_end
    }

    /// Samples since the last voiced one at position `now`.
    #[must_use]
    pub fn silence_samples(&self, now: u64) -> u64 {
        now.saturating_sub(self.voiced_end)
    }

    /// The level of the room without a voice, dB re full scale.
    #[must_use]
    pub fn noise_floor_dbfs(&self) -> f32 {
        self.floor_dbfs
    }

    fn gate_dbfs(&self) -> f32 {
        gate_dbfs(self.floor_dbfs, self.peak_dbfs)
    }

    /// Whether the newest frame is the fall behind a voice.
    fn fell_to(&self, level_dbfs: f32) -> bool {
        self.level_back(1)
            .is_some_and(|before_dbfs| level_dbfs < before_dbfs - FALL_DB)
    }

    /// Falls at once, rises slowly: what is steady is the room, what comes and goes is not.
    fn follow_floor(&mut self, level_dbfs: f32) {
        let step = level_dbfs - self.floor_dbfs;
        self.floor_dbfs += if step < 0.0 {
            0.3 * step
        } else {
            (0.05 * step).min(0.2)
        };
        self.floor_dbfs = self.floor_dbfs.max(-100.0);
    }

    fn level_back(&self, back: usize) -> Option<f32> {
        let back = back as u64;
        (back < self.frames && back < LOOK_BACK_FRAMES as u64).then(|| {
            self.levels_dbfs[((self.frames - 1 - back) % LOOK_BACK_FRAMES as u64) as usize]
        })
    }

    /// The quietest frame that is remembered, but for a few: what was put in where nothing came is not the room. Nothing
    /// until enough were heard that one should have been the room's.
    fn quietest_dbfs(&self) -> f32 {
        if self.frames < LOOK_BACK_FRAMES as u64 {
            return SILENCE_DBFS;
        }
        // Sorted from the quietest on.
        let mut quietest = [f32::MAX; HOLE_FRAMES + 1];
        for &level in &self.levels_dbfs {
            let place = quietest.partition_point(|&quiet| quiet <= level);
            if place < quietest.len() {
                quietest[place..].rotate_right(1);
                quietest[place] = level;
            }
        }
        quietest[HOLE_FRAMES]
    }

    /// The newest run of loud frames, short gaps included; `None` if none reaches beyond `from`: what was loud before
    /// is the speech before, and no part of this one.
    fn newest_loud_run(&self, from: u64) -> Option<Range<u64>> {
        let back = || (0..LOOK_BACK_FRAMES).map_while(|back| self.level_back(back));
        let gate = gate_dbfs(self.floor_dbfs, back().fold(SILENCE_DBFS, f32::max));
        let mut run: Option<Range<u64>> = None;
        let mut quiet = 0;
        for (back, level) in back().enumerate() {
            let end = (self.frames - back as u64) * FRAME_SAMPLES;
            if run.is_none() && end <= from {
                break;
            }
            if level > gate {
                run = Some(end - FRAME_SAMPLES..run.map_or(end, |run| run.end));
                quiet = 0;
            } else {
                quiet += 1;
                if run.is_some() && quiet > ONSET_GAP_FRAMES {
                    break;
                }
            }
        }
        run
    }

    /// The loudest frame that reaches beyond `from`.
    fn loudest_since(&self, from: u64) -> f32 {
        let frames = (self.frames * FRAME_SAMPLES)
            .saturating_sub(from)
            .div_ceil(FRAME_SAMPLES);
        (0..LOOK_BACK_FRAMES.min(frames as usize))
            .filter_map(|back| self.level_back(back))
            .fold(SILENCE_DBFS, f32::max)
    }

    /// The end of the loud frames that follow `from` without a break; `from` may lie inside the first of them.
    fn end_of_run(&self, from: u64) -> u64 {
        let gate = self.gate_dbfs();
        let mut frame = from / FRAME_SAMPLES;
        let mut end = from;
        while frame < self.frames {
            match self.level_back((self.frames - 1 - frame) as usize) {
                Some(level) if level > gate => end = (frame + 1) * FRAME_SAMPLES,
                _ => break,
            }
            frame += 1;
        }
        end
    }
}

fn gate_dbfs(floor_dbfs: f32, peak_dbfs: f32) -> f32 {
    (floor_dbfs + GATE_OVER_FLOOR_DB)
        .max(peak_dbfs - GATE_UNDER_PEAK_DB)
        .max(GATE_LOWEST_DBFS)
}

fn samples(ms: u32) -> u64 {
    u64::from(ms / FRAME_MS) * FRAME_SAMPLES
        + u64::from(ms % FRAME_MS) * FRAME_SAMPLES / u64::from(FRAME_MS)
}
