//! One row of `make bench-scale`: many sessions in one shard, ticked as fast as they can be, and what that cost.
//!
//! `beluga-scale sessions=1000 talk_share=40 agent_share=40 seconds=60 speech=a.wav weights=silero.safetensors` prints a
//! line of JSON. One row per process, so that each has its own memory to look at.

mod crowd;
mod memory;
mod order;
mod speech;
mod stopwatch;

use beluga_engine::Shard;
use beluga_vad::Silero;
use crowd::Crowd;
use memory::pss_kb;
use order::Order;
use rustix::time::{ClockId, clock_gettime};
use speech::Speech;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stopwatch::Stopwatch;

const TICK_US: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let order = Order::from_arguments(std::env::args().skip(1))?;
    let speech = Speech::encoded(&fs::read(&order.speech)?)?;
    let model = Arc::new(Silero::from_safetensors(&fs::read(&order.weights)?)?);
    let base_kb = pss_kb()?;
    let watch = Arc::new(Stopwatch::new());
    let mut shard = Shard::new(Some(model), order.sessions);
    let mut crowd = Crowd::gather(&order, &speech, &mut shard, &watch)?;
    let new_kb = pss_kb()?;
    let ticks = order.seconds * 1_000_000 / TICK_US;
    // Not counted: every session's rings are written to for the first time.
    let counted_from = ticks / 3;
    // CPU time: other processes do not lengthen it. The doors look at the wall's clock, which is quicker to read.
    let (mut push, mut tick, mut tick_wall) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut inputs, mut vad) = (Duration::ZERO, Duration::ZERO);
    for number in 0..ticks {
        if number == counted_from {
            (push, tick, tick_wall) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
            (inputs, vad) = (watch.inputs(), watch.between());
        }
        let now_us = (number + 1) * TICK_US;
        crowd.write_mouths(number);
        let began = cpu_time();
        crowd.push_packets(number, now_us);
        let pushed = cpu_time();
        let wall = Instant::now();
        shard.tick(now_us, &mut drop);
        tick_wall += wall.elapsed();
        tick += cpu_time() - pushed;
        push += pushed - began;
        if number % 100 == 99 {
            crowd.drain_events();
        }
    }
    crowd.drain_events();
    let session_ticks = ((ticks - counted_from) * order.sessions as u64) as f64;
    let us = tick.as_secs_f64() * 1e6 / session_ticks;
    let us_of = |part: Duration| us * part.as_secs_f64() / tick_wall.as_secs_f64();
    let (us_input, us_vad) = (us_of(watch.inputs() - inputs), us_of(watch.between() - vad));
    let us_push = push.as_secs_f64() * 1e6 / session_ticks;
    let per_session_kb = |kb: u64| kb.saturating_sub(base_kb) as f64 / order.sessions as f64;
    let end_kb = pss_kb()?;
    writeln!(
        std::io::stdout(),
        concat!(
            r#"{{"sessions": {}, "talk_share": {}, "agent_share": {}, "virtual_s": {}, "us_per_session_tick": {:.3}, "#,
            r#""us_packet_in": {:.3}, "us_vad": {:.3}, "us_rest": {:.3}, "us_push": {:.3}, "times_real_time": {:.3}, "#,
            r#""pss_mb": {:.1}, "pss_kb_per_session_new": {:.0}, "pss_kb_per_session": {:.0}, "turns": {}}}"#
        ),
        order.sessions,
        order.talk_share,
        order.agent_share,
        order.seconds,
        us,
        us_input,
        us_vad,
        us - us_input - us_vad,
        us_push,
        TICK_US as f64 / ((us + us_push) * order.sessions as f64),
        end_kb as f64 / 1_024.0,
        per_session_kb(new_kb),
        per_session_kb(end_kb),
        crowd.turns(),
    )?;
    Ok(())
}

/// Of this thread, so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
