//! The engine of a process: its shards, and the way to a call.

use crate::call::Call;
use crate::door::{InputDoor, OutputDoor, input_door, output_door};
use crate::error::{error, invalid_config, invalid_state};
use crate::gate::detached;
use crate::wakeup::Wakeup;
use beluga_engine::{
    AgentState, InterruptionAction, InterruptionPolicy, LATENESS_BOUNDS_US, SessionConfig,
    SessionState, ShardCounters, TurnConfig, UserState, Vad, ear_samples, session,
};
use beluga_runtime::{OpenError, Runtime, throttling};
use beluga_vad::{Silero, SpeechConfig, WINDOW_SAMPLES};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The shards of this process. One is enough.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Engine {
    runtime: Mutex<Option<Runtime>>,
    has_silero: bool,
    opened: AtomicUsize,
    process: u32,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, shards, max_sessions_per_shard, silero=None))]
    fn new(
        py: Python<'_>,
        shards: usize,
        max_sessions_per_shard: usize,
        silero: Option<&[u8]>,
    ) -> PyResult<Self> {
        if !(1..=1_024).contains(&shards) {
            return Err(invalid_config(
                "shards",
                format!("shards is {shards}, allowed is 1 to 1024"),
            ));
        }
        if !(1..=100_000).contains(&max_sessions_per_shard) {
            let message = format!(
                "max_sessions_per_shard is {max_sessions_per_shard}, allowed is 1 to 100000"
            );
            return Err(invalid_config("max_sessions_per_shard", message));
        }
        let model = silero
            .map(Silero::from_safetensors)
            .transpose()
            .map_err(|model| {
                error(
                    "model_load_failed",
                    format!("Silero's weights: {model}"),
                    "vad",
                )
            })?
            .map(Arc::new);
        let has_silero = model.is_some();
        let runtime = detached(py, || Runtime::start(shards, max_sessions_per_shard, model))?
            .map_err(|system| {
                error(
                    "internal_error",
                    format!("no thread for a shard: {system}"),
                    "",
                )
            })?;
        Ok(Self {
            runtime: Mutex::new(Some(runtime)),
            has_silero,
            opened: AtomicUsize::new(0),
            process: std::process::id(),
        })
    }

    /// Opens a call; see the stub.
    #[pyo3(signature = (
        wakeup, *, input, input_hz, output, output_hz, jitter_target_ms, vad, activation_threshold, deactivation_threshold,
        min_speech_ms, min_silence_ms, prefix_padding_ms, min_delay_ms, discard_audio_if_uninterruptible,
        false_interruption_timeout_ms, user_away_timeout_ms, interruptible_while_thinking, min_interruption_ms,
        duck_gain_db
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword-only, and each is one option of the configuration"
    )]
    fn open_call(
        &self,
        wakeup: &Wakeup,
        input: &str,
        input_hz: u32,
        output: &str,
        output_hz: u32,
        jitter_target_ms: u32,
        vad: &str,
        activation_threshold: f32,
        deactivation_threshold: f32,
        min_speech_ms: u32,
        min_silence_ms: u32,
        prefix_padding_ms: u32,
        min_delay_ms: u32,
        discard_audio_if_uninterruptible: bool,
        false_interruption_timeout_ms: Option<u32>,
        user_away_timeout_ms: Option<u32>,
        interruptible_while_thinking: bool,
        min_interruption_ms: u32,
        duck_gain_db: f32,
    ) -> PyResult<Call> {
        self.check_process()?;
        let vad = match vad {
            "silero" if !self.has_silero => {
                return Err(error(
                    "model_not_found",
                    "the engine was started without Silero's weights",
                    "vad",
                ));
            }
            "silero" => Vad::Silero,
            "energy" => Vad::Energy,
            other => {
                return Err(invalid_config(
                    "vad",
                    format!("vad is '{other}', allowed is 'silero' or 'energy'"),
                ));
            }
        };
        // 400: a frame of 10 ms must fill whole words of the ring.
        if !(8_000..=48_000).contains(&output_hz) || !output_hz.is_multiple_of(400) {
            let message = format!(
                "output_hz is {output_hz}, allowed are multiples of 400 from 8000 to 48000"
            );
            return Err(invalid_config("output_hz", message));
        }
        // Neighbours are 7 ticks of 10 ms apart in a cycle of 16: a shard judges as many windows in each tick.
        let opened = self.opened.fetch_add(1, Ordering::Relaxed);
        let config = SessionConfig {
            vad,
            speech: SpeechConfig {
                activation: activation_threshold,
                deactivation: deactivation_threshold,
                min_speech_ms,
                min_silence_ms,
            },
            turn: TurnConfig {
                min_delay: ear_samples(min_delay_ms),
                pre_roll: ear_samples(prefix_padding_ms),
                discard_audio_if_uninterruptible,
                false_interruption_timeout: false_interruption_timeout_ms.map(ear_samples),
                away_after: user_away_timeout_ms.map(ear_samples),
            },
            thinking_policy: InterruptionPolicy {
                allow: interruptible_while_thinking,
                min_speech: ear_samples(min_interruption_ms),
                action: InterruptionAction::Pause,
            },
            vad_phase_samples: opened * 160 % WINDOW_SAMPLES,
        };
        let InputDoor { door, writer } = input_door(input, input_hz, jitter_target_ms)?;
        let OutputDoor {
            door: out_door,
            ring,
            packets,
        } = output_door(output, output_hz, opened)?;
        let (mut session, handles) = session(config, door, out_door, ring, wakeup.wake.clone())
            .map_err(|config| invalid_config(config.field, config))?;
        session.set_duck_gain(10f32.powf(duck_gain_db / 20.0));
        self.with_runtime(|runtime| runtime.open(session))?
            .map_err(|open| {
                let code = match open {
                    OpenError::Full { .. } | OpenError::Overloaded { .. } => {
                        "session_limit_exceeded"
                    }
                    OpenError::Unhealthy => "internal_error",
                };
                error(code, open, "")
            })?;
        Ok(Call::new(handles, writer, packets))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        self.with_runtime(|runtime| -> PyResult<()> {
            runtime.reap();
            stats.set_item("sessions", runtime.sessions())?;
            stats.set_item("healthy", runtime.is_healthy())?;
            let shards = runtime.counters().map(|shard| shard_stats(py, shard));
            stats.set_item("shards", shards.collect::<PyResult<Vec<_>>>()?)
        })??;
        stats.set_item("cgroup", cgroup_stats(py)?)?;
        Ok(stats)
    }

    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        self.check_process()?;
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Joins the shards: they never take the interpreter, so this ends within a tick.
        detached(py, || drop(runtime))
    }
}

