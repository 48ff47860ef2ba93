//! An emulated network, for `beluga_voice.testing`.

use crate::error::invalid_config;
use crate::lock::lock;
use beluga_sim::{
    Bottleneck, Conditions, GilbertElliott, Jitter, Network, Pauses, Profile, RTP_HEADERS_BYTES,
    Reordering,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::{Mutex, MutexGuard};

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct NetworkEmulator(Mutex<Network<RtpPacket>>);

#[derive(Debug, Clone)]
struct RtpPacket {
    payload: Vec<u8>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

/// An RTP packet with its sequence number, timestamp and SSRC, and when it was sent and arrived.
type Delivered<'py> = (Bound<'py, PyBytes>, u16, u32, u32, u64, u64);

#[pymethods]
impl NetworkEmulator {
    #[new]
    #[pyo3(signature = (
        *, seed, delay=0.0, jitter_median=0.0, jitter_sigma=0.0, jitter_correlation=0.0, good_to_bad=0.0,
        bad_to_good=0.0, loss_in_good=0.0, loss_in_bad=0.0, duplicate=0.0, reordering=0.0, detour=0.0, stall_gap=0.0,
        stall_shortest=0.0, stall_longest=0.0, bits_per_s=0, queue_bytes=0
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword-only, and each is one field of the conditions"
    )]
    fn new(
        seed: u64,
        delay: f64,
        jitter_median: f64,
        jitter_sigma: f64,
        jitter_correlation: f64,
        good_to_bad: f64,
        bad_to_good: f64,
        loss_in_good: f64,
        loss_in_bad: f64,
        duplicate: f64,
        reordering: f64,
        detour: f64,
        stall_gap: f64,
        stall_shortest: f64,
        stall_longest: f64,
        bits_per_s: u64,
        queue_bytes: u64,
    ) -> PyResult<Self> {
        let conditions = Conditions {
            delay_us: to_us("delay", delay)?,
            jitter: Jitter {
                median_us: to_us("jitter_median", jitter_median)?,
                sigma: jitter_sigma,
                correlation: jitter_correlation,
            },
            loss: GilbertElliott {
                good_to_bad,
                bad_to_good,
                loss_in_good,
                loss_in_bad,
            },
            duplicate,
            reordering: Reordering {
                probability: reordering,
                detour_us: to_us("detour", detour)?,
            },
            stalls: Pauses {
                mean_gap_us: to_us("stall_gap", stall_gap)?,
                shortest_us: to_us("stall_shortest", stall_shortest)?,
                longest_us: to_us("stall_longest", stall_longest)?,
            },
            bottleneck: (bits_per_s > 0).then_some(Bottleneck {
                bits_per_s,
                queue_bytes,
            }),
        };
        Network::new(conditions, seed)
            .map(|network| Self(Mutex::new(network)))
            .map_err(|wrong| invalid_config(wrong.field, wrong))
    }

    fn push(&self, now_us: u64, payload: &[u8], sequence: u16, timestamp: u32, ssrc: u32) {
        let packet = RtpPacket {
            payload: payload.to_vec(),
            sequence,
            timestamp,
            ssrc,
        };
        self.lock()
            .push(now_us, payload.len() + RTP_HEADERS_BYTES, packet);
    }

    fn pop<'py>(&self, py: Python<'py>, now_us: u64) -> Option<Delivered<'py>> {
        let delivered = self.lock().pop(now_us)?;
        let packet = delivered.payload;
        Some((
            PyBytes::new(py, &packet.payload),
            packet.sequence,
            packet.timestamp,
            packet.ssrc,
            delivered.sent_us,
            delivered.arrival_us,
        ))
    }

    #[getter]
    fn next_due_us(&self) -> Option<u64> {
        self.lock().next_due_us()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.lock().stats();
        let shown = PyDict::new(py);
        for (name, count) in [
            ("sent", stats.sent),
            ("delivered", stats.delivered),
            ("lost", stats.lost),
            ("duplicated", stats.duplicated),
            ("reordered", stats.reordered),
            ("queue_drops", stats.queue_drops),
            ("in_flight_drops", stats.in_flight_drops),
            ("held", stats.held),
        ] {
            shown.set_item(name, count)?;
        }
        Ok(shown)
    }
}

impl NetworkEmulator {
    fn lock(&self) -> MutexGuard<'_, Network<RtpPacket>> {
        lock(&self.0)
    }
}

/// The named networks: the arguments that make each.
#[pyfunction]
pub(crate) fn network_profiles(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let profiles = PyDict::new(py);
    for profile in Profile::ALL {
        let Conditions {
            delay_us,
            jitter,
            loss,
            duplicate,
            reordering,
            stalls,
            bottleneck,
        } = profile.conditions();
        let shown = PyDict::new(py);
        for (name, value) in [
            ("delay", to_s(delay_us)),
            ("jitter_median", to_s(jitter.median_us)),
            ("jitter_sigma", jitter.sigma),
            ("jitter_correlation", jitter.correlation),
            ("good_to_bad", loss.good_to_bad),
            ("bad_to_good", loss.bad_to_good),
            ("loss_in_good", loss.loss_in_good),
            ("loss_in_bad", loss.loss_in_bad),
            ("duplicate", duplicate),
            ("reordering", reordering.probability),
            ("detour", to_s(reordering.detour_us)),
            ("stall_gap", to_s(stalls.mean_gap_us)),
            ("stall_shortest", to_s(stalls.shortest_us)),
            ("stall_longest", to_s(stalls.longest_us)),
        ] {
            shown.set_item(name, value)?;
        }
        shown.set_item("bits_per_s", bottleneck.map_or(0, |link| link.bits_per_s))?;
        shown.set_item("queue_bytes", bottleneck.map_or(0, |link| link.queue_bytes))?;
        profiles.set_item(profile.name(), shown)?;
    }
    Ok(profiles)
}

fn to_us(field: &str, seconds: f64) -> PyResult<u64> {
    if (0.0..=3_600.0).contains(&seconds) {
        return Ok((seconds * 1e6).round() as u64);
    }
    Err(invalid_config(
        field,
        format!("{field} is {seconds}; allowed: 0 to 3600 seconds"),
    ))
}

fn to_s(us: u64) -> f64 {
    us as f64 / 1e6
}
