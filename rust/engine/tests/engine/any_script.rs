//! Whatever the caller, the agent and the program do, in any order: the laws hold, and no sample of the agent is heard twice.

use crate::common::call::{Call, config};
use crate::common::caller::Caller;
use beluga_engine::{Command, EventKind, InterruptionAction, InterruptionPolicy, Vad};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::OnceLock;

const OUT_HZ: u32 = 8_000;
const FRAME: usize = 80;
/// The agent's samples are all different, so that each can be told from all others.
const DISTINCT: usize = 65_000;

#[derive(Debug, Clone)]
enum Step {
    Speak {
        ms: usize,
    },
    Begin {
        allow: bool,
        min_speech_ms: u64,
        wait_for_words: bool,
    },
    Write {
        samples: usize,
    },
    Mark,
    End,
    /// Of those begun, the newest less `back`.
    Drop {
        back: u32,
    },
    Resume,
    ReplyDone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (50usize..900).prop_map(|ms| Step::Speak { ms }),
        3 => (any::<bool>(), 0u64..400, any::<bool>())
            .prop_map(|(allow, min_speech_ms, wait_for_words)| Step::Begin { allow, min_speech_ms, wait_for_words }),
        6 => (0usize..4_000).prop_map(|samples| Step::Write { samples }),
        1 => Just(Step::Mark),
        2 => Just(Step::End),
        1 => (0u32..3).prop_map(|back| Step::Drop { back }),
        1 => Just(Step::Resume),
        1 => Just(Step::ReplyDone),
    ]
}

/// The `n`th sample that the agent ever says; never 0.
fn sample(n: usize) -> i16 {
    let n = n as i32 + 1;
    (if n <= 32_500 { n } else { 32_500 - n }) as i16
}

fn number(sample: i16) -> usize {
    let sample = i32::from(sample);
    (if sample > 0 { sample } else { 32_500 - sample }) as usize - 1
}

fn voice() -> &'static [i16] {
    static VOICE: OnceLock<Vec<i16>> = OnceLock::new();
    VOICE.get_or_init(|| {
        Caller::new(16_000)
            .with(|caller| caller.noise_dbfs = -90.0)
            .voice(900)
            .pcm()
    })
}

/// Which of the agent's samples were heard, from the frames that went out and what was said of them.
#[derive(Default)]
struct Listener {
    heard: Vec<usize>,
    faded: Vec<i16>,
    seen_events: usize,
    /// The utterance being heard.
    audible: Option<u32>,
}

impl Listener {
    fn listen(&mut self, call: &Call) {
        let frame = &call.out[call.out.len() - FRAME..];
        let new = &call.events[self.seen_events..];
        self.seen_events = call.events.len();
        let is = |wanted: fn(&EventKind) -> bool| new.iter().any(|event| wanted(&event.kind));
        let paused = is(|kind| {
            let paused = matches!(
                kind,
                EventKind::Interrupted {
                    action: InterruptionAction::Pause,
                    ..
                }
            );
            paused && !matches!(kind, EventKind::Interrupted { utterance: 0, .. })
        });
        let dropped: Vec<_> = new
            .iter()
            .filter_map(|event| match event.kind {
                EventKind::PlayoutFinished {
                    utterance,
                    interrupted: true,
                    ..
                } => Some(utterance),
                _ => None,
            })
            .collect();
        let resumed = new.iter().find_map(|event| match event.kind {
            EventKind::Resumed { utterance, .. } => Some(utterance),
            _ => None,
        });
        let fades_out = self.audible.is_some_and(|heard| dropped.contains(&heard));
        for event in new {
            self.audible = match event.kind {
                EventKind::PlayoutStarted { utterance } | EventKind::Resumed { utterance, .. } => {
                    Some(utterance)
                }
                EventKind::PlayoutFinished { utterance, .. } if Some(utterance) != self.audible => {
                    self.audible
                }
                EventKind::PlayoutFinished { .. } => None,
                _ if paused => None,
                _ => self.audible,
            };
        }
        if paused {
            self.faded = frame.to_vec();
        } else if fades_out {
            // A fade that nobody will hear the other half of.
        } else if resumed.is_some_and(|utterance| !dropped.contains(&utterance)) {
            // A fade-in over the very samples that faded out, then the rest of the frame as it is. The fade is as long as
            // what was there to fade: its first sample tells, being the one that hardly faded.
            let first = self.next();
            let whole = |n: &usize| i32::from(self.faded[*n]) + i32::from(frame[*n]);
            let held = (0..FRAME)
                .take_while(|n| (whole(n) - i32::from(sample(first + n))).abs() <= 1)
                .count();
            self.heard.extend(first..first + held);
            self.plain(&frame[held..]);
        } else {
            self.plain(frame);
        }
    }

