//! What a shard that cannot keep up gives up, one thing after another, and when it takes it back.
//!
//! A pure state machine: it is told when each tick was due, when it began and when it ended. Work is measured against the
//! sound that it was for, not against the clock: after a stall a hundred owed ticks are a second of sound, however fast
//! they are served.

/// How far up the ladder a shard is. Each step keeps what the ones below it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum OverloadStep {
    /// There is time enough.
    #[default]
    None,
    /// No call is taken on.
    NoNewCalls,
    /// Codecs encode with less effort.
    CheaperCodec,
    /// Even so, frames come too late and are skipped.
    SkippedFrames,
    /// Frames are skipped still: data waits, sound alone is sent.
    DataWaits,
}

impl OverloadStep {
    /// The steps that can be entered from below.
    pub const UP: [Self; 4] = [
        Self::NoNewCalls,
        Self::CheaperCodec,
        Self::SkippedFrames,
        Self::DataWaits,
    ];
}

/// A frame that is owed for longer is worth nothing to whoever waits for it.
pub const LATEST_FRAME_US: u64 = 20_000;

/// Load is judged over a second of ticks.
const WINDOW_TICKS: usize = 100;
const WINDOW_US: u64 = 1_000_000;
/// No tick counts for more: one in which the machine stood still is a stall, not load.
const MOST_US: u64 = 40_000;
/// Load, in percent of the window, over which calls are refused, and under which they are taken on again.
const REFUSE_OVER: u64 = 70;
const REFUSE_UNDER: u64 = 60;
/// Load over which codecs are told to save, and under which they no longer need to. Cheaper encoding costs two thirds: at
/// 55 % of the window whole effort comes to about 80 %, and the step is not entered again at once.
const SAVE_OVER: u64 = 85;
const SAVE_UNDER: u64 = 55;
/// Ticks between two steps down, without a skipped frame before the highest two are left, and with them before data waits.
/// Four steps down take less than a second.
const REST_TICKS: u32 = 20;

/// See the module.
#[derive(Debug)]
pub struct OverloadLadder {
    step: OverloadStep,
    worked_us: [u32; WINDOW_TICKS],
    next: usize,
    sum_us: u64,
    ticks_on_step: u32,
    ticks_since_skip: u32,
    due_us: u64,
    began_us: u64,
    skips: bool,
    /// The first half of 20 ms was skipped.
    half_skipped: bool,
}

impl Default for OverloadLadder {
    fn default() -> Self {
        Self {
            step: OverloadStep::None,
            worked_us: [0; WINDOW_TICKS],
            next: 0,
            sum_us: 0,
            ticks_on_step: 0,
            ticks_since_skip: u32::MAX,
            due_us: 0,
            began_us: 0,
            skips: false,
            half_skipped: false,
        }
    }
}

impl OverloadLadder {
    /// Where the shard is.
    #[must_use]
    pub fn step(&self) -> OverloadStep {
        self.step
    }

    /// A tick that was due at `due_us` begins.
    pub fn begin(&mut self, due_us: u64, now_us: u64) {
        (self.due_us, self.began_us) = (due_us, now_us);
    }

    /// Whether the tick's frames are owed for too long to be sent; asked before the first of them is encoded.
    ///
    /// One answer for all sessions of a tick: asked for each, it would always be the same ones that lose. And for two ticks
    /// at a time: codecs' frames are as long, half of them are encoded in each tick, and so each session loses one.
    pub fn skips(&mut self, now_us: u64) -> bool {
        let too_late = now_us.saturating_sub(self.due_us) > LATEST_FRAME_US;
        self.skips = self.half_skipped || too_late;
        self.half_skipped = self.skips && !self.half_skipped;
        self.skips
    }

