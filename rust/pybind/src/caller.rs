//! Light callers, for `beluga_voice.testing`.

use crate::buffer::{Pcm, to_bytes};
use crate::error::{error, invalid_config, invalid_state};
use crate::gate::detached;
use crate::lock::lock;
use crate::of_process::OfProcess;
use beluga_caller::{
    CallerConfig, Heard, Hearing, Kept, Silence, TapeError, Voice, caller, replay,
};
use beluga_codec::{CodecError, OpusEncoderConfig};
use beluga_engine::{Bell, DelayBounds, PacketSink, PacketSource};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::{Arc, Mutex, MutexGuard};

/// A quarter of an hour of packets.
const MAX_KEPT_PACKETS: usize = 45_000;

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Tape(Arc<beluga_caller::Tape>);

#[pymethods]
impl Tape {
    #[new]
    #[pyo3(signature = (pcm, *, sample_rate, complexity=5, bitrate_bps=24_000))]
    fn new(
        py: Python<'_>,
        pcm: Pcm,
        sample_rate: u32,
        complexity: u8,
        bitrate_bps: u32,
    ) -> PyResult<Self> {
        let config = OpusEncoderConfig {
            sample_rate_hz: sample_rate,
            complexity,
            bitrate_bps,
        };
        detached(py, || beluga_caller::Tape::encode(&pcm.0, config))?
            .map(|tape| Self(Arc::new(tape)))
            .map_err(|why| invalid_config(tape_field(&why), why))
    }

    #[getter]
    fn frames(&self) -> u64 {
        self.0.frames()
    }

    #[getter]
    fn voice_us(&self) -> Option<(u64, u64)> {
        self.0.voice_us().map(|voice| (voice.start, voice.end))
    }
}

/// The argument that a tape was refused for.
fn tape_field(refused: &TapeError) -> &'static str {
    match refused {
        TapeError::Codec(CodecError::InvalidConfig { field, .. }) if *field == "sample_rate_hz" => {
            "sample_rate"
        }
        TapeError::Codec(CodecError::InvalidConfig { field, .. }) => field,
        _ => "bitrate_bps",
    }
}

/// See the stub.
///
/// The lock is held by Python's threads alone: the shard never waits for it.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Caller {
    caller: OfProcess<Mutex<beluga_caller::Caller>>,
    sampled: Option<Mutex<Sampled>>,
    doors: (u32, u32),
}

/// What a sampled caller has heard from the beginning, as far as it is kept.
struct Sampled {
    hearing: Hearing,
    packets: Vec<Kept>,
    most: usize,
    /// The voice that was heard last.
    last: Option<Voice>,
}

impl Sampled {
    /// Takes what came since the last time; what shows with it.
    fn listen(&mut self, caller: &mut beluga_caller::Caller) -> Vec<Heard> {
        let mut news = Vec::new();
        while self.packets.len() < self.most
            && let Some(kept) = caller.kept()
        {
            self.hearing.take(&kept, &mut |heard| news.push(heard));
            self.packets.push(kept);
            self.last = self.hearing.open().or(self.last);
        }
        news
    }
}

impl Caller {
    /// A caller; `attach` gives his ends to the room.
    pub(crate) fn open(
        bell: Bell,
        quiet: &Tape,
        silence: &str,
        kept_packets: usize,
        attach: impl FnOnce(Box<dyn PacketSink>, Box<dyn PacketSource>) -> PyResult<(u32, u32)>,
    ) -> PyResult<Self> {
        let silence = match silence {
            "dtx" => Silence::Dtx,
            "continuous" => Silence::Continuous,
            other => {
                let message = format!("silence is '{other}', allowed is 'dtx' or 'continuous'");
                return Err(invalid_config("silence", message));
            }
        };
        if kept_packets > MAX_KEPT_PACKETS {
            let message =
                format!("kept_packets is {kept_packets}, allowed is 0 to {MAX_KEPT_PACKETS}");
            return Err(invalid_config("kept_packets", message));
        }
        let config = CallerConfig {
            silence,
            kept_packets,
            quiet: quiet.0.clone(),
        };
        let (caller, mouth, ear) = caller(config, bell);
        let sampled = (kept_packets > 0)
            .then(Hearing::new)
            .transpose()
            .map_err(|why| error("internal_error", why, ""))?
            .map(|hearing| Sampled {
                hearing,
                packets: Vec::new(),
                most: kept_packets,
                last: None,
            });
        let doors = attach(Box::new(ear), Box::new(mouth))?;
        Ok(Self {
            caller: OfProcess::new(Mutex::new(caller)),
            sampled: sampled.map(Mutex::new),
            doors,
        })
    }