    fn plain(&mut self, frame: &[i16]) {
        self.heard.extend(
            frame
                .iter()
                .filter(|&&sample| sample != 0)
                .map(|&sample| number(sample)),
        );
    }

    /// Where what was paused goes on: behind what was heard last.
    fn next(&self) -> usize {
        self.heard.last().map_or(0, |last| last + 1)
    }
}

fn run(script: &[(usize, Step)]) {
    let mut config = config(Vad::Energy);
    config.turn.false_interruption_timeout = Some(8_000);
    config.turn.away_after = Some(24_000);
    let mut call = Call::at(config, 16_000, OUT_HZ);
    let mut listener = Listener::default();
    let (mut begun, mut open, mut said) = (0, false, 0);
    let mut spans: HashMap<u32, std::ops::Range<usize>> = HashMap::new();
    let mut marks = 0;
    let mut seed = 7u32;
    let (mut speech, mut at) = (0, 0);
    let mut tick = |call: &mut Call, speech: &mut usize, listener: &mut Listener| {
        let mut frame = [0i16; 160];
        if *speech > 0 {
            *speech -= 1;
            frame.copy_from_slice(&voice()[at..at + 160]);
            at = (at + 160) % voice().len();
        }
        for sample in &mut frame {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += (seed >> 26) as i16 - 32;
        }
        call.tick(&frame);
        listener.listen(call);
    };
    for (ticks, step) in script {
        for _ in 0..*ticks {
            tick(&mut call, &mut speech, &mut listener);
        }
        match *step {
            Step::Speak { ms } => speech = ms / 10,
            Step::Begin {
                allow,
                min_speech_ms,
                wait_for_words,
            } => {
                let action = if wait_for_words {
                    InterruptionAction::AwaitWords
                } else {
                    InterruptionAction::Pause
                };
                let policy = InterruptionPolicy {
                    allow,
                    min_speech: min_speech_ms * 16,
                    action,
                };
                if let Ok(utterance) = call.handles.mouth.begin(policy) {
                    (begun, open) = (utterance, true);
                    spans.insert(utterance, said..said);
                }
            }
            Step::Write { samples } if open => {
                let pcm: Vec<i16> = (said..(said + samples).min(DISTINCT)).map(sample).collect();
                said += call.handles.mouth.write(&pcm, OUT_HZ).unwrap();
                spans.get_mut(&begun).unwrap().end = said;
            }
            Step::Mark if open => {
                call.handles.mouth.mark(marks).unwrap();
                marks += 1;
            }
            Step::End => {
                call.handles.mouth.end().unwrap();
                open = false;
            }
            Step::Drop { back } => call.send(Command::Drop(begun.saturating_sub(back))),
            Step::Resume => call.send(Command::Resume),
            Step::ReplyDone => call.send(Command::ReplyDone(u32::MAX)),
            Step::Write { .. } | Step::Mark => {}
        }
    }
    // Everything is ended and has the time to be played, resumed by itself where it was paused.
    call.handles.mouth.end().unwrap();
    call.send(Command::ReplyDone(u32::MAX));
    for _ in 0..200 + said / FRAME {
        tick(&mut call, &mut speech, &mut listener);
    }
    call.check();

    assert!(
        listener.heard.is_sorted_by(|a, b| a < b),
        "a sample was heard twice or out of order"
    );
    let mut finished: HashMap<u32, (u64, bool)> = HashMap::new();
    for kind in call.kinds() {
        if let EventKind::PlayoutFinished {
            utterance,
            played_us,
            interrupted,
        } = kind
        {
            assert!(
                finished
                    .insert(utterance, (played_us, interrupted))
                    .is_none()
            );
        }
    }
    assert_eq!(
        finished.len(),
        begun as usize,
        "each that was begun is finished once"
    );
    for (utterance, (played_us, interrupted)) in finished {
        let span = spans[&utterance].clone();
        let heard = listener
            .heard
            .iter()
            .filter(|number| span.contains(number))
            .count();
        if !interrupted {
            assert_eq!(heard, span.len(), "utterance {utterance} was played whole");
            assert_eq!(played_us, span.len() as u64 * 125);
        } else {
            let played = (played_us / 125) as usize;
            // A mark inside the fade counts the sound before it.
            assert!(
                (heard..=heard + FRAME).contains(&played),
                "utterance {utterance}: {heard} heard, {played} said"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_laws_hold(script in prop::collection::vec((0usize..60, step()), 1..120)) {
        run(&script);
    }
}