    /// The tick is done. Says which steps were entered from below by it, lowest first.
    pub fn end(&mut self, now_us: u64) -> impl Iterator<Item = OverloadStep> + use<> {
        let worked_us = now_us.saturating_sub(self.began_us).min(MOST_US) as u32;
        self.sum_us -= u64::from(self.worked_us[self.next]);
        self.sum_us += u64::from(worked_us);
        self.worked_us[self.next] = worked_us;
        self.next = (self.next + 1) % WINDOW_TICKS;
        self.ticks_on_step = self.ticks_on_step.saturating_add(1);
        self.ticks_since_skip = if self.skips {
            0
        } else {
            self.ticks_since_skip.saturating_add(1)
        };
        let before = self.step;
        while let Some(higher) = self.higher() {
            self.move_to(higher);
        }
        if self.step == before
            && self.ticks_on_step >= REST_TICKS
            && let Some(lower) = self.lower()
        {
            self.move_to(lower);
        }
        let now = self.step;
        OverloadStep::UP
            .into_iter()
            .filter(move |&step| before < step && step <= now)
    }

    fn move_to(&mut self, step: OverloadStep) {
        self.step = step;
        self.ticks_on_step = 0;
    }

    fn higher(&self) -> Option<OverloadStep> {
        match self.step {
            OverloadStep::None => (self.load() > REFUSE_OVER).then_some(OverloadStep::NoNewCalls),
            OverloadStep::NoNewCalls => {
                (self.load() > SAVE_OVER).then_some(OverloadStep::CheaperCodec)
            }
            // A frame that a stall made late is skipped as well; that alone is no step.
            OverloadStep::CheaperCodec => {
                (self.ticks_since_skip == 0).then_some(OverloadStep::SkippedFrames)
            }
            // The first skipped frames are those of a backlog that saving is about to work off.
            OverloadStep::SkippedFrames => (self.ticks_since_skip == 0
                && self.ticks_on_step >= REST_TICKS)
                .then_some(OverloadStep::DataWaits),
            OverloadStep::DataWaits => None,
        }
    }

    fn lower(&self) -> Option<OverloadStep> {
        match self.step {
            OverloadStep::None => None,
            OverloadStep::NoNewCalls => (self.load() < REFUSE_UNDER).then_some(OverloadStep::None),
            OverloadStep::CheaperCodec => {
                (self.load() < SAVE_UNDER).then_some(OverloadStep::NoNewCalls)
            }
            OverloadStep::SkippedFrames => {
                (self.ticks_since_skip >= REST_TICKS).then_some(OverloadStep::CheaperCodec)
            }
            OverloadStep::DataWaits => {
                (self.ticks_since_skip >= REST_TICKS).then_some(OverloadStep::SkippedFrames)
            }
        }
    }