    fn lock(&self) -> PyResult<MutexGuard<'_, beluga_caller::Caller>> {
        Ok(lock(self.caller.get()?))
    }
}

#[pymethods]
impl Caller {
    #[getter]
    fn doors(&self) -> (u32, u32) {
        self.doors
    }

    fn say(&self, tape: &Tape) -> PyResult<()> {
        self.lock()?.say(tape.0.clone()).map_err(invalid_state)
    }

    #[pyo3(signature = (tape, *, first_us, every_us))]
    fn repeat(&self, tape: &Tape, first_us: u64, every_us: u64) -> PyResult<()> {
        self.lock()?
            .repeat(tape.0.clone(), first_us, every_us)
            .map_err(invalid_state)
    }

    fn hush(&self) -> PyResult<()> {
        self.lock()?.hush().map_err(invalid_state)
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Vec<(&'static str, Bound<'py, PyDict>)>> {
        let mut news = Vec::new();
        let mut caller = self.lock()?;
        while let Some(said) = caller.said() {
            let shown = PyDict::new(py);
            shown.set_item("first_us", said.first_us)?;
            shown.set_item("last_us", said.last_us)?;
            shown.set_item("cut", said.cut)?;
            news.push(("said", shown));
        }
        let by_size: Vec<_> = std::iter::from_fn(|| caller.heard()).collect();
        let heard = match &self.sampled {
            Some(sampled) => lock(sampled).listen(&mut caller),
            None => by_size,
        };
        for heard in heard {
            let shown = PyDict::new(py);
            let name = match heard {
                Heard::Began(us) => {
                    shown.set_item("first_us", us)?;
                    "voice_began"
                }
                Heard::Ended(voice) => {
                    shown.set_item("first_us", voice.first_us)?;
                    shown.set_item("last_us", voice.last_us)?;
                    shown.set_item("packets", voice.packets)?;
                    shown.set_item("gaps", voice.gaps)?;
                    "voice_ended"
                }
            };
            news.push((name, shown));
        }
        Ok(news)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = self.lock()?.counters.clone();
        let shown = PyDict::new(py);
        for (name, counter) in [
            ("frames", &counters.frames),
            ("frames_skipped", &counters.frames_skipped),
            ("packets_said", &counters.packets_said),
            ("turns_said", &counters.turns_said),
            ("packets_heard", &counters.packets_heard),
            ("packets_expected", &counters.packets_expected),
            ("packets_voiced", &counters.packets_voiced),
            ("news_dropped", &counters.news_dropped),
            ("kept_dropped", &counters.kept_dropped),
        ] {
            shown.set_item(name, counter.get())?;
        }
        let last = match &self.sampled {
            Some(sampled) => lock(sampled).last.map(|v| (v.last_us, v.packets, v.gaps)),
            None => counters.last_voice(),
        };
        shown.set_item("last_voice", last)?;
        Ok(shown)
    }

    /// Samples, when the first was heard, frames made up, packets of no use.
    fn replay<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, u64, u64, u64)> {
        self.caller.get()?;
        let replayed = detached(py, || {
            let packets = self
                .sampled
                .as_ref()
                .map(|sampled| lock(sampled).packets.clone());
            replay(&packets.unwrap_or_default(), DelayBounds::default())
        })?
        .map_err(|why| error("internal_error", why, ""))?;
        Ok((
            PyBytes::new(py, &to_bytes(&replayed.samples)),
            replayed.began_us,
            replayed.concealed_frames,
            replayed.dropped_packets,
        ))
    }
}
