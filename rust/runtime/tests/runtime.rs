//! Shard threads: sessions come and go from many threads, fail alone, and all end when the runtime does.
//!
//! Nothing here asserts how long something took; deadlines only keep a test that would hang from hanging.

use beluga_engine::{
    Bell, Bells, Command, Counters, EarFrame, EventKind, InDoor, InterruptionAction,
    InterruptionPolicy, OverloadStep, PcmIn, Ready, Session, SessionConfig, SessionHandles,
    TurnConfig, Vad, pcm_in, pcm_out, session,
};
use beluga_runtime::{EventFd, OpenError, Runtime, now_us};
use beluga_vad::SpeechConfig;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Longer than any test takes on a machine that does a hundred other things.
const HANG: Duration = Duration::from_secs(120);

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(
            started.elapsed() < HANG,
            "{what}: this will not happen any more"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn config() -> SessionConfig {
    let policy = InterruptionPolicy {
        allow: true,
        min_speech: 1_920,
        action: InterruptionAction::Pause,
    };
    SessionConfig {
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
    }
}

fn open_with(door: Box<dyn InDoor>, bell: Bell) -> (Box<Session>, SessionHandles) {
    let (output, ring) = pcm_out(16_000);
    session(config(), door, Box::new(output), ring, bell).expect("a configuration")
}

fn bell() -> Bell {
    Bells::new(Box::new(EventFd::new().expect("a descriptor"))).bell()
}

fn new_session() -> (Box<Session>, SessionHandles) {
    let (_, door) = pcm_in(16_000).expect("a rate");
    open_with(Box::new(door), bell())
}

fn last_event(handles: &mut SessionHandles) -> Option<EventKind> {
    std::iter::from_fn(|| handles.events.pop().ok())
        .last()
        .map(|event| event.kind)
}

fn ticks(runtime: &Runtime) -> u64 {
    runtime.counters().map(|shard| shard.ticks.get()).sum()
}

#[test]
fn sessions_are_opened_and_closed_from_many_threads_at_once() {
    let runtime = Runtime::start(2, 64, None).expect("threads");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let (session, mut handles) = new_session();
                    runtime.open(session).expect("room for 128");
                    wait_for("a session is served", || {
                        handles.shared.counters.ticks.get() > 0
                    });
                    handles
                        .commands
                        .push(Command::Close)
                        .expect("room for a command");
                    wait_for("a session closes", || handles.shared.is_closed());
                    assert_eq!(last_event(&mut handles), Some(EventKind::Closed));
                }
            });
        }
    });
    wait_for("all are put away", || runtime.sessions() == 0);
    assert!(runtime.is_healthy());
}