impl Engine {
    fn with_runtime<T>(&self, work: impl FnOnce(&Runtime) -> T) -> PyResult<T> {
        self.check_process()?;
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime
            .as_ref()
            .map(work)
            .ok_or_else(|| invalid_state("the engine was stopped"))
    }

    /// Threads do not survive a fork: a child that called on would wait for ever.
    fn check_process(&self) -> PyResult<()> {
        if std::process::id() == self.process {
            return Ok(());
        }
        Err(invalid_state(
            "this process was forked from one that runs the engine; start children with 'spawn'",
        ))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            // The threads are the parent's; joining them here would never end.
            std::mem::forget(
                self.runtime
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        }
    }
}

fn shard_stats<'py>(py: Python<'py>, shard: &ShardCounters) -> PyResult<Bound<'py, PyDict>> {
    let shown = PyDict::new(py);
    shown.set_item("ticks", shard.ticks.get())?;
    shown.set_item("busy_us", shard.busy_us.get())?;
    shown.set_item("late_ticks", shard.late_ticks.get())?;
    shown.set_item("max_late_us", shard.lateness.max_us())?;
    shown.set_item("sum_late_us", shard.lateness.sum_us())?;
    shown.set_item("late_us_bounds", LATENESS_BOUNDS_US.to_vec())?;
    shown.set_item("late_us_counts", shard.lateness.counts().to_vec())?;
    shown.set_item("ticks_skipped", shard.ticks_skipped.get())?;
    shown.set_item("frames_skipped", shard.frames_skipped.get())?;
    shown.set_item("overload_step", shard.step() as u8)?;
    shown.set_item("overload_steps_entered", shard.entered().to_vec())?;
    Ok(shown)
}

fn cgroup_stats(py: Python<'_>) -> PyResult<Option<Bound<'_, PyDict>>> {
    let Some(found) = throttling() else {
        return Ok(None);
    };
    let shown = PyDict::new(py);
    shown.set_item("periods", found.periods)?;
    shown.set_item("throttled_periods", found.throttled_periods)?;
    shown.set_item("throttled_us", found.throttled_us)?;
    Ok(Some(shown))
}

/// Microseconds on the clock of the events.
#[pyfunction]
pub(crate) fn now_us() -> u64 {
    beluga_runtime::now_us()
}

/// What may follow each state.
#[pyfunction]
pub(crate) fn transitions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    macro_rules! table {
        ($state:ty) => {{
            let table = PyDict::new(py);
            for state in <$state>::ALL {
                let next: Vec<_> = state.next().iter().map(|next| next.as_str()).collect();
                table.set_item(state.as_str(), next)?;
            }
            table
        }};
    }
    let all = PyDict::new(py);
    all.set_item("agent_state", table!(AgentState))?;
    all.set_item("user_state", table!(UserState))?;
    all.set_item("session_state", table!(SessionState))?;
    Ok(all)
}
