//! The engine of a process: its shards, and the way to a call.

use crate::call::Call;
use crate::door::{InputDoor, InputWriter, Opus, OutputDoor, input_door, output_door};
use crate::error::{error, invalid_config, invalid_state};
use crate::gate::detached;
use crate::host::{Clock, Host, Stepped};
use crate::lock::lock;
use crate::of_process::OfProcess;
use crate::room::Room;
use crate::wakeup::Bell;
use beluga_engine::{
    AgentState, DelayBounds, InterruptionAction, InterruptionPolicy, LATENESS_BOUNDS_US, Secret,
    SessionConfig, SessionState, ShardCounters, TurnConfig, UserState, Vad, ear_samples, session,
};
use beluga_livekit::RoomConfig;
use beluga_runtime::{OpenError, Runtime, throttling};
use beluga_vad::{Silero, SpeechConfig, WINDOW_SAMPLES};
use beluga_webrtc::{SoundInput, SoundOutput};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What serves calls: the shards of this process, or one shard on a virtual clock.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Engine {
    host: OfProcess<Mutex<Option<Host>>>,
    has_silero: bool,
    opened: AtomicUsize,
    /// Calls that found no place, or no time.
    refused: AtomicUsize,
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
        check_max_sessions("max_sessions_per_shard", max_sessions_per_shard)?;
        let model = model_of(silero)?;
        let has_silero = model.is_some();
        let runtime = detached(py, || Runtime::start(shards, max_sessions_per_shard, model))?
            .map_err(|system| {
                error(
                    "internal_error",
                    format!("no thread for a shard: {system}"),
                    "",
                )
            })?;
        Ok(Self::hosted_by(Host::Threads(runtime), has_silero))
    }

    /// An engine that is ticked by `advance`; see the stub.
    #[staticmethod]
    #[pyo3(signature = (*, now_us, max_sessions, silero=None))]
    fn stepped(now_us: u64, max_sessions: usize, silero: Option<&[u8]>) -> PyResult<Self> {
        check_max_sessions("max_sessions", max_sessions)?;
        let model = model_of(silero)?;
        let has_silero = model.is_some();
        let stepped = Box::new(Stepped::new(now_us, max_sessions, model));
        Ok(Self::hosted_by(Host::Stepped(stepped), has_silero))
    }

    fn advance(&self, py: Python<'_>, until_us: u64) -> PyResult<u64> {
        // The lock is taken and given back without the interpreter: another thread may hold that and wait for the lock.
        detached(py, || {
            self.with_host(|host| match host {
                Host::Threads(_) => Err(invalid_state("this engine runs on the machine's clock")),
                Host::Stepped(stepped) => Ok(stepped.advance(until_us)),
            })
        })??
    }

    /// Opens a call; see the stub.
    #[pyo3(signature = (
        bell, *, input, input_hz, output, output_hz, jitter_min_delay_ms, jitter_max_delay_ms, vad,
        activation_threshold, deactivation_threshold, min_speech_ms, min_silence_ms, prefix_padding_ms, min_delay_ms,
        discard_audio_if_uninterruptible, false_interruption_timeout_ms, user_away_timeout_ms,
        interruptible_while_thinking, min_interruption_ms, duck_gain_db, complexity=5,
        bitrate_bps=24_000, room=None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword-only, and each is one option of the configuration"
    )]
    fn open_call(
        &self,
        bell: &Bell,
        input: &str,
        input_hz: u32,
        output: &str,
        output_hz: u32,
        jitter_min_delay_ms: u32,
        jitter_max_delay_ms: u32,
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
        complexity: u8,
        bitrate_bps: u32,
        room: Option<&Room>,
    ) -> PyResult<Call> {
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
        let delay = DelayBounds {
            min_ms: jitter_min_delay_ms,
            max_ms: jitter_max_delay_ms,
        };
        let opus = Opus {
            complexity,
            bitrate_bps,
        };
        let InputDoor { door, writer } = input_door(input, input_hz, delay)?;
        let OutputDoor {
            door: out_door,
            ring,
            packets,
        } = output_door(output, output_hz, opus, opened)?;
        let (mut session, handles) = session(config, door, out_door, ring, bell.bell.clone())
            .map_err(|config| invalid_config(config.field, config))?;
        session.set_duck_gain(10f32.powf(duck_gain_db / 20.0));
        let clock = self.with_host(|host| {
            let opened = match room {
                Some(room) => host.open_at(room.place, session),
                None => host.open(session),
            };
            opened.map_err(|open| {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let code = match open {
                    OpenError::Full { .. } | OpenError::Overloaded { .. } => {
                        "session_limit_exceeded"
                    }
                    OpenError::Unhealthy => "internal_error",
                };
                error(code, open, "")
            })?;
            Ok::<_, PyErr>(host.clock())
        })??;
        let Some(room) = room else {
            return Ok(Call::new(handles, writer, packets, None, clock));
        };
        let (InputWriter::Packets(writer), Some(reader)) = (writer, packets) else {
            let message = "a call in a room has input='opus' and output='opus'";
            return Err(invalid_config("room", message));
        };
        let shared = handles.shared.clone();
        let doors = room.attach(
            Box::new(SoundInput {
                writer,
                shared: shared.clone(),
            }),
            Box::new(SoundOutput { reader, shared }),
        );
        let taken = doors.as_ref().ok().copied();
        // Where the room takes no doors the call goes, and by that it ends.
        let call = Call::new(handles, InputWriter::Room, None, taken, clock);
        doors.map(|_| call)
    }

    /// Joins a room; see the stub.
    #[pyo3(signature = (
        bell, *, url, token, auto_subscribe, connect_timeout_ms, media_timeout_ms, reconnect, renews_token, epoch_ms,
        seed, user_agent, ca_pem=None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword-only, and each is one option of the room"
    )]
    fn join_room(
        &self,
        py: Python<'_>,
        bell: &Bell,
        url: String,
        token: String,
        auto_subscribe: bool,
        connect_timeout_ms: u32,
        media_timeout_ms: u32,
        reconnect: bool,
        renews_token: bool,
        epoch_ms: i64,
        seed: u64,
        user_agent: String,
        ca_pem: Option<Vec<u8>>,
    ) -> PyResult<Room> {
        let config = RoomConfig {
            auto_subscribe,
            connect_timeout_ms,
            media_timeout_ms,
            reconnect,
            renews_token,
            epoch_ms,
            ..RoomConfig::new(url, Secret::new(token), seed)
        };
        let events = bell.bell.clone();
        // A key pair is made for the first room of the process: not while the interpreter waits.
        detached(py, || {
            self.with_host(|host| host.join(config, events, user_agent, ca_pem.as_deref()))
        })??
    }

    #[getter]
    fn sessions(&self) -> PyResult<usize> {
        self.with_host(|host| host.sessions())
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        self.with_host(|host| -> PyResult<()> {
            stats.set_item("sessions", host.sessions())?;
            stats.set_item("healthy", host.is_healthy())?;
            stats.set_item("calls_refused", self.refused.load(Ordering::Relaxed))?;
            let shards: PyResult<Vec<_>> = host
                .counters()
                .map(|shard| shard_stats(py, shard))
                .collect();
            stats.set_item("shards", shards?)
        })??;
        stats.set_item("cgroup", cgroup_stats(py)?)?;
        Ok(stats)
    }

    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let host = lock(self.host.get()?).take();
        // Joins the shards: they never take the interpreter, so this ends within a tick.
        detached(py, || host.map_or((), Host::stop))
    }
}

impl Engine {
    fn hosted_by(host: Host, has_silero: bool) -> Self {
        Self {
            host: OfProcess::new(Mutex::new(Some(host))),
            has_silero,
            opened: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// What calls and loops of this engine are timed by.
    pub(crate) fn clock(&self) -> PyResult<Clock> {
        self.with_host(|host| host.clock())
    }

    fn with_host<T>(&self, work: impl FnOnce(&mut Host) -> T) -> PyResult<T> {
        lock(self.host.get()?)
            .as_mut()
            .map(work)
            .ok_or_else(|| invalid_state("the engine was stopped"))
    }
}

fn check_max_sessions(field: &str, max_sessions: usize) -> PyResult<()> {
    if (1..=100_000).contains(&max_sessions) {
        return Ok(());
    }
    let message = format!("{field} is {max_sessions}, allowed is 1 to 100000");
    Err(invalid_config(field, message))
}

fn model_of(silero: Option<&[u8]>) -> PyResult<Option<Arc<Silero>>> {
    let model = silero.map(Silero::from_safetensors).transpose();
    model.map(|model| model.map(Arc::new)).map_err(|why| {
        error(
            "model_load_failed",
            format!("Silero's weights: {why}"),
            "vad",
        )
    })
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