#[test]
fn no_more_are_taken_on_than_there_is_room_for() {
    let runtime = Runtime::start(2, 3, None).expect("threads");
    let mut open = Vec::new();
    // From many threads at once: each of the six places is given once.
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (sender, runtime) = (sender.clone(), &runtime);
            scope.spawn(move || {
                for _ in 0..5 {
                    let (session, handles) = new_session();
                    sender
                        .send((runtime.open(session), handles))
                        .expect("somebody counts");
                }
            });
        }
    });
    drop(sender);
    let mut refused = 0;
    for (opened, handles) in receiver {
        match opened {
            Ok(()) => open.push(handles),
            Err(OpenError::Full { sessions }) => {
                assert!(sessions <= 6);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((open.len(), refused, runtime.sessions()), (6, 14, 6));
    for handles in &mut open {
        wait_for("each of them is served", || {
            handles.shared.counters.ticks.get() > 0
        });
        assert!(!handles.shared.is_closed());
    }
    // Each shard has three: they were spread.
    open[0]
        .commands
        .push(Command::Close)
        .expect("room for a command");
    wait_for("a place is free again", || runtime.sessions() == 5);
    let (session, _handles) = new_session();
    runtime.open(session).expect("the place that is free");
}

#[test]
fn a_runtime_of_nothing_has_room_for_one() {
    let runtime = Runtime::start(0, 0, None).expect("a thread");
    let (session, _handles) = new_session();
    runtime.open(session).expect("room for one");
    assert!(matches!(
        runtime.open(new_session().0),
        Err(OpenError::Full { sessions: 1 })
    ));
}

#[derive(Debug)]
struct Broken;

impl InDoor for Broken {
    fn pull(&mut self, _now_us: u64, _frame: &mut EarFrame, counters: &Counters) -> bool {
        assert!(counters.ticks.get() < 3, "this door breaks");
        false
    }
}

#[test]
fn a_door_that_panics_ends_its_own_session_and_no_other() {
    let runtime = Runtime::start(1, 4, None).expect("a thread");
    let (healthy, healthy_handles) = new_session();
    runtime.open(healthy).expect("room");
    let descriptor = EventFd::new().expect("a descriptor");
    let (broken, mut handles) = open_with(
        Box::new(Broken),
        Bells::new(Box::new(descriptor.clone())).bell(),
    );
    runtime.open(broken).expect("room");
    wait_for("the broken one ends", || handles.shared.is_closed());
    assert_eq!(last_event(&mut handles), Some(EventKind::Failed));
    wait_for("its loop is woken", || is_readable(&descriptor));
    let served = healthy_handles.shared.counters.ticks.get();
    wait_for("the other goes on", || {
        healthy_handles.shared.counters.ticks.get() > served + 3
    });
    assert!(runtime.is_healthy());
    assert_eq!(runtime.sessions(), 1);
}

/// A caller's door that is in the way of its shard: each frame takes `busy`, the one after `stall_after` of them `stall`.
#[derive(Debug)]
struct Slow {
    inner: PcmIn,
    busy: Duration,
    stall_after: u64,
    stall: Duration,
}

impl InDoor for Slow {
    fn pull(&mut self, now_us: u64, frame: &mut EarFrame, counters: &Counters) -> bool {
        std::thread::sleep(self.busy);
        if counters.ticks.get() == self.stall_after {
            std::thread::sleep(self.stall);
        }
        self.inner.pull(now_us, frame, counters)
    }
}

#[test]
fn an_overloaded_machine_takes_on_no_call_until_it_has_time_again() {
    let runtime = Runtime::start(1, 4, None).expect("a thread");
    let (_writer, inner) = pcm_in(16_000).expect("a rate");
    let slow = Slow {
        inner,
        busy: Duration::from_millis(9),
        stall_after: u64::MAX,
        stall: Duration::ZERO,
    };
    let (session, mut handles) = open_with(Box::new(slow), bell());
    runtime.open(session).expect("there is time enough as yet");
    wait_for("the load is seen", || step(&runtime) != OverloadStep::None);
    let refused = runtime.open(new_session().0).expect_err("no time");
    assert!(matches!(refused, OpenError::Overloaded { sessions: 1 }));
    let message = refused.to_string();
    assert!(message.contains("overloaded") && message.contains("on another machine"));
    handles
        .commands
        .push(Command::Close)
        .expect("room for a command");
    wait_for("it is put away", || runtime.sessions() == 0);
    wait_for("there is time", || step(&runtime) == OverloadStep::None);
    runtime.open(new_session().0).expect("time and room");
}

#[test]
fn a_shard_that_was_held_up_catches_up_and_skips_what_is_too_late() {
    let runtime = Runtime::start(1, 4, None).expect("a thread");
    let (mut writer, inner) = pcm_in(16_000).expect("a rate");
    let sound: Vec<i16> = (1..=8_000).collect();
    assert_eq!(writer.write(now_us(), &sound), sound.len());
    let slow = Slow {
        inner,
        busy: Duration::ZERO,
        stall_after: 10,
        stall: Duration::from_millis(200),
    };
    let (session, handles) = open_with(Box::new(slow), bell());
    let opened_us = now_us();
    runtime.open(session).expect("room");
    let counters = &handles.shared.counters;
    // It owed 20 ticks and has served as many as there were since: none was left out.
    wait_for("it has caught up", || {
        let due = (now_us() - opened_us) / 10_000;
        counters.ticks.get() > 60 && counters.ticks.get() + 2 >= due
    });
    assert!(counters.frames_skipped.get() >= 17);
    let mut ear = [0; 8_000];
    assert_eq!(handles.shared.ear.read(0, &mut ear).lost, 0);
    assert_eq!(ear[..], sound[..]);
    let shard = runtime.counters().next().expect("a shard");
    assert!(shard.lateness.max_us() >= 180_000);
    assert!(shard.lateness.counts().iter().sum::<u64>() >= 60);
}

fn step(runtime: &Runtime) -> OverloadStep {
    runtime.counters().next().expect("a shard").step()
}

#[test]
fn stopping_ends_every_session_and_wakes_every_loop() {
    for round in 0..20 {
        let runtime = Runtime::start(2, 64, None).expect("threads");
        let mut open = Vec::new();
        for _ in 0..20 {
            let descriptor = EventFd::new().expect("a descriptor");
            let (_, door) = pcm_in(16_000).expect("a rate");
            let (session, handles) = open_with(
                Box::new(door),
                Bells::new(Box::new(descriptor.clone())).bell(),
            );
            runtime.open(session).expect("room");
            open.push((handles, descriptor));
        }
        if round % 2 == 0 {
            wait_for("they are served", || {
                open.iter()
                    .all(|(handles, _)| handles.shared.counters.ticks.get() > 0)
            });
        }
        // In the other rounds most are still on their way to their shard.
        runtime.stop();
        for (mut handles, descriptor) in open {
            assert!(handles.shared.is_closed());
            assert_eq!(last_event(&mut handles), Some(EventKind::Closed));
            assert!(is_readable(&descriptor), "a loop sleeps on");
            assert!(
                handles
                    .shared
                    .take_ready()
                    .any(|ready| ready == Ready::Mouth)
            );
        }
    }
}

#[test]
fn a_thread_that_went_to_sleep_is_woken_by_the_next_session() {
    let runtime = Runtime::start(1, 4, None).expect("a thread");
    for round in 0..60 {
        let (session, mut handles) = new_session();
        runtime.open(session).expect("room");
        wait_for("it is served", || handles.shared.counters.ticks.get() > 0);
        handles
            .commands
            .push(Command::Close)
            .expect("room for a command");
        wait_for("it is put away", || runtime.sessions() == 0);
        // In some rounds the next one comes while the thread falls asleep, in some later.
        if round % 3 == 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_idle_runtime_does_not_tick() {
    let runtime = Runtime::start(1, 4, None).expect("a thread");
    let (session, mut handles) = new_session();
    runtime.open(session).expect("room");
    wait_for("it is served", || ticks(&runtime) > 0);
    handles
        .commands
        .push(Command::Close)
        .expect("room for a command");
    wait_for("it is put away", || runtime.sessions() == 0);
    // The tick that put it away may still be counted.
    let mut quiet = 0;
    let mut seen = ticks(&runtime);
    wait_for("the thread rests", || {
        let now = ticks(&runtime);
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
        quiet > 50
    });
}

#[test]
fn sessions_that_are_over_are_freed_by_whoever_reaps() {
    let runtime = Runtime::start(1, 4, None).expect("a thread");
    let (session, mut handles) = new_session();
    let shared = Arc::downgrade(&handles.shared);
    runtime.open(session).expect("room");
    handles
        .commands
        .push(Command::Close)
        .expect("room for a command");
    wait_for("it is put away", || runtime.sessions() == 0);
    drop(handles);
    wait_for("it is freed", || {
        runtime.reap();
        shared.upgrade().is_none()
    });
}

#[test]
fn the_clock_goes_forward() {
    let first = now_us();
    wait_for("the clock moves", || now_us() > first);
}

#[test]
fn a_descriptor_is_readable_from_wake_until_clear() {
    let descriptor = EventFd::new().expect("a descriptor");
    let bells = Bells::new(Box::new(descriptor.clone()));
    let bell = bells.bell();
    assert!(!is_readable(&descriptor));
    bell.ring(now_us());
    bell.ring(now_us());
    assert!(is_readable(&descriptor));
    descriptor.clear();
    bells.looking(&mut |_| ());
    assert!(!is_readable(&descriptor), "two calls were one wake-up");
    descriptor.clear();
    bell.ring(now_us());
    assert!(is_readable(&descriptor));
}

fn is_readable(descriptor: &EventFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::AsFd;
    let mut polled = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)];
    poll(
        &mut polled,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    )
    .expect("a poll")
        == 1
}