    /// Percent of the last second of ticks that was worked.
    fn load(&self) -> u64 {
        self.sum_us * 100 / WINDOW_US
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::OverloadStep::{CheaperCodec, DataWaits, NoNewCalls, None, SkippedFrames};
    use super::*;
    use proptest::prelude::*;

    /// A ladder and the clock of its shard.
    #[derive(Default)]
    struct Rig {
        ladder: OverloadLadder,
        now_us: u64,
        due_us: u64,
        entered: Vec<OverloadStep>,
    }

    impl Rig {
        /// One tick that works so long; says whether its frames were skipped.
        fn tick(&mut self, work_us: u64) -> bool {
            self.due_us += 10_000;
            self.now_us = self.now_us.max(self.due_us);
            self.ladder.begin(self.due_us, self.now_us);
            let skipped = self.ladder.skips(self.now_us);
            self.now_us += work_us;
            self.entered.extend(self.ladder.end(self.now_us));
            skipped
        }

        fn ticks(&mut self, count: usize, work_us: u64) -> usize {
            (0..count).filter(|_| self.tick(work_us)).count()
        }
    }

    #[test]
    fn seventy_percent_of_a_second_closes_the_door_and_sixty_opens_it() {
        let mut rig = Rig::default();
        rig.ticks(500, 7_000);
        assert_eq!(rig.ladder.step(), None);
        rig.ticks(100, 7_200);
        assert_eq!(rig.ladder.step(), NoNewCalls);
        rig.ticks(500, 6_500);
        assert_eq!(rig.ladder.step(), NoNewCalls);
        rig.ticks(100, 5_800);
        assert_eq!(rig.ladder.step(), None);
        assert_eq!(rig.entered, [NoNewCalls]);
    }

    #[test]
    fn a_load_that_comes_and_goes_within_a_second_is_none() {
        let mut rig = Rig::default();
        for _ in 0..10 {
            rig.ticks(60, 9_900);
            rig.ticks(60, 1_000);
        }
        assert_eq!(rig.entered, []);
    }

    #[test]
    fn each_step_is_entered_in_its_turn_and_left_in_a_second() {
        let mut rig = Rig::default();
        rig.ticks(1_000, 20_000);
        assert_eq!(
            rig.entered,
            [NoNewCalls, CheaperCodec, SkippedFrames, DataWaits]
        );
        assert_eq!(rig.ladder.step(), DataWaits);
        let lifted_us = rig.now_us;
        while rig.ladder.step() != None {
            rig.tick(100);
        }
        assert!(rig.now_us - lifted_us <= 1_000_000);
        assert_eq!(rig.entered.len(), 4);
    }

    #[test]
    fn data_waits_only_where_skipping_alone_does_not_help() {
        let mut rig = Rig::default();
        rig.ticks(200, 9_900);
        assert_eq!(rig.ladder.step(), CheaperCodec);
        // A backlog of 100 ms: skipped within a few ticks, in which data need not wait.
        rig.now_us += 100_000;
        rig.ticks(15, 1_000);
        assert_eq!(rig.ladder.step(), SkippedFrames);
        rig.ticks(100, 1_000);
        assert!(!rig.entered.contains(&DataWaits));
    }

    #[test]
    fn between_saving_and_not_saving_it_does_not_flutter() {
        let mut rig = Rig::default();
        rig.ticks(200, 9_000);
        assert_eq!(rig.ladder.step(), CheaperCodec);
        for _ in 0..1_000 {
            // Two thirds of 90 %.
            let work_us = if rig.ladder.step() >= CheaperCodec {
                6_000
            } else {
                9_000
            };
            rig.tick(work_us);
        }
        assert_eq!(rig.entered, [NoNewCalls, CheaperCodec]);
    }

    #[test]
    fn a_stall_skips_what_it_made_late_and_is_no_step() {
        for work_us in [0, 900_000] {
            let mut rig = Rig::default();
            rig.ticks(100, 1_000);
            // Between two ticks, or within one.
            rig.now_us += 900_000 - work_us;
            let skipped = usize::from(rig.tick(work_us + 1_000)) + rig.ticks(200, 1_000);
            // On time again after (900 - 20) / 9 ticks, as each takes 1 ms for 10 ms; two at a time.
            assert_eq!(skipped, 98);
            assert_eq!(rig.ladder.step(), None);
            assert_eq!(rig.entered, []);
        }
    }

    proptest! {
        #[test]
        fn any_schedule_moves_by_the_rules(work in prop::collection::vec(
            prop_oneof![3 => 0u64..3_000, 3 => 6_000u64..12_000, 1 => 15_000u64..200_000], 1..2_000
        )) {
            let mut rig = Rig::default();
            let mut half_skipped = false;
            for &work_us in &work {
                let (before, entered) = (rig.ladder.step(), rig.entered.len());
                let late_us = rig.now_us.saturating_sub(rig.due_us + 10_000);
                let skipped = rig.tick(work_us);
                prop_assert_eq!(skipped, half_skipped || late_us > LATEST_FRAME_US);
                half_skipped = skipped && !half_skipped;
                let now = rig.ladder.step();
                let up: Vec<_> = OverloadStep::UP.into_iter().filter(|&s| before < s && s <= now).collect();
                prop_assert_eq!(&rig.entered[entered..], &up[..]);
                prop_assert!((now as u8) + 1 >= before as u8, "more than one step down");
                prop_assert!(now < SkippedFrames || before >= now || skipped);
            }
            // However bad it was: what is owed is worked off, and a second later all is as before.
            while rig.now_us > rig.due_us + 10_000 {
                rig.tick(0);
            }
            rig.ticks(102, 0);
            prop_assert_eq!(rig.ladder.step(), None);
            prop_assert!(!rig.tick(0));
        }
    }
}
